"""The stressed tape, one rule at a time (RULES 10)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtester.enums import EventKind as Kind
from backtester.errors import BacktesterError
from backtester.scenario.path import Scenario, neutral
from tests.unit.scenario_tapes import (
    BTC,
    ETH,
    START,
    Events,
    Row,
    S,
    events,
    ladders,
    only,
    run,
    same,
    scenario,
    snapshot,
)

BIDS = {1000: 10, 999: 20, 950: 100, 800: 1000}
ASKS = {1002: 10, 1003: 20, 1050: 100, 1200: 1000}


def base(seconds: int, *rows: Row) -> Events:
    """One snapshot at 0, then the given rows, and a last delta that stretches the tape to `seconds`."""
    end = Row(seconds * S, 700, 5, side=1)
    return events([*snapshot(0, BIDS, ASKS), *sorted(rows), end])


def shown(tape: Events, second: int) -> list[tuple[int, int, int]]:
    """(side, tick, lots) of what is displayed at the end of `second`, bids first, best first."""
    ladder = [each for each in ladders(tape) if each.ts == START + second * S][-1]
    bids = [(1, tick, ladder.bids[tick]) for tick in sorted(ladder.bids, reverse=True)]
    return [*bids, *((-1, tick, ladder.asks[tick]) for tick in sorted(ladder.asks))]


def test_the_neutral_scenario_is_the_base_tape() -> None:
    tape = base(
        10,
        Row(1 * S, 1000, 7, side=1),
        Row(2 * S, 1002, 3, kind=Kind.TRADE, side=1),
        Row(3 * S, value=500.5, kind=Kind.MARK),
        Row(3 * S, value=500.4, kind=Kind.INDEX),
        Row(4 * S, lots=3600, value=0.0001, kind=Kind.FUNDING),
        Row(5 * S, lots=2, kind=Kind.STATUS),
    )
    out, stressed = run(neutral(["BTC"]), tape)
    assert same(out, tape)
    assert stressed.summary.realised == ()


def test_a_flat_path_passes_through_on_its_own_clock() -> None:
    tape = base(10, Row(3 * S, value=500.4, kind=Kind.INDEX), Row(4 * S, lots=3600, value=1e-4, kind=Kind.FUNDING))
    out, _ = run(scenario(10, {}), tape)
    assert (out["ts"] - START == tape["ts"]).all()
    assert all((out[name] == tape[name]).all() for name in ("tick", "lots", "value", "kind", "side"))


def test_only_the_driven_instrument_changes() -> None:
    end = [Row(9 * S, 999, 5, instrument=1, side=1), Row(10 * S, 999, 5, side=1)]
    tape = events([*snapshot(0, BIDS, ASKS), *snapshot(0, BIDS, ASKS, 1), *end])
    path = scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)]})
    both = replace(path, series=(*path.series, *neutral(["ETH"]).series))
    out, stressed = run(both, tape, (BTC, ETH))
    untouched = out[out["instrument"] == 1]
    assert (untouched["tick"] == tape["tick"][tape["instrument"] == 1]).all()
    assert [each.symbol for each in stressed.summary.realised] == ["BTC"]


def test_prices_move_by_whole_ticks() -> None:
    """mid 1001 ticks, ratio 0.9, basis -100 bps: rint(1001 · (0.9 · 0.99 − 1)) = rint(−109.109) = −109."""
    out, _ = run(scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)], "basis_bps": [(0, 0.0), (10, -100.0)]}), base(10))
    assert shown(out, 10)[:2] == [(1, 891, 10), (1, 890, 20)]
    step = only(out, Kind.PATH_STEP)[-1]
    assert (step["tick"], step["lots"]) == (-109, -109)


def test_index_is_the_base_index_times_the_ratio() -> None:
    tape = base(10, Row(0, value=500.0, kind=Kind.INDEX))
    path = scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)], "basis_bps": [(0, 0.0), (10, -100.0)]})
    out, stressed = run(path, events(sorted(map(Row._make, tape.tolist()), key=lambda row: row.ts)))
    index = only(out, Kind.INDEX)
    assert index["value"].tolist() == pytest.approx([500.0 * (1.0 - 0.01 * k) for k in range(11)])
    assert not stressed.summary.realised[0].index_from_mid


def test_without_an_index_the_mid_stands_for_it() -> None:
    out, stressed = run(scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)]}), base(10))
    assert only(out, Kind.INDEX)["value"][-1] == pytest.approx(1001 * 0.5 * 0.9)
    assert stressed.summary.realised[0].index_from_mid


def test_the_touch_widens_on_both_sides() -> None:
    """Half spread 1 tick, multiple 4: three ticks more on each side."""
    out, _ = run(scenario(10, {"spread_mult": [(0, 4.0)]}), base(10))
    assert [row for row in shown(out, 0) if row[1] in (997, 1005)] == [(1, 997, 10), (-1, 1005, 10)]


def test_sizes_shrink_by_side_and_distance() -> None:
    """Mid 1001: 1000 and 1002 are within 10 bps, 999 and 1003 within 100, the others beyond."""
    factors = {"bid_depth_near": [(0, 0.5)], "bid_depth_mid": [(0, 0.0)], "ask_depth_far": [(0, 0.1)]}
    out, _ = run(scenario(10, factors), base(10))
    rows = shown(out, 0)
    assert (1, 1000, 5) in rows and not any(row[:2] == (1, 999) for row in rows)
    assert (1, 950, 100) in rows and (-1, 1002, 10) in rows
    assert [lots for side, tick, lots in rows if (side, tick) == (-1, 1200)] in ([100], [101])


def test_thinning_keeps_the_total() -> None:
    """1,000 levels of 1 lot at 0.3 leave 300 of them, within one."""
    bids = {tick: 1 for tick in range(100_000, 101_000)}
    tape = events([*snapshot(0, bids, {101_000: 1}), Row(10 * S, 5, 1, side=1)])
    depth = {f"bid_depth_{band}": [(0, 0.3)] for band in ("near", "mid", "far")}
    out, _ = run(scenario(10, depth), tape)
    assert abs(sum(side == 1 for side, _, _ in shown(out, 0)) - 300) <= 1


def test_a_delta_stays_one_delta() -> None:
    deltas = [Row(k * S + S // 2, 1000 - k, 40 + k, side=1) for k in range(1, 9)]
    out, _ = run(scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)]}), base(10, *deltas))
    assert only(out, Kind.DELTA)["lots"].tolist() == [*(row.lots for row in deltas), 5]
    assert only(out, Kind.DELTA)["ts"].tolist() == [START + row.ts for row in deltas] + [START + 10 * S]


def test_levels_below_one_tick_are_dropped() -> None:
    tape = events([*snapshot(0, {1000: 10, 50: 5}, {1002: 10}), Row(10 * S, 40, 1, side=1)])
    out, _ = run(scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)]}), tape)
    assert min(out["tick"][(out["kind"] <= Kind.DELTA) & (out["side"] != 0)]) >= 1
    assert shown(out, 10) == [(1, 900, 10), (-1, 902, 10)]


def test_trades_go_through_the_map_of_the_side_they_hit() -> None:
    trades = [Row(5 * S + 1, 1002, 4, kind=Kind.TRADE, side=1), Row(5 * S + 2, 1000, 1, kind=Kind.TRADE, side=-1)]
    path = {"price_ratio": [(0, 1.0), (10, 0.9)], "spread_mult": [(0, 4.0)], "volume_mult": [(0, 0.5)]}
    out, _ = run(scenario(10, path), base(10, *trades))
    shift = int(np.rint(1001 * -0.05))
    found = only(out, Kind.TRADE)
    assert found["tick"].tolist() == [1002 + shift + 3, 1000 + shift - 3]
    assert found["lots"].tolist() == [2, 1]  # floored, at least one lot


def test_intensity_repeats_trades() -> None:
    """200 trades at intensity 2.5 are 500, within one; another seed repeats others."""
    trades = [Row(S + k, 1002, 4, kind=Kind.TRADE, side=1) for k in range(200)]
    path = scenario(10, {"trade_intensity": [(0, 2.5)]})
    out, _ = run(path, base(10, *trades))
    other, _ = run(path, base(10, *trades), seed=7)
    assert abs(only(out, Kind.TRADE).size - 500) <= 1
    assert only(out, Kind.TRADE)["ts"].tolist() != only(other, Kind.TRADE)["ts"].tolist()


def test_marks_scale_or_go() -> None:
    tape = base(10, Row(5 * S + 1, value=500.0, kind=Kind.MARK))
    path = scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)], "basis_bps": [(0, -100.0)]})
    out, _ = run(path, tape)
    assert only(out, Kind.MARK).size == 0
    out, _ = run(path, tape, (BTC._replace(drop_marks=False),))
    assert only(out, Kind.MARK)["value"].tolist() == pytest.approx([500.0 * 0.95 * 0.99])


def test_funding_is_the_paths_at_utc_stamps() -> None:
    """The window starts at 20:30:00; every 10 minutes of UTC until 20:55."""
    tape = base(1500, Row(60 * S, lots=3600, value=0.5, kind=Kind.FUNDING))
    path = scenario(1500, {"funding_rate": [(0, -1e-4), (900, -3e-4)], "funding_interval_s": [(0, 600)]}, step_s=60)
    out, _ = run(path, tape)
    funding = only(out, Kind.FUNDING)
    assert ((funding["ts"] - START) // S).tolist() == [600, 1200]
    assert funding["value"].tolist() == [-1e-4, -3e-4] and funding["lots"].tolist() == [600, 600]


def test_latency_and_refill_are_said_at_their_changes() -> None:
    path = {"extra_latency_ms": [(0, 0.0), (4, 250.0), (8, 0.0)], "refill_half_life_s": [(0, 2.0), (6, 30.0)]}
    out, _ = run(scenario(10, path), base(10))
    latency, refill = only(out, Kind.LATENCY), only(out, Kind.REFILL)
    assert ((latency["ts"] - START) // S).tolist() == [4, 8] and latency["value"].tolist() == [250e6, 0.0]
    assert ((refill["ts"] - START) // S).tolist() == [0, 6] and refill["value"].tolist() == [2.0, 30.0]


def test_forced_flow_eats_levels_before_we_see_them() -> None:
    """Lot value 0.01, tick 0.5: 10 lots at 500 and 15 of 20 at 499.5 cost 50 + 74.925 quote; 0.075 buys no lot."""
    out, stressed = run(scenario(10, {"forced_flow_quote": [(5, -125.0)]}), base(10))
    assert shown(out, 5)[:2] == [(1, 999, 5), (1, 950, 100)]
    trades = only(out, Kind.TRADE)
    assert list(zip(trades["side"], trades["tick"], trades["lots"], strict=True)) == [(-1, 1000, 10), (-1, 999, 15)]
    realised = stressed.summary.realised[0]
    assert realised.flow_asked_quote == 125.0 and realised.flow_done_quote == pytest.approx(124.925)
    assert shown(out, 6)[0] == (1, 1000, 10)  # the flow is over: the ladder is shown whole again


def test_flow_beyond_the_ladder_is_reported() -> None:
    out, stressed = run(scenario(10, {"forced_flow_quote": [(5, 1e9)]}), base(10))
    realised = stressed.summary.realised[0]
    held = sum(tick * 0.5 * 0.01 * lots for tick, lots in ASKS.items())
    assert realised.flow_done_quote == pytest.approx(held)
    assert not any(side == -1 for side, _, _ in shown(out, 5))


def test_an_unchanged_map_shows_nothing() -> None:
    out, _ = run(scenario(10, {"price_ratio": [(0, 1.0), (5, 1.0), (6, 0.9)]}), base(10))
    assert [(int(row["ts"]) - START) // S for row in only(out, Kind.PATH_STEP)] == [6]


def test_a_short_base_is_tiled_and_reaches_the_paths_extremes() -> None:
    moves = [Row(k * S, tick, lots, side=side) for k in range(1, 7) for side, tick, lots in _shifted(k)]
    tape = events([*snapshot(0, {1000: 10}, {1002: 10}), *moves, Row(6 * S, value=9.0, kind=Kind.MARK)])
    out, stressed = run(scenario(20, {"price_ratio": [(0, 1.0), (10, 0.8), (20, 1.1)]}), tape)
    assert stressed.summary.tiles == 4
    realised = stressed.summary.realised[0]
    assert abs(realised.low - realised.path_low) <= 0.5 * 0.5 and abs(realised.high - realised.path_high) <= 0.5 * 0.5
    assert realised.path_low == pytest.approx(1001 * 0.5 * 0.8)
    assert only(out, Kind.MARK).size == 0
    assert not any(ladder.crossed for ladder in ladders(out))
    assert (np.diff(out["ts"]) >= 0).all() and out["ts"][-1] <= START + 20 * S


def test_each_venue_is_tiled_by_itself() -> None:
    """A base of 4 s and one of 10 s elsewhere: neither changes what becomes of the other."""
    falls = {"price_ratio": [(0.0, 1.0), (10.0, 0.8), (20.0, 1.1)]}
    path, other = scenario(20, falls), scenario(20, falls, "ETH")
    path = replace(path, series=(*path.series, *other.series))
    short, long = ticking(4), ticking(10)
    long["instrument"] = 1
    both = np.concatenate([short, long])
    out, stressed = run(path, both[np.argsort(both["ts"], kind="stable")], [BTC, ETH._replace(venue="elsewhere")])
    assert stressed.summary.laid == (("paper", 5), ("elsewhere", 2))
    for number, (tape, target) in enumerate(((short, BTC), (ticking(10), ETH))):
        alone, _ = run(path, tape, [target])
        together = out[out["instrument"] == number].copy()
        together["instrument"] = 0
        for kind in (Kind.SNAPSHOT, Kind.DELTA, Kind.TRADE, Kind.INDEX):
            assert only(together, kind).tolist() == only(alone, kind).tolist()


def coarse(seconds: int, *cadence: tuple[int, int]) -> Scenario:
    """A price that falls by a tenth of a percent a second, on the given (from second, step) grid."""
    path = scenario(seconds, {"price_ratio": [(0, 1.0), (seconds, 1.0 - seconds / 1000)]})
    return replace(path, cadence=tuple((start * S, step * S) for start, step in cadence))


def ticking(seconds: int) -> Events:
    """A base of one delta and one trade every half second: one lot more at the best bid each time."""
    rows = [*snapshot(0, {1000: 10}, {1002: 10})]
    for k in range(1, 2 * seconds + 1):
        rows += [Row(k * S // 2, 1000, 10 + k, side=1), Row(k * S // 2, 1002, 1, kind=Kind.TRADE, side=1)]
    return events(rows)


def test_a_coarse_step_is_one_snapshot_and_one_print() -> None:
    """Steps at 0, 60, 120 and 180: mid 1001 · (1, 0.94, 0.88, 0.82), and nothing of the base in between."""
    path = coarse(180, (0, 60))
    held = replace(path, series=(*path.series, *scenario(180, {"extra_latency_ms": [(0, 0.0), (90, 5.0)]}).series[1:]))
    out, stressed = run(held, ticking(10))
    shown = out[out["ts"] < START + 180 * S]
    assert [((int(row["ts"]) - START) // S, Kind(row["kind"]).name) for row in shown if row["side"] == 0] == [
        *((second, name) for second in (0, 60) for name in ("INDEX", "PATH_STEP", "SNAPSHOT", "TRADE")),
        (90, "LATENCY"),
        *((120, name) for name in ("INDEX", "PATH_STEP", "SNAPSHOT", "TRADE")),
    ]
    assert only(out, Kind.DELTA).size == 0
    prints = only(out, Kind.TRADE)
    assert prints["side"].tolist() == [0, 0, 0] and prints["lots"].tolist() == [1, 1, 1]
    assert prints["tick"].tolist() == [1001, 941, 881]
    assert stressed.summary.tiles == 1 and stressed.summary.coarse_ns == 180 * S


def test_the_base_goes_on_by_a_second_in_a_coarse_stretch() -> None:
    """Two rows of the base a second: its best bid has 10, then 12, then 14 lots, and a fine second brings two more."""
    out, _ = run(coarse(125, (0, 60), (120, 1)), ticking(10))
    bids = {second: shown(out, second)[0][2] for second in (0, 60, 120, 121)}
    assert bids == {0: 10, 60: 12, 120: 14, 121: 16}
    first = only(out, Kind.DELTA)[0]
    assert (first["ts"] - START, first["lots"]) == (120 * S + S // 2, 15)


def test_fine_steps_before_a_coarse_stretch_end_with_it() -> None:
    out, stressed = run(coarse(122, (0, 1), (2, 60)), ticking(10))
    deltas = (only(out, Kind.DELTA)["ts"] - START) / S
    assert deltas.max() == 2.0 and deltas.size == 4
    assert stressed.summary.coarse_ns == 120 * S


def test_a_base_that_is_long_enough_is_never_coarse() -> None:
    out, stressed = run(coarse(180, (0, 60)), ticking(180))
    assert only(out, Kind.DELTA).size == 360 and 0 not in only(out, Kind.TRADE)["side"]
    assert stressed.summary.coarse_ns == 0


def test_a_symbol_without_a_path_is_an_error_with_a_way_out() -> None:
    with pytest.raises(BacktesterError) as caught:
        run(scenario(10, {}), base(10), (ETH,))
    assert "no price path for ETH" in str(caught.value) and "--proxy ETH=BTC*1.2" in str(caught.value)


def test_an_empty_base_is_an_error() -> None:
    with pytest.raises(BacktesterError, match="no events"):
        run(scenario(10, {}), events([]))


def test_a_base_of_one_moment_cannot_be_tiled() -> None:
    with pytest.raises(BacktesterError, match="single moment"):
        run(scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)]}), events(snapshot(0, {1000: 10}, {1002: 10})))


def _shifted(k: int) -> list[tuple[int, int, int]]:
    """The touch of `base` moves up by one tick a second: the base itself trends."""
    return [(-1, 1001 + k, 0), (-1, 1002 + k, 10), (1, 1000 + k, 10), (1, 999 + k, 0)]
