"""stdout and stderr that never end a run: one that is closed, full or left by its reader takes nothing more.

A result that did not reach stdout is told at the end (`lost`), unless its reader left early (`| head`) or there never
was one (`>&-`).
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys

from backtester.texts import replace_unencodable


class Outlet(io.TextIOWrapper):
    """A text stream on a file descriptor; when that fails it goes on as /dev/null, and `failure` says why."""

    failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write; what an encoding (LANG=C) does not have is replaced."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.failure = self.failure or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def open_streams() -> None:
    """Make stdout and stderr outlets; those of a caller in Python only learn to replace what they cannot encode."""
    codecs.register_error("plain", replace_unencodable)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (it stays open)
        elif type(stream) is io.TextIOWrapper:
            encoding, by_line = stream.encoding, stream.line_buffering
            setattr(sys, name, Outlet(stream.detach(), encoding, "plain", line_buffering=by_line))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def lost() -> OSError | None:
    """Why a part of the result did not reach stdout, after the last of it was written."""
    sys.stdout.flush()
    failure = sys.stdout.failure if isinstance(sys.stdout, Outlet) else None
    return None if failure is None or failure.errno == errno.EPIPE else failure
