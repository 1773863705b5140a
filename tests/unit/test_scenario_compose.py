"""Paths laid over each other: what becomes of each column, where an overlay is placed, what is set by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.config.overrides import Setting
from backtester.config.relative import Factor
from backtester.errors import BacktesterError, ExitCode
from backtester.scenario.compose import compose, low_ns, scale_prices, set_columns
from backtester.scenario.library import find
from backtester.scenario.path import ANY, DEPTH, NEUTRAL, Scenario, Series, neutral
from tests.unit.scenario_tapes import S, scenario

HELD = ["spread_mult", "extra_latency_ms", "outage", "refill_half_life_s", "ask_depth_mid"]


def series(column: str, *knots: tuple[float, float], venue: str = ANY, symbol: str = ANY) -> Series:
    return Series(venue, symbol, column, np.array([int(t * S) for t, _ in knots]), np.array([v for _, v in knots]))


def saying(*said: Series) -> Scenario:
    """A path of BTC that stands still and says this."""
    path = scenario(10, {})
    return replace(path, series=(*path.series, *said))


def overlay(start_s: float, end_s: float, *said: Series) -> Scenario:
    """A path without prices whose window counts from the low."""
    return Scenario("over", "An overlay", "HYPT", int(start_s * S), int(end_s * S), (), said, assumed={"spread": 1.0})


def value(path: Scenario, column: str, second: float, venue: str = "paper", symbol: str = "BTC") -> float:
    found = path.find(column, venue, symbol)
    return NEUTRAL[column] if found is None else float(found.at(np.array([int(second * S)]))[0])


def faults(path: Scenario, *changed: tuple[str, object]) -> list[str]:
    with pytest.raises(BacktesterError) as caught:
        set_columns(path, [Setting(f"scenario.{key}={value}", key, value) for key, value in changed])
    assert caught.value.exit_code == ExitCode.USAGE
    return [str(problem) for problem in caught.value.diagnostics]


# --- columns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "below", "above", "together"),
    [
        ("price_ratio", 0.9, 0.8, 0.72),
        ("spread_mult", 2.0, 3.0, 6.0),
        ("bid_depth_near", 0.5, 0.4, 0.2),
        ("volume_mult", 2.0, 1.5, 3.0),
        ("trade_intensity", 3.0, 0.5, 1.5),
        ("basis_bps", -40.0, -10.0, -50.0),
        ("extra_latency_ms", 150.0, 200.0, 350.0),
        ("outage", 1.0, 5.0, 5.0),
        ("outage", 1.0, 4.0, 5.0),
        ("funding_rate", 0.001, -0.002, -0.002),
        ("funding_interval_s", 28800.0, 3600.0, 3600.0),
        ("refill_half_life_s", 5.0, 60.0, 60.0),
    ],
)
def test_two_that_speak(column: str, below: float, above: float, together: float) -> None:
    both = compose((scenario(10, {column: [(0, below)]}), scenario(10, {column: [(0, above)]})))
    assert value(both, column, 5) == pytest.approx(together, rel=1e-15)


@pytest.mark.parametrize("column", HELD)
def test_one_that_speaks_stands_alone(column: str) -> None:
    said, silent = scenario(10, {column: [(0, 1.0), (4, 3.0)]}), scenario(10, {})
    for both in (compose((said, silent)), compose((silent, said))):
        assert [value(both, column, t) for t in (0, 3.9, 4, 10)] == [1.0, 1.0, 3.0, 3.0]


def test_changes_of_both_are_kept() -> None:
    below, above = (
        scenario(10, {"spread_mult": [(0, 1.0), (4, 2.0)]}),
        scenario(10, {"spread_mult": [(0, 3.0), (6, 5.0)]}),
    )
    both = compose((below, above))
    assert [value(both, "spread_mult", t) for t in (0, 4, 5, 6, 10)] == [3.0, 6.0, 6.0, 10.0, 10.0]


def test_a_product_of_prices_is_taken_at_the_knots_of_both() -> None:
    below = scenario(10, {"price_ratio": [(0, 1.0), (10, 0.5)]})
    above = scenario(10, {"price_ratio": [(0, 1.0), (5, 0.8), (10, 0.8)]})
    assert [value(compose((below, above)), "price_ratio", t) for t in (0, 5, 10)] == pytest.approx([1.0, 0.6, 0.4])


def test_flow_adds_at_its_moments() -> None:
    below, above = (
        scenario(10, {"forced_flow_quote": [(2, -5.0), (4, -1.0)]}),
        scenario(10, {"forced_flow_quote": [(4, -2.0)]}),
    )
    flow = compose((below, above)).find("forced_flow_quote", "paper", "BTC")
    assert flow is not None and dict(zip((flow.t_ns // S).tolist(), flow.values.tolist(), strict=True)) == {
        2: -5.0,
        4: -3.0,
    }


def test_the_first_gives_clock_window_and_cadence() -> None:
    first = scenario(10, {}, step_s=0.5)
    later = replace(scenario(99, {}, "ETH"), id="later", start_ns=7, end_ns=7 + 99 * S)
    both = compose((first, later))
    assert (both.start_ns, both.end_ns, both.cadence) == (first.start_ns, first.end_ns, first.cadence)
    assert (both.id, both.type, both.symbols) == ("test+later", "HYPT", ("BTC", "ETH"))
    assert compose((first,)) is first


def test_a_pair_stands_where_a_look_up_tells_it_apart() -> None:
    """(hyperliquid, *) below and (*, BTC) on top meet at (hyperliquid, BTC)."""
    below = saying(series("spread_mult", (0, 2.0), venue="hyperliquid"))
    above = saying(series("spread_mult", (0, 3.0), symbol="BTC"))
    both = compose((below, above))
    assert value(both, "spread_mult", 0, "hyperliquid", "BTC") == 6.0
    assert value(both, "spread_mult", 0, "hyperliquid", "ETH") == 2.0
    assert value(both, "spread_mult", 0, "binance", "BTC") == 3.0
    assert value(both, "spread_mult", 0, "binance", "ETH") == 1.0
    assert len([s for s in both.series if s.column == "spread_mult"]) == 3


KEYS = st.sets(st.tuples(st.sampled_from([ANY, "a", "b"]), st.sampled_from([ANY, "BTC", "ETH"])))


@settings(max_examples=200, deadline=None)
@given(KEYS, KEYS)
def test_a_composition_finds_what_its_parts_find(below: set[tuple[str, str]], above: set[tuple[str, str]]) -> None:
    first, second = (
        saying(*(series("spread_mult", (0, base + n), venue=v, symbol=s) for n, (v, s) in enumerate(sorted(keys))))
        for keys, base in ((below, 2.0), (above, 100.0))
    )
    both = compose((first, second))
    for venue in ("a", "b", "c"):
        for symbol in ("BTC", "ETH", "SOL"):
            product = value(first, "spread_mult", 0, venue, symbol) * value(second, "spread_mult", 0, venue, symbol)
            assert value(both, "spread_mult", 0, venue, symbol) == product


def test_of_each_quantity_the_parts_count_alike_that_speak_of_it() -> None:
    """Prices: a third and all of them make two thirds; the spread is assumed: 5/6 on the mean of both."""
    below = replace(scenario(10, {"price_ratio": [(0, 1.0), (5, 0.9), (9, 0.8)]}), assumed={"prices": 1 / 3})
    above = replace(neutral(["BTC"]), series=(series("spread_mult", (0, 3.0)),), assumed={"prices": 1.0, "spread": 1.0})
    assert compose((below, above)).assumed == pytest.approx({"prices": 2 / 3, "spread": 1.0})
    assert compose((below, above)).assumed_share == pytest.approx(5 / 6)
    assert compose((neutral(["BTC"], (0, S)), above)).assumed_share == 1.0


def test_what_is_laid_over_a_measured_path_is_not_measured() -> None:
    measured = find("2025-10-10")
    assert measured.fidelity and not compose((measured, find("outage"))).fidelity
    assert not scale_prices(measured, 1.2).fidelity


# --- overlays ------------------------------------------------------------------------------------------------------


def test_the_low_is_the_deepest_fall_of_any_symbols_perp() -> None:
    path = scenario(20, {"price_ratio": [(0, 1.0), (10, 0.87), (20, 1.0)]})
    sol = scenario(20, {"price_ratio": [(0, 1.0), (12, 0.81), (20, 0.9)]}, "SOL")
    assert low_ns(path) == 10 * S
    assert low_ns(replace(path, series=(*path.series, *sol.series))) == 12 * S
    deep = series("basis_bps", (0, 0.0), (15, -2_000.0), (16, 0.0), symbol="BTC")
    assert low_ns(replace(path, series=(*path.series, deep))) == 15 * S
    assert low_ns(neutral(["BTC"], (0, S))) == 0


def test_an_overlay_is_placed_by_the_low_and_says_nothing_outside() -> None:
    path = scenario(600, {"price_ratio": [(0, 1.0), (300, 0.8), (600, 0.9)], "outage": [(0, 64.0)]})
    over = overlay(-120, 60, series("outage", (0, 7.0), (150, 5.0)), series("spread_mult", (0, 4.0)))
    both = compose((path, over))
    bits = [value(both, "outage", t) for t in (0, 179.9, 180, 329.9, 330, 359.9, 360, 600)]
    assert bits == [64.0, 64.0, 71.0, 71.0, 69.0, 69.0, 64.0, 64.0]
    assert [value(both, "spread_mult", t) for t in (179, 180, 359, 360)] == [1.0, 4.0, 4.0, 1.0]
    assert both.notes == ("over holds from 2025-10-10 20:33:00 to 20:36:00; the low of test is at 20:35:00",)


def test_an_overlay_that_would_begin_before_the_window_is_cut() -> None:
    path = scenario(600, {"price_ratio": [(0, 1.0), (30, 0.8), (600, 0.9)]})
    over = overlay(-120, 60, series("outage", (0, 1.0), (60, 2.0), (150, 4.0)), series("forced_flow_quote", (1, 7.0)))
    both = compose((path, over))
    assert [value(both, "outage", t) for t in (0, 59, 60, 89, 90)] == [2.0, 2.0, 4.0, 4.0, 0.0]
    flow = both.find("forced_flow_quote", "paper", "BTC")
    assert flow is not None and flow.t_ns.size == 0


def test_an_overlay_cannot_come_first() -> None:
    with pytest.raises(BacktesterError, match="has no prices, so it cannot come first\n  hint: write test\\+over"):
        compose((overlay(-1, 1), scenario(10, {})))


def test_the_shipped_outage_lies_around_the_low_of_a_crash() -> None:
    """From 2 minutes before 21:21:04, AVAX's low, for 10 minutes: no orders, no cancels, no feed."""
    crash = find("2025-10-10")
    low_s = low_ns(crash) / S
    assert low_s == 51 * 60 + 4
    both = find("2025-10-10+outage")
    assert [value(both, "outage", low_s + t) for t in (-121, -120, 0, 479, 480)] == [0.0, 7.0, 7.0, 7.0, 0.0]
    assert "from 2025-10-10 21:19:04 to 21:29:04; the low of 2025-10-10 is at 21:21:04" in both.notes[0]
    theirs, ours = ({(s.venue, s.symbol, s.column, *s.values) for s in path.series} for path in (crash, both))
    assert {row[:3] for row in ours - theirs} == {("*", "*", "outage")} and theirs < ours


