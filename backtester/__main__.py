"""The program: `backtester`, or `python -m backtester`."""

import sys

from backtester.cli.signals import interruptible


def main() -> int:
    """Run the command line of this process. Importing it takes a while, in which it can be interrupted too."""
    with interruptible() as interruption:
        try:
            from backtester.cli import app
        except KeyboardInterrupt:
            return interruption.exit_code
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
