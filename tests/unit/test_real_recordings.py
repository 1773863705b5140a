"""How real takers are found and compared, and how long orders wait: on tapes that can be worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from backtester.engine import spec
from backtester.errors import BacktesterError
from backtester.market.read import open_tape
from scripts import real_queues, real_takers
from scripts.real_queues import Plan, Queue, Wait, measure, steps, times
from scripts.real_takers import Array, Comparison, Taker, compare, distribution, find_takers, read
from tests.unit.market_tapes import BTC, ETH, Row, write

MS, S = 1_000_000, 1_000_000_000
ONE_UNIT = BTC._replace(tick_size=1.0, lot_size=1.0)
BID, ASK = 1, -1
BUY, SELL = 1, -1


def snapshot(ts: int, bids: dict[int, int], asks: dict[int, int]) -> list[Row]:
    """A whole order book."""
    levels = [(side, *level) for side, each in ((BID, bids), (ASK, asks)) for level in each.items()]
    marker = Row(ts, kind="snapshot", side=0, price=None, size=0.0)
    return [marker, *(Row(ts, "BTC", "snapshot", side, float(tick), float(lots)) for side, tick, lots in levels)]


def delta(ts: int, side: int, tick: int, lots: int) -> Row:
    return Row(ts, "BTC", "delta", side, float(tick), float(lots))


def trade(ts: int, side: int, tick: int, lots: int) -> Row:
    return Row(ts, "BTC", "trade", side, float(tick), float(lots))


def events_of(directory: Path, *rows: Row) -> tuple[spec.Instrument, Array]:
    """A tape of these rows, read as the scripts read one."""
    numbered = [row._replace(seq=number, price=row.price or 0.0) for number, row in enumerate(rows)]
    instrument, events = read(open_tape([write(directory / "tape.parquet", numbered, [ONE_UNIT])]))
    return instrument.spec, events


# --- takers --------------------------------------------------------------------------------------------------------

BOOK = snapshot(S, {99: 5, 98: 5}, {101: 3, 102: 5, 103: 9})


def test_a_taker_is_a_run_of_trades_of_one_time_and_side(tmp_path: Path) -> None:
    early = trade(S - 1, BUY, 101, 1)  # before the first order book
    rows = [
        trade(S + 5, BUY, 101, 3),
        trade(S + 5, BUY, 102, 1),
        trade(S + 5, SELL, 99, 2),
        trade(S + 5, BUY, 102, 1),  # somebody else: a seller came between
        trade(S + 9, BUY, 102, 1),
        trade(S + 9, 0, 102, 7),  # nobody knows who took
    ]
    _, events = events_of(tmp_path, early, *BOOK, *rows)
    assert find_takers(events) == [
        Taker(S + 5, BUY, 4, 3 * 101 + 102, trades=2, age_ns=5, others=0),
        Taker(S + 5, SELL, 2, 2 * 99, trades=1, age_ns=5, others=0),
        Taker(S + 5, BUY, 1, 102, trades=1, age_ns=5, others=4),
        Taker(S + 9, BUY, 1, 102, trades=1, age_ns=9, others=5),
    ]


def test_each_taker_walks_the_order_book_before_it_alone(tmp_path: Path) -> None:
    ts = 2 * S
    rows = [
        trade(ts, BUY, 101, 3),
        trade(ts, BUY, 102, 1),
        delta(ts, ASK, 101, 0),  # what the first one left: at its own time it does not count yet
        trade(ts + S, BUY, 102, 20),
        trade(ts + 2 * S, SELL, 98, 5),
        delta(ts + 3 * S, BID, 97, 1),
    ]
    instrument, events = events_of(tmp_path, *BOOK, *rows)
    report = compare(instrument, events, find_takers(events))
    first, last = report.compared
    assert (first.filled, first.value, first.levels, first.cost_bps) == (4, 3 * 101 + 102, 2, 0.0)
    # It sold 5 for 98 each where the order book showed 5 at 99.
    assert (last.value, last.levels) == (5 * 99, 1) and last.cost_bps == pytest.approx(10_000 / 99)
    # 20 wanted; of the 5 and 9 that are shown the trade of 1 a second before took one.
    (large,) = report.beyond
    assert (large.filled, large.value) == (13, 4 * 102 + 9 * 103)
    assert (report.sent, report.before_start) == (3, 0)
    assert report.distribution.n == 2 and report.distribution.equal == 0.5


def test_takers_before_the_engine_starts_are_counted_and_left_out(tmp_path: Path) -> None:
    begin = S + 3 * MS  # the engine starts at the next multiple of 10 ms
    rows = [trade(begin + MS, BUY, 101, 1), trade(begin + 8 * MS, BUY, 101, 1)]
    instrument, events = events_of(tmp_path, *(row._replace(ts=begin) for row in BOOK), *rows)
    report = compare(instrument, events, find_takers(events))
    (sent,) = report.compared
    assert (report.sent, report.before_start, sent.taker.ts_ns) == (2, 1, begin + 8 * MS)


def test_costs_are_positive_where_the_real_taker_got_the_worse_price() -> None:
    sold = Comparison(Taker(0, SELL, 3, 300, 1, 0, 0), filled=3, value=303, levels=1)
    bought = Comparison(Taker(0, BUY, 3, 300, 1, 0, others=2), filled=3, value=303, levels=1)
    assert sold.cost_bps == pytest.approx(99.0, abs=0.01) and bought.cost_bps == -sold.cost_bps
    assert [each.reason(0.5) for each in (sold, bought)] == ["quotes left", "better quotes came"]
    assert sold._replace(taker=sold.taker._replace(others=2)).reason(0.5) == "others took 1.000"


def test_quantiles_are_not_interpolated() -> None:
    assert distribution([3.0, 0.0, 1.0, 0.0]) == (4, 1.0, 1.0, 0.0, 3.0, 0.5)
    with pytest.raises(BacktesterError, match="no taker to compare"):
        distribution([])


def test_a_recording_has_one_instrument(tmp_path: Path) -> None:
    rows = [Row(1, "BTC"), Row(1, "ETH", seq=1)]
    with pytest.raises(BacktesterError, match="must hold one instrument, has BTC, ETH"):
        read(open_tape([write(tmp_path / "two.parquet", rows, [BTC, ETH])]))


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    rows = [trade(2 * S, BUY, 101, 1), trade(3 * S, SELL, 99, 20), trade(4 * S, BUY, 102, 1)]
    instrument, events = events_of(tmp_path, *BOOK, *rows)
    report = compare(instrument, events, find_takers(events))
    said = real_takers.text(ONE_UNIT, report).splitlines()
    assert said[1] == "  1 larger than the visible order book, left out; on average 50% filled"
    assert "others took 1.000" in said[-2] and "+99.01" in said[-2]
    document = real_takers.document(report)
    assert len(document["compared"]) == 2 and document["beyond"][0]["filled"] == 10


# --- queues --------------------------------------------------------------------------------------------------------


def test_those_ahead_are_filled_first() -> None:
    queue = Queue(ahead=80, open=100)
    queue.trade(1, 50)
    assert (queue.ahead, queue.open) == (30, 100)
    queue.trade(2, 40)
    assert (queue.ahead, queue.open, queue.filled_ns) == (0, 90, None)
    queue.trade(3, 90)
    assert (queue.open, queue.filled_ns) == (0, 3)


def test_a_message_is_one_step_and_a_marker_begins_one(tmp_path: Path) -> None:
    rows = [*BOOK, *BOOK, delta(S + 1, BID, 99, 4), delta(S + 1, ASK, 101, 4), *[trade(S + 1, BUY, 101, 1)] * 2]
    _, events = events_of(tmp_path, *rows)
    assert [len(step) for step in steps(events)] == [len(BOOK), len(BOOK), 2, 1, 1]


def waits_at_bid(directory: Path, *rows: Row) -> Wait:
    """A bid of 2 lots that joins 10 others at 99 after 2 s, watched for 10 s; the tape goes on for long enough."""
    book = snapshot(S, {99: 10, 98: 5}, {101: 10})
    instrument, events = events_of(directory, *book, *rows, delta(14 * S + 1, BID, 90, 1))
    bid, ask = measure(instrument, events, Plan(2 * S, 10 * S, 2))[:2]
    assert (bid.ts_ns, bid.tick, bid.ahead, ask.tick, ask.ahead) == (3 * S, 99, 10, 101, 10)
    return bid


def seconds(wait: Wait) -> tuple[float, float, float]:
    return wait.early_s, wait.engine_s, wait.late_s


def test_without_cancels_all_three_agree(tmp_path: Path) -> None:
    wait = waits_at_bid(tmp_path, trade(4 * S, SELL, 99, 8), delta(4 * S, BID, 99, 2), trade(5 * S, SELL, 99, 4))
    assert seconds(wait) == (2.0, 2.0, 2.0)


def test_cancels_that_leave_room_are_behind_us_in_the_engine(tmp_path: Path) -> None:
    cancels = delta(4 * S, BID, 99, 9), delta(5 * S, BID, 99, 15), delta(6 * S, BID, 99, 10)  # 6 in all, 6 came
    wait = waits_at_bid(
        tmp_path, *cancels, trade(7 * S, SELL, 99, 6), trade(8 * S, SELL, 99, 5), trade(9 * S, SELL, 99, 1)
    )
    # early: 10 − 1 − 5 = 4 ahead; engine: never more than 9, shown once; late: 10.
    assert seconds(wait) == (4.0, 5.0, 6.0)


def test_a_level_that_shrinks_shortens_the_engines_queue(tmp_path: Path) -> None:
    wait = waits_at_bid(tmp_path, delta(4 * S, BID, 99, 1), trade(5 * S, SELL, 99, 3), trade(6 * S, SELL, 99, 9))
    assert seconds(wait) == (2.0, 2.0, 3.0)


def test_an_ask_that_reaches_us_fills_but_for_the_late_walk(tmp_path: Path) -> None:
    wait = waits_at_bid(
        tmp_path, *snapshot(4 * S, {97: 5}, {98: 5}), trade(5 * S, SELL, 98, 1), trade(6 * S, SELL, 98, 1)
    )
    assert seconds(wait) == (1.0, 1.0, 3.0)


def test_an_order_that_the_market_leaves(tmp_path: Path) -> None:
    wait = waits_at_bid(tmp_path, *snapshot(4 * S, {100: 5, 99: 10}, {102: 5}))
    assert wait.left and seconds(wait) == (math.inf, math.inf, math.inf)


def test_trades_of_others_move_nothing(tmp_path: Path) -> None:
    others = trade(4 * S, BUY, 99, 50), trade(5 * S, SELL, 100, 50), trade(6 * S, 0, 99, 50)
    wait = waits_at_bid(tmp_path, *others)
    assert not wait.left and seconds(wait) == (math.inf, math.inf, math.inf)


def test_waits_have_quantiles_although_some_never_end() -> None:
    assert times([3.0, math.inf, 1.0, 2.0]) == (0.75, 1.0, 2.0, 3.0, math.inf)
    assert np.isinf(times([math.inf]).median)


def test_what_never_filled_is_null_and_a_dash() -> None:
    waits = [Wait(0, 1, 99, 10, 1.0, 2.0, math.inf, False), Wait(0, 1, 99, 10, 2.0, math.inf, math.inf, True)]
    document = real_queues.document(waits)
    assert [each["engine_s"] for each in document["orders"]] == [2.0, None]
    assert document["place"] == {"as_both": 0, "as_early": 0, "between": 1, "as_late": 0}
    said = real_queues.text(ONE_UNIT, waits, Plan(S, S, 2)).splitlines()
    assert said[4].split() == ["engine", "50.0%", "2.0", "2.0", "–", "–"]
    assert said[-2] == "it leaves 1: the best price had gone away from 1 of them"
    assert said[-1].endswith("the fills of 50.0% of the orders, and a median wait of – s instead of 2.0 s")
