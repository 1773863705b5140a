"""The benchmark's scripts: the converter of neutral tapes, the mix of worlds, the tape behind itself, and the peers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.engine import spec
from backtester.enums import EventKind
from backtester.market.read import open_tape
from backtester.run.drive import Engine
from scripts import bench, bench_parts, bench_peers, growth
from scripts.bench_parts import make_world, measure_checksums, measure_pass, repeat_tape, side_by_side, stream
from scripts.bench_peers import HASH, OURS, ROI, Contest, Measured, Spread
from scripts.crash_tape import Columns, crash_columns
from scripts.make_bench_tape import convert, read_columns
from scripts.peers import backtester_part, contest, environment
from scripts.peers.contest import Answer, Outcome

SECOND = 1_000_000_000
#: (ts, kind, side, px, qty): a ladder, a trade, the level it took from, and a better bid a second later.
EVENTS = [
    (SECOND, 0, 1, 99.9, 2.0),
    (SECOND, 0, -1, 100.1, 1.5),
    (SECOND + 5, 1, 1, 100.1, 0.5),
    (SECOND + 7, 0, -1, 100.1, 1.0),
    (2 * SECOND, 0, 1, 100.0, 0.001),
]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    types = {"ts": pa.int64(), "kind": pa.int8(), "side": pa.int8(), "px": pa.float64(), "qty": pa.float64()}
    columns = [pa.array(column, kind) for column, kind in zip(zip(*EVENTS, strict=True), types.values(), strict=True)]
    pq.write_table(pa.table(dict(zip(types, columns, strict=True))), tmp_path / "neutral.parquet")
    convert(read_columns(tmp_path / "neutral.parquet"), tmp_path / "tape.parquet")
    return tmp_path / "tape.parquet"


def test_a_neutral_tape_becomes_a_tape(tape: Path) -> None:
    events = np.concatenate(list(open_tape([tape]).chunks()))
    snapshot, delta, trade = EventKind.SNAPSHOT, EventKind.DELTA, EventKind.TRADE
    assert events["kind"].tolist() == [snapshot, snapshot, trade, delta, delta]
    assert events["tick"].tolist() == [999, 1001, 1001, 1001, 1000]
    assert events["lots"].tolist() == [2000, 1500, 500, 1000, 1]
    assert events["side"].tolist() == [1, -1, 1, -1, 1]


def test_the_checksum_covers_every_column() -> None:
    columns = Columns(
        np.array([1], np.int64), np.array([0], np.int8), np.array([1], np.int8), np.array([5]), np.array([7])
    )
    known = columns.sha256()
    for name, column in columns._asdict().items():
        assert columns._replace(**{name: column + 1}).sha256() != known


def test_checksums_see_the_ladder_before_each_tenth_of_a_second(tape: Path) -> None:
    found = measure_checksums(tape)
    assert (found["samples"], found["bid_ticks"], found["ask_ticks"]) == (10, 10 * 999, 10 * 1001)


def test_a_repeated_tape_starts_afresh(tape: Path, tmp_path: Path) -> None:
    repeat_tape(tape, 3, tmp_path / "long.parquet")
    events = np.concatenate(list(open_tape([tmp_path / "long.parquet"]).chunks()))
    assert len(events) == 3 * len(EVENTS)
    assert (np.diff(events["ts"]) >= 0).all()
    assert events["kind"][len(EVENTS)] == EventKind.SNAPSHOT


def test_worlds_differ_as_described() -> None:
    instrument = spec.Instrument("BTC", 0.1, 0.001)
    accounts = [make_world(number, 1000, 60_000.0, instrument).accounts[0] for number in range(1000)]
    positions = [account.positions[0] for account in accounts]
    assert [position.lots for position in positions[:3]] == [1000, -1000, 1000]
    assert [position.isolated for position in positions[:4]] == [False, False, True, True]
    assert {position.leverage for position in positions} == set(range(2, 41))
    assert [len(account.orders) for account in accounts[:101:50]] == [3, 1, 3]
    stops = [account.orders[0].trigger_tick for account in accounts]
    assert (min(stops), max(stops)) == (int(600_000 * (1 - 0.005 - 0.0998)), int(600_000 * (1 + 0.005 + 0.0999)))


@pytest.mark.slow
@pytest.mark.compiled
def test_the_published_tape_is_a_ladder_that_never_crosses() -> None:
    columns = crash_columns(20_000)
    assert (np.diff(columns.ts_ns) >= 0).all()
    levels: dict[int, set[int]] = {1: set(), -1: set()}
    for kind, side, tick, lots in zip(*(each.tolist() for each in columns[1:]), strict=True):
        if kind == 0:
            (levels[side].add if lots else levels[side].discard)(tick)
    assert max(levels[1]) < min(levels[-1])
    assert crash_columns(20_000).sha256() == columns.sha256()


@pytest.mark.slow
@pytest.mark.compiled
def test_the_published_tape_is_the_one_that_peers_saw() -> None:
    assert crash_columns().sha256() == bench.PUBLISHED_SHA256


# --- growth ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of a minute and more."""
    tape = tmp_path_factory.mktemp("bench") / "minute.parquet"
    bench_parts.make_tape(tape, 10_000)
    return tape


