"""The page: what is written can be no tag, pictures show the figures, and the sentence says what happened."""

from __future__ import annotations

import re
from array import array
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from backtester.enums import GuardEvent, Side, Verdict
from backtester.formulas.distance import DISTANCES_BPS
from backtester.report.glance import glance, planned
from backtester.report.html import page
from backtester.report.html.costs import plans_beside
from backtester.report.html.courses import courses
from backtester.report.html.heat import heat, height, rows_of, sweeps
from backtester.report.html.page import render_html
from backtester.report.html.phases import of_scenario, thin
from backtester.report.html.plot import FOOT, GRAIN, HEAD, Span, band, picture, round_up
from backtester.report.html.sheets import table
from backtester.report.html.sources import linked
from backtester.report.html.tree import node, said, written
from backtester.report.html.waterfall import Steps, waterfall
from backtester.report.markdown import sheet_lines
from backtester.report.market import title_of, traded_in
from backtester.report.sentence import sentence
from backtester.report.sheet import Column, Heat, Sheet
from backtester.report.text import bps
from tests.golden.handmade import CRASH, MODEL, SMALLER

CSS = Path(page.__file__).with_name("page.css")
MINUTE = 60_000_000_000


# --- the tree ------------------------------------------------------------------------------------------------------


def test_text_and_attributes_are_escaped() -> None:
    cell = node("td", "1 < 2", class_="number", data_name='a"b')
    assert written(cell) == '<!doctype html>\n<td class="number" data-name="a&quot;b">1 &lt; 2</td>\n'


def test_text_stands_among_elements() -> None:
    assert "<p>a<b>c</b>d</p>" in written(node("p", "a", node("b", "c"), "d"))


@pytest.mark.parametrize(("value", "text"), [(12.5, "12.5"), (1 / 3, "0.33"), (40.0, "40"), (7, "7"), ("a", "a")])
def test_attributes_have_the_digits_that_a_picture_shows(value: float | str, text: str) -> None:
    assert said(value) == text


# --- pictures ------------------------------------------------------------------------------------------------------


def test_a_moment_lies_between_the_ends() -> None:
    span = Span(10 * MINUTE, 20 * MINUTE)
    assert [span.place(minute * MINUTE) for minute in (9, 10, 15, 20, 30)] == [0.0, 0.0, 50.0, 100.0, 100.0]


def test_times_are_round_and_few() -> None:
    hours = Span(1 * MINUTE, 121 * MINUTE)
    assert [text for _, text in hours.ticks()] == ["00:20", "00:40", "01:00", "01:20", "01:40", "02:00"]
    assert [text for _, text in Span(0, 4_000_000_000).ticks()][:3] == ["00:00:00", "00:00:01", "00:00:02"]


def test_a_band_keeps_the_extremes_and_goes_on_where_nothing_was_measured() -> None:
    span = Span(0, GRAIN * MINUTE)
    times = [1 * MINUTE, 1 * MINUTE + 1, 3 * MINUTE]
    found = band("mark", "price", span, times, [2.0, 1.0, 5.0], [4.0, 3.0, 5.0])
    assert found.lowest[:5] == (None, 1.0, 1.0, 5.0, 5.0)
    assert found.highest[:5] == (None, 4.0, 4.0, 5.0, 5.0)
    assert found.lowest[-1] == 5.0


@pytest.mark.parametrize(("value", "up"), [(0.23, 0.5), (1.0, 1.0), (1.1, 2.0), (6.0, 10.0), (0.02, 0.02)])
def test_levels_are_round(value: float, up: float) -> None:
    assert round_up(value) == pytest.approx(up)


def test_a_picture_carries_its_figures() -> None:
    span = Span(0, GRAIN * MINUTE)
    drawn = written(picture("BTC", span, [band("mark", "price", span, [2 * MINUTE], [99.5], [100.25])], []))
    assert 'data-name="mark"' in drawn
    assert f'data-low="{",,".strip()}' in drawn and "99.5,99.5" in drawn and "100.25,100.25" in drawn


def test_one_value_alone_has_a_picture() -> None:
    span = Span(0, MINUTE)
    assert "<path" in written(picture("flat", span, [band("mark", "price", span, [0], [0.0], [0.0])], []))


# --- phases and notes -----------------------------------------------------------------------------------------------

SPAN = Span(CRASH.start_ts.ts_ns, CRASH.end_ts.ts_ns)


