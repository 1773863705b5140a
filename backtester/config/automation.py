"""What sends the orders of an account's guards, and its limits (RULES 11.6).

[accounts.automation]
kill = {empty = 5, loss = 10_000, resume_after = "10m"}
stale = "5s"
collar = {bound = "2%", against = "index"}
max_order = 250_000
max_notional = "40%"
max_orders = 20
window = "60s"
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from backtester.bounds import LARGEST_AMOUNT
from backtester.config.lines import Place
from backtester.config.tables import Table
from backtester.config.toml import Fault, Record
from backtester.config.values import Percent, is_number, one_of, parse_clock_ns, parse_duration_ns, parse_percent
from backtester.enums import PriceSeries

#: So many orders within a window can be asked for.
MOST_ORDERS = 1000
Quote = Annotated[float, Field(gt=0, lt=LARGEST_AMOUNT, allow_inf_nan=False)]
Duration = Annotated[int, PlainValidator(parse_duration_ns)]
Span = Annotated[int, PlainValidator(parse_clock_ns)]


def parse_budget(value: Any) -> float | Percent:
    """Notional in quote currency above 0, or `"40%"` of all there is. Raises ValueError."""
    if is_number(value) and 0 < value < LARGEST_AMOUNT:
        return float(value)
    if value == "100%":
        return Percent(1.0)
    try:
        return parse_percent(value)
    except ValueError:
        raise ValueError('expected a notional above 0, or a share of all there is such as "40%"') from None


class Kill(Record):
    """When all of it is halted; without a time for ever."""

    empty: Annotated[int, Field(ge=1)] | None = None  # orders of one guard in a row that end without a fill
    loss: Quote | None = None  # of its fills against the marks at which they were decided, with fees
    resume_after_ns: Span | None = None


class Collar(Record):
    """How far the mark may be from another price."""

    bound: Annotated[Percent, PlainValidator(parse_percent)]
    against: Annotated[PriceSeries, PlainValidator(one_of(index=PriceSeries.INDEX, last=PriceSeries.LAST))] = (
        PriceSeries.INDEX
    )


class Automation(Record):
    """What sends the orders of an account's guards, and its limits."""

    reaction_ns: Duration = 200 * 10**6  # what it takes to decide
    window_ns: Span = 60 * 10**9  # of max_notional and max_orders
    kill: Kill | None = None
    stale_ns: Span | None = None  # how old what it sees may be
    collar: Collar | None = None
    max_order: Quote | None = None  # notional of one order
    max_notional: Annotated[float | Percent, PlainValidator(parse_budget)] | None = None  # sent within the window
    max_orders: Annotated[int, Field(ge=1, le=MOST_ORDERS)] = 20  # the same in orders


def automation_faults(account: Table, place: Place) -> Iterator[Fault]:
    """A switch that nothing throws."""
    automation = account.get("automation")
    kill = automation.get("kill") if isinstance(automation, dict) else None
    if isinstance(kill, dict) and kill.keys() <= {"resume_after"}:
        yield Fault(
            (*place, "automation", "kill"), "nothing throws this switch", "say empty = 5, loss = 10_000 or both"
        )
