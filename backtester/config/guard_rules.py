"""What the guards of an account must say together with what it holds."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.config.conditions import Condition, Wrong, parse
from backtester.config.guard_actions import parse_action, scope_of
from backtester.config.guards import Holdings, holdings, understood
from backtester.config.lines import Place
from backtester.config.tables import Table, tables, text
from backtester.config.toml import Fault


def guard_faults(account: Table, place: Place) -> Iterator[Fault]:
    """What the conditions of an account's guards get wrong about it; malformed ones are left to the record."""
    held = holdings(account)
    for number, guard in tables(account, "guards"):
        here = (*place, "guards", number)
        when = _readable(text(guard, "when"))
        for key in ("when", "rearm"):
            if condition := _readable(text(guard, key)):
                try:
                    understood(condition, held)
                except Wrong as wrong:
                    yield Fault((*here, key), str(wrong), wrong.hint)
                    when = when if key == "rearm" else None
        yield from _action_faults(guard, when, held, here)


def _action_faults(guard: Table, when: Condition | None, held: Holdings, place: Place) -> Iterator[Fault]:
    """Actions that do not say what they are about; `when` can be read and understood."""
    stated = guard.get("do")
    if stated == []:
        yield Fault((*place, "do"), "expected at least one, was none")
    if when is None or not isinstance(stated, list):
        return
    for number, written in enumerate(stated):
        try:
            action = parse_action(written)
        except ValueError:
            continue
        try:
            scope_of(action, understood(when, held), held)
        except Wrong as wrong:
            yield Fault((*place, "do", number), str(wrong).partition(": ")[2], wrong.hint)


def _readable(written: str) -> Condition | None:
    """A condition, None where it cannot be read: the record says why."""
    try:
        return parse(written, clocks=True) if written and written != "always" else None
    except Wrong:
        return None