def test_a_thin_order_book_is_shaded_in_the_picture_of_its_market() -> None:
    """Bids at a fifth of what is usual for a tenth of the time; before the first walk nothing is known."""
    width = (SPAN.end - SPAN.begin) // GRAIN
    walked = array("q", (SPAN.begin + grain * width + 1 for grain in range(60, GRAIN)))
    full = array("d", [10.0] * len(walked))
    bids = array("d", [2.0 if 40 <= place < 64 else 10.0 for place in range(len(walked))])
    steady = (full,) * len(DISTANCES_BPS)
    path = CRASH.market_paths[0]._replace(walked_ns=walked, asks=steady, bids=(*steady[1:], bids))
    [phase] = thin(path, SPAN)
    assert (phase.begin, phase.end) == (SPAN.begin_of(100), SPAN.begin_of(124))
    assert phase.text == f"order book down to 20 % of usual within {DISTANCES_BPS[-1]} bps of mid"
    mark = band("mark", "price", SPAN, [SPAN.begin], [1.0], [1.0])
    drawn = written(picture("X", SPAN, [mark], [], phases=[phase]))
    assert 'class="phase thin" x="41.67%" width="10.00%"' in drawn
    assert ">thin</text>" in drawn and "▒ thin order book" in drawn and "down to 20 %" in drawn
    short = picture("X", SPAN, [mark], [], phases=[phase._replace(end=SPAN.begin_of(101))])
    assert ">thin</text>" not in written(short)
    assert not [*thin(path._replace(bids=steady), SPAN)]


def test_phases_of_the_scenario_are_drawn_in_the_pictures_of_their_markets() -> None:
    """An outage is as high as the picture, latency a strip above it; of another market there is nothing."""
    drawn = written(next(courses(CRASH, "USDC")))
    assert 'class="phase outage" x="46.67%" width="10.00%" height="100%"' in drawn
    assert "the venue refuses orders, the feed is frozen" in drawn and ">outage</text>" in drawn
    assert 'class="phase latency" x="33.33%" width="33.33%" y="0" height="5"' in drawn
    assert "▒ outage of the venue" in drawn and "▬ messages take longer" in drawn
    path = CRASH.market_paths[0]._replace(symbol="ETH")
    assert [phase.kind for phase in of_scenario(CRASH, path)] == ["latency"]


def test_guards_are_marks_of_the_margin_of_their_account() -> None:
    [alert] = CRASH.actions
    sent = alert._replace(event=GuardEvent.ORDER, order="low-buffer 1")
    held = alert._replace(event=GuardEvent.HELD)
    _, margin, *_ = map(written, courses(CRASH._replace(actions=(alert, sent, held)), "USDC"))
    assert margin.count('class="mark alert"') == margin.count('class="mark guard"') == 1
    assert "guard low-buffer alerts: buffer &lt; 1_000, sees 812.50" in margin
    assert "guard low-buffer sends low-buffer 1: " in margin and "◇ a guard alerts" in margin
    _, elsewhere, *_ = map(written, courses(CRASH._replace(actions=(alert._replace(account="calm"),)), "USDC"))
    assert "mark alert" not in elsewhere


def test_the_portfolio_is_called_what_it_calls_itself() -> None:
    hostile = CRASH._replace(portfolio=CRASH.portfolio._replace(title="<script>my</script>"))
    page = render_html(MODEL._replace(cells=(hostile,)))
    assert "<title>Stress test of book (&lt;script&gt;my&lt;/script&gt;)</title>" in page
    assert '<p class="about">book (&lt;script&gt;my' in page


def test_what_a_heading_leaves_open_stands_below_its_table() -> None:
    sheet = Sheet("s", (Column("a"), Column("b", note="of both")), (("1", "2"),))
    assert '<p class="note">b: of both</p>' in written(table(sheet))
    assert [*sheet_lines(sheet)][-2:] == ["", "b: of both"]
    assert [*sheet.notes([0])] == [] and [*sheet._replace(rows=()).notes()] == []


# --- the order book --------------------------------------------------------------------------------------------------


def test_rows_go_from_far_asks_to_far_bids_as_shares_of_their_median() -> None:
    [path] = CRASH.market_paths
    rows = [*rows_of(path, SPAN)]
    assert [row.name for row in rows[:2]] == ["asks within 500 bps", "asks within 200 bps"]
    assert [row.name for row in rows[7:9]] == ["asks within 2 bps", "bids within 2 bps"]
    assert rows[-1].name == "bids within 500 bps"
    for row, units in zip(rows, [*reversed(path.asks), *path.bids], strict=True):
        assert row.shares[0] == round(100.0 * units[0] / row.usual)
        assert min(share for share in row.shares if share is not None) == round(100.0 * min(units) / row.usual)


