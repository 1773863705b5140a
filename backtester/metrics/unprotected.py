"""Positions whose protection was not there, or that were turned: notices of stops, groups and flips.

position_flipped             a fill turned a long position short or a short one long
stop_never_in_place          a stop or take-profit was refused as it was placed: it protected nothing
stop_refused                 a stop or take-profit fired and was refused, for lack of margin for instance
oco_partial                  one of a group was done in part, which cancelled another: the rest is unprotected
trailing_active_from_start   the activation price of a trailing stop was passed already at the start
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from backtester.config.values import Instant
from backtester.engine import spec
from backtester.enums import CONDITIONAL, OrderReason, OrderStatus, OrderType, PriceSeries, TriggerRounding
from backtester.metrics.names import Names
from backtester.report.executions import OrderReport
from backtester.report.flags import Flag
from backtester.report.records import Notice
from backtester.report.text import price, size, when, word
from backtester.run.result import ACTUAL, RunResult


class _Flip:
    """What an order or a plan did to a position: when it turned it, and what it opened on the other side since."""

    def __init__(self, ts: int, number: int) -> None:
        self.ts, self.number, self.opened = ts, number, 0


def flips(result: RunResult, names: Names) -> Iterator[Notice]:
    """A position of 0 keeps the side it had: closed by one order and opened the other way by another is a flip, too."""
    held = result.state.positions["lots_start"].tolist()
    sides = [_sign(lots) for lots in held]
    found: dict[tuple[int, int, int], _Flip] = {}
    fills = result.fills[result.fills["world"] == ACTUAL]
    for ts, position, number, side, lots in zip(
        *(fills[name].tolist() for name in ("ts", "position", "order", "side", "lots")), strict=True
    ):
        before, after = held[position], held[position] + side * lots
        held[position] = after
        if number >= 0 and after * side > 0:
            author = (position, int(result.state.orders[number]["plan"]), number)
            key = (position, author[1], -1) if author[1] >= 0 else author
            if sides[position] * after < 0:
                found.setdefault(key, _Flip(ts, number))
            if key in found:
                found[key].opened += after * side - max(before * side, 0)
        sides[position] = _sign(after) or sides[position]
    for (position, plan, _), flip in found.items():
        yield _flip(result, names, position, plan, flip)


def _flip(result: RunResult, names: Names, position: int, plan: int, flip: _Flip) -> Notice:
    order = result.state.orders[flip.number]
    author = names.order(flip.number) if plan < 0 else names.plan(plan)
    account, symbol = names.account(int(order["account"])), names.symbol(position)
    old, new = ("short", "long") if order["side"] > 0 else ("long", "short")
    ts, opened = Instant(flip.ts), names.grid(position).size(flip.opened)
    at = when(ts, Instant(result.start_ts))
    text = f"{author} turned {account} {symbol} from {old} to {new} at {at}: it opened {size(opened)}, not reduce_only"
    return Notice(Flag.POSITION_FLIPPED, ts, account, symbol, (author,), opened, text)


def refused_stops(result: RunResult, orders: Sequence[OrderReport]) -> Iterator[Notice]:
    """Stops and take-profits that were refused as they were placed, or as they fired: they protected nothing."""
    start = Instant(result.start_ts)
    return (_refused(each, start) for each in orders if _is_refused_stop(each))


def _is_refused_stop(order: OrderReport) -> bool:
    return order.type in CONDITIONAL and order.status is OrderStatus.REJECTED


def _refused(order: OrderReport, start: Instant) -> Notice:
    """A stop or take-profit that was refused as it was placed, or as it fired: either way it protected nothing."""
    told = f"{word(order.type.name.lower())}, {order.side.name.lower()} {size(order.size)}{_condition(order)}"
    at, why = when(order.done_ts, start), word(order.reason.name.lower())
    if order.trigger_ts is None:
        flag, fate = Flag.STOP_NEVER_IN_PLACE, f"was never in place: refused at {at}, {why}"
    else:
        flag, fate = Flag.STOP_REFUSED, f"fired at {when(order.trigger_ts, start)} and was refused at {at}, {why}"
    text = f"{order.id} ({order.account} {order.symbol} {told}) {fate}"
    return Notice(flag, order.done_ts, order.account, order.symbol, (order.id,), order.size, text)


def _condition(order: OrderReport) -> str:
    """What an order waits for: its stop price; of a trailing one that was never active, its activation, if any."""
    if order.stop_price is not None:
        return f" at {price(order.stop_price)}"
    return "" if order.activation_price is None else f" from {price(order.activation_price)} on"


def half_done_groups(result: RunResult, names: Names) -> Iterator[Notice]:
    """Groups of which one order, done in part, cancelled the others."""
    for account, described in enumerate(result.world.accounts):
        groups: dict[int, list[int]] = {}
        for number, order in zip(result.index.orders[account], described.orders, strict=True):
            if order.oco >= 0:
                groups.setdefault(order.oco, []).append(number)
        for members in groups.values():
            yield from _half_done(result, names, members)


def _half_done(result: RunResult, names: Names, members: Sequence[int]) -> Iterator[Notice]:
    """The first of a group that went and was not done at once, while its position was still there to close."""
    table = result.state.orders
    gone = [number for number in members if table[number]["reason"] == OrderReason.OCO]
    went = [n for n in members if n not in gone and (table[n]["filled"] > 0 or table[n]["trigger_ts"] >= 0)]
    if not gone or not went:
        return
    first = table[went[0]]
    position, side = int(first["position"]), int(first["side"])
    ts = max(int(table[gone[0]]["done_ts"]), int(first["arrive_ts"]))
    fills = result.fills[(result.fills["world"] == ACTUAL) & (result.fills["ts"] <= ts)]
    here = fills[fills["position"] == position]
    filled = int(here["lots"][here["order"] == went[0]].sum())
    held = int(result.state.positions[position]["lots_start"]) + int((here["side"] * here["lots"]).sum())
    rest = min(int(first["lots"]) - filled, -side * held)
    if rest <= 0:
        return
    grid, account, symbol = names.grid(position), names.account(int(first["account"])), names.symbol(position)
    ids = [names.order(number) for number in (went[0], *gone)]
    done = f"{size(grid.size(filled))} of {size(grid.size(int(first['lots'])))}"
    at = when(Instant(ts), Instant(result.start_ts))
    later = int(first["done_ts"]) if first["status"] == OrderStatus.FILLED else -1
    until = f" until it filled the rest at {when(Instant(later), Instant(result.start_ts))}" if later >= 0 else ""
    text = (
        f"{ids[0]} ({account} {symbol}) filled {done} by {at} and cancelled {', '.join(ids[1:])}: "
        f"{size(grid.size(rest))} left unprotected{until}"
    )
    yield Notice(Flag.OCO_PARTIAL, Instant(ts), account, symbol, tuple(ids), grid.size(rest), text)


def trailing_from_start(result: RunResult, names: Names) -> Iterator[Notice]:
    """Of those on the mark that are armed at the start: the mark of that moment is known (RULES 4.5)."""
    for account, described in enumerate(result.world.accounts):
        for number, order in zip(result.index.orders[account], described.orders, strict=True):
            trails = order.type is OrderType.TRAILING_STOP and order.activation_tick > 0
            if trails and order.trigger_by is PriceSeries.MARK and _is_armed_at_start(order, result.start_ts):
                yield from _active_at_once(result, names, number, order)


def _active_at_once(result: RunResult, names: Names, number: int, order: spec.Order) -> Iterator[Notice]:
    row = result.state.orders[number]
    position = int(row["position"])
    mark = float(result.state.positions[position]["mark_start"])
    was_active = row["peak"] >= 0  # never of one that the venue refused
    if not was_active or order.side * (_mark_tick(result, int(row["market"]), mark) - order.activation_tick) > 0:
        return
    grid, account, symbol = names.grid(position), names.account(int(row["account"])), names.symbol(position)
    text = (
        f"{order.id} ({account} {symbol}): its activation price {price(grid.price(order.activation_tick))} was passed "
        f"already (mark {price(mark)}): active from the start"
    )
    start = Instant(result.start_ts)
    yield Notice(Flag.TRAILING_ACTIVE_FROM_START, start, account, symbol, (order.id,), grid.size(order.lots), text)


def _is_armed_at_start(order: spec.Order, start_ts: int) -> bool:
    return order.parent < 0 and order.at_ns <= start_ts


def _mark_tick(result: RunResult, market: int, mark: float) -> int:
    """A mark in ticks, rounded as the venue's triggers do (RULES 4.1)."""
    row = result.market.markets[market]
    rounds_down = result.market.rules[row["rules"]]["trigger_rounding"] == TriggerRounding.DOWN
    tick_size = float(result.market.instruments[row["instrument"]]["tick_size"])
    return math.floor(mark / tick_size + (1e-6 if rounds_down else 0.5))


def _sign(lots: int) -> int:
    return (lots > 0) - (lots < 0)
