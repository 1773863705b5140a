"""The program: `backtester`, or `python -m backtester`."""

import os
import sys
from contextlib import suppress

from backtester.cli.signals import SIGNALS, interruptible


def main() -> int:
    """Run the command line of this process. Importing it takes a while, in which it can be interrupted too."""
    with interruptible() as interruption:
        try:
            from backtester.cli import app
        except KeyboardInterrupt:
            return interruption.exit_code
    code = app.main()
    if code in SIGNALS.values():
        _leave(code)
    return code


def _leave(code: int) -> None:
    """End the process at once: an end as usual waits for every thread, and one may want what another died with."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
