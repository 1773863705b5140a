"""What happened, in the order of time: a line for everything that changed what a portfolio held or owed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from backtester.config.values import Instant
from backtester.enums import GuardEvent, LiquidationStage, OrderReason, Side
from backtester.report.contagion import dragged
from backtester.report.execution_sheets import apart
from backtester.report.executions import OrderReport, PlanReport
from backtester.report.guard_words import LIMITS, guard_words
from backtester.report.phases import stories, told
from backtester.report.records import Cell, LiquidationReport
from backtester.report.text import bps, clock, money, percent, pool_name, price, signed, size, word

#: So many lines of a timeline that is told in brief may say the same.
MOST_ALIKE = 3

#: What guards do that no other line tells.
_TOLD = (GuardEvent.ALERT, GuardEvent.PASSED, GuardEvent.CANCEL, GuardEvent.PAUSE)
_DID = {Side.SELL: "sold", Side.BUY: "bought", Side.NONE: "traded"}


class Event(NamedTuple):
    """One line of a timeline; `kind` is phase, topup, order, stop, funding, guard, breach or liquidation.

    Events of the same `like` say the same again, with other figures; "": like no other.
    """

    ts: Instant
    kind: str
    text: str
    like: str = ""


def timeline(cell: Cell) -> list[Event]:
    """Everything that happened, of one moment in the order in which it came about: a breach before what it leads to."""
    events = [
        *_phases(cell),
        *_last_moments(cell),
        *_funding(cell),
        *_guards(cell),
        *_breaches(cell),
        *map(_liquidation, cell.liquidations),
        *_orders(cell),
        *_plans(cell),
    ]
    return sorted(events, key=lambda event: event.ts.ts_ns)


def folded(events: Sequence[Event]) -> list[Event]:
    """Of more than MOST_ALIKE events that are alike the first alone, with how many follow it until when."""
    alike: dict[str, list[Event]] = {}
    for event in events:
        alike.setdefault(event.like, []).append(event)
    many = {like: same for like, same in alike.items() if like and len(same) > MOST_ALIKE}
    left = [event for event in events if event.like not in many or event is many[event.like][0]]
    return [_with_rest(event, many.get(event.like, [])) for event in left]


def _with_rest(event: Event, alike: Sequence[Event]) -> Event:
    """Example: guard low-buffer alerts: buffer < 10_000, sees 8,432.10; 7 more until 21:20:24."""
    if not alike:
        return event
    return event._replace(text=f"{event.text}; {len(alike) - 1} more until {clock(alike[-1].ts)}")


def _phases(cell: Cell) -> Iterator[Event]:
    """Example: the venue refuses orders and cancels, until 21:29:04."""
    for story in stories(cell.phases):
        first, last = story[0], story[-1]
        whose = f"{first.symbol}: " if first.symbol else ""
        until = f", until {clock(last.end_ts)}" if last.end_ts != cell.end_ts else ", to the end"
        yield Event(first.start_ts, "phase", f"{whose}{told(story)}{until}")


def _funding(cell: Cell) -> Iterator[Event]:
    """All accounts in one line. Example: funding: main −26.89, hedge +2.10."""
    for ts, payments in groupby(cell.funding, key=lambda each: each.ts):
        sums: dict[str, list[float]] = {}
        for each in payments:
            sums.setdefault(each.account, []).append(each.amount)
        told = ", ".join(f"{account} {signed(math.fsum(amounts))}" for account, amounts in sums.items())
        yield Event(ts, "funding", f"funding: {told}")


def _guards(cell: Cell) -> Iterator[Event]:
    """Alerts, those that were withdrawn, cancels, and what limits held back: orders of guards tell themselves."""
    for each in cell.actions:
        if each.event in _TOLD or each.limit in LIMITS:
            like = f"{each.account} {each.guard} {each.event.name} {each.limit.name} {each.position}"
            yield Event(each.ts, "guard", guard_words(cell, each), like)


def _last_moments(cell: Cell) -> Iterator[Event]:
    """Example: last moment for the top-up of main cross, 13,824.93. None is told that was shown from the start only.

    It may come behind the breach that was: a pool gets on for longer once others have their parts.
    """
    for account in cell.accounts:
        for pool in account.pools:
            by, breach = pool.required_topup_by, pool.breach_ts
            if pool.required_topup and by is not None and by != cell.start_ts:
                beside = ", had others had theirs" if breach is not None and breach.ts_ns < by.ts_ns else ""
                named = f"{account.name} {pool_name(pool.pool)}, {money(pool.required_topup)}{beside}"
                yield Event(by, "topup", f"last moment for the top-up of {named}")


def _breaches(cell: Cell) -> Iterator[Event]:
    """Which pool falls below maintenance, then which of its positions dragged it there."""
    for account in cell.accounts:
        for pool in account.pools:
            if pool.breach_ts is not None:
                yield Event(pool.breach_ts, "breach", f"{account.name} {pool_name(pool.pool)} falls below maintenance")
                yield from (Event(pool.breach_ts, "breach", text) for text in dragged(account.name, pool))


def _liquidation(each: LiquidationReport) -> Event:
    """Example: liquidation: main ETH, sold 15 of 15 at 3,619.90, +1.4 bps off the mark."""
    what = f"{each.account} {each.position}"
    if each.stage is LiquidationStage.TAKEOVER:
        at = "the mark" if each.vwap in (None, each.trigger_mark) else f"{price(each.vwap)}, the mark being"
        text = f"takeover: {what}, {size(each.size)} at {at} {price(each.trigger_mark)}; the venue keeps the margin"
        return Event(each.ts, "liquidation", text)
    done = f"{_DID[each.side]} {size(each.filled_size)} of {size(each.size)}"
    off = bps(apart(each.vwap, each.trigger_mark, each.side))
    at = f" at {price(each.vwap)}, {off} bps off the mark" if each.vwap is not None else ""
    return Event(each.ts, "liquidation", f"liquidation: {what}, {done}{at}")


def _orders(cell: Cell) -> Iterator[Event]:
    """An order as it fires or has filled, and as it ends with less than it was for. A plan's children are its own.

    Orders of one guard are alike, and those that end for the same reason.
    """
    guards = {(each.account, each.order): each.guard for each in cell.actions if each.order}
    for order in cell.orders:
        if order.plan is None:
            guard = guards.get((order.account, order.id))
            yield from _order(order, f"{order.account} {order.symbol} by {guard}" if guard else "")


def _order(order: OrderReport, filled_like: str) -> Iterator[Event]:
    if order.trigger_ts is not None:
        yield Event(order.trigger_ts, "stop", f"{order.id} fires at {price(order.trigger_price)}, {_came_to(order)}")
    elif order.fills:
        yield Event(order.fills[-1].ts, "order", f"{order.id} {_filled(order)}", filled_like)
    if order.done_ts is not None and order.filled_size < order.size and order.reason is not OrderReason.NONE:
        ended = _ended(order)
        yield Event(order.done_ts, "order", f"{order.id} {ended}", f"{order.account} {order.symbol} {ended}")


def _came_to(order: OrderReport) -> str:
    """Example: set at 109,945.00: sold 4 BTC at 109,785.74."""
    outcome = _filled(order) if order.fills else word(order.result or "nothing filled")
    return f"set at {price(order.stop_price)}: {outcome}"


def _filled(order: OrderReport) -> str:
    of = "" if order.filled_size == order.size else f" of {size(order.size)}"
    return f"{_DID[order.side]} {size(order.filled_size)}{of} {order.symbol} at {price(order.vwap)}"


def _ended(order: OrderReport) -> str:
    """Example: ends as cancelled: insufficient margin."""
    return f"ends as {word(order.status.name.lower())}: {word(order.reason.name.lower())}"


def _plans(cell: Cell) -> Iterator[Event]:
    for plan in cell.plans:
        if plan.start_ts is not None:
            yield Event(plan.start_ts, "order", f"plan {plan.id} begins: {_plan_size(plan)} by {plan.algo}")
        if plan.end_ts is not None and plan.start_ts is not None:
            yield Event(plan.end_ts, "order", f"plan {plan.id} {plan.status}: {_plan_filled(plan)}")


def _plan_size(plan: PlanReport) -> str:
    return f"{plan.side.name.lower()} {size(plan.size)} {plan.symbol}"


def _plan_filled(plan: PlanReport) -> str:
    share = percent(plan.filled_size / plan.size) if plan.size else "nothing"
    at = f" at {price(plan.vwap)}" if plan.vwap is not None else ""
    return f"{_DID[plan.side]} {size(plan.filled_size)} {plan.symbol}, {share}{at}"
