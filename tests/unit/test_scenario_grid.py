"""The step grid: when the ladder moves, what a proxy borrows, and who is driven."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.enums import EventKind
from backtester.errors import BacktesterError, ExitCode
from backtester.scenario.grid import Proxy, make_grid, parse_proxy, step_times
from backtester.scenario.path import Scenario, Series, neutral
from tests.unit.scenario_tapes import BTC, ETH, START, S, scenario


def test_the_cadence_changes_where_it_says() -> None:
    path = Scenario("x", "x", "HYPT", 0, 20 * S, ((0, 5 * S), (10 * S, 2 * S)), ())
    assert (step_times(path) // S).tolist() == [0, 5, 10, 12, 14, 16, 18, 20]
    assert step_times(neutral(["BTC"])).size == 0


def test_a_proxy_takes_the_return_times_its_factor() -> None:
    """ETH falls 10 %; SOL = ETH*1.2 falls 12 %."""
    sol = ETH._replace(symbol="SOL", base="SOL")
    path = scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)], "spread_mult": [(0, 3.0)]}, "ETH")
    grid = make_grid(path, (sol,), (Proxy("SOL", "ETH", 1.2),))
    assert grid.steps["ratio"][-1, 0] == pytest.approx(0.88)
    assert grid.steps["spread"][-1, 0] == 3.0


def test_a_proxy_may_not_fall_below_zero() -> None:
    path = scenario(10, {"price_ratio": [(0, 1.0), (10, 0.5)]}, "ETH")
    with pytest.raises(BacktesterError, match="SOL = ETH\\*2 falls to 0 or below"):
        make_grid(path, (ETH._replace(base="SOL"),), (Proxy("SOL", "ETH", 2.0),))


def test_all_missing_paths_are_named() -> None:
    with pytest.raises(BacktesterError) as caught:
        make_grid(scenario(10, {}), (ETH, ETH._replace(base="SOL")), (Proxy("SOL", "DOGE", 1.0),))
    assert [d.message for d in caught.value.diagnostics] == [
        "no price path for ETH",
        "no price path for the proxy DOGE",
    ]
    assert caught.value.exit_code == ExitCode.CONFIG


def test_what_nobody_holds_stays_where_it_is() -> None:
    path = scenario(10, {"price_ratio": [(0, 1.0), (10, 0.9)], "spread_mult": [(0, 3.0)]}, "SOL")
    grid = make_grid(path, (ETH._replace(held=False), ETH._replace(base="SOL")))
    assert grid.steps["ratio"][-1].tolist() == [1.0, 0.9]
    assert grid.driven.tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "proxy"),
    [("SOL=ETH*1.2", Proxy("SOL", "ETH", 1.2)), ("SOL = ETH", Proxy("SOL", "ETH", 1.0)), ("*=", Proxy("*", "", 1.0))],
)
def test_reading_a_proxy(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize("text", ["SOL", "SOL=", "=ETH", "SOL=ETH*", "SOL=ETH*-1", "SOL=ETH*nan", "SOL=ETH*0"])
def test_an_unreadable_proxy(text: str) -> None:
    with pytest.raises(BacktesterError, match=r"SOL=ETH\*1.2") as caught:
        parse_proxy(text)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("basis_bps", 1.0),
        ("spread_mult", 2.0),
        ("ask_depth_far", 0.5),
        ("volume_mult", 2.0),
        ("trade_intensity", 0.5),
        ("forced_flow_quote", 1.0),
    ],
)
def test_any_value_that_is_not_neutral_drives(column: str, value: float) -> None:
    assert not make_grid(scenario(10, {}), (BTC,)).driven[0]
    assert make_grid(scenario(10, {column: [(0, value)]}), (BTC,)).driven[0]


@pytest.mark.parametrize(
    ("column", "kind", "unit"),
    [
        ("extra_latency_ms", EventKind.LATENCY, 1e6),
        ("refill_half_life_s", EventKind.REFILL, 1.0),
        ("outage", EventKind.OUTAGE, 1.0),
    ],
)
def test_what_speaks_to_the_engine_alone_is_told_at_its_changes(column: str, kind: EventKind, unit: float) -> None:
    """It leaves the tape as it is, and what lies behind the window's end is not told."""
    path = scenario(10, {column: [(0, 3.0), (2, 3.0), (4.5, 7.0), (11, 1.0)]})
    grid = make_grid(path, (BTC, BTC._replace(symbol="OTHER")))
    assert not grid.driven.any()
    assert [(e["ts"] - START, e["instrument"], e["kind"], e["value"]) for e in grid.control] == [
        (t, i, kind, value * unit) for t, value in ((0, 3.0), (int(4.5 * S), 7.0)) for i in (0, 1)
    ]


def test_an_outage_that_is_none_is_not_told() -> None:
    assert make_grid(scenario(10, {"outage": [(0, 0.0), (5, 0.0)]}), (BTC,)).control.size == 0
    ends = make_grid(scenario(10, {"outage": [(0, 0.0), (5, 5.0), (6, 0.0)]}), (BTC,)).control
    assert [((e["ts"] - START) // S, e["value"]) for e in ends] == [(5, 5.0), (6, 0.0)]


def test_funding_drives() -> None:
    """Else the tape's own rates would be charged beside it."""
    funding = {"funding_rate": [(0.0, 0.001)], "funding_interval_s": [(0.0, 3600.0)]}
    assert make_grid(scenario(1_800, funding), (BTC,)).driven[0]


def test_a_path_that_changes_its_interval_says_when_the_next_funding_is() -> None:
    """Hourly for two hours, then every four: each record has the time to the next, which the engine waits for."""
    funding = {"funding_rate": [(0.0, 0.001)], "funding_interval_s": [(0.0, 3600.0), (7_000.0, 14_400.0)]}
    grid = make_grid(scenario(36_000, funding), (BTC,))
    rows = grid.control[grid.control["kind"] == EventKind.FUNDING]
    assert rows["lots"][:-1].tolist() == (np.diff(rows["ts"]) // S).tolist()
    assert len(set(rows["lots"].tolist())) > 1 and rows["lots"][-1] == 14_400
    assert grid.first_funding[["ts", "lots"]].tolist() == [(rows["ts"][0], 3600)]


def test_flow_between_two_steps_happens_at_the_second() -> None:
    grid = make_grid(scenario(10, {"forced_flow_quote": [(2.5, 7.0), (3.0, 1.0)]}), (BTC,))
    assert np.flatnonzero(grid.steps["flow"][:, 0]).tolist() == [3] and grid.steps["flow"][3, 0] == 8.0
    assert grid.step_ns[3] == START + 3 * S


def test_a_venue_has_its_own_basis() -> None:
    """index 0.9, basis -100 bps on `paper`, none elsewhere."""
    path = scenario(10, {"price_ratio": [(0, 0.9)]})
    own = Series("paper", "BTC", "basis_bps", np.zeros(1, np.int64), np.array([-100.0]))
    both = Scenario("x", "x", "HYPT", path.start_ns, path.end_ns, path.cadence, (*path.series, own))
    grid = make_grid(both, (BTC, BTC._replace(venue="other")))
    assert grid.steps["factor"][0].tolist() == pytest.approx([0.9 * 0.99, 0.9])
