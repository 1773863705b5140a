"""What can go wrong, said in one line each: what, where, what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from backtester.texts import counted, message_line


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    GATE = 1
    USAGE = 2
    CONFIG = 3
    DATA = 4
    ENGINE = 5
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_OF = {
    "gate": ExitCode.GATE,
    "usage": ExitCode.USAGE,
    "config": ExitCode.CONFIG,
    "data": ExitCode.DATA,
    "engine": ExitCode.ENGINE,
    "disk": ExitCode.ENGINE,
}
#: What a disk says that takes no more, whatever is written: no option and no file of the user's mends it.
DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem. `code` is a key of EXIT_OF, `where` a file:line, row or name, `hint` the next thing to do."""

    code: str
    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        line = f"error[{self.code}] {message_line(self.where)}: {message_line(self.message)}"
        return f"{line}\n  hint: {message_line(self.hint)}" if self.hint else line


#: Problems that one error tells; the others are counted.
MOST_TOLD = 50


class BacktesterError(Exception):
    """Carries every problem found in one look, so that a user mends a file in one go."""

    def __init__(self, problems: Diagnostic | Iterable[Diagnostic]) -> None:
        self.diagnostics = (problems,) if isinstance(problems, Diagnostic) else tuple(problems)
        told, more = self.diagnostics[:MOST_TOLD], len(self.diagnostics[MOST_TOLD:])
        rest = [f"and {counted(more, 'problem')} more"] if more else []
        super().__init__("\n".join([*map(str, told), *rest]))

    @property
    def exit_code(self) -> ExitCode:
        """The code of the first problem."""
        return EXIT_OF[self.diagnostics[0].code]


class NotApplicable(BacktesterError):
    """A scenario that says nothing of a market: no fault where all scenarios were asked for."""


def config_error(where: str, message: str, hint: str = "") -> BacktesterError:
    """A portfolio, profile or scenario that cannot be used."""
    return BacktesterError(Diagnostic("config", where, message, hint))


def data_error(where: str, message: str, hint: str = "") -> BacktesterError:
    """A tape that is missing, incomplete or invalid."""
    return BacktesterError(Diagnostic("data", where, message, hint))


def usage_error(where: str, message: str, hint: str = "") -> BacktesterError:
    """A command line that cannot be meant."""
    return BacktesterError(Diagnostic("usage", where, message, hint))


def write_error(where: str, what: str, error: OSError, hint: str = "") -> BacktesterError:
    """What cannot be written: a fault of the disk, else of whoever named the place, to whom the hint speaks.

    Example: `error[disk] --output: cannot write a.json: No space left on device`.
    """
    code = "disk" if error.errno in DISK_FAULTS else "usage"
    reason = os.strerror(error.errno) if error.errno else str(error)
    if code == "disk":
        hint = "make room on that disk, or name a place on another"
    return BacktesterError(Diagnostic(code, where, f"{what}: {reason}", hint))


def engine_fault(where: str, message: str, hint: str = "") -> BacktesterError:
    """The engine contradicts itself or cannot go on."""
    return BacktesterError(Diagnostic("engine", where, message, hint))
