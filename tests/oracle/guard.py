"""A guard as it stands between two looks (RULES 11.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from backtester.engine import spec
from backtester.enums import GuardEvent, Hold
from tests.oracle.records import GuardRow

if TYPE_CHECKING:
    from fractions import Fraction

    from tests.oracle.account import Account


class Looked(NamedTuple):
    """What a condition came to: None is UNKNOWN. `sides` are those of its first comparison that was true."""

    truth: bool | None
    sides: tuple[Fraction | float | None, Fraction | float | None] | None


@dataclass(eq=False)
class Guard:
    """`number` counts the guards of its world. `since` has the clocks of FOR: (of the second condition, its place)."""

    number: int
    spec: spec.Guard
    account: Account
    armed: bool = True
    fires: int = 0
    ready_ns: int | None = None  # end of its cool-down
    confirm_ns: int | None = None  # when it acts on a fire that waits
    held: Hold = Hold.NONE
    blind: int = 0
    since: dict[tuple[bool, int], int] = field(default_factory=dict)

    def note(self, t: int, event: GuardEvent, looked: Looked, held: Hold = Hold.NONE, order: int = -1) -> None:
        """A row."""
        seen, bound = looked.sides or (None, None)
        row = GuardRow(t, self.account.number, self.number, event, held, order, seen, bound)
        self.account.world.guard_events.append(row)
