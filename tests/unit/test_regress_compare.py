"""Two results compared: what is said of inputs, cells and figures, and in which order."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from backtester.config.values import Instant
from backtester.enums import Verdict
from backtester.errors import BacktesterError
from backtester.regress.compare import Change, Effect, compare
from backtester.regress.material import ANY, is_material, parse_material
from backtester.regress.render import COLUMNS, render_comparison, tell
from backtester.regress.shown import moved
from backtester.report.flags import Flag
from backtester.report.measures import Quantity
from backtester.report.records import Cell, FailedCell, Named, PortfolioName, ReportModel, VenueInput
from tests.golden.handmade import CHILD, CRASH, LIQUIDATION, MAIN, MODEL, SMALLER, STOP

FAILED = FailedCell(
    PortfolioName("book", ""),
    CRASH.scenario,
    CRASH.venue,
    CRASH.variant,
    "failed",
    "error[data] x: gone\n  hint: no",
    4,
)


def model(*cells: Cell | FailedCell) -> ReportModel:
    return MODEL._replace(cells=cells)


def changes(before: Cell | FailedCell, after: Cell | FailedCell) -> list[Change]:
    return [*compare(model(before), model(after)).changes]


def line(change: Change) -> tuple[str, ...]:
    return (change.sign, change.place, change.was, change.now, change.effect.value)


# --- figures -------------------------------------------------------------------------------------------------------

WORST = CRASH._replace(
    verdict=Verdict.INSOLVENT,
    accounts=(MAIN._replace(buffer_min=-900.0, slippage=139.0), CRASH.accounts[1]),
    liquidations=(LIQUIDATION, LIQUIDATION._replace(size=0.25)),
    orders=(STOP._replace(gap_bps=10.3, done_ts=None), *CRASH.orders[1:]),
    flags=(*CRASH.flags, Flag.DEFICIT),
    portfolio=CRASH.portfolio._replace(net_delta=Named((("ETH", 1.0),))),
)


def test_the_worst_comes_first() -> None:
    assert [line(each) for each in changes(CRASH, WORST)] == [
        ("~", "verdict", "liquidated", "insolvent", "worse"),
        ("~", "liquidations", "1", "2", "worse"),
        ("+", "flags[deficit]", "–", "yes", "worse"),
        ("+", "liquidations[main BTC 2]", "–", "stage full, size 0.25, fee −53.89", "worse"),
        ("+", "portfolio.net_delta[ETH]", "–", "1", "neutral"),
        ("-", "portfolio.net_delta[BTC]", "0", "–", "neutral"),
        ("~", "accounts[main].buffer_min", "−480.00", "−900.00", "worse"),
        ("~", "accounts[main].slippage", "140.00", "139.00", "better"),
        ("~", "orders[main stop].gap_bps", "+10.2", "+10.3", "worse"),
        ("~", "orders[main stop].done_ts", "21:20:00 +20:00", "–", "neutral"),
    ]


def test_what_is_liquidated_in_part_and_whole() -> None:
    fenced = MAIN.pools[0]._replace(pool="ETH")
    before, after = (
        CRASH._replace(
            accounts=(MAIN._replace(pools=(*MAIN.pools, fenced)), CRASH.accounts[1]),
            liquidations=forced,
            portfolio=CRASH.portfolio._replace(pools=2, pools_liquidated=len(forced)),
        )
        for forced in (
            CRASH.liquidations,
            (LIQUIDATION, LIQUIDATION._replace(symbol="ETH", margin_mode="isolated")),
        )
    )
    more, calm = changes(before, after), before._replace(verdict=Verdict.SURVIVED)
    assert line(more[0]) == ("~", "portfolio.pools_liquidated", "1 of 2", "2 of 2", "worse")
    assert line(changes(calm, before)[0]) == ("~", "verdict", "survived", "partly liquidated", "worse")


def test_money_is_weighed_by_the_equity_of_its_account() -> None:
    calm = CRASH.accounts[1]
    after = CRASH._replace(
        accounts=(MAIN._replace(equity_end=193.69), calm._replace(equity_end=calm.equity_end - 90.0)),
    )
    found = changes(CRASH, after)
    assert [each.place for each in found] == ["accounts[calm].equity_end", "accounts[main].equity_end"]
    assert [each.weight for each in found] == pytest.approx([90 / 5_000, 100 / 10_000])


def test_what_looks_alike_has_all_its_digits() -> None:
    after = CRASH._replace(portfolio=CRASH.portfolio._replace(loss=9_694.061), end_ts=Instant(CRASH.end_ts.ts_ns + 1))
    assert [line(each)[1:4] for each in changes(CRASH, after)] == [
        ("portfolio.loss", "9,694.06", "9,694.061"),
        ("end_ts", "2025-10-10T22:00:00.000000000Z", "2025-10-10T22:00:00.000000001Z"),
    ]


# --- cells ---------------------------------------------------------------------------------------------------------


def test_a_cell_that_only_one_has() -> None:
    both = compare(model(CRASH), model(SMALLER))
    assert [line(each)[:4] for each in both.changes] == [
        ("-", "", "liquidated −64.6 %", "–"),
        ("+", "", "–", "survived –"),
    ]
    assert both.cells == 0


def test_a_cell_that_fails_is_worse() -> None:
    [change] = changes(CRASH, FAILED)
    assert line(change) == ("~", "", "liquidated −64.6 %", "failed: error[data] x: gone", "worse")
    [change] = changes(FAILED, CRASH)
    assert change.effect is Effect.BETTER
    assert changes(FAILED, FAILED) == []
    [change] = changes(FAILED, FAILED._replace(error="error[data] y: gone"))
    assert change.effect is Effect.NEUTRAL


def test_a_cell_that_failed_before_its_venue_was_known_is_the_same() -> None:
    nowhere = FAILED._replace(venue="")
    [change] = changes(CRASH, nowhere)
    assert line(change)[:4] == ("~", "", "liquidated −64.6 %", "failed: error[data] x: gone")
    [change] = changes(nowhere, CRASH)
    assert change.effect is Effect.BETTER
    there = CRASH._replace(venue="binance-usdm@2026-09-29")
    assert [each.sign for each in compare(model(CRASH, there), model(nowhere)).changes] == ["-", "-", "+"]
    assert [each.sign for each in changes(CRASH, there)] == ["-", "+"]


def test_rules_of_another_date_are_the_same_cell() -> None:
    newer = CRASH._replace(
        venue="hyperliquid@2026-10-01",
        accounts=tuple(each._replace(venue="hyperliquid@2026-10-01") for each in CRASH.accounts),
    )
    venues = (VenueInput("hyperliquid", "e" * 64, "2026-10-01", 0.3, ()),)
    other = model(newer)._replace(inputs=MODEL.inputs._replace(venues=venues))
    found = compare(model(CRASH), other)
    assert (found.changes, found.cells) == ((), 1)
    assert found.inputs == (("venue", "hyperliquid@2026-08-22 dddddddddddd", "hyperliquid@2026-10-01 eeeeeeeeeeee"),)


def test_rules_of_several_dates_are_several_cells() -> None:
    old, newer = (CRASH._replace(venue=f"hyperliquid@{date}") for date in ("2025-10-10", "2026-10-01"))
    found = compare(model(CRASH, old), model(old, newer))
    assert [(each.sign, each.cell) for each in found.changes] == [
        ("-", "book, 2025-10-10 on hyperliquid@2026-08-22"),
        ("+", "book, 2025-10-10 on hyperliquid@2026-10-01"),
    ]


def test_a_portfolio_of_another_name_is_the_same_cell() -> None:
    assert changes(CRASH, CRASH._replace(portfolio=CRASH.portfolio._replace(name="copy"))) == []


def test_cells_of_several_portfolios_say_whose_they_are() -> None:
    other = CRASH._replace(portfolio=CRASH.portfolio._replace(name="other"))
    worse = other._replace(verdict=Verdict.INSOLVENT)
    [change] = compare(model(CRASH, other), model(worse, CRASH)).changes
    assert (change.cell, change.now) == ("other, 2025-10-10 on hyperliquid@2026-08-22", "insolvent")


def test_a_variant_is_the_same_cell_where_no_other_can_be_meant() -> None:
    four, eight = (CRASH._replace(variant=Named((("size", each),))) for each in ("4", "8"))
    assert changes(CRASH, four) == []
    assert compare(model(four, CRASH), model(eight, CRASH)).changes[0].sign == "-"


# --- what matters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("material", "lines"),
    [
        ("0.5%", 10),  # slippage: 1 of 140; the stop's gap: 0.1 of 10.2
        ("1%", 8),
        ("0.5%,100", 9),
        ("1,0.2bps", 8),
        ("5%,500,1bps,10s", 7),
    ],
)
def test_what_is_within_the_larger_of_share_and_amount_is_counted(material: str, lines: int) -> None:
    told = tell(compare(model(CRASH), model(WORST)), parse_material(material))
    assert (len(told.lines), told.left) == (lines, 10 - lines)


def test_children_of_plans_are_details() -> None:
    """Their plan says the sum: told last, and with a size counted alone; so are those that are new or gone."""
    child = CHILD._replace(levels=CHILD.levels + 1, size=CHILD.size + 9.0)
    after = CRASH._replace(orders=(*CRASH.orders[:-1], child, child._replace(id="exit#77")))
    found = [*changes(CRASH, after), *changes(after, CRASH)]
    assert {each.is_detail for each in found if each.place.startswith("orders[")} == {True}
    assert not any(is_material(each, parse_material("0%")) for each in found if each.place.startswith("orders["))
    money = CRASH.portfolio._replace(loss=CRASH.portfolio.loss + 1.0)
    assert changes(CRASH, after._replace(portfolio=money))[0].place == "portfolio.loss"


def test_texts_and_single_fills_are_told_by_other_figures() -> None:
    fill = STOP.fills[0]._replace(price=90_000.0)
    after = CRASH._replace(
        orders=(STOP._replace(fills=(fill, STOP.fills[1])), *CRASH.orders[1:]),
        notices=(CRASH.notices[0]._replace(text="more"),),
    )
    found = changes(CRASH, after)
    assert [each.place for each in found] == [
        "notices[main plan_unfinished exit].text",
        "orders[main stop].fills[1].price",
    ]
    assert all(is_material(each, ANY) for each in found)
    assert not any(is_material(each, parse_material("0.5%")) for each in found)


@pytest.mark.parametrize("text", ["", "x", "1%,2%", "1,2", "-1%", "1%,,1", "1 USD", "nan", "1%%"])
def test_no_size_of_changes(text: str) -> None:
    with pytest.raises(BacktesterError, match="--material: expected a share and amounts"):
        parse_material(text)


# --- formats -------------------------------------------------------------------------------------------------------


def rendered(format: str, material: str = "1%", before: ReportModel = MODEL) -> str:
    after = model(WORST)._replace(seed=8, assumptions=())
    console = Console(width=120, color_system=None, highlight=False, markup=False, emoji=False, force_terminal=False)
    return render_comparison(tell(compare(before, after), parse_material(material)), format, console)


def test_a_terminal() -> None:
    assert rendered("table", before=model(CRASH)).splitlines() == [
        "Made from other inputs",
        "   input       before                                 after",
        "~  seed        7                                      8",
        "-  assumption  tape btc.parquet: synthetic | by hand  –",
        "",
        "What changed, the worst first; USDC",
        "   figure                              before                              after   change",
        "~  verdict                         liquidated                          insolvent           worse",
        "~  liquidations                             1                                  2       +1  worse",
        "+  flags[deficit]                           –                                yes           worse",
        "+  liquidations[main BTC 2]                 –  stage full, size 0.25, fee −53.89           worse",
        "+  portfolio.net_delta[ETH]                 –                                  1",
        "-  portfolio.net_delta[BTC]                 0                                  –",
        "~  accounts[main].buffer_min          −480.00                            −900.00  −420.00  worse",
        "~  orders[main stop].done_ts  21:20:00 +20:00                                  –",
        "",
        "8 changes in 1 cell: 5 worse, 3 neither",
        "+ 2 changes within 1%",
    ]


def test_nothing_to_tell() -> None:
    console = Console(width=120)
    told = tell(compare(MODEL, MODEL), ANY)
    assert render_comparison(told, "table", console) == "nothing changed in 2 cells\n"
    assert render_comparison(told, "markdown", console) == "nothing changed in 2 cells\n"
    assert render_comparison(told, "csv", console) == ",".join(COLUMNS) + "\n"


def test_a_ticket() -> None:
    lines = rendered("markdown").splitlines()
    assert lines[0] == "## Made from other inputs"
    assert "| - | assumption | tape btc.parquet: synthetic \\| by hand | – |" in lines
    assert lines[-1] == "+ 2 changes within 1%"


def test_the_document() -> None:
    document = json.loads(rendered("json"))
    assert list(document) == [
        "kind", "schema_version", "engine_version", "cells", "material", "immaterial", "inputs", "changes",
    ]  # fmt: skip
    assert (document["kind"], document["cells"], document["immaterial"]) == ("diff", 1, 2)
    assert document["inputs"][0] == {"change": "changed", "input": "seed", "before": "7", "after": "8"}
    by_place = {each["place"]: each for each in document["changes"]}
    assert by_place["verdict"] == {
        "change": "changed",
        "cell": "book, 2025-10-10 on hyperliquid@2026-08-22",
        "place": "verdict",
        "quantity": "verdict",
        "before": "liquidated",
        "after": "insolvent",
        "effect": "worse",
    }
    assert by_place["orders[main stop].done_ts"]["before"] == "2025-10-10T21:20:00.450000000Z"
    assert by_place["liquidations[main BTC 2]"]["after"]["size"] == 0.25


def test_a_spreadsheet() -> None:
    rows = list(csv.DictReader(io.StringIO(rendered("csv"))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["place"] for row in rows[:3]] == ["inputs.seed", "inputs.assumption", "verdict"]
    [buffer] = [row for row in rows if row["place"] == "accounts[main].buffer_min"]
    assert (buffer["before"], buffer["after"], buffer["effect"]) == ("-480.0", "-900.0", "worse")


def test_shares_go_by_points() -> None:
    assert moved(0.005, Quantity.SHARE) == moved(0.5, Quantity.PERCENT) == "+0.5 pp"
    assert moved(-4411.7647, Quantity.PRICE) == "−4,411.76"