# --- columns set by hand -------------------------------------------------------------------------------------------


def test_a_column_is_set_everywhere() -> None:
    said = series("spread_mult", (0, 7.0), venue="paper", symbol="BTC")
    path = replace(scenario(10, {"spread_mult": [(0, 1.0), (5, 9.0)]}), series=(*scenario(10, {}).series, said))
    changed = set_columns(path, [Setting("scenario.spread_mult=5", "spread_mult", 5)])
    assert [value(changed, "spread_mult", t, v, s) for t, v, s in [(0, "paper", "BTC"), (9, "x", "ETH")]] == [5.0, 5.0]
    assert changed.notes == ("spread_mult of the scenario is 5 all the time (--set)",)
    assert (changed.type, changed.symbols) == ("HYPT", ("BTC",))


def test_a_price_is_set_for_the_symbols_that_have_one() -> None:
    flat = set_columns(scenario(10, {"price_ratio": [(0, 1.0), (9, 0.5)]}), [Setting("", "price_ratio", 1.0)])
    assert flat.symbols == ("BTC",) and value(flat, "price_ratio", 9) == 1.0
    assert flat.find("price_ratio", "paper", "ETH") is None


def test_a_flow_can_be_taken_away() -> None:
    path = set_columns(scenario(10, {"forced_flow_quote": [(2, -5.0)]}), [Setting("", "forced_flow_quote", 0)])
    flow = path.find("forced_flow_quote", "paper", "BTC")
    assert flow is not None and flow.values.tolist() == [0.0]


