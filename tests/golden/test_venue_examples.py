"""The venues' own worked examples, by `calc` under the shipped rules of their day, or by the formula where no shipped
profile has their figures. Each names its source; the figures are within 1e-6 unless the source rounds further.

Partial liquidation, the mark and auto-deleveraging are rules of the engine, not formulas of `calc`; the slices of a
TWAP are those of a plan at the start of a run.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from backtester.cli.app import main
from backtester.config.venue import TierRow
from backtester.venue.margin import deductions, liquidation_price, maintenance_margin
from tests.unit.resolve_cases import world
from tests.unit.run_cases import account, plan, portfolio, position


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("BACKTESTER_"):
            monkeypatch.delenv(name)


def calc(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, Any]:
    assert main(["calc", *line.split(), "--format", "json"]) == 0, capsys.readouterr().err
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def with_deduction(low: float, rate: float, deduction: float) -> tuple[TierRow, ...]:
    """A table whose second tier has this rate and this deduction: its floor is deduction / (rate - low)."""
    first = TierRow(floor_quote=0.0, maintenance_rate=low, max_leverage=50.0)
    if deduction == 0.0:
        return (first.model_copy(update={"maintenance_rate": rate}),)
    second = TierRow(floor_quote=deduction / (rate - low), maintenance_rate=rate, max_leverage=10.0)
    assert deductions((first, second))[1] == pytest.approx(deduction, rel=1e-15)
    return first, second


#: Rules under which BTC and ETH allowed 50x: maintenance 1 %.
OF_2024 = "--venue hyperliquid@2024-06-01"
IN_2020 = "--venue binance-usdm@2020-06-01"
IN_2021 = "--venue binance-usdm@2021-04-01"
CENT = 0.005


@pytest.mark.parametrize(
    ("line", "expected", "tolerance"),
    [
        pytest.param(
            f"{OF_2024} --symbol ETH --side long --size 0.0335 --entry 2985.9 --margin {0.0335 * 2985.9 - 95.059824!r}",
            {"liquidation_price": 2866.26936529, "equity": 4.967826},
            1e-8,
            id="G1 Hyperliquid docs, info endpoint, clearinghouseState: raw USD -95.059824, 50x",
        ),
        pytest.param(
            f"{OF_2024} --symbol BTC --side long --size 0.0015 --entry 66930 --margin 20.043862",
            {"liquidation_price": 54108.51043771},
            1e-6,
            id="G2 live position, freqtrade tests/exchange/test_hyperliquid.py",
        ),
        pytest.param(
            f"{OF_2024} --symbol ETH --side short --size 0.019 --entry 2642.8 --margin 25.091876",
            {"liquidation_price": 3924.18322043},
            1e-6,
            id="G3 live short, freqtrade tests/exchange/test_hyperliquid.py",
        ),
        pytest.param(
            "--venue hyperliquid --symbol BTC --side long --size 1 --entry 100000 --margin 2500",
            {"liquidation_price": 98734.1772, "takeover_price": 98319.3277, "bankruptcy_price": 97500.0},
            1e-9,
            id="G5 Hyperliquid docs, liquidations: 40x, backstop at 2/3 of maintenance",
        ),
        pytest.param(
            f"{IN_2021} --symbol ETH --side long --size 3683.979 --entry 1456.84 --margin 1535443.01",
            {"liquidation_price": 1114.78, "tier.maintenance_rate": 0.10, "tier.deduction": 135_365.0},
            CENT / 1114.78,
            id="G15 Binance FAQ, liquidation price, ETH, to the cent",
        ),
        pytest.param(
            f"{IN_2021} --symbol BTC --side long --size 109.488 --entry 32481.98 --margin 1535443.01",
            {"liquidation_price": 18778.73, "tier.maintenance_rate": 0.025, "tier.deduction": 16_300.0},
            CENT / 18778.73,
            id="G16 Binance FAQ, liquidation price, BTC, to the cent",
        ),
        pytest.param(
            f"{IN_2020} --symbol BTC --side short --size 0.005 --entry 9451.53 --mode cross --margin 10.72 "
            "--other-maintenance 1.3 --other-pnl 0.47",
            {"liquidation_price": 11383.99, "tier.maintenance_rate": 0.004},
            CENT / 11383.99,
            id="G18 Binance FAQ of 2020, cross margin beside other contracts, to the cent",
        ),
    ],
)
def test_liquidation(
    capsys: pytest.CaptureFixture[str], line: str, expected: dict[str, float], tolerance: float
) -> None:
    document = calc(capsys, f"liquidation {line}")
    for path, value in expected.items():
        found = document
        for key in path.split("."):
            found = found[key]
        assert found == pytest.approx(value, rel=tolerance), path


@pytest.mark.parametrize(
    ("size", "entry", "margin", "tiers", "expected"),
    [
        pytest.param(
            437.0, 0.11586, 25.29769, with_deduction(0.01, 0.025, 0.0), 0.05945697,
            id="G4 live DOGE of 20x, freqtrade tests/exchange/test_hyperliquid.py",
        ),
        pytest.param(
            1.0, 10.0, 10.0 / 5, with_deduction(0.005, 0.01, 0.01), 8.070707070707,
            id="G20 long, freqtrade tests/exchange/test_exchange.py",
        ),
        pytest.param(
            -1.0, 10.0, 10.0 / 5, with_deduction(0.005, 0.01, 0.01), 11.891089108911,
            id="G20 short, freqtrade tests/exchange/test_exchange.py",
        ),
    ],
)  # fmt: skip
def test_liquidation_in_a_tier_of_no_shipped_profile(
    size: float, entry: float, margin: float, tiers: tuple[TierRow, ...], expected: float
) -> None:
    assert liquidation_price(size, entry, margin, tiers) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("line", "number", "deduction", "margin"),
    [
        pytest.param(
            "--venue hyperliquid --symbol BTC --size 2000 --mark 100000", 2, 1_875_000.0, 3_125_000.0,
            id="G7 Hyperliquid docs, margin tiers: 200 M of BTC",
        ),
        pytest.param(
            f"{IN_2020} --symbol BTC --size 600 --mark 10000", 5, 141_300.0, 6e6 * 0.05 - 141_300.0,
            id="G21 Binance FAQ of 2020: 16,300 and 5 M · (5 % - 2.5 %)",
        ),
    ],
)  # fmt: skip
def test_maintenance(
    capsys: pytest.CaptureFixture[str], line: str, number: int, deduction: float, margin: float
) -> None:
    document = calc(capsys, f"maintenance {line}")
    assert document["tier"]["number"] == number
    assert document["tier"]["deduction"] == pytest.approx(deduction, rel=1e-12)
    assert document["maintenance_margin"] == pytest.approx(margin, rel=1e-12)


@pytest.mark.parametrize(
    ("notional", "rate", "leverage", "maintenance", "initial"),
    [
        pytest.param(
            12.314277, 0.0065, 20, 0.0800428, 0.61571385,
            id="G23 Binance API, position information V3, ADAUSDT",
        ),
    ],
)  # fmt: skip
def test_margins_of_a_reported_position(
    capsys: pytest.CaptureFixture[str],
    notional: float,
    rate: float,
    leverage: int,
    maintenance: float,
    initial: float,
) -> None:
    # The sample's bracket of 0.65 % is in no shipped table; its initial margin is the same in all.
    line = f"--venue binance-usdm --symbol ADAUSDT --size 1 --mark {notional} --leverage {leverage}"
    assert calc(capsys, f"maintenance {line}")["initial_margin"] == pytest.approx(initial, rel=1e-6)
    assert maintenance_margin(with_deduction(0.005, rate, 0.0), notional) == pytest.approx(maintenance, rel=1e-6)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            "--venue hyperliquid --symbol BTC --impact-bid 10100 --impact-ask 10100 --index 10000",
            {"premium": 0.01, "eight_hour_rate": 0.0095, "funding_rate": 0.0011875},
            id="G9 Hyperliquid docs, funding",
        ),
        pytest.param(
            "--venue hyperliquid --symbol BTC --premium 0.00031774 --index 10000",
            {"funding_rate": 0.0000125},
            id="G10 Hyperliquid docs, info endpoint, metaAndAssetCtxs",
        ),
        pytest.param(
            "--venue binance-usdm --symbol BTC --premium 0.0429% --mark 10000",
            {"funding_rate": 0.0001, "interval_s": 8 * 3600.0},
            id="G24 Binance FAQ, funding rates, example of 2020-08-28",
        ),
        pytest.param(
            "--venue binance-usdm --symbol BTC --premium 5% --mark 10000",
            {"eight_hour_rate": 0.0495, "funding_rate": 0.003, "cap": 0.003, "payment": -30.0},
            id="Binance API, funding info: BTC is capped at 0.3 %",
        ),
        pytest.param(
            "--venue binance-usdm --symbol ARB --premium -5% --mark 10000",
            {"eight_hour_rate": -0.0495, "funding_rate": -0.02, "cap": 0.02, "payment": 200.0},
            id="Binance API, funding info: smaller contracts at 2 %",
        ),
    ],
)
def test_funding(capsys: pytest.CaptureFixture[str], line: str, expected: dict[str, float]) -> None:
    document = calc(capsys, f"funding --side long --size 1 {line}")
    assert {name: document[name] for name in expected} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("--size 0.01 --mark 117066 --move 16.8%", 1 / (0.168 + 0.004 * 0.832), id="BTC 2025-10-10: 5.8x"),
        pytest.param("--size 0.01 --mark 7980 --move 52.6%", 1 / (0.526 + 0.004 * 0.474), id="BTC 2020-03-12: 1.9x"),
    ],
)
def test_leverage_that_a_crash_left_room_for(capsys: pytest.CaptureFixture[str], line: str, expected: float) -> None:
    document = calc(capsys, f"leverage --venue binance-usdm --symbol BTC --side long {line}")
    assert document["safe"]["leverage"] == pytest.approx(expected, rel=1e-12)
    assert document["safe"]["liquidation_price"] == pytest.approx(document["safe"]["moved_price"], rel=1e-12)


@pytest.mark.parametrize(
    "reported", [pytest.param(1805.0, id="Hyperliquid, ETH long of 2025-03-12: 10 M more moved it from 1,877 to 1,805")]
)
def test_margin_that_a_whale_added(reported: float) -> None:
    # 270 M of ETH at about 1,900, 50x: the margin at which it breaks at 1,877, then 10 M more.
    size, tiers = 270e6 / 1900.0, with_deduction(0.005, 0.01, 0.0)
    margin = size * (1900.0 - 1877.0) + maintenance_margin(tiers, size * 1877.0)
    assert liquidation_price(size, 1900.0, margin, tiers) == pytest.approx(1877.0, rel=1e-12)
    assert liquidation_price(size, 1900.0, margin + 10e6, tiers) == pytest.approx(reported, abs=1.0)


@pytest.mark.parametrize(
    ("duration", "count", "a_slice_quote", "apart_s"),
    [
        pytest.param("1h", 121, 82.64, 30.0, id="G13 Hyperliquid docs, order types: 10,000 over 1 h"),
        pytest.param(
            "4d", 1000, 10.0, 346.0, id="G13 Hyperliquid docs, order types: 10,000 over 4 d, about 6 min apart"
        ),
    ],
)
def test_suborders_of_a_twap(tmp_path: Path, duration: str, count: int, a_slice_quote: float, apart_s: float) -> None:
    # 0.2 BTC at 50,000. A suborder is at most three normal ones and goes 3 % far.
    table = plan(algo="twap", size=0.2, duration=duration)
    (made,) = world(portfolio(tmp_path, account(position(), table))).accounts
    assert len(made.orders) == count
    assert made.orders[0].target * 10_000.0 == pytest.approx(a_slice_quote, abs=0.005)
    assert (made.orders[1].at_ns - made.orders[0].at_ns) / 1e9 == pytest.approx(apart_s, abs=0.1)
    assert made.plans[0].max_child_lots == math.ceil(3 * 20_000 / count)
    assert {each.bound for each in made.orders} == {0.03}