@pytest.mark.parametrize(
    ("case", "positions", "fills"),
    [("worlds", 6, 0), ("far", 0, 0), ("market", 0, 6), ("positions", 6, 0), ("symbols", 6, 0)],
)
def test_a_case_has_as_many_as_it_is_asked_for(minute: Path, case: str, positions: int, fills: int) -> None:
    found = measure_pass(minute, case, 6)
    assert (found["positions"], found["fills"]) == (positions, fills)
    assert set(growth.figures_of(found)) == {"kernel_s", "laying_out_s", "peak_mb"}


def test_every_case_of_a_tape_is_a_part() -> None:
    assert {case.name for case in growth.CASES} == {*bench_parts.CASES, "copies", "compare"}


def test_symbols_share_the_time_of_their_events(tape: Path) -> None:
    merged = side_by_side(np.concatenate(list(open_tape([tape]).chunks())), 2)
    assert merged["instrument"][:5].tolist() == [0, 0, 1, 1, 0]
    assert (np.diff(merged["ts"]) >= 0).all()


def test_growth_is_told_by_doubling() -> None:
    assert growth.per_doubling({10: 1.0, 40: 4.0, 80: 16.0}) == pytest.approx([2.0, 4.0])
    assert growth.allowed({2: 0.0, 4: 0.0}) == pytest.approx([4.0])


def test_what_grows_too_fast_is_marked() -> None:
    case = growth.CASES[1]
    rows = growth.rows_of({100: {"kernel_s": 1.0}, 1_000: {"kernel_s": 10.0}, 10_000: {"kernel_s": 1000.0}})
    text = "\n".join(growth.lines(case, rows))
    assert re.search(r"^  kernels, s +1\.0000 +10\.0000 +1000\.0000$", text, re.M)
    assert re.search(r"^    per doubling +2\.00 +4\.00!$", text, re.M)
    assert growth.verdict({case.name: rows}) == "! grows too fast: resting orders, near (kernels, s)"
    fine = growth.rows_of({100: {"kernel_s": 1.0}, 1_000: {"kernel_s": 10.0}, 10_000: None})
    assert growth.verdict({case.name: fine}) == "nothing grows faster than n log n"


def test_memory_of_a_longer_tape_has_to_stay_flat() -> None:
    case = next(each for each in growth.CASES if each.is_flat)
    rows = growth.rows_of({1: {"peak_mb": 200.0}, 10: {"peak_mb": 210.0}, 50: {"peak_mb": 400.0}})
    assert growth.too_fast(case, "peak_mb", rows["peak_mb"]) == [False, True]


def test_medians_stop_at_a_failure() -> None:
    answers = iter([{"s": 3.0}, {"s": 1.0}, {"s": 2.0}])
    assert growth.medians(lambda: next(answers), 3) == {"s": 2.0}
    assert growth.medians(lambda: None, 3) is None


# --- the table -------------------------------------------------------------------------------------------------------


def test_an_order_costs_what_it_takes_beyond_looking() -> None:
    none = {"seconds": [0.014]}
    taker = {"seconds": [0.050], "orders_s": 0.006, "outcome": {"orders": 60_000}}
    costs = bench.order_us(none, taker)
    assert costs == pytest.approx({"order_kernel_us": 0.5, "order_laying_out_us": 0.1})


