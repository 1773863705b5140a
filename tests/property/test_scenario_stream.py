"""What holds for every base tape and every path: chunks do not matter, nothing crosses, deltas stay deltas."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.enums import EventKind as Kind
from backtester.scenario.grid import make_grid, step_times
from backtester.scenario.path import DEPTH, Scenario, neutral
from tests.unit.scenario_tapes import BTC, ETH, Events, Row, S, events, ladders, only, run, same, scenario, snapshot

SECONDS = 8
BANDS = st.sampled_from([0.0, 0.05, 0.5, 1.0])


@st.composite
def tapes(draw: st.DrawFn, instruments: int = 1, shortest: int = SECONDS) -> Events:
    """A drifting ladder with many events at one ts: moves, deeper changes, trades, and snapshots in between."""
    rows: list[Row] = []
    touch = [draw(st.integers(150, 160)) for _ in range(instruments)]
    for i in range(instruments):
        rows += snapshot(0, {touch[i]: 5, touch[i] - 3: 9, 40: 7}, {touch[i] + 2: 5, touch[i] + 9: 9, 300: 7}, i)
    ts = 0
    end = draw(st.integers(shortest, SECONDS)) * S
    for _ in range(draw(st.integers(0, 25))):
        ts = min(ts + draw(st.sampled_from([1, S // 2, S])), end)
        i = draw(st.integers(0, instruments - 1))
        rows += draw(_message(ts, i, touch))
    for i in range(instruments):
        rows.append(Row(end, 30, 3, side=1, instrument=i))
    return events(rows)


@st.composite
def _message(draw: st.DrawFn, ts: int, i: int, touch: list[int]) -> list[Row]:
    what = draw(st.sampled_from(["up", "down", "deep", "trade", "snapshot", "index"]))
    lots = draw(st.integers(1, 9))
    bid, ask = touch[i], touch[i] + 2
    if what == "up" and ask < 250:
        touch[i] += 1
        return [Row(ts, t, n, instrument=i, side=s) for s, t, n in ((-1, ask, 0), (-1, ask + 1, lots), (1, bid + 1, 4))]
    if what == "down" and bid > 60:
        touch[i] -= 1
        moved = ((1, bid, 0), (1, bid - 1, lots), (-1, ask - 1, 4))
        return [Row(ts, t, n, instrument=i, side=s) for s, t, n in moved]
    if what == "trade":
        return [Row(ts, ask, lots, instrument=i, kind=Kind.TRADE, side=1)]
    if what == "index":
        return [Row(ts, value=float(bid), instrument=i, kind=Kind.INDEX)]
    if what == "snapshot":
        marker = [Row(ts, instrument=i, kind=Kind.SNAPSHOT)]
        return marker + snapshot(ts, {bid: lots, bid - 7: 3}, {ask: 2, ask + 30: lots}, i)
    return [Row(ts, bid - 20, lots, instrument=i, side=1)]


@st.composite
def paths(draw: st.DrawFn, symbol: str = "BTC") -> Scenario:
    def knots(values: st.SearchStrategy[float]) -> list[tuple[float, float]]:
        return [(0.0, draw(values)), (float(draw(st.integers(1, SECONDS))), draw(values))]

    series = {
        "price_ratio": [(0.0, 1.0), (4.0, draw(st.floats(0.3, 2.0))), (8.0, draw(st.floats(0.3, 2.0)))],
        "basis_bps": knots(st.floats(-500, 500)),
        "spread_mult": knots(st.sampled_from([1.0, 3.5, 20.0])),
        "trade_intensity": knots(st.sampled_from([0.0, 1.0, 2.5])),
        "forced_flow_quote": [(float(draw(st.integers(0, SECONDS))), draw(st.sampled_from([-2000.0, 50.0, 1e9])))],
        **{name: knots(BANDS) for name in DEPTH},
    }
    return scenario(SECONDS, series, symbol, step_s=draw(st.sampled_from([0.5, 1.0, 3.0])))


@settings(max_examples=60)
@given(tapes(), paths(), st.integers(1, 7), st.sampled_from([1, 2, 40, 1 << 18]))
def test_chunks_and_capacities_do_not_matter(tape: Events, path: Scenario, rows: int, capacity: int) -> None:
    whole, first = run(path, tape)
    pieces, second = run(path, tape, rows=rows, capacity=capacity)
    assert same(whole, pieces)
    assert repr(first.summary) == repr(second.summary)  # NaN is not equal to itself


@settings(max_examples=60)
@given(tapes(instruments=2, shortest=2), paths())
def test_no_message_leaves_a_crossed_ladder(tape: Events, path: Scenario) -> None:
    both = _with_second(path)
    out, stressed = run(both, tape, (BTC, ETH))
    assert stressed.summary.rows == out.size
    assert (np.diff(out["ts"]) >= 0).all()
    for ladder in ladders(out):
        assert not ladder.crossed, ladder
        assert all(tick >= 1 for tick in (*ladder.bids, *ladder.asks))


def _through(base: dict[int, int], side: int, shift: int, factors: np.ndarray, mid2: int) -> dict[int, int]:
    """A side of the base ladder through a map, as RULES 10.2 says it."""
    shown = {}
    for tick, lots in base.items():
        away = abs(2 * tick - mid2) / mid2
        f = factors[0 if side > 0 else 1, 0 if away < 0.001 else 1 if away < 0.01 else 2]
        u = (tick * 0x9E3779B1 % 2**32) / 2**32
        left = lots if f == 1.0 else int(lots * f + u)
        if left and tick + shift >= 1:
            shown[tick + shift] = left
    return shown


@settings(max_examples=60)
@given(tapes(shortest=SECONDS), paths())
def test_every_step_shows_the_base_ladder_through_its_map(tape: Events, path: Scenario) -> None:
    """However it is said: moved, with a few levels set, or whole."""
    calm = replace(path, series=tuple(s for s in path.series if s.column != "forced_flow_quote"))
    out, stressed = run(calm, tape)
    grid = make_grid(calm, (BTC,))
    base = {ladder.ts: ladder for ladder in ladders(tape)}
    shown = {ladder.ts: ladder for ladder in ladders(out)}
    for step in only(out, Kind.PATH_STEP):
        ts = int(step["ts"])
        under = base[max(each for each in base if each <= ts - stressed.start_ns)]
        mid2 = max(under.bids) + min(under.asks)
        factors = grid.depth[np.searchsorted(grid.step_ns, ts), 0]
        assert shown[ts].bids == _through(under.bids, 1, int(step["tick"]), factors, mid2)
        assert shown[ts].asks == _through(under.asks, -1, int(step["lots"]), factors, mid2)


@settings(max_examples=60)
@given(tapes())
def test_neutral_is_identity(tape: Events) -> None:
    out, _ = run(neutral(["BTC"]), tape)
    assert same(out, tape)
    flat, _ = run(scenario(SECONDS, {}), tape)
    assert all(flat[name].tobytes() == tape[name].tobytes() for name in ("tick", "lots", "value", "kind", "side"))


@settings(max_examples=30)
@given(tapes(), st.sampled_from([0.0, 5.0]))
def test_an_outage_is_told_and_changes_nothing_else(tape: Events, bits: float) -> None:
    """Byte for byte the stream without it, and one event where it begins and where it ends."""
    calm, _ = run(scenario(SECONDS, {}), tape)
    out, _ = run(scenario(SECONDS, {"outage": [(0.0, 0.0), (2.0, bits), (6.0, 0.0)]}), tape)
    told = only(out, Kind.OUTAGE)
    assert same(out[out["kind"] != Kind.OUTAGE], calm)
    assert told["value"].tolist() == ([bits, 0.0] if bits else [])


@settings(max_examples=60)
@given(tapes(), st.floats(0.9, 1.3))
def test_every_delta_stays_one_delta(tape: Events, ratio: float) -> None:
    """A pure price path (no level falls below tick 1) moves deltas and leaves their number, times, sides and sizes."""
    out, _ = run(scenario(SECONDS, {"price_ratio": [(0.0, 1.0), (8.0, ratio)]}), tape)
    before, after = only(tape, Kind.DELTA), only(out, Kind.DELTA)
    for name in ("lots", "side"):
        assert before[name].tolist() == after[name].tolist()
    assert (np.diff(before["ts"]) == np.diff(after["ts"])).all()


@settings(max_examples=60)
@given(tapes(), paths())
def test_flow_is_conserved(tape: Events, path: Scenario) -> None:
    """What the flow traded is what it is said to have done, and never more than was asked."""
    quiet = replace(path, series=tuple(s for s in path.series if s.column != "trade_intensity"))
    silent = tape[tape["kind"] != Kind.TRADE]
    out, stressed = run(quiet, silent)
    trades = only(out, Kind.TRADE)
    traded = float((trades["tick"] * BTC.tick_size * trades["lots"] * BTC.lot_size).sum())
    (realised,) = stressed.summary.realised  # also of a ladder that never showed two sides
    assert abs(traded - realised.flow_done_quote) <= 1e-9 * max(1.0, traded)
    assert realised.flow_done_quote <= realised.flow_asked_quote * (1 + 1e-12)


@settings(max_examples=30)
@given(st.integers(2, 5), st.floats(0.6, 0.95), st.integers(0, 9))
def test_tiles_reach_the_paths_low(base_seconds: int, low: float, drift: int) -> None:
    rows = snapshot(0, {10_000: 10}, {10_002: 10})
    for k in range(1, base_seconds + 1):
        old, new = 10_002 + drift * (k - 1), 10_002 + drift * k
        rows += [Row(k * S, old, 0, side=-1), Row(k * S, new, 10, side=-1)] if drift else [Row(k * S, new, 9, side=-1)]
        rows += [Row(k * S, new - 2, 10, side=1)]
    out, stressed = run(scenario(20, {"price_ratio": [(0.0, 1.0), (10.0, low), (20.0, 1.0)]}), events(rows))
    realised = stressed.summary.realised[0]
    assert stressed.summary.tiles > 1
    assert abs(realised.low - realised.path_low) <= 0.5 * BTC.tick_size
    assert abs(realised.path_low - 10_001 * BTC.tick_size * low) <= 1e-6
    assert out["ts"][-1] == stressed.start_ns + 20 * S


@st.composite
def cadences(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Coarse and fine stretches in turn through five minutes."""
    first = draw(st.integers(0, 1))
    starts = sorted(draw(st.sets(st.sampled_from([60, 90, 120, 180, 200]), max_size=3)))
    fine, rough = draw(st.sampled_from([1, 7, 59])) * S, draw(st.sampled_from([60, 61, 90])) * S
    return tuple((start * S, (fine, rough)[(first + k) % 2]) for k, start in enumerate([0, *starts]))


