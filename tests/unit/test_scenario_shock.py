"""`--shock`: what each group says, what cannot be read, and how it lies over a path and over a tape as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtester.errors import BacktesterError, ExitCode
from backtester.scenario.compose import compose
from backtester.scenario.path import DEPTH, neutral
from backtester.scenario.shock import Change, parse_shock, parse_shocks, shock_path
from backtester.scenario.shock import shocked as shocked_path
from tests.unit.scenario_tapes import Events, Row, S, events, ladders, run, same, scenario, snapshot


def faults(text: str) -> list[str]:
    with pytest.raises(BacktesterError) as caught:
        parse_shock(text)
    assert caught.value.exit_code == ExitCode.USAGE
    return [str(problem) for problem in caught.value.diagnostics]


def tape() -> Events:
    """Ten levels of 10 lots on each side, two ticks apart, shown for 90 s."""
    rows = snapshot(0, {1_000 - n: 10 for n in range(10)}, {1_002 + n: 10 for n in range(10)})
    return events([*rows, Row(90 * S, 1_020, 5, side=-1)])


def shocked(text: str, tape: Events) -> Events:
    """The tape as it is under a shock."""
    window = (int(tape["ts"][0]), int(tape["ts"][-1]))
    base = neutral(["BTC"], window)
    out, _ = run(compose((base, shock_path(parse_shock(text), base))), tape)
    return out


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("depth=0.5", [(column, 0.5) for column in DEPTH]),
        ("bid_depth=0", [(column, 0.0) for column in DEPTH[:3]]),
        ("ask_depth=2", [(column, 2.0) for column in DEPTH[3:]]),
        ("spread=3", [("spread_mult", 3.0)]),
        ("volume=1.5", [("volume_mult", 1.5)]),
        ("trades=0", [("trade_intensity", 0.0)]),
        ("latency=+200ms", [("extra_latency_ms", 200.0)]),
        ("refill=1.5m", [("refill_half_life_s", 90.0)]),
        ("funding=0.1%/8h", [("funding_rate", 0.001), ("funding_interval_s", 28_800.0)]),
        ("funding=-0.01%/1h", [("funding_rate", -0.0001), ("funding_interval_s", 3_600.0)]),
        ("price=-10%", [("price_ratio", 0.9)]),
        ("price=+2.5%", [("price_ratio", 1.025)]),
        ("price=+0%", [("price_ratio", 1.0)]),
        ("price[BTC]=-10%,price[ETH]=+1%", [("price_ratio", 0.9, "BTC"), ("price_ratio", 1.01, "ETH")]),
        (" spread = 3 , volume = 2 ", [("spread_mult", 3.0), ("volume_mult", 2.0)]),
    ],
)
def test_what_a_group_says(text: str, changes: list[tuple[Any, ...]]) -> None:
    assert parse_shock(text).changes == tuple(Change(*change) for change in changes)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("dept=1", "'dept' cannot be shocked\n  hint: did you mean \"depth\"?"),
        ("flow=1", "'flow' cannot be shocked\n  hint: one of depth, bid_depth, ask_depth, spread, volume, trades, "),
        ("", "'' cannot be shocked"),
        ("depth", "expected a factor such as 0.5, was ''"),
        ("depth=half", "expected a factor such as 0.5, was 'half'"),
        ("depth=-1", "expected a factor such as 0.5, was '-1'"),
        ("spread=0.5", "spread_mult would be 0.5, must be ≥ 1"),
        ("volume=0", "volume_mult would be 0, must be > 0"),
        ("latency=200ms", "expected an addition such as +200ms, was '200ms'"),
        ("latency=+200", 'expected a duration such as "200ms", "90s" or "10m"'),
        ("refill=0s", "refill_half_life_s would be 0, must be > 0"),
        ("funding=0.1%", "expected a rate and its interval, such as 0.1%/8h, was '0.1%'"),
        ("price=0.9", "expected a gap such as -10% or a factor such as *1.2, was '0.9'"),
        ("price=10%", "expected a gap such as -10% or a factor such as *1.2, was '10%'"),
        ("price[BTC]=*1.2", "expected a gap such as -10% or a factor such as *1.2, was '*1.2'"),
        ("depth[BTC]=0.5", "'depth[BTC]' cannot be shocked"),
        ("span=-10%", "expected a scan range such as 10%, was '-10%'"),
        ("span[BTC]=many", "expected a scan range such as 10%, was 'many'"),
        ("price=-100%", "price_ratio would be 0, must be > 0"),
    ],
)
def test_what_cannot_be_read(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert found.startswith(f"error[usage] --shock {text}: {fault}")


def test_every_fault_is_named_at_once() -> None:
    assert len(faults("depth=0.5,bid_depth=0.2,sprd=3,price=1")) == 3
    assert "--shock price[BTC]=-2%: this is said twice" in faults("price=-1%,price[BTC]=-2%")[0]
    assert "--shock bid_depth=0.2: this is said twice" in faults("depth=0.5,bid_depth=0.2")[0]


def test_a_price_gaps_after_a_minute_and_stays() -> None:
    """Before the minute the path is its own, from 61 s on it is 10 % lower."""
    base = scenario(300, {"price_ratio": [(0, 1.0), (300, 0.4)]})
    price = compose((base, shock_path(parse_shock("price=-10%"), base))).find("price_ratio", "paper", "BTC")
    assert price is not None
    assert price.at(np.array([0, 30, 60, 61, 300]) * S) == pytest.approx([1.0, 0.94, 0.88, 0.878 * 0.9, 0.36])


def test_a_gap_of_one_symbol() -> None:
    base = scenario(300, {"price_ratio": [(0, 1.0), (300, 1.0)]})
    (price,) = shock_path(parse_shock("price[BTC]=-10%"), base).series
    assert (price.symbol, price.values[-1]) == ("BTC", 0.9)
    with pytest.raises(BacktesterError, match=r"price\[WIF\]: nothing here has this price"):
        shock_path(parse_shock("price[WIF]=-10%"), base)


def texts(text: str) -> list[str]:
    return [each.text for each in parse_shocks(text)]


def test_a_scan_range_is_seven_moves() -> None:
    """The pairs of a SPAN array that volatility alone tells apart are one; what is beside it holds in all."""
    moves = [-9, -6, -3, 0, 3, 6, 9]
    assert texts("span=9%,depth=0.5") == [f"price={move:+d}%,depth=0.5" for move in moves]
    ratios = [change.value for each in parse_shocks("span=10%") for change in each.changes]
    assert ratios == pytest.approx([1 + k / 30 for k in range(-3, 4)], abs=1e-6)
    assert texts("span[BTC]=9%, span[ETH]=12%")[:2] == [
        "price[BTC]=-9%,price[ETH]=-12%",
        "price[BTC]=-6%,price[ETH]=-8%",
    ]


def test_an_array_is_shocks_of_their_own() -> None:
    assert texts("depth=0.5") == ["depth=0.5"]
    assert texts("price=-10%;spread=3;price=-10%") == ["price=-10%", "spread=3"]
    with pytest.raises(BacktesterError) as caught:
        parse_shocks("span=100%;depth=-1;dept=1")
    assert [each.where for each in caught.value.diagnostics] == [
        "--shock price=-100%",
        "--shock depth=-1",
        "--shock dept=1",
    ]


def test_a_crash_is_scaled() -> None:
    """A fall to 0.8 is one to 0.76 with a factor of 1.2, a rise to 1.1 one to 1.12; what is between follows."""
    base = scenario(300, {"price_ratio": [(0, 1.0), (100, 0.8), (300, 1.1)]})
    path = shocked_path(base, parse_shock("price=*1.2,depth=0.5"))
    price = path.find("price_ratio", "paper", "BTC")
    assert price is not None
    assert price.at(np.array([0, 50, 100, 300]) * S) == pytest.approx([1.0, 0.88, 0.76, 1.12])
    assert path.notes[-1] == (
        "--shock price=*1.2,depth=0.5 is laid over the whole window; "
        "prices go 1.2 times as far from their start as in the scenario"
    )


def test_a_crash_that_is_scaled_below_nothing() -> None:
    base = scenario(300, {"price_ratio": [(0, 1.0), (300, 0.4)]})
    with pytest.raises(BacktesterError, match=r"price_ratio becomes -0\.2, must be"):
        shocked_path(base, parse_shock("price=*2"))


def test_nothing_to_scale() -> None:
    with pytest.raises(BacktesterError, match="has no crash that could be scaled"):
        shocked_path(scenario(300, {"price_ratio": [(0, 1.0), (300, 1.0)]}), parse_shock("price=*2"))


def test_a_window_without_that_minute() -> None:
    with pytest.raises(BacktesterError, match="the gap comes after a minute, when everything is over"):
        shock_path(parse_shock("price=-10%"), scenario(60, {}))


def test_a_shock_says_that_it_is_assumed() -> None:
    path = shock_path(parse_shock("depth=0.5,price=-5%"), scenario(100, {}))
    assert (path.assumed_share, path.id, path.is_overlay) == (1.0, "depth=0.5,price=-5%", False)
    assert path.notes == (
        "--shock depth=0.5,price=-5% is laid over the whole window; its price gap comes one minute after the start",
    )


def test_half_the_depth_of_a_tape_as_it_is() -> None:
    """On the clock of the tape, from its first moment: twenty levels of 10 lots hold 100 instead of 200."""
    out = shocked("depth=0.5", tape())
    first = next(iter(ladders(out)))
    assert first.ts == 0
    assert sum(first.bids.values()) + sum(first.asks.values()) == pytest.approx(100, abs=2)
    assert (max(first.bids), min(first.asks)) == (1_000, 1_002)


def test_three_times_the_spread() -> None:
    """A touch of 1000/1002 opens by (3 - 1) · 1 tick on each side."""
    first = next(iter(ladders(shocked("spread=3", tape()))))
    assert (max(first.bids), min(first.asks)) == (998, 1_004)


def test_a_shock_of_nothing_is_the_tape() -> None:
    assert same(shocked("depth=1,spread=1,volume=1,trades=1,latency=+0ms", tape()), tape())


def test_latency_alone_leaves_the_tape_alone() -> None:
    out = shocked("latency=+200ms", tape())
    assert same(out[out["kind"] <= 8], tape())
    assert [(int(e["ts"]), float(e["value"])) for e in out[out["kind"] > 8]] == [(0, 200e6)]
