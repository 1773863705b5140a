"""What trading cost: the parts of every order, plan and trade as steps from nothing to the whole, then funding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

from backtester.report.executions import OrderReport, PlanReport, Shortfall, TradeReport
from backtester.report.html.plot import Band, Mark, Span, band, picture
from backtester.report.html.sheets import table
from backtester.report.html.tree import Element, node
from backtester.report.records import Cell, FundingPayment
from backtester.report.sheet import Column, Sheet
from backtester.report.text import bps, clock, money, price, rate, size

_STEP = 5  # pixels of the height of one part
_DOT = 3.0  # pixels from the middle to the edge of a payment's
_COLOURS = 4  # of the style sheet, for lines of one kind


class Steps(NamedTuple):
    """One thing that had a cost, and its parts in the order in which they come about; a cost is positive."""

    name: str
    parts: tuple[tuple[str, float], ...]

    @property
    def ends(self) -> list[float]:
        """What it had come to before the first part, and after each."""
        return [*accumulate((part for _, part in self.parts), initial=0.0)]


def costs(cell: Cell, currency: str) -> Iterator[Element]:
    """Steps of what took liquidity, of plans, and of trades in money."""
    own = [order for order in cell.orders if order.plan is None and order.slippage.total_bps is not None]
    yield from _figure("Slippage and fee of orders, bps of the mid at the decision", map(_order, own), bps)
    done = [(plan, plan.shortfall) for plan in cell.plans if plan.shortfall is not None]
    title = "Implementation shortfall of plans, bps of a paper trade at the decision"
    yield from _figure(title, (_plan(plan, cost) for plan, cost in done), bps)
    yield from _figure(f"What trades cost, {currency}", map(_trade, cell.trades), money)


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


def _figure(title: str, rows: Iterator[Steps], written: Callable[[float], str]) -> Iterator[Element]:
    """All of them to one scale, with what the colours mean; nothing where nothing had a cost."""
    told = [row for row in rows if any(part for _, part in row.parts)]
    if not told:
        return
    low = min(0.0, *(end for row in told for end in row.ends))
    high = max(0.0, *(end for row in told for end in row.ends))
    names = dict.fromkeys(name for row in told for name, _ in row.parts)
    legend = node("span", (node("span", name, class_=f"key {name}") for name in names), class_="legend")
    bars = node("div", (cell for row in told for cell in _bar(row, low, high, written)), class_="bars")
    yield node("figure", node("figcaption", title, legend), bars)


def _bar(row: Steps, low: float, high: float, written: Callable[[float], str]) -> Iterator[Element]:
    """Name, steps and sum."""
    scale = 100.0 / (high - low)
    drawn = node("svg", class_="steps", width="100%", height=_STEP * len(row.parts), role="img", aria_label=row.name)
    zero = f"{-low * scale:.2f}%"
    drawn.append(node("line", class_="grid", x1=zero, x2=zero, y1="0", y2="100%"))
    for number, ((name, part), (begin, end)) in enumerate(zip(row.parts, pairwise(row.ends), strict=True)):
        x, width = f"{(min(begin, end) - low) * scale:.2f}%", f"{abs(end - begin) * scale:.2f}%"
        told, figure = node("title", f"{name} {written(part)}"), f"{part:.10g}"
        place: dict[str, str | float] = {"x": x, "width": width, "y": number * _STEP, "height": _STEP}
        drawn.append(node("rect", told, class_=f"step {name}", data_value=figure, **place))
    yield node("span", row.name)
    yield drawn
    yield node("span", written(row.ends[-1]), class_="figure")


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