def test_both_tapes_stand_in_one_table() -> None:
    calm = dict.fromkeys(bench.SPEEDS, 40.0) | {"events": 10, "orders": 7}
    calm |= {"order_kernel_us": 0.25, "order_laying_out_us": 0.05}
    crash = calm | {"taker_mev_s": 54.2}
    shell = {"cold_compile_s": 12.0, "cache_load_s": 0.2, "warm_run_s": None, "help_s": 0.1}
    text = bench.table(shell, {bench.CALM: calm, bench.CRASH: crash})
    assert re.search(r"^M events/s +calm +flash crash$", text, re.M)
    assert re.search(r"^taker: a market order each 100 ms +40\.0 +54\.2$", text, re.M)
    assert re.search(r"^one of them in the kernels, µs +0\.25 +0\.25$", text, re.M)
    assert re.search(r"^flatters least: calm$", text, re.M)
    assert re.search(r"^demo run, warm +failed$", text, re.M)


def test_values_are_compared_a_single_one_is_set() -> None:
    key = "accounts[main].collateral.USDC"
    assert bench.compared(1) == ("--set", f"{key}=250000")
    assert bench.compared(2) == ("--compare", f"{key}=250000,250001", "--max", "2")


def test_a_process_tells_its_end() -> None:
    done = bench.run(("-c", "import sys; print(1); sys.exit(3)"))
    assert (done.code, done.out, done.err) == (3, "1\n", "")
    assert done.seconds > 0
    assert done.peak_mb > 1


# --- peers -----------------------------------------------------------------------------------------------------------


def _measured(mev_s: float, outcome: Outcome | None = None, if_whole: Outcome | None = None) -> Measured:
    return Measured(Spread(mev_s, mev_s - 1, mev_s + 1), 500.0, 2.5, outcome or Outcome(), if_whole)


def _contest() -> Contest:
    taken = Outcome(orders=36_870, fills=36_954, volume=368.7, fees=10_853.5, pnl=-10_890.75)
    whole = taken._replace(fills=36_870, fees=10_853.2464)
    stopped = Outcome(orders=684, fills=378, volume=3.773, stopped_s=34.6)
    return Contest(
        measured={
            "none": {OURS: _measured(70.0, Outcome(samples=3, bid_ticks=2997)), ROI: _measured(14.0)},
            "taker": {OURS: _measured(54.0, taken, whole), ROI: _measured(13.5), HASH: _measured(7.5)},
            "maker": {ROI: _measured(10.0), HASH: _measured(6.0)},
        },
        end_to_end_s={OURS: Spread(1.5, 1.4, 1.6), "hftbacktest": Spread(5.0, 4.0, 6.0)},
        peculiar={"maker, partial fills": stopped},
        absent={"nautilus_trader": "nautilus_trader needs Python 3.13, none was found"},
    )


def test_the_ratio_is_to_the_faster_depth_type() -> None:
    measured = _contest().measured
    assert bench_peers.ratio(measured["taker"]) == 4.0
    assert bench_peers.ratio(measured["none"]) == 5.0
    assert bench_peers.ratio(measured["maker"]) is None  # we took no part
    assert bench_peers.ratio({OURS: _measured(70.0)}) is None  # nobody to compare with


def test_figures_map_modes_to_numbers() -> None:
    figures = bench_peers.figures(_contest())
    assert figures["mev_s"] == {"none": 70.0, "taker": 54.0}
    assert figures["hftbacktest_roi_mev_s"] == {"none": 14.0, "taker": 13.5, "maker": 10.0}
    assert figures["hftbacktest_hash_mev_s"] == {"taker": 7.5, "maker": 6.0}
    assert figures["times_fastest_hftbacktest"] == {"none": 5.0, "taker": 4.0}
    assert figures["end_to_end_s"] == {"backtester": 1.5, "hftbacktest": 5.0}
    assert figures["peers"]["taker"][OURS]["if_whole"]["fills"] == 36_870
    assert json.loads(json.dumps(figures)) == figures


def test_the_table_shows_spreads_results_and_who_is_absent() -> None:
    text = "\n".join(bench_peers.lines(_contest()))
    assert re.search(r"^taker +54\.0 \(53\.0–55\.0\) +13\.5 \(12\.5–14\.5\) +7\.5 .* 4\.00$", text, re.M)
    assert re.search(r"^maker +– ", text, re.M)
    assert re.search(r"^hftbacktest +5\.00 \(4\.00–6\.00\)$", text, re.M)
    assert re.search(r"^backtester, if filled whole +36,870 +36,870 +368\.700 +10,853\.2464 ", text, re.M)
    assert re.search(r"^hftbacktest, maker, partial fills +684 .* 34\.6 s$", text, re.M)
    assert text.endswith("left out: nautilus_trader needs Python 3.13, none was found")