def test_of_what_is_usually_empty_no_share_is_known() -> None:
    [path] = CRASH.market_paths
    empty = array("d", [0.0] * len(path.walked_ns))
    row = [*rows_of(path._replace(bids=(empty,) * len(path.bids)), SPAN)][-1]
    assert (row.usual, set(row.shares)) == (0.0, {None})


def test_a_sweep_goes_from_the_mid_of_its_time_to_the_worst_price() -> None:
    """Sold 0.25 at 97,900 and 0.5 at 97,750 for 6.5 bps of the decision, 2 of them before it arrived."""
    own, forced = sweeps(traded_in(CRASH, CRASH.market_paths[0]))
    decision = (0.25 * 97_900.0 + 0.5 * 97_750.0) / 0.75 / (1.0 - 6.5e-4)
    assert own.distance == pytest.approx(1e4 * (1.0 - 97_750.0 / (decision * (1.0 - 2e-4))))
    assert own.text.endswith("stop: sell 0.75 to 97,750.00, 9.6 bps from mid")
    mid = 95_800.0 / (1.0 - 12.5e-4)
    assert forced.kind == "forced"
    assert forced.distance == pytest.approx(1e4 * (1.0 - 95_710.0 / mid))


def test_nothing_is_swept_of_another_market_or_by_a_takeover() -> None:
    [path] = CRASH.market_paths
    assert not [*sweeps(traded_in(CRASH, path._replace(symbol="ETH")))]
    assert not [*sweeps(traded_in(CRASH, path._replace(venue="elsewhere@2026-01-01")))]
    assert title_of(CRASH, path) == "BTC"
    taken_over = tuple(each._replace(worst_price=None) for each in CRASH.liquidations)
    assert [sweep.kind for sweep in sweeps(traded_in(CRASH._replace(liquidations=taken_over), path))] == ["own"]


@pytest.mark.parametrize(
    ("distance", "rows"), [(0.0, 0.0), (2.0, 1.0), (3.5, 1.5), (500.0, 8.0), (900.0, 8.0), (-1.0, 0.0)]
)
def test_a_sweep_ends_in_the_row_of_its_distance(distance: float, rows: float) -> None:
    middle, row = (HEAD + 100.0 - FOOT) / 2.0, (100.0 - HEAD - FOOT) / 16.0
    assert height(Side.SELL, distance) == pytest.approx(middle + rows * row)
    assert height(Side.BUY, distance) == pytest.approx(middle - rows * row)


def test_neighbouring_grains_of_a_shade_are_one_shape() -> None:
    [path] = CRASH.market_paths
    full = tuple(array("d", [7.0] * len(path.walked_ns)) for _ in path.bids)
    drawn = written(heat(CRASH, path._replace(bids=full, asks=full), SPAN))
    assert re.findall(r'class="shade4" d="([^"]*)"', drawn) == [
        "".join(f"M0 {n}h{GRAIN}v1h-{GRAIN}z" for n in range(16))
    ]


# --- the sentence --------------------------------------------------------------------------------------------------


def test_the_sentence_says_what_is_lost_and_who_died() -> None:
    whole = CRASH.portfolio
    found = sentence(CRASH, "USDC")
    assert f"loses {whole.loss:,.2f} USDC" in found
    assert f"{whole.pools_liquidated} of {whole.pools} margin pool" in found
    assert found.endswith(" UTC.")


def test_the_sentence_of_one_who_won() -> None:
    calm = CRASH._replace(
        verdict=Verdict.SURVIVED,
        liquidations=(),
        portfolio=CRASH.portfolio._replace(loss=-50.0, loss_pct=-5.0, equity_start=1_000.0, pools_liquidated=0),
    )
    found = sentence(calm, "USDC")
    assert found.startswith("The portfolio gains 50.00 USDC, 5.0 % of its 1,000.00; nothing is liquidated")


# --- the page ------------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[31m" + "x" * 4_000


