"""What trading cost: the parts of every order, plan and trade as steps from nothing to the whole, then funding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby

from backtester.report.executions import OrderReport, PlanReport, Shortfall, TradeReport
from backtester.report.html.plot import Band, Mark, Span, band, picture
from backtester.report.html.sheets import table
from backtester.report.html.tree import Element
from backtester.report.html.waterfall import Steps, waterfall
from backtester.report.records import Cell, FundingPayment
from backtester.report.sheet import Column, Sheet
from backtester.report.text import bps, clock, money, price, rate, size

_SHORTFALL = "Implementation shortfall of plans, bps of a paper trade at the decision"
_DOT = 3.0  # pixels from the middle to the edge of a payment's
_COLOURS = 4  # of the style sheet, for lines of one kind


def costs(cell: Cell, currency: str) -> Iterator[Element]:
    """Steps of what took liquidity, of plans, and of trades in money."""
    own = [order for order in cell.orders if order.plan is None and order.slippage.total_bps is not None]
    yield from waterfall("Slippage and fee of orders, bps of the mid at the decision", map(_order, own), "bps", bps)
    yield from waterfall(_SHORTFALL, _plans(cell), "bps", bps)
    yield from waterfall(f"What trades cost, {currency}", map(_trade, cell.trades), currency, money)


def plans_beside(cells: Sequence[tuple[Cell, str]]) -> Iterator[Element]:
    """The plans of several cells, each with the words that set its cell apart, to one scale."""
    rows = (plan._replace(name=f"{words}: {plan.name}") for cell, words in cells for plan in _plans(cell))
    yield from waterfall(f"Plans beside each other: {_SHORTFALL[0].lower()}{_SHORTFALL[1:]}", rows, "bps", bps)


def _plans(cell: Cell) -> Iterator[Steps]:
    return (_plan(plan, plan.shortfall) for plan in cell.plans if plan.shortfall is not None)


def _order(order: OrderReport) -> Steps:
    cost = order.slippage
    parts = zip(("delay", "spread", "depth", "impact", "fee"), cost[:5], strict=True)
    return Steps(f"{order.id}, {order.symbol}", tuple((name, part or 0.0) for name, part in parts))


def _plan(plan: PlanReport, cost: Shortfall) -> Steps:
    parts = (
        ("delay", cost.delay_bps),
        ("trading", cost.trading_bps),
        ("opportunity", cost.opportunity_bps),
        ("fee", cost.fees_bps),
    )
    return Steps(f"{plan.id}, {plan.symbol}, {plan.algo}", parts)


def _trade(trade: TradeReport) -> Steps:
    parts = (
        ("delay", trade.delay),
        ("spread", trade.spread),
        ("depth", trade.depth),
        ("impact", trade.impact),
        ("fee", -(trade.fees_maker + trade.fees_taker + trade.fees_liquidation)),
        ("funding", -trade.funding),
    )
    return Steps(f"{trade.account}, {trade.position} {trade.margin_mode}", parts)


def funding(cell: Cell, currency: str) -> Iterator[Element]:
    """What every position paid, added up over time, and each payment."""
    if not cell.funding:
        return
    span = Span(cell.start_ts.ts_ns, cell.end_ts.ts_ns)
    held = groupby(sorted(cell.funding, key=_place), key=_place)
    courses = [_course(place, [*payments], span, number % _COLOURS) for number, (place, payments) in enumerate(held)]
    bands = [each for each, _ in courses]
    marks = [mark for _, marks in courses for mark in marks]
    yield picture(f"Funding so far, {currency}", span, bands, marks)
    yield table(Sheet(f"Funding, {currency}", _PAYMENTS, tuple(map(_payment, cell.funding))))


def _place(payment: FundingPayment) -> str:
    return f"{payment.account} {payment.position}"


def _course(place: str, payments: list[FundingPayment], span: Span, colour: int) -> tuple[Band, list[Mark]]:
    """What one position had paid at any time, and a dot for each payment."""
    sums = [*accumulate((each.amount for each in payments), initial=0.0)]
    times = [each.ts.ts_ns for each in payments]
    marks = [
        Mark(ts_ns, total, "", f"line{colour}", f"{place}: {money(each.amount)}", _DOT)
        for ts_ns, total, each in zip(times, sums[1:], payments, strict=True)
    ]
    return band(place, f"line line{colour}", span, [span.begin, *times], sums, sums), marks


_PAYMENTS = (
    Column("time", is_text=True),
    Column("account", is_text=True),
    Column("symbol", is_text=True),
    Column("size"),
    Column("rate"),
    Column("price"),
    Column("paid or received"),
)


def _payment(each: FundingPayment) -> tuple[str, ...]:
    return (
        clock(each.ts),
        each.account,
        each.position,
        size(each.size),
        rate(each.rate),
        price(each.price),
        money(each.amount),
    )