def times(factor: str) -> Factor:
    return Factor(Decimal(factor))


def test_a_column_is_a_multiple_of_its_own() -> None:
    of_btc = series("spread_mult", (0, 7.0), venue="paper", symbol="BTC")
    path = replace(scenario(10, {"spread_mult": [(0, 1.0), (5, 9.0)]}), series=(*scenario(10, {}).series, of_btc))
    wider = set_columns(path, [Setting("", "spread_mult", times("3"))])
    assert (value(wider, "spread_mult", 0, "paper", "BTC"), value(wider, "spread_mult", 9, "x", "ETH")) == (21.0, 3.0)
    assert wider.notes == ("spread_mult of the scenario is 3 times its own (--set)",)
    slower = set_columns(
        scenario(10, {"refill_half_life_s": [(0, 2.0), (5, 60.0)]}), [Setting("", "refill_half_life_s", times("0.5"))]
    )
    assert [value(slower, "refill_half_life_s", t) for t in (0, 6)] == [1.0, 30.0]


def test_depth_is_that_of_all_bands() -> None:
    path = scenario(10, {"bid_depth_near": [(0, 0.4)]})
    half = set_columns(path, [Setting("", "depth", times("0.5"))])
    assert [value(half, column, 5) for column in DEPTH] == [0.2, *(0.5,) * 5]
    asks = set_columns(path, [Setting("", "ask_depth", 0.1)])
    assert [value(asks, column, 5) for column in DEPTH] == [0.4, 1.0, 1.0, 0.1, 0.1, 0.1]
    assert set_columns(path, [Setting("", "depth", times("1"))]) is path


