"""What a venue does not take of an order, as far as it is known before the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from backtester.config.portfolio import Order
from backtester.config.values import Percent
from backtester.engine import spec
from backtester.engine.orders.arrival import HAIR
from backtester.enums import Held, OrderType
from backtester.run.resolve_values import Values

#: Order types without a trigger.
PLAIN = (OrderType.MARKET, OrderType.LIMIT)
_YOURSELF = 'watch it yourself: held = "client"'


class Refusal(NamedTuple):
    """A key of an order that the venue does not take, and why."""

    key: str
    message: str
    hint: str = ""


def refusals(order: Order, made: spec.Order, market: int, values: Values) -> Iterator[Refusal]:
    """All of an order, `made` for the engine. A trigger that the client watches is not the venue's business."""
    yield from _of_time_in_force(order, values)
    if order.type not in PLAIN and order.held is Held.VENUE:
        yield from _of_trigger(order, values)
    yield from _of_size(order, made, market, values)


def _of_time_in_force(order: Order, values: Values) -> Iterator[Refusal]:
    taken, tif = values.profile.rules.times_in_force, order.tif.name.lower()
    if order.price is not None and tif not in taken:
        yield Refusal("tif", f"{values.profile.id} has no time in force {tif}", f"it takes {', '.join(taken)}")


def _of_trigger(order: Order, values: Values) -> Iterator[Refusal]:
    rules, venue, trails = values.profile.rules, values.profile.id, order.type is OrderType.TRAILING_STOP
    if trails and "trailing_stop" not in rules.services:
        yield Refusal("type", f"{venue} has no trailing stops", _YOURSELF)
        return
    if trails and not _is_rate_within(order.callback, rules.callback_min, rules.callback_max):
        limits = f"a rate from {rules.callback_min * 100:g} % to {rules.callback_max * 100:g} %"
        yield Refusal("callback", f"{venue} takes {limits}", _YOURSELF)
    if (series := order.trigger_by.name.lower()) not in rules.trigger_series:
        offered = " or ".join(rules.trigger_series)
        yield Refusal("trigger_by", f"{venue} triggers on {offered}, not on {series}", _YOURSELF)


def _is_rate_within(callback: Percent | float | None, least: float, most: float) -> bool:
    """Whether a venue trails at this distance. Example: from 0.1 to 10 % it takes "1%" and not 250.0; to 0: any."""
    return most == 0.0 or (isinstance(callback, Percent) and least <= callback.fraction <= most)


def _of_size(order: Order, made: spec.Order, market: int, values: Values) -> Iterator[Refusal]:
    """An order below the venue's smallest notional (RULES 3.1)."""
    sizes, instrument = values.resolved.data.markets[market], values.instrument(market)
    least = sizes.min_close_quote if made.reduce_only else sizes.min_order_quote
    price = judged_price(order, made, instrument.tick_size, values.mark(market))
    notional = abs(values.worth(made.lots, market, price))
    if price > 0.0 and made.lots > 0 and notional < least * (1.0 - HAIR):
        at = f"{notional:,.10g} {instrument.quote} at {price:,.10g}"
        yield Refusal("size", f"{at}, the smallest order of {values.profile.id} is {least:,.10g}")


def judged_price(order: Order, made: spec.Order, tick_size: float, mark: float) -> float:
    """The price by which the venue judges the size of an order; 0: only its arrival shows it.

    Its limit; the mark, if it is a market order that works at the start; of a trigger that the venue holds its price,
    of a trailing stop the one from which it is active, at the latest now.
    """
    if made.limit_tick > 0:
        return made.limit_tick * tick_size
    if order.type is OrderType.MARKET:
        return mark if order.at is None and order.parent is None else 0.0
    if order.held is Held.CLIENT:
        return 0.0
    return (made.trigger_tick or made.activation_tick) * tick_size or mark
