"""The first screen: what became of the portfolio in one sentence, and the few figures that matter."""

from __future__ import annotations

import math
from collections.abc import Iterator

from backtester.report.glance import pnl, tone
from backtester.report.html.tree import Element, node
from backtester.report.naming import titled_name
from backtester.report.outline import Opening, Whole, opening_lines
from backtester.report.records import Cell, FailedCell, Inputs
from backtester.report.remedies import Help, helps
from backtester.report.sentence import sentence, tightest
from backtester.report.summary import Figure
from backtester.report.text import (
    NONE,
    changed,
    clock,
    headline,
    money,
    offset,
    percent,
    pool_name,
    signed,
    verdict_words,
    when,
)


def together(block: Whole) -> Element:
    """What several cells come to."""
    told = block.summary
    return node(
        "section",
        node("h2", told.sentence, class_=f"sentence {told.tone}"),
        _caution(block.caution),
        node("dl", map(_figure, (*told.said, *told.beyond)), class_="figures"),
        class_="opening",
    )


def opening(block: Opening, currency: str, inputs: Inputs) -> Element:
    """Verdict, sentence, figures, how far it can be believed, and the lines that tell how it came."""
    cell = block.cell
    told = (line for line in opening_lines(block, currency) if line[0] != "caution")
    lines = node("ul", (node("li", line.strip(), class_=kind) for kind, line in told))
    if isinstance(cell, FailedCell):
        return node("section", node("h2", headline(cell), class_="verdict failed"), lines, class_="opening")
    return node(
        "section",
        node("p", titled_name(cell), class_="about"),
        node("h2", verdict_words(cell), class_=f"verdict {tone(cell)}"),
        node("p", sentence(cell, currency), class_="sentence"),
        _caution(block.caution),
        node("dl", map(_figure, (*_figures(cell, currency), _quality(cell, inputs))), class_="figures"),
        lines,
        class_="opening",
    )


def _caution(text: str) -> Iterator[Element]:
    if text:
        yield node("p", text, class_="caution")


def _figure(told: Figure) -> Element:
    name, figure, more = told
    return node("div", node("dt", name), node("dd", figure, node("small", more)))


def _figures(cell: Cell, currency: str) -> Iterator[Figure]:
    whole = cell.portfolio
    won = "" if whole.loss_pct is None else f"{changed(pnl(cell))} of {money(whole.equity_start)}"
    yield Figure(f"PnL, {currency}", signed(-whole.loss), won)
    if nearest := tightest(cell):
        at = f"{nearest.account} {pool_name(nearest.pool.pool)} at {when(nearest.pool.buffer_min_ts, cell.start_ts)}"
        yield Figure(f"Lowest buffer above maintenance, {currency}", money(nearest.pool.buffer_min), at)
    if cell.liquidations:
        first = cell.liquidations[0]
        said = f"{first.account} {first.symbol}, {offset(first.ts, cell.start_ts)} after the start"
        yield Figure("First liquidation", f"{clock(first.ts)} UTC", said)
    for account in cell.accounts:
        if account.topup_limit is not None:
            yield _saved(
                account.name,
                next((each for each in helps(account, cell.start_ts) if (each.better_by or 0.0) > 0.0), None),
            )
    funding = money(math.fsum(account.pnl_funding for account in cell.accounts))
    yield Figure(f"All fees, {currency}", money(whole.fees), f"funding {funding}")


def _saved(account: str, best: Help | None) -> Figure:
    """The best of what an account was seen to survive with and to end better."""
    if best is None:
        return Figure(f"Saves {account}", "nothing", "of what could be tried, to a better end")
    what, _, parts = best.words.partition(": ")
    ends = f"it would end with {money(best.equity_end)}, net of money put in"
    return Figure(f"Saves {account}", what, "; ".join(filter(None, (parts, ends))))


def _quality(cell: Cell, inputs: Inputs) -> Figure:
    """How much of what a cell is made from is assumed, and how old the order book was that its orders met."""
    venues = {name.strip() for name in cell.venue.split(",")}
    rules = [each for each in inputs.venues if f"{each.name}@{each.rules_date}" in venues]
    shares = [f"{percent(each.assumed_share)} of {each.name}'s rules" for each in rules]
    ages = [fill.age_ns for order in cell.orders for fill in order.fills]
    oldest = [f"order book at most {max(ages) / 1e9:,.1f} s old at its orders' fills"] if ages else []
    [assumed, *_] = [percent(each.assumed_share) for each in inputs.scenarios if each.name == cell.scenario] or [NONE]
    return Figure("Of the scenario assumed", assumed, "; ".join((*shares, *oldest)))
