"""Figures as a reader sees them, and the charts they are drawn with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.console import Console

from backtester.config.values import Instant
from backtester.enums import Verdict
from backtester.report.chart import Canvas, columns, gauge, sparkline
from backtester.report.flags import Flag
from backtester.report.glance import glance, told, untold
from backtester.report.naming import AnyCell
from backtester.report.records import Cell, FailedCell, Named, PortfolioName
from backtester.report.render import render_report
from backtester.report.sheet import Column, Sheet, folded
from backtester.report.table import fitting, path_lines, spread
from backtester.report.text import (
    amount,
    bps,
    changed,
    clock,
    delay,
    headline,
    lead,
    money,
    offset,
    percent,
    price,
    rate,
    share,
    size,
    story,
    stretch,
)
from tests.golden.handmade import CRASH, MAIN, MODEL, PLAN, SMALLER, at

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (money(-1234.5), "−1,234.50"),
        (changed(-0.796283), "−79.6 %"),
        (changed(0.124), "+12.4 %"),
        (changed(-0.0004), "0.0 %"),
        (changed(None), "–"),
        (share(0.796283), "79.63 %"),
        (share(-12.5), "−1,250.00 %"),
        (share(0.000012), "0.0012 %"),
        (amount(-6005.2103), "−6,005.21"),
        (amount(0.00125), "0.00125"),
        (amount(1200), "1,200"),
        (money(3e8), "300,000,000"),
        (money(None), "–"),
        (price(117_066.4), "117,066.40"),
        (price(9.87654), "9.8765"),
        (price(-4411.7647), "−4,411.76"),
        (price(-9.87654), "−9.8765"),
        (price(0.0594569712), "0.059457"),
        (size(-60.0), "−60"),
        (size(0.00001), "1e-05".replace("-", "−")),
        (size(2.25), "2.25"),
        (bps(12.34), "+12.3"),
        (bps(-0.04), "0.0"),
        (bps(-3.0), "−3.0"),
        (percent(-0.0021), "−0.2 %"),
        (rate(0.0001), "+0.0100 %"),
        (rate(-0.00375), "−0.3750 %"),
        (clock(at(20.5)), "21:20:30"),
        (offset(at(43.65), at(0)), "+43:39"),
        (offset(at(62.05), at(0)), "+1:02:03"),
        (offset(Instant(at(0).ts_ns + 93_784 * SECOND), at(0)), "+1d 02:03:04"),
        (stretch(at(20.5), Instant(at(20.6).ts_ns + 1)), "between 21:20:30 and 21:20:37"),
        (stretch(at(20.5), at(20.5)), "at 21:20:30"),
        (delay(Instant(90_000_000), Instant(0)), "+90 ms"),
        (delay(None, Instant(0)), "–"),
    ],
)
def test_figures(found: str, expected: str) -> None:
    assert found == expected


def test_how_much_earlier() -> None:
    assert [lead(each) for each in (423.0, -12.0, 7_687.0, 0.4, None)] == ["7:03", "−0:12", "2:08:07", "0:00", "–"]


def test_the_story_of_a_liquidation() -> None:
    assert story(CRASH, "USDC") == [
        "1 liquidation order (main BTC), first at 21:30:00 (+30:00)",
        "equity 15,000.00 → 5,305.94 USDC (−64.6 %); lowest 5,293.69; "
        "5,305.94 after closing everything through the final order book",
        "price −9,587.75, funding −20.00, fees −86.31, liquidation 0.00",
        "guards of main: 293.69 USDC with them, 120.50 without: they saved 173.19",
    ]


def test_the_story_of_who_others_paid_for() -> None:
    broke = CRASH._replace(verdict=Verdict.INSOLVENT, system=CRASH.system._replace(deficit=12.5))
    assert story(broke, "USDC")[0].endswith("; others bear 12.50 USDC of losses beyond the margin")


def test_the_story_of_survival() -> None:
    reason = story(SMALLER, "USDC")[0]
    assert reason == "no liquidation; tightest: main, 3,000.00 USDC above maintenance at 21:30:00 (+30:00)"
    reduced = SMALLER._replace(verdict=Verdict.REDUCED)
    assert "conditional and reduce-only orders closed every position" in story(reduced, "USDC")[0]
    [main] = reduced.accounts
    left = main._replace(positions=(main.positions[0]._replace(size_end=0.5),))
    assert "made positions smaller" in story(reduced._replace(accounts=(left,)), "USDC")[0]


def test_a_sparkline_spans_lowest_to_highest() -> None:
    assert sparkline([1.0, 2.0, 3.0]) == "▁▅█"
    assert sparkline([5.0, 5.0]) == "▄▄"
    assert sparkline([]) == ""


def test_a_gauge_stands_on_0() -> None:
    assert gauge([8.0, 4.0, 0.5, 0.0, -0.1, None]) == "█▄▁▁✕ "
    assert gauge([None, -1.0]) == " ✕"
    assert gauge([0.0, 0.0]) == "▁▁"


def test_items_fall_into_columns_by_their_place() -> None:
    assert columns([0.0, 0.24, 0.5, 1.0], 4) == [[0, 1], [], [2], [3]]


def test_a_canvas_draws_from_the_bottom_up() -> None:
    canvas = Canvas(width=1, height=2, low=0.0, high=7.0)
    canvas.bar(0, 0.0, 0.0)
    canvas.bar(1, 7.0, 7.0)
    assert canvas.lines() == ["⠈", "⡀"]
    canvas.bar(0, 0.0, 7.0)
    assert canvas.lines() == ["⡏", "⡇"]
    canvas.bar(0, -5.0, 99.0)
    assert canvas.lines() == ["⡏", "⡇"]


def test_columns_leave_by_rank_and_those_of_rank_0_stay() -> None:
    sheet = Sheet("s", (Column("aaaa"), Column("bbbb", rank=1), Column("cccc", rank=2), Column("dddd", rank=2)), ())
    assert fitting(sheet, 22) == [0, 1, 2, 3]
    assert fitting(sheet, 21) == [0, 1]
    assert fitting(sheet, 9) == [0]
    assert fitting(sheet, 1) == [0]


def test_texts_are_folded_at_their_words_where_the_terminal_is_narrow() -> None:
    sheet = Sheet(
        "s",
        (Column("venue", is_text=True), Column("hyperliquid@2026-08-22", is_text=True), Column("at", rank=1)),
        (("a", "liquidated 79.6 %", "21:13:39 +43:39"), ("b", "survived 0.0 %", "–")),
    )
    assert (sheet.widest(1), sheet.narrowest(1), sheet.widest(2), sheet.narrowest(2)) == (22, 11, 15, 8)
    assert fitting(sheet, 5 + 2 + 11 + 2 + 8) == [0, 1, 2] and fitting(sheet, 5 + 2 + 11 + 2 + 7) == [0, 1]
    assert spread(sheet, [0, 1, 2], 46) == [5, 22, 15]
    assert spread(sheet, [0, 1, 2], 45) == [5, 21, 15]
    assert spread(sheet, [0, 1, 2], 30) == [5, 11, 10]
    assert [folded(text, 12) for text in ("hyperliquid@2026-08-22", "liquidated 79.6 %", "algo=twap, size=4")] == [
        "hyperliquid\n@2026-08-22", "liquidated\n79.6 %", "algo=twap,\nsize=4",
    ]  # fmt: skip


def test_the_widest_column_gives_way_where_words_have_no_room() -> None:
    sheet = Sheet(
        "s",
        (Column(""), Column("figure", is_text=True), Column("before"), Column("by", rank=1), Column("", is_text=True)),
        (("~", "flags[order_cancelled_by_liquidation]", "−100,000.00", "+1.00", "better"),),
    )
    shown = fitting(sheet, 40)
    assert shown == [0, 1, 2, 4] and spread(sheet, shown, 40) == [1, 16, 11, 6]
    assert fitting(sheet, 200) == [0, 1, 2, 3, 4]
    assert folded("accounts[main].positions[BTC.long].pnl", 20) == "accounts[main]\n.positions[BTC.long]\n.pnl"
    assert folded("accounts[main].pnl", 18) == "accounts[main].pnl"


def test_a_word_longer_than_half_the_terminal_loses_its_middle() -> None:
    book = f"{'x' * 60}{'y' * 30}"
    names = (book, "small")
    cells = [CRASH._replace(plans=(), portfolio=CRASH.portfolio._replace(name=name)) for name in names]
    lines = said_in(84, cells)
    assert lines[3].startswith(f"{'x' * 31}…{'y' * 10}  liquidated  −9,694.06  −64.6 %")
    assert lines[4].split()[:4] == ["small", "liquidated", "−9,694.06", "−64.6"]
    assert book in said_in(200, cells)[2]


def test_a_matrix_that_would_break_words_is_left_to_the_rows() -> None:
    many = [CRASH._replace(scenario=day, venue=f"venue-{n}@2026-08-22") for n in range(6) for day in ("one", "two")]
    for width, is_there in ((200, True), (80, True), (60, False)):
        lines = said_in(width, many)
        assert (lines[0] == "Scenario by venue: verdict and PnL") is is_there
        assert all(len(line) <= width for line in lines)
        assert lines[1 if is_there else 0].split()[0] in ("scenario", "12")


def test_the_lowest_buffer_and_the_first_liquidation_stay_on_a_narrow_terminal() -> None:
    cells = [CRASH._replace(venue=venue, plans=()) for venue in ("hyperliquid@2026-08-22", "binance-usdm@2026-08-22")]
    lines = said_in(80, cells)
    assert lines[1].split() == ["venue", "verdict", "PnL", "%", "buffer", "low", "liquidated"]
    assert "−480.00" in lines[2]


def said_in(width: int, cells: Sequence[AnyCell]) -> list[str]:
    """The tables of many cells as a terminal of this width shows them, below what they come to together."""
    console = Console(width=width, force_terminal=False, color_system=None)
    lines = render_report(MODEL._replace(cells=tuple(cells)), "table", console, "none").splitlines()
    return lines[lines.index("") + 1 :]


def test_events_stand_under_their_time() -> None:
    lines = list(path_lines(CRASH, "USDC", 60))
    stops = next(line for line in lines if line.lstrip().startswith("stops"))
    forced = next(line for line in lines if line.lstrip().startswith("liquidations"))
    assert stops.index("▲") - 15 == 20
    assert forced.index("✕") - 15 == 30
    assert any(line.lstrip().startswith(f"{MAIN.name} ") for line in lines)


def test_a_headline_has_the_name_that_a_portfolio_gives_itself_where_it_says_more() -> None:
    def said(title: str) -> str:
        return headline(CRASH._replace(portfolio=CRASH.portfolio._replace(title=title)))

    assert said("my book").startswith("LIQUIDATED  book (my book), 2025-10-10 on ")
    assert said("Book") == said("") and said("Book").startswith("LIQUIDATED  book, ")
    assert len(said("x" * 4_000)) < 200


def test_an_outage_is_a_line_below_the_marks() -> None:
    """From minute 28 to 34 of 60, a column each; latency has no line."""
    [line] = [line for line in path_lines(CRASH, "USDC", 60) if "▒" in line]
    assert line == f"{'outage':>14} {'':28}{'▒' * 6}"
    assert not any("▒" in line for line in path_lines(CRASH._replace(phases=CRASH.phases[:1]), "USDC", 60))


def test_the_shortest_outage_is_seen() -> None:
    outage = CRASH.phases[1]
    short = outage._replace(end_ts=Instant(outage.start_ts.ts_ns + 1))
    assert "".join(path_lines(CRASH._replace(phases=(short,)), "USDC", 60)).count("▒") == 1


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (
            90,
            ["low 96,000.00 between 21:49:00 and 21:50:00, high 100,000.00 between 21:00:00 and 21:01:00"],
        ),
        (60, ["low 96,000.00 between 21:49:00 and 21:50:00", "high 100,000.00 between 21:00:00 and 21:01:00"]),
    ],
)
def test_a_mark_was_low_somewhere_in_a_bucket(width: int, said: list[str]) -> None:
    """Of minutes the range is known, and no more."""
    assert [line.strip() for line in path_lines(CRASH, "USDC", width)][2 : 2 + len(said)] == said


# --- variants beside each other -------------------------------------------------------------------------------------

TWAP = CRASH._replace(variant=Named((("algo", "twap"),)))
NONE_AT_ALL = CRASH._replace(variant=Named((("algo", "none"),)), plans=())
BOOK, ALGO = PortfolioName("book", ""), Named((("algo", "x"),))
BROKEN = FailedCell(BOOK, TWAP.scenario, TWAP.venue, ALGO, "failed", "no such thing", 3)


def test_variants_have_a_row_per_plan() -> None:
    two = CRASH._replace(variant=Named((("algo", "pov"),)), plans=(PLAN, PLAN._replace(id="entry", shortfall=None)))
    [sheet] = glance([TWAP, two, NONE_AT_ALL, BROKEN], "USDC")
    headings = [column.heading for column in sheet.columns]
    found = [dict(zip(headings, row, strict=True)) for row in sheet.rows]
    assert [(row["variant"], row["verdict"], row["plan"]) for row in found] == [
        ("algo=twap", "liquidated", "exit"),
        ("algo=pov", "liquidated", "exit"),
        ("algo=pov", "liquidated", "entry"),
        ("algo=none", "liquidated", "–"),
        ("algo=x", "failed", "–"),
    ]
    assert (found[0]["filled"], found[0]["unfilled"], found[0]["vwap"]) == ("1.5", "0.5", "99,800.00")
    assert (found[0]["slippage"], found[0]["shortfall"], found[2]["shortfall"]) == ("+10.0", "+68.4", "–")
    assert (found[0]["fees"], found[3]["fees"], found[0]["maker"]) == ("−67.36", "−106.31", "40.0 %")


def test_variants_on_several_scenarios_say_which() -> None:
    elsewhere = TWAP._replace(scenario="2020-03-12")
    [sheet] = glance([CRASH, TWAP, elsewhere], "USDC")
    assert [row[:2] for row in sheet.rows] == [
        ("2025-10-10", "as it is"), ("2025-10-10", "algo=twap"), ("2020-03-12", "algo=twap"),
    ]  # fmt: skip


def test_a_matrix_where_every_place_has_a_cell() -> None:
    there = [each._replace(scenario="2020-03-12") for each in (CRASH, TWAP)]
    matrix, sheet = glance([CRASH, TWAP, *there], "USDC")
    assert [column.heading for column in matrix.columns] == ["scenario", "algo=twap", "as it is"]
    said = f"liquidated {sheet.rows[0][4]}"
    assert matrix.rows == (("2025-10-10", said, said), ("2020-03-12", said, said))


def test_a_matrix_says_what_it_takes_the_worst_of() -> None:
    mild = CRASH._replace(portfolio=CRASH.portfolio._replace(loss_pct=1.0))
    cells = [
        each._replace(scenario=day, venue=venue, portfolio=each.portfolio._replace(name=name))
        for name in ("a", "b")
        for day in ("2025-10-10", "2020-03-12")
        for each, venue in ((mild, "hyperliquid@2026-08-22"), (CRASH, "binance-usdm@2026-09-29"))
    ]
    matrix, _ = glance(cells, "USDC")
    assert matrix.title == "Portfolio by scenario: verdict and PnL; worst venue"
    assert {text for row in matrix.rows for text in row[1:]} == {"liquidated −64.6 %"}


def test_a_place_of_the_matrix_says_what_came_to_nothing() -> None:
    """Portfolio by scenario, of two venues the worst: one failed, both failed, one of each kind."""
    died = CRASH._replace(variant=BROKEN.variant)
    idle = BROKEN._replace(status="not_applicable", exit_code=0)
    made: dict[tuple[str, str], Sequence[AnyCell]] = {
        ("a", "2025-10-10"): (died, BROKEN),
        ("a", "2020-03-12"): (BROKEN, BROKEN),
        ("b", "2025-10-10"): (died, died),
        ("b", "2020-03-12"): (idle, BROKEN),
    }

    def placed(each: AnyCell, name: str, day: str, venue: str) -> AnyCell:
        if isinstance(each, FailedCell):
            return each._replace(portfolio=PortfolioName(name, ""), scenario=day, venue=venue)
        return each._replace(portfolio=each.portfolio._replace(name=name), scenario=day, venue=venue)

    venues = ("hyperliquid@2026-08-22", "binance-usdm@2026-09-29")
    cells = [
        placed(each, name, day, venue)
        for (name, day), both in made.items()
        for each, venue in zip(both, venues, strict=True)
    ]
    matrix, _ = glance(cells, "USDC")
    found = {
        (row[0], column.heading): text
        for row in matrix.rows
        for column, text in zip(matrix.columns[1:], row[1:], strict=True)
    }
    assert found == {
        ("a", "2025-10-10"): "liquidated −64.6 %, 1 failed",
        ("a", "2020-03-12"): "failed",
        ("b", "2025-10-10"): "liquidated −64.6 %",
        ("b", "2020-03-12"): "1 failed, 1 not applicable",
    }


def test_the_worst_comes_first_and_cells_without_a_result_last() -> None:
    whole = CRASH.portfolio
    worse = CRASH._replace(scenario="b", portfolio=whole._replace(loss_pct=(whole.loss_pct or 0.0) + 1.0))
    calm = SMALLER._replace(scenario="c", verdict=Verdict.SURVIVED)
    idle = BROKEN._replace(scenario="d", status="not_applicable", exit_code=0, error="no price path\n  hint: none")
    cells: list[AnyCell] = [idle, calm, BROKEN._replace(scenario="e"), CRASH, worse]
    [sheet] = glance(cells, "USDC")
    headings = [column.heading for column in sheet.columns]
    assert [row[0] for row in sheet.rows] == ["b", "2025-10-10", "c", "e", "d"]
    assert [row[headings.index("why")] for row in sheet.rows] == ["", "", "", "no such thing", "no price path"]
    assert (
        sheet.title
        == "5 cells: 2 liquidated, 1 survived, 1 failed, 1 not applicable; USDC; slippage in bps of the arrival price"
    )
    assert told(cells, "worst") == [worse] and list(told(cells, "none")) == []
    assert untold(cells, "worst") == "2 more cells: --details all tells them whole"  # one that failed has no more
    assert untold([CRASH, idle], "worst") == "" and untold(cells, "none") == ""
    assert list(told(cells, "all")) == cells and untold(cells, "all") == ""
    assert list(told([calm], "none")) == [calm]


def test_venues_are_told_apart_by_their_rules_only_where_they_must() -> None:
    there = CRASH._replace(venue="binance-usdm@2025-08-01")
    [sheet] = glance([CRASH, there], "USDC")
    assert {row[0] for row in sheet.rows} == {"hyperliquid", "binance-usdm"}
    [sheet] = glance([CRASH, CRASH._replace(venue="hyperliquid@2025-01-01")], "USDC")
    assert {row[0] for row in sheet.rows} == {"hyperliquid@2026-08-22", "hyperliquid@2025-01-01"}


def test_what_the_verdict_turns_with() -> None:
    def varied(depth: str, queue: str, verdict: Verdict) -> Cell:
        return CRASH._replace(variant=Named((("depth", depth), ("queue", queue))), verdict=verdict)

    died, lived = Verdict.LIQUIDATED, Verdict.SURVIVED
    pairs = [("*1", "a"), ("*1", "b"), ("*2", "a"), ("*2", "b")]

    def said(*verdicts: Verdict) -> str:
        return rows_of([varied(*pair, verdict) for pair, verdict in zip(pairs, verdicts, strict=True)]).title

    assert said(died, died, lived, lived).endswith("; the verdict turns with depth, not with queue")
    assert said(died, lived, lived, lived).endswith("; the verdict turns with depth and queue")
    assert said(died, died, died, died).endswith("; the verdict does not turn with depth or queue")
    cells = [varied("*1", "a", died), varied("*2", "b", lived)]  # no two that differ in one thing
    assert "turn" not in rows_of(cells).title
    assert "turn" not in rows_of([CRASH, TWAP._replace(verdict=lived)]).title  # one key: the rows say it


def rows_of(cells: Sequence[AnyCell]) -> Sheet:
    return list(glance(cells, "USDC"))[-1]


def test_scenarios_alone_have_a_row_each() -> None:
    [sheet] = glance([TWAP, TWAP._replace(scenario="2020-03-12")], "USDC")
    assert [row[0] for row in sheet.rows] == ["2025-10-10", "2020-03-12"]


def test_a_severe_loss_is_no_plain_survival() -> None:
    lost = SMALLER._replace(verdict=Verdict.REDUCED, flags=(Flag.SEVERE_LOSS,))
    assert story(lost, "USDC")[0].startswith("severe loss without a liquidation; conditional and reduce-only orders")


def test_who_lost_one_pool_and_kept_another_was_liquidated_in_part() -> None:
    [main, calm] = CRASH.accounts
    kept = calm.pools[0]._replace(buffer_min=1_250.0)
    both = CRASH._replace(accounts=(main, calm._replace(pools=(kept,))))
    assert headline(both).startswith("LIQUIDATED")  # main lost all it had
    fenced = kept._replace(pool="ETH")
    partly = CRASH._replace(accounts=(main._replace(pools=(*main.pools, fenced)), calm))
    assert headline(partly).startswith("PARTLY LIQUIDATED")
    [sheet] = glance([partly._replace(variant=TWAP.variant), NONE_AT_ALL], "USDC")
    assert sheet.rows[0][1] == "partly liquidated"
    assert sheet.title.startswith("2 cells: 1 partly liquidated, ")
