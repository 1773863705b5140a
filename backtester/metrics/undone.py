"""Orders and plans that did less than they should, or more than their market would have let them.

left_open_without_depth      an order that closes found no more order book: its position stayed open to the end
liquidation_stuck            orders of the venue's liquidation filled nothing
order_not_sent               an order is due after the end of the run: it never was anywhere
plan_not_started             a plan begins after the end of the run
plan_unfinished              a plan did not do all of its size
participation_above_20_pct   a plan did more than a fifth of what the market traded meanwhile, or an order of what it
                             traded in the minutes around it: prices would have moved
participation_unknown        a plan filled where the tape does not show what the market traded: nobody judged its size
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from backtester.config.values import Instant
from backtester.enums import OrderReason
from backtester.metrics.impact_law import courses
from backtester.metrics.names import Names
from backtester.report.executions import ImpactLaw, OrderReport, PlanReport
from backtester.report.flags import Flag
from backtester.report.records import Notice
from backtester.report.text import bps, percent, size, when, word
from backtester.run.result import ACTUAL, RunResult
from backtester.texts import counted

#: Reasons that say nothing about why a child of a plan did less than it should.
_SILENT = (OrderReason.NONE, OrderReason.NOTHING_DUE)
#: Of the volume of the market. Assumed: the bound that desks give their own execution algorithms.
MOST_PARTICIPATION = 0.2
_UNTRADED = " while the market traded nothing"


def left_open(result: RunResult, names: Names, orders: Sequence[OrderReport]) -> Iterator[Notice]:
    """Orders of the user that ended where the ladder did, and what they should have closed was open at the end."""
    for order, told in _with_rows(result, names, orders):
        position, side = int(order["position"]), int(order["side"])
        rest = min(int(order["lots"] - order["filled"]), -side * int(result.state.positions[position]["lots"]))
        if told.plan is not None or told.reason is not OrderReason.BEYOND_VISIBLE_DEPTH or rest <= 0:
            continue
        left = names.grid(position).size(rest)
        text = (
            f"{told.id} ({told.account} {told.symbol}) found no more order book at "
            f"{when(told.done_ts, Instant(result.start_ts))}: {size(left)} stayed open to the end"
        )
        yield Notice(Flag.LEFT_OPEN_WITHOUT_DEPTH, told.done_ts, told.account, told.symbol, (told.id,), left, text)


def stuck_liquidations(result: RunResult, names: Names) -> Iterator[Notice]:
    """Positions of which orders of the venue's liquidation filled nothing: from when on, and what became of them."""
    rows = result.liquidations
    stuck = rows[(rows["world"] == ACTUAL) & (rows["filled"] == 0)]
    for position in dict.fromkeys(stuck["position"].tolist()):
        of_it = stuck[stuck["position"] == position]
        yield _stuck(result, names, position, Instant(int(of_it["ts"][0])), len(of_it))


def _stuck(result: RunResult, names: Names, position: int, ts: Instant, orders: int) -> Notice:
    row = result.state.positions[position]
    left, account, symbol = abs(int(row["lots"])), names.account(int(row["account"])), names.symbol(position)
    rest = names.grid(position).size(left)
    text = (
        f"{counted(orders, 'liquidation order')} of {account} {names.position(position)}, first at "
        f"{when(ts, Instant(result.start_ts))}, filled nothing: no order book within the limit, or the market halted; "
        f"{f'{size(rest)} stayed open to the end' if left else 'it was closed later'}"
    )
    return Notice(Flag.LIQUIDATION_STUCK, ts, account, symbol, (), rest, text)


def _with_rows(result: RunResult, names: Names, orders: Sequence[OrderReport]) -> Iterator[tuple[Any, OrderReport]]:
    """Each with its ORDER row."""
    written = chain.from_iterable(result.index.orders[account] for account in range(len(result.world.accounts)))
    return (
        (result.state.orders[number], told)
        for number, told in zip((*written, *names.made_in_actual), orders, strict=True)
    )


def orders_not_sent(result: RunResult, orders: Sequence[OrderReport]) -> Iterator[Notice]:
    """Those that have a time of their own; the children of plans go with their plan."""
    start, end = Instant(result.start_ts), Instant(result.end_ts)
    described = [order for account in result.world.accounts for order in account.orders]
    for order, told in zip(described, orders[: len(described)], strict=True):  # behind them: those that guards made
        if order.at_ns > result.end_ts and told.plan is None:
            kind, at = word(told.type.name.lower()), Instant(order.at_ns)
            text = (
                f"{told.id} ({told.account} {told.symbol} {kind}, {told.side.name.lower()} {size(told.size)}) is due "
                f"at {when(at, start)}, after the end of the run at {when(end, start)}: it was never sent"
            )
            yield Notice(Flag.ORDER_NOT_SENT, at, told.account, told.symbol, (told.id,), told.size, text)


def plans_not_started(result: RunResult, plans: Sequence[PlanReport]) -> Iterator[Notice]:
    """Plans of which no child was due before the end."""
    start = Instant(result.start_ts)
    for plan, due in zip(plans, _due_times(result), strict=True):
        if plan.start_ts is None:
            begins, ends = when(Instant(due[0]), start), when(Instant(result.end_ts), start)
            text = (
                f"plan {plan.id} ({plan.account} {plan.symbol}, {size(plan.size)}) begins at {begins}, after the end "
                f"of the run at {ends}: nothing was sent"
            )
            yield Notice(
                Flag.PLAN_NOT_STARTED, Instant(due[0]), plan.account, plan.symbol, (plan.id,), plan.unfilled_size, text
            )