def hostile(value: Any) -> Any:
    """The same with every text another's."""
    if isinstance(value, str):
        return value if isinstance(value, Enum) else HOSTILE
    if isinstance(value, tuple):
        parts = [hostile(each) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


class Tags(HTMLParser):
    """What a browser would take for tags, and the attributes that make it do something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def tags_of(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    return found


def test_hostile_text_stays_text() -> None:
    page = render_html(hostile(MODEL), "all")
    found = tags_of(page)
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert not {name for name in found.attributes if name.startswith("on")}
    assert "\x1b" not in page and "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_nothing_is_loaded() -> None:
    page = render_html(MODEL, "all")
    assert not tags_of(page).attributes & {"src", "action", "srcset"}
    assert [tag for tag in tags_of(page).tags if tag in {"link", "base", "iframe"}] == []
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", page)


def test_sources_are_closed_and_their_addresses_are_links() -> None:
    page = render_html(MODEL, "all")
    assert page.count('<details class="sources">') == 2 and "<details open" not in page
    assert (
        "<b>BN-1M</b> klines of one minute "
        '(<a href="https://data.example.org/klines/BTC" rel="noreferrer">https://data.example.org/klines/BTC</a>)'
    ) in page
    assert '<a href="https://github.com/owner/docs" rel="noreferrer">github.com/owner/docs</a> @24c1248' in page
    assert "<li><b>latency</b> measured</li>" in page


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("see http://a.example/x?y=1&z=2. Then", ["http://a.example/x?y=1&z=2"]),
        ("binance.com/support/faq: liquidation 360033525271", ["https://binance.com/support/faq"]),
        ("crypto.report, 2025-03-12; docs: trading/fees.md, mark/entry x notional", []),
        ("javascript:alert(1) data:text/html,x ftp://a.example/x file:///etc/passwd", []),
        ('https://a.example/"onclick="x', ["https://a.example/"]),
    ],
)
def test_only_addresses_of_the_web_are_links(text: str, addresses: list[str]) -> None:
    found = node("p", linked(text))
    assert [each.get("href") for each in found.iter("a")] == addresses
    assert "".join(found.itertext()) == text


def test_a_matrix_is_a_heat_map() -> None:
    sheet = Sheet(
        "Where",
        (Column("scenario", is_text=True), Column("venue")),
        (("crash", "lost"),),
        heat=((None, Heat("partly", 0.8)),),
    )
    shown = '<td class="figure heated partly" data-label="venue" style="--heat: 0.800">lost</td>'
    assert shown in written(table(sheet))


def test_heat_speaks_of_the_verdict_whatever_was_won() -> None:
    """A liquidation that ended with more money is as red as one that cost all, and every tone has its colour."""
    won = CRASH._replace(venue="b@2026-08-22", plans=(), portfolio=CRASH.portfolio._replace(loss=-12.0, loss_pct=-12.4))
    [sheet] = glance([CRASH._replace(plans=()), won, SMALLER._replace(verdict=Verdict.SURVIVED)], "USDC")
    place = [column.heading for column in sheet.columns].index("verdict")
    found = [row[place] for row in sheet.heat]
    assert [heat and heat.tone for heat in found] == ["liquidated", "liquidated", "survived"]
    assert [heat.degree for heat in found if heat][:2] == [pytest.approx(0.646, abs=0.001), 0.0]
    assert [row[place : place + 3] for row in sheet.rows][1] == ("liquidated", "+12.00", "+12.4 %")
    css = CSS.read_text("utf-8")
    assert all(f".{tone}" in css for tone in ("partly", *(verdict.name.lower() for verdict in Verdict)))


def test_details_say_which_cells_are_told() -> None:
    assert render_html(MODEL, "all").count("<article>") == len(MODEL.cells)
    assert render_html(MODEL, "worst").count("<article>") == 1


def test_a_waterfall_has_a_line_at_nothing_an_axis_with_its_unit_and_every_figure() -> None:
    rows = [Steps("one", (("delay", -2.0), ("fee", 12.0), ("depth", 0.0))), Steps("none", (("fee", 0.0),))]
    [found] = waterfall("Costs", iter(rows), "bps", bps)
    assert [each.text for each in found.iter("text")] == ["delay −2.0", "fee +12.0", "0 bps", "5", "10"]
    assert [each.get("class") for each in found.iter("line")] == ["zero", "grid", "grid"]
    places = [(each.get("x"), each.get("width")) for each in found.iter("rect")]
    assert places == [("0.00%", "12.00%"), ("0.00%", "72.00%")]
    assert [each.text for each in found.iter("b")] == ["+10.0 bps"]
    assert [each.get("class") for each in found.iter("span")] == ["legend", "key delay", "key fee", None]


def test_nothing_has_no_waterfall() -> None:
    assert not [*waterfall("Costs", [Steps("none", (("fee", 0.0),))], "bps", bps)]


def test_plans_of_several_cells_stand_beside_each_other() -> None:
    [found] = plans_beside(planned((CRASH, SMALLER)))
    names = [each.text for each in found.iter("span") if each.text and "exit" in each.text]
    assert len(names) == 2 and len({*names}) == 2
    assert all(name.endswith(": exit, BTC, twap") for name in names)
    assert planned((CRASH,)) == ()
