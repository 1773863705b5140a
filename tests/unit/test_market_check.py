"""Checking and inspecting tapes: ladders at the end of messages, gaps, counts, medians."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtester.bounds import LONGEST_HOLE_NS
from backtester.engine.events import EVENT
from backtester.errors import BacktesterError
from backtester.market.check import CheckReport, check
from backtester.market.inspect import inspect
from backtester.market.read import open_tape
from backtester.market.survey import SHOWN, _State
from backtester.market.tally import BINS, EXACT, PER_DOUBLING, bin_of
from tests.unit.market_tapes import BTC, ETH, Row, join, write

S = 1_000_000_000


def bid(ts: int, price: float, size: float = 1.0, kind: str = "delta", symbol: str = "BTC") -> Row:
    return Row(ts, symbol, kind, 1, price, size)


def ask(ts: int, price: float, size: float = 1.0, kind: str = "delta", symbol: str = "BTC") -> Row:
    return Row(ts, symbol, kind, -1, price, size)


def marker(ts: int) -> Row:
    return Row(ts, "BTC", "snapshot", 0, 0.0, 0.0)


TRADE = Row(3 * S, kind="trade", side=1, price=100.0, size=1.0)


def checked(tmp_path: Path, rows: list[Row], gap_s: float = 5.0) -> CheckReport:
    numbered = [row._replace(seq=number) for number, row in enumerate(rows)]
    return check(open_tape([write(tmp_path / "t.parquet", numbered, [BTC, ETH])]), gap_s)


def crossings(report: CheckReport) -> list[str]:
    """The places of crossed messages; nothing else may be wrong."""
    assert all("crossed or locked" in fault.message for fault in report.faults)
    return [fault.where.rpartition(":")[2] for fault in report.faults]


def test_a_ladder_may_be_crossed_inside_a_message_never_after_it(tmp_path: Path) -> None:
    start = [bid(1, 100.0), ask(1, 100.1)]
    assert checked(tmp_path, [*start, bid(2, 100.1), ask(2, 100.1, 0.0), ask(2, 100.2)]).is_valid
    report = checked(tmp_path, [*start, bid(2, 100.1), ask(3, 100.1, 0.0)])
    assert crossings(report) == ["row 2"]
    assert "bid 100.1, ask 100.1" in report.faults[0].message


def test_every_message_that_ends_crossed_is_found(tmp_path: Path) -> None:
    rows = [bid(1, 100.0), ask(1, 100.1), bid(2, 100.3), bid(2, 100.2), bid(3, 100.3, 0.0), ask(4, 99.0)]
    assert crossings(checked(tmp_path, rows)) == ["row 3", "row 4", "row 5"]


@pytest.mark.parametrize(
    ("between", "ended"),
    [
        (Row(2, kind="trade", side=1, price=100.1, size=1.0), True),
        (Row(2, kind="mark", side=0, price=100.1, size=0.0), True),
        (Row(2, kind="open_interest", side=0, price=0.0, size=1.0), False),  # the reader leaves it out
        (ask(2, 50.0, symbol="ETH"), False),  # other instruments go their own way
    ],
)
def test_what_ends_a_message(tmp_path: Path, between: Row, ended: bool) -> None:
    rows = [bid(1, 100.0), ask(1, 100.1), bid(2, 100.1), between, ask(2, 100.1, 0.0)]
    assert crossings(checked(tmp_path, rows)) == (["row 2"] if ended else [])


def test_snapshot_replaces_the_ladder(tmp_path: Path) -> None:
    start = [bid(1, 100.0), ask(1, 100.1), ask(1, 100.2)]
    above = [bid(2, 100.5, kind="snapshot"), ask(2, 100.6, kind="snapshot")]
    assert checked(tmp_path, [*start, *above]).is_valid
    assert checked(tmp_path, [*start, marker(2), *above]).is_valid
    assert crossings(checked(tmp_path, [*start, above[0]._replace(kind="delta"), ask(2, 100.6)])) == ["row 4"]
    assert checked(tmp_path, [*start, marker(2), ask(3, 99.0)]).is_valid, "the marker alone empties the ladder"


def test_marker_tells_two_snapshots_at_one_time_apart(tmp_path: Path) -> None:
    one = [marker(1), bid(1, 100.0, kind="snapshot"), ask(1, 100.1, kind="snapshot")]
    other = [marker(1), bid(1, 100.1, kind="snapshot"), ask(1, 100.2, kind="snapshot")]
    assert checked(tmp_path, [*one, *other]).is_valid
    assert crossings(checked(tmp_path, [*one, *other[1:]])) == ["row 4"]


def test_best_price_is_found_again_after_a_deletion(tmp_path: Path) -> None:
    rows = [bid(1, 100.0), bid(1, 99.0), ask(1, 101.0), ask(1, 105.0), bid(2, 100.0, 0.0), ask(2, 101.0, 0.0)]
    assert checked(tmp_path, [*rows, ask(3, 100.0), bid(3, 99.9)]).is_valid
    assert crossings(checked(tmp_path, [*rows, bid(3, 105.0)])) == ["row 6"]


def test_rows_with_faults_are_named_by_kind_and_counted(tmp_path: Path) -> None:
    rows = [bid(1, 100.05)] * 12 + [bid(1, 100.0, -1.0), bid(0, 100.0), ask(2, 100.1)]
    report = checked(tmp_path, rows)
    assert report.fault_count == 14 and not report.is_valid
    places = [fault.where.rpartition(":")[2] for fault in report.faults[:-1]]
    assert places == ["row 0", "row 1", "row 2", "row 3", "row 4", "row 12", "row 13"]
    assert report.faults[-1].message == f"{12 - SHOWN} more: off tick"


def test_limits_hold_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [bid(1, 100.05)] * 12
    whole = checked(tmp_path, rows)
    monkeypatch.setattr("backtester.market.survey.CHUNK_ROWS", 3)
    assert whole.fault_count == 12 and len(whole.faults) == SHOWN + 1
    assert checked(tmp_path, rows) == whole


def test_messages_and_ladders_go_on_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.market.survey.CHUNK_ROWS", 2)
    rows = [bid(1, 100.0), ask(1, 100.1), bid(2, 100.1), bid(2, 9_000.0), bid(2, 9_000.0, 0.0), ask(2, 100.1, 0.0)]
    assert checked(tmp_path, rows).is_valid  # crossed at the end of the second batch, inside a message
    assert crossings(checked(tmp_path, rows[:4])) == ["row 3"]


def test_gap_between_messages(tmp_path: Path) -> None:
    rows = [bid(0, 99.0), ask(S, 101.0), TRADE, bid(7 * S, 99.0), bid(12 * S, 99.0)]
    report = checked(tmp_path, rows, gap_s=5.0)
    gaps = [warning for warning in report.warnings if "no message" in warning.message]
    assert [gap.where.rpartition(":")[2] for gap in gaps] == ["row 3"]
    assert "no message of BTC for 6.000 s before it" in gaps[0].message


def test_seq_that_goes_backwards_is_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [bid(1, 99.0)._replace(seq=5), ask(1, 101.0)._replace(seq=4)])
    report = check(open_tape([path]))
    assert report.is_valid
    assert any("seq of BTC goes backwards" in warning.message for warning in report.warnings)


def test_missing_kinds_are_warnings(tmp_path: Path) -> None:
    full = [
        bid(1, 99.0),
        ask(1, 101.0),
        *(Row(1, kind=kind, side=0, price=1.0, size=60.0) for kind in ("mark", "index")),
    ]
    said = " ".join(warning.message for warning in checked(tmp_path, full).warnings)
    assert "BTC has no funding rows" in said and "BTC has no mark" not in said and "BTC has no index" not in said
    assert "ETH has no mark rows" in said and "ETH never shows both sides" in said
    assert "BTC never shows both sides" not in said


def test_price_of_too_many_ticks(tmp_path: Path) -> None:
    report = checked(tmp_path, [bid(1, 1.0), bid(1, 1e8)])
    (fault,) = report.faults
    assert fault.where.endswith("row 1") and "is 1e+09 ticks: a ladder holds 134,217,728" in fault.message


def test_a_hole_is_a_fault_of_the_row_after_it(tmp_path: Path) -> None:
    rows = [bid(0, 99.0), ask(0, 101.0), bid(S, 98.0), bid(S + LONGEST_HOLE_NS + 1, 97.0)]
    (fault,) = checked(tmp_path, rows, gap_s=1e9).faults
    assert fault.where.endswith("row 3") and "no row of any kind for 24.0 hours" in fault.message
    with pytest.raises(BacktesterError, match=r"row 3: no row of any kind for 24\.0 hours"):
        list(open_tape([tmp_path / "t.parquet"]).chunks())


def test_rows_of_another_file_fill_a_hole(tmp_path: Path) -> None:
    far = 2 * LONGEST_HOLE_NS
    first = write(tmp_path / "a.parquet", [bid(0, 99.0), bid(far, 98.0)])
    second = write(tmp_path / "b.parquet", [bid(LONGEST_HOLE_NS, 97.0, symbol="ETH")], [ETH])
    tape = open_tape([first, second])
    assert check(tape, 1e9).is_valid and len(join(tape.chunks())) == 3


def test_each_ladder_takes_what_its_own_ticks_need() -> None:
    rows = np.zeros(2, EVENT)
    rows["instrument"], rows["tick"] = [0, 1], [5, 1_000]
    state = _State(3)
    state.fit(rows)
    assert state.room.tolist() == [8, 1_024, 1]
    state.cells["lots"][state.sides["offset"][2] + 1_000] = 7
    rows["tick"] = [100, 3]
    state.fit(rows)
    assert state.room.tolist() == [128, 1_024, 1] and len(state.cells) == 2 * (128 + 1_024 + 1)
    assert state.cells["lots"][state.sides["offset"][2] + 1_000] == 7


def test_ladders_that_nobody_wants_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [bid(1, 99.0), bid(1, 50.0, symbol="ETH")], [BTC, ETH])
    tape = open_tape([path])._replace(wanted=frozenset({0}))
    assert join(tape.chunks())["instrument"].tolist() == [0]


def test_ladders_go_on_from_file_to_file(tmp_path: Path) -> None:
    later = write(tmp_path / "a.parquet", [bid(2, 100.1)])
    earlier = write(tmp_path / "b.parquet", [bid(1, 100.0), ask(1, 100.1)])
    assert crossings(check(open_tape([later, earlier]))) == ["row 0"]


def test_inspect(tmp_path: Path) -> None:
    rows = [
        *(bid(0, 99.0, 2.0), ask(0, 99.3, 4.0)),  # 3 ticks
        *(bid(2 * S, 99.2, 1.0), ask(2 * S, 99.4, 8.0)),  # 1 tick
        TRADE,
        bid(4 * S, 99.2, 3.0),
    ]
    summary = inspect(open_tape([write(tmp_path / "t.parquet", rows)]))
    assert (summary.rows, summary.first_ts_ns, summary.last_ts_ns) == (6, 0, 4 * S)
    btc = summary.instruments[0]
    assert {kind.kind: kind.rows for kind in btc.kinds if kind.rows} == {"delta": 5, "trade": 1}
    assert (btc.messages, btc.updates_per_s, btc.trades_per_s) == (3, 1.25, 0.25)
    assert btc.median_spread_ticks == 1.0
    assert btc.median_ask_size == pytest.approx(4.0, rel=0.004)
    assert btc.median_bid_size == pytest.approx(2.0, rel=0.004)


def test_inspect_without_span_or_ladder_says_none(tmp_path: Path) -> None:
    btc = inspect(open_tape([write(tmp_path / "t.parquet", [bid(1, 99.0)])])).instruments[0]
    assert (btc.messages, btc.updates_per_s, btc.median_spread_ticks) == (1, None, None)


def test_inspect_refuses_an_invalid_tape(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match=r"row 0: price 100\.05"):
        inspect(open_tape([write(tmp_path / "t.parquet", [bid(1, 100.05)])]))


def test_bins_are_narrow_and_without_gaps() -> None:
    place = getattr(bin_of, "py_func", bin_of)
    assert [place(value) for value in (1, 255, 256, 257, 258)] == [1, 255, 256, 256, 257]
    values = np.unique(np.concatenate([np.arange(1, 5_000), np.array([1 << n for n in range(13, 62)])]))
    bins = np.array([place(int(value)) for value in values])
    assert (np.diff(bins) >= 0).all() and bins.max() < BINS
    assert set(np.diff(bins[:4_999])) <= {0, 1}
    assert place((1 << 62) - 1) == EXACT + 54 * PER_DOUBLING - 1


def trades(count: int, step_ns: int, price: float, size: float = 1.0, side: int = -1) -> list[Row]:
    return [Row(5 * S + n * step_ns, "BTC", "trade", side, price, size + 0.001 * (n % 7)) for n in range(count)]


BOOK = [bid(S, 100.0, kind="snapshot"), ask(S, 101.0, kind="snapshot")]


def test_an_order_book_that_stands_still_under_its_trades_is_named(tmp_path: Path) -> None:
    said = [each.message for each in checked(tmp_path, [*BOOK, *trades(60, S, 90.0)]).warnings]
    assert "trades contradict the order book of BTC for 59.000 s" in said[0] and "its best bid stays 100," in said[0]
    assert said[1] == "no message of BTC for 63.000 s up to the end, while 60 trades print"
    one_side = [*BOOK, *trades(90, S, 90.0), bid(6 * S, 99.0), bid(7 * S, 98.0)]
    one_side.sort(key=lambda row: row.ts or 0)
    assert "trades contradict" in checked(tmp_path, one_side).warnings[0].message, "far levels do not answer"


def test_trades_that_an_order_book_answers_are_believed(tmp_path: Path) -> None:
    answers = [bid(int(5.5 * S) + n * S, 89.0 + n % 2, kind="snapshot") for n in range(60)]
    answers += [ask(row.ts or 0, 101.0, kind="snapshot") for row in answers]
    rows = sorted([*BOOK, *trades(60, S, 90.0), *answers], key=lambda row: row.ts or 0)
    assert not [each for each in checked(tmp_path, rows).warnings if "trades" in each.message]


def test_trades_in_a_gap_are_counted(tmp_path: Path) -> None:
    rows = [*BOOK, *trades(3, S, 100.0), bid(20 * S, 99.5)]
    said = [each.message for each in checked(tmp_path, rows).warnings]
    assert "no message of BTC for 19.000 s before it, while 3 trades print" in said


@pytest.mark.parametrize(
    ("made", "looks_made"),
    [
        (
            [row for n in range(30) for row in trades(1, 1, 100.0)[:1] for row in [row._replace(ts=n * 300 * S)] * 4],
            True,
        ),
        (trades(60, 60 * S, 100.0), True),
        (trades(60, S, 100.0), False),  # stamps of whole seconds, sizes that differ
        (trades(60, S + 1_000_000, 100.0), False),
        (trades(10, 60 * S, 100.0), False),  # too few to say
    ],
)
def test_candles_fed_as_trades_are_named(tmp_path: Path, made: list[Row], looks_made: bool) -> None:
    said = " ".join(each.message for each in checked(tmp_path, made).warnings)
    assert ("they look like candles" in said) is looks_made


def prints(after_ns: int, price: float = 100.0, count: int = 20) -> list[Row]:
    """Trades of one size that sell at a bid, each `after_ns` after the message that shows what it took."""
    made = [Row(n * S + after_ns, "BTC", "trade", -1, price, 1.0) for n in range(2, count + 2)]
    shown = [bid(n * S, 100.0, size=100.0 - n) for n in range(2, count + 2)]
    return sorted([bid(S, 100.0, kind="snapshot", size=99.0), *made, *shown], key=lambda row: row.ts or 0)


def test_trades_that_follow_the_updates_that_show_them_are_named(tmp_path: Path) -> None:
    [said] = [each for each in checked(tmp_path, prints(1_000_000)).warnings if "update that shows" in each.message]
    assert said.message.startswith("20 of 20 trades of BTC print after the update that shows them, 0 before it")
    assert said.hint == "merge both streams by the exchange's clock, trades first"


@pytest.mark.parametrize("after_ns", [-1_000_000, -400_000_000, 1_000_000])
def test_other_trades_are_not(tmp_path: Path, after_ns: int) -> None:
    rows = prints(after_ns, price=100.0 if after_ns < 0 else 99.0)  # before their update, or at another level
    assert not [each for each in checked(tmp_path, rows).warnings if "update that shows" in each.message]


def test_one_update_may_show_several_trades(tmp_path: Path) -> None:
    made = [Row(2 * S + n, "BTC", "trade", -1, 100.0, 2.0 + n) for n in (1, 2, 3)]
    rows = [bid(S, 100.0, kind="snapshot", size=99.0), bid(2 * S, 100.0, size=87.0), *made]
    assert any("3 of 3 trades" in each.message for each in checked(tmp_path, rows).warnings)