@pytest.mark.parametrize(
    ("key", "factor", "said"),
    [
        ("price_ratio", "1.2", "price_ratio is nothing to multiply"),
        ("outage", "2", "outage is nothing to multiply"),
        ("refill_half_life_s", "2", "the scenario has no refill_half_life_s to multiply"),
        ("spread_mult", "0.5", "must be ≥ 1"),
    ],
)
def test_what_cannot_be_multiplied(key: str, factor: str, said: str) -> None:
    (problem,) = faults(scenario(10, {"price_ratio": [(0, 1.0)]}), (key, times(factor)))
    assert said in problem


def test_every_wrong_setting_is_named() -> None:
    found = faults(
        scenario(10, {}),
        ("spread_mul", 5),
        ("spread_mult", "wide"),
        ("spread_mult", True),
        ("spread_mult", 0.5),
        ("forced_flow_quote", 1.0),
        ("funding_rate", 0.01),
        ("adl_pressure", 0.5),
        ("outage", 2.5),
    )
    assert found[0] == (
        "error[usage] --set scenario.spread_mul=5: no column of a scenario has this name\n"
        '  hint: did you mean "spread_mult"?'
    )
    assert [line.splitlines()[0].split(": ", 1)[1] for line in found[1:]] == [
        "expected a number",
        "expected a number",
        "*/* spread_mult is 0.5, must be ≥ 1",
        "a flow happens at moments, it cannot hold",
        "the scenario has no funding_interval_s",
        "*/* adl_pressure is 0.5: this version does not apply this column",
        "*/* outage is 2.5, must be a sum of the bits 1 to 32",
    ]