@settings(max_examples=60)
@given(tapes(shortest=2), paths(), cadences(), st.integers(1, 7), st.sampled_from([1, 2, 40]))
def test_coarse_stretches_show_steps_alone(
    tape: Events, path: Scenario, cadence: tuple[tuple[int, int], ...], rows: int, capacity: int
) -> None:
    """Same bytes in any chunks; nothing crosses; between two steps a minute apart there is no depth and no trade."""
    end = path.start_ns + 300 * S if path.start_ns is not None else None
    long = replace(path, end_ns=end, cadence=cadence)
    out, first = run(long, tape)
    pieces, second = run(long, tape, rows=rows, capacity=capacity)
    assert same(out, pieces)
    assert repr(first.summary) == repr(second.summary)
    assert not any(ladder.crossed for ladder in ladders(out))
    moves = out[np.isin(out["kind"], (Kind.SNAPSHOT, Kind.DELTA, Kind.TRADE))]["ts"] - first.start_ns
    steps = np.append(step_times(long), 300 * S)
    for before, after in pairwise(steps.tolist()):
        if after - before >= 60 * S:
            assert not ((moves > before) & (moves < after)).any()


def _with_second(path: Scenario) -> Scenario:
    """The same path for ETH, upside down."""
    mirrored = tuple(
        s._replace(symbol="ETH", values=1.0 / s.values if s.column == "price_ratio" else s.values) for s in path.series
    )
    return replace(path, series=(*path.series, *mirrored))
