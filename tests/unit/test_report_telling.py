"""How a cell is told: pools and positions at a glance, and a line for everything that happened."""

from __future__ import annotations

from backtester.config.values import Instant
from backtester.enums import LiquidationStage, OrderReason, OrderStatus
from backtester.report.records import Cell
from backtester.report.telling import (
    MOST_EVENTS,
    holdings_sheet,
    later_sheets,
    near_sheets,
    pools_sheet,
    timeline_sheet,
)
from backtester.report.timeline import Event, folded, timeline
from tests.golden.handmade import CRASH

MINUTE = 60_000_000_000


def texts(kind: str, cell: Cell = CRASH) -> list[str]:
    return [event.text for event in timeline(cell) if event.kind == kind]


# --- the timeline --------------------------------------------------------------------------------------------------


def test_events_come_in_the_order_of_time() -> None:
    times = [event.ts.ts_ns for event in timeline(CRASH)]
    assert times == sorted(times) and len(times) > 5


def test_phases_are_events_and_latencies_that_go_on_are_one() -> None:
    assert texts("phase") == [
        "messages take 150 ms longer, until 21:40:00",
        "BTC: the venue refuses orders, the feed is frozen, until 21:34:00",
    ]
    latency, outage = CRASH.phases
    more = latency._replace(start_ts=latency.end_ts, end_ts=CRASH.end_ts, value=300.0)
    apart = more._replace(symbol="BTC")
    assert texts("phase", CRASH._replace(phases=(latency, outage, more)))[0] == (
        "messages take up to 300 ms longer, to the end"
    )
    assert len(texts("phase", CRASH._replace(phases=(latency, outage, apart)))) == 3


def test_a_stop_says_what_fired_it_and_what_it_came_to() -> None:
    assert texts("stop") == [
        "stop fires at 97,950.50, set at 98,000.00: sold 0.75 of 1 BTC at 97,800.00",
        "stop-limit fires at 97,950.50, set at 98,000.00: gapped",
    ]


def test_an_order_that_ends_with_less_says_why() -> None:
    assert "stop ends as cancelled: price bound" in texts("order")


def test_an_order_that_got_all_has_one_line() -> None:
    order = next(each for each in CRASH.orders if each.id == "stop")
    whole = order._replace(filled_size=order.size, reason=OrderReason.NONE, status=OrderStatus.FILLED)
    alone = CRASH._replace(orders=(whole,), plans=())
    assert texts("order", alone) == [] and len(texts("stop", alone)) == 1


def test_a_breach_stands_before_its_liquidation() -> None:
    kinds = [event.kind for event in timeline(CRASH)]
    assert kinds.index("breach") < kinds.index("liquidation")
    assert texts("liquidation") == ["liquidation: main BTC, sold 1.25 of 1.25 at 95,800.00, +15.6 bps off the mark"]


def test_a_takeover_says_at_which_price_and_who_keeps_the_margin() -> None:
    """At the mark, or where the venue takes over at another price at that, as the table of liquidations does."""
    taken = CRASH.liquidations[0]._replace(stage=LiquidationStage.TAKEOVER, trigger_mark=96_040.0)
    for vwap, at in ((96_040.0, "the mark 96,040.00"), (95_800.0, "95,800.00, the mark being 96,040.00")):
        [text] = texts("liquidation", CRASH._replace(liquidations=(taken._replace(vwap=vwap),)))
        assert text == f"takeover: main BTC, 1.25 at {at}; the venue keeps the margin"


def test_funding_of_one_time_is_one_line_with_its_signs() -> None:
    paid = CRASH.funding[0]
    got = paid._replace(account="hedge", amount=2.5)
    both = CRASH._replace(funding=(paid, paid._replace(amount=-1.0), got))
    assert texts("funding", both) == ["funding: main −21.00, hedge +2.50"]


def test_plans_begin_and_end() -> None:
    assert [text for text in texts("order") if text.startswith("plan")] == [
        "plan exit begins: sell 2 BTC by twap",
        "plan exit ended: sold 1.5 BTC, 75.0 % at 99,800.00",
    ]


# --- sheets --------------------------------------------------------------------------------------------------------


def test_what_took_one_pool_and_left_another_is_told_pool_by_pool() -> None:
    [main, calm] = CRASH.accounts
    kept = calm.pools[0]._replace(buffer_min=1_250.0)
    rows = pools_sheet(CRASH._replace(accounts=(main, calm._replace(pools=(kept,)))), "USDC").rows
    assert [(row[0], row[2], row[3]) for row in rows][-1] == ("calm cross", "survived", "1,250.00")
    assert rows[0][0] == "main cross" and rows[0][2].startswith("LIQUIDATED")


def test_what_others_bear_stands_with_the_pool() -> None:
    [main, *others] = CRASH.accounts
    owing = main._replace(pools=tuple(pool._replace(deficit=120.5) for pool in main.pools))
    rows = pools_sheet(CRASH._replace(accounts=(owing, *others)), "USDC").rows
    assert rows[0][2] == "LIQUIDATED, 120.50 short"


def test_what_a_position_came_to() -> None:
    [main, *_] = CRASH.accounts
    place = main.positions[0]
    ends = {0.0: "liquidated", place.size_start: "open", place.size_start / 2: f"{place.size_start / 2:g} left"}
    for size_end, said in ends.items():
        found = CRASH._replace(accounts=(main._replace(positions=(place._replace(size_end=size_end),)),))
        assert holdings_sheet(found, "USDC").rows[0][-1] == said
    calm = CRASH._replace(accounts=(main._replace(positions=(place._replace(size_end=0.0),)),), liquidations=())
    assert holdings_sheet(calm, "USDC").rows[0][-1] == "closed"


def test_many_events_are_cut_with_a_sign() -> None:
    paid = CRASH.funding[0]
    often = CRASH._replace(
        funding=tuple(paid._replace(ts=Instant(paid.ts.ts_ns + n * MINUTE)) for n in range(MOST_EVENTS + 5))
    )
    rows = timeline_sheet(often, MOST_EVENTS).rows
    events: list[Event] = timeline(often)
    assert len(rows) == MOST_EVENTS + 1
    assert rows[-1] == ("…", f"{len(events) - MOST_EVENTS} more: --details worst")
    assert len(timeline_sheet(often).rows) == len(events)


def test_events_that_are_alike_are_one_line_in_brief() -> None:
    same = [Event(Instant(n * MINUTE), "guard", f"guard g alerts, sees {n}", "main g ALERT") for n in range(5)]
    other = Event(Instant(2 * MINUTE), "breach", "main cross falls below maintenance")
    events = sorted((*same, other), key=lambda event: event.ts.ts_ns)
    assert [event.text for event in folded(events)] == ["guard g alerts, sees 0; 4 more until 00:04:00", other.text]
    assert folded(events[:4]) == events[:4]  # three of a kind are told


def test_a_cell_told_whole_has_every_table_and_none_twice() -> None:
    whole = [sheet.title for sheet in (*near_sheets(CRASH, "USDC", True), *later_sheets(CRASH, "USDC", True))]
    in_brief = [sheet.title for sheet in (*near_sheets(CRASH, "USDC", False), *later_sheets(CRASH, "USDC", False))]
    assert in_brief == [
        "Margin pools, USDC",
        "Positions, USDC",
        "Guards",
        "Rehearsal: 1 missed, 1 caught; USDC",
        "What would have helped, USDC net of money put in; each was run",
        "How far sizes could have grown, times; each was run, initial margin not asked, USDC",
        "What happened, UTC",
    ]
    assert len(whole) == len(set(whole)) and {*in_brief} < {*whole}