def _due_times(result: RunResult) -> Iterator[list[int]]:
    """When the timed children of each plan are decided, in the order of the plans."""
    for described in result.world.accounts:
        for place in range(len(described.plans)):
            yield sorted(each.at_ns for each in described.orders if each.plan == place and each.at_ns >= 0)


def unfinished_plans(result: RunResult, orders: Sequence[OrderReport], plans: Sequence[PlanReport]) -> Iterator[Notice]:
    """Plans that began and left something undone."""
    return (_unfinished(result, each, orders) for each in plans if each.start_ts and each.unfilled_size > 0.0)


def _unfinished(result: RunResult, plan: PlanReport, orders: Sequence[OrderReport]) -> Notice:
    start = Instant(result.start_ts)
    state = (
        "was still at work at the end of the run" if plan.status == "working" else f"ended {when(plan.end_ts, start)}"
    )
    children = [each for each in orders if (each.account, each.plan) == (plan.account, plan.id)]
    reasons = Counter(each.reason for each in children if each.unfilled_size > 0.0 and each.reason not in _SILENT)
    why = "".join(
        f"; {count} of {counted(plan.children, 'child', 'children')}: {word(reason.name.lower())}"
        for reason, count in reasons.most_common(1)
    )
    text = (
        f"plan {plan.id} ({plan.account} {plan.symbol}) left {size(plan.unfilled_size)} of {size(plan.size)} undone; "
        f"it {state}{why}"
    )
    return Notice(Flag.PLAN_UNFINISHED, plan.end_ts, plan.account, plan.symbol, (plan.id,), plan.unfilled_size, text)


def too_large_plans(result: RunResult, plans: Sequence[PlanReport]) -> Iterator[Notice]:
    """Plans above the share of the volume at which their prices stop being believable."""
    start = Instant(result.start_ts)
    return (_too_large(each, start) for each in plans if _is_too_large(each))


def unjudged_plans(plans: Sequence[PlanReport]) -> Iterator[Notice]:
    """Plans that filled something while the tape does not tell what was traded: silence would look like consent."""
    return (_unjudged(each) for each in plans if each.filled_size > 0.0 and each.market_volume is None)


def _unjudged(plan: PlanReport) -> Notice:
    text = (
        f"plan {plan.id} ({plan.account} {plan.symbol}, {plan.side.name.lower()}) filled {size(plan.filled_size)} "
        "while the tape shows no trades: whether the market would have taken that size is not judged"
    )
    return Notice(
        Flag.PARTICIPATION_UNKNOWN, plan.start_ts, plan.account, plan.symbol, (plan.id,), plan.filled_size, text
    )


def too_large_orders(result: RunResult, names: Names, orders: Sequence[OrderReport]) -> Iterator[Notice]:
    """Orders that took more at once than such a share of what was traded in the moment of their law, nothing maybe."""
    traded = courses(result)
    for order, told in _with_rows(result, names, orders):
        course, lots = traded[order["market"]], int(order["filled"] - order["maker_lots"])
        if told.plan is not None or course is None or lots == 0:
            continue
        volume = course.before(int(order["arrive_ts"])).lots
        if lots > MOST_PARTICIPATION * volume:
            taken = names.grid(int(order["position"])).size(lots)
            much = f", at once {percent(lots / volume)} of what the market traded" if volume else _UNTRADED
            text = (
                f"{told.id} ({told.account} {told.symbol}, {told.side.name.lower()}) took {size(taken)}{much} in the "
                f"minutes around it: that size would have moved it{_beside_the_law(told.law)}"
            )
            yield Notice(
                Flag.PARTICIPATION_ABOVE_20_PCT, told.arrive_ts, told.account, told.symbol, (told.id,), taken, text
            )


def _is_too_large(plan: PlanReport) -> bool:
    """A plan of seconds is measured against the minutes around it, as its law is."""
    if plan.market_volume is None or (plan.law and plan.law.share <= MOST_PARTICIPATION):
        return False
    return plan.filled_size > MOST_PARTICIPATION * plan.market_volume


def _too_large(plan: PlanReport, start: Instant) -> Notice:
    volume = size(plan.market_volume or 0.0)
    share = f" ({percent(plan.participation)} of it)" if plan.participation else ""
    text = (
        f"plan {plan.id} ({plan.account} {plan.symbol}, {plan.side.name.lower()}) filled {size(plan.filled_size)} "
        f"while the market traded {volume}{share}, {when(plan.start_ts, start)} to {when(plan.end_ts, start)}: that "
        f"size would have moved it{_beside_the_law(plan.law)}"
    )
    return Notice(
        Flag.PARTICIPATION_ABOVE_20_PCT, plan.start_ts, plan.account, plan.symbol, (plan.id,), plan.filled_size, text
    )


def _beside_the_law(law: ImpactLaw | None) -> str:
    return f"; it paid {bps(law.walk_bps)} bps of depth and impact, the law says {bps(law.law_bps)}" if law else ""
