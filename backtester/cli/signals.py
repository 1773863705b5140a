"""Ctrl-C and SIGTERM: the run ends, what it was writing is not there, the exit code is 128 + the signal's number."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from backtester.errors import ExitCode

SIGNALS = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class Interruption:
    """The signal that ended the run, None as long as none did."""

    signal: signal.Signals | None = None

    def arrive(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, once: who ends the run is not interrupted again."""
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self.signal = signal.Signals(number)
        raise KeyboardInterrupt

    @property
    def exit_code(self) -> ExitCode:
        """What a shell reports of a process that the signal ended."""
        return SIGNALS[self.signal or signal.SIGINT]


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Take both signals as an interruption inside of the block.

    Libraries turn a KeyboardInterrupt into errors of theirs, or print one that they cannot pass on: whoever holds the
    interruption asks it, not the exception, and nothing is printed.
    """
    interruption = Interruption()
    hook = sys.unraisablehook

    def quiet(unraisable: Any) -> None:
        if interruption.signal is None:
            hook(unraisable)

    sys.unraisablehook = quiet
    is_ours = threading.current_thread() is threading.main_thread()  # in another, signals are its owner's
    handlers = {number: signal.signal(number, interruption.arrive) for number in SIGNALS} if is_ours else {}
    try:
        yield interruption
    finally:
        sys.unraisablehook = hook
        if interruption.signal is None:
            for number, handler in handlers.items():
                signal.signal(number, handler)