def test_columns_stand_below_each_other() -> None:
    assert bench_peers.table([["a", "10"], ["long", "9"]]) == ["a     10", "long   9"]


def test_an_answer_survives_its_way(capsys: pytest.CaptureFixture[str]) -> None:
    for whole in (None, Outcome(fills=2)):
        answer = Answer(5, [0.5], 1.0, 100.0, Outcome(samples=3), whole)
        contest.show(answer)
        assert Answer.parse(capsys.readouterr().out) == answer


def test_a_peer_without_its_python_is_absent(tmp_path: Path) -> None:
    place = environment.prepare(environment.Peer("future", ("future==1",), (99, 0)), tmp_path)
    assert place == (None, "future needs Python 99.0, none was found")
    assert not list(tmp_path.iterdir())


def test_a_peer_that_cannot_be_installed_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'No module named venv' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(environment, "find_python", lambda least: broken)
    place = environment.prepare(environment.HFTBACKTEST, tmp_path / "root")
    assert place == (None, "hftbacktest could not be installed: No module named venv")


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "hftbacktest"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").touch()
    (made / "installed.txt").write_text("\n".join(environment.HFTBACKTEST.packages))
    monkeypatch.setattr(environment, "find_python", lambda least: pytest.fail("made again"))
    assert environment.prepare(environment.HFTBACKTEST, tmp_path).python == made / "bin" / "python"


def _replayed(tape: Path, lots: int | None) -> tuple[Engine, np.ndarray]:
    """The tape under the rules of the contest, with marks every second: with market orders, or watched."""
    opened = open_tape([tape])
    data, chunks = stream(opened)
    rules = backtester_part.rules_of_the_contest(data).rules[0]._replace(mark_interval_ns=SECOND)
    orders = [] if lots is None else list(backtester_part.market_orders(opened, lots))
    first_due = SECOND + contest.STEP_NS - contest.FEED_NS if lots is None else None
    return backtester_part.run_pass(chunks, data._replace(rules=(rules,)), orders, first_due)


def test_a_watch_looks_at_the_ladder_as_a_late_strategy_sees_it(tape: Path) -> None:
    found = backtester_part.outcome_of(*_replayed(tape, None))
    assert (found.samples, found.bid_ticks, found.ask_ticks) == (10, 10 * 999, 10 * 1001)


def test_market_orders_arrive_when_those_of_the_peers_do(tape: Path) -> None:
    engine, _ = _replayed(tape, 10)
    orders = engine.worlds.orders
    assert orders["side"][:3].tolist() == [1, -1, 1]
    travel = contest.STEP_NS + contest.ENTRY_NS
    assert orders["arrive_ts"][:2].tolist() == [SECOND + travel, SECOND + travel + contest.STEP_NS]


def test_an_order_that_is_filled_in_part_counts_as_whole_where_peers_fill_it_whole(tape: Path) -> None:
    engine, state = _replayed(tape, 1500)
    first = engine.worlds.orders[0]
    assert (first["filled"], first["fee"]) == (1000, pytest.approx(1.0 * 100.1 * contest.TAKER_FEE))
    found, whole = backtester_part.outcome_of(engine, state), backtester_part.if_whole(engine)
    filled = int((engine.worlds.orders["filled"] > 0).sum())
    assert whole.volume == pytest.approx(filled * 1.5)
    assert whole.volume > found.volume


def test_without_any_peer_we_are_still_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_peers, "prepare", lambda peer, root: environment.Environment(None, f"no {peer.name}"))
    answer = Answer(5_000_000, [0.1, 0.2, 0.3], 1.0, 500.0, Outcome(samples=1))
    monkeypatch.setattr(bench_peers, "run_part", lambda engine, mode, *options: (answer, 1.5))
    said: list[str] = []
    found = bench_peers.hold(tmp_path / "tape.parquet", 3, tmp_path, tmp_path, said.append)
    assert bench_peers.figures(found)["mev_s"] == {"none": 25.0, "taker": 25.0}  # no peer, no maker's orders
    assert bench_peers.lines(found)[-2:] == ["left out: no hftbacktest", "left out: no nautilus_trader"]
