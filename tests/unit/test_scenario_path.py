"""Path tables: what a series says at a time, whose series counts, and which tables are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.errors import BacktesterError, ExitCode
from backtester.scenario.path import ANY, NEUTRAL, NOT_APPLIED, Scenario, Series, neutral
from backtester.scenario.stored import load

S = 1_000_000_000
METADATA = {
    "schema_version": "1",
    "id": "small",
    "type": "HYPT",
    "window": json.dumps([0, 100 * S]),
    "cadence": json.dumps([[0, S]]),
}


def write(tmp_path: Path, columns: Mapping[str, list[object]], metadata: Mapping[str, str] = METADATA) -> Path:
    path = tmp_path / "small.parquet"
    table = pa.table(dict(columns)).replace_schema_metadata({f"backtester.{k}": v for k, v in metadata.items()})
    pq.write_table(table, path)
    return path


def rows(**columns: Sequence[object]) -> dict[str, list[object]]:
    """Two rows of BTC, at 0 and 10 s, with a price."""
    base: dict[str, list[object]] = {
        "t_ns": [0, 10 * S],
        "venue": ["*", "*"],
        "symbol": ["BTC", "BTC"],
        "price_ratio": [1.0, 0.9],
    }
    return base | {name: list(column) for name, column in columns.items()}


def faults(tmp_path: Path, columns: Mapping[str, list[object]], metadata: Mapping[str, str] = METADATA) -> list[str]:
    with pytest.raises(BacktesterError) as caught:
        load(write(tmp_path, columns, metadata))
    assert caught.value.exit_code == ExitCode.CONFIG
    return [str(diagnostic) for diagnostic in caught.value.diagnostics]


def series(column: str, *knots: tuple[int, float], venue: str = ANY, symbol: str = ANY) -> Series:
    return Series(venue, symbol, column, np.array([t * S for t, _ in knots]), np.array([v for _, v in knots]))


def test_prices_are_linear_and_held_at_the_end() -> None:
    at = np.array([0, 5, 10, 20]) * S
    assert series("price_ratio", (0, 1.0), (10, 0.8)).at(at).tolist() == [1.0, 0.9, 0.8, 0.8]


def test_everything_else_is_held() -> None:
    at = np.array([0, 9, 10, 20]) * S
    assert series("bid_depth_near", (0, 1.0), (10, 0.1)).at(at).tolist() == [1.0, 1.0, 0.1, 0.1]


def test_the_most_specific_series_counts() -> None:
    listed = [series("spread_mult", (0, float(n)), venue=v, symbol=s) for n, (v, s) in enumerate(
        [("*", "*"), ("a", "*"), ("*", "BTC"), ("a", "BTC")], start=1
    )]  # fmt: skip
    for count, expected in ((4, 4.0), (3, 3.0), (2, 2.0), (1, 1.0)):
        found = Scenario("x", "x", "HYPT", 0, S, ((0, S),), tuple(listed[:count])).find("spread_mult", "a", "BTC")
        assert found is not None and found.values.tolist() == [expected]
    assert Scenario("x", "x", "HYPT", 0, S, ((0, S),), ()).find("spread_mult", "a", "BTC") is None


def test_an_empty_cell_says_nothing(tmp_path: Path) -> None:
    scenario = load(write(tmp_path, rows(spread_mult=[2.0, None], basis_bps=[0.0, None])))
    spread = scenario.find("spread_mult", "any", "BTC")
    assert spread is not None and spread.t_ns.tolist() == [0]
    assert scenario.symbols == ("BTC",) and scenario.id == "small"


@pytest.mark.parametrize("column", NOT_APPLIED)
def test_a_column_that_is_not_applied_must_be_neutral(tmp_path: Path, column: str) -> None:
    load(write(tmp_path, rows(**{column: [NEUTRAL[column], None]})))
    (fault,) = faults(tmp_path, rows(**{column: [0.5, None]}))
    assert f"*/BTC {column} is 0.5: this version does not apply this column" in fault


@pytest.mark.parametrize("bits", [0.0, 5.0, 63.0])
def test_outage_bits(tmp_path: Path, bits: float) -> None:
    outage = load(write(tmp_path, rows(outage=[bits, 0.0]))).find("outage", "any", "BTC")
    assert outage is not None and outage.values.tolist() == [bits, 0.0]


@pytest.mark.parametrize("bits", [-1.0, 2.5, 64.0])
def test_what_is_no_sum_of_outage_bits(tmp_path: Path, bits: float) -> None:
    (fault,) = faults(tmp_path, rows(outage=[0.0, bits]))
    assert f"*/BTC outage is {bits:g}, must be a sum of the bits 1 to 32" in fault


def over(tmp_path: Path, start_s: int, end_s: int, **columns: Sequence[object]) -> Path:
    """A table of `*` without prices."""
    window = json.dumps([start_s * S, end_s * S])
    said = rows(symbol=["*", "*"], **columns)
    del said["price_ratio"]
    return write(tmp_path, said, METADATA | {"window": window, "cadence": "[]"})


def test_a_path_without_prices_is_an_overlay(tmp_path: Path) -> None:
    scenario = load(over(tmp_path, -20, 80, outage=[5.0, 0.0], spread_mult=[2.0, None]))
    assert scenario.is_overlay and (scenario.symbols, scenario.span_ns, scenario.cadence) == ((), 100 * S, ())
    assert not load(write(tmp_path, rows())).is_overlay
    assert not neutral(["BTC"]).is_overlay


def test_what_an_overlay_may_not_say(tmp_path: Path) -> None:
    path = over(tmp_path, 5, 80, refill_half_life_s=[2.0, 3.0], outage=[1.0, 0.0])
    with pytest.raises(BacktesterError) as caught:
        load(path)
    assert [each.message for each in caught.value.diagnostics] == [
        "has no price path",
        "refill_half_life_s needs a price path beside it",
    ]


def test_collateral_prices_are_refused(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, rows(symbol=["collateral:USDE", "collateral:USDE"]))
    assert "collateral prices are not applied" in fault


def test_a_price_needs_a_symbol(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, rows(symbol=["*", "*"]))
    assert "*/* price_ratio: a price needs a symbol" in fault


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        rows(t_ns=[10 * S, 10 * S], spread_mult=[0.5, 2.0], bid_depth_near=[-1.0, 1.0], funding_rate=[0.1, 0.1]),
        METADATA | {"window": "[5, 5]", "cadence": "[[1, 0]]"},
    )
    text = "\n".join(found)
    for part in (
        "price_ratio: t_ns must ascend",
        "price_ratio begins at 10 s",
        "spread_mult is 0.5, must be ≥ 1",
        "bid_depth_near is -1, must be ≥ 0",
        "has funding_rate but no funding_interval_s",
        "the window is empty",
        "the cadence must begin at 0",
    ):
        assert part in text


def test_missing_columns_and_metadata(tmp_path: Path) -> None:
    found = faults(tmp_path, {"t_ns": [0], "venue": ["*"]}, {"schema_version": "1"})
    assert [fault.split(": ")[1] for fault in found] == [
        "column symbol is missing",
        *(f"metadata backtester.{name} is missing" for name in ("id", "type", "window", "cadence")),
    ]


def test_another_schema_version(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, rows(), METADATA | {"schema_version": "9"})
    assert "schema_version is 9, this version reads 1" in fault


def test_not_a_table(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("hello")
    with pytest.raises(BacktesterError, match="cannot be read as a scenario"):
        load(path)
    with pytest.raises(BacktesterError, match="cannot be read as a scenario"):
        load(tmp_path / "absent.parquet")


def test_the_neutral_scenario_of_a_window_steps_every_second() -> None:
    path = neutral(["BTC"], (5 * S, 9 * S))
    assert (path.start_ns, path.end_ns, path.cadence) == (5 * S, 9 * S, ((0, S),))


def test_the_neutral_scenario_has_every_symbol() -> None:
    assert neutral(["ETH", "BTC", "ETH"]).symbols == ("BTC", "ETH")


@pytest.mark.parametrize(
    ("columns", "metadata", "said"),
    [
        (rows(price_ratio=[1.0, 1e15]), {}, "price_ratio is 1e+15, must be ≤ 1000"),
        (rows(basis_bps=[0.0, 1e15]), {}, "basis_bps is 1e+15, must be ≤ 10000"),
        (rows(t_ns=[0, 2**62]), {}, "has a knot that is years away"),
        (rows(venue=["*", None]), {}, "column venue must be a word in each row"),
        (rows(price_ratio=["a", "b"]), {}, "column price_ratio must be a number"),
        (rows(), {"window": "[" * 10_000}, "window is not what it should be"),
        (rows(), {"window": "[0, 9e18]"}, "window is not what it should be"),
        (rows(), {"cadence": "[[0, null]]"}, "cadence is not what it should be"),
        (rows(), {"assumed": '{"prices": NaN}'}, "assumed is not what it should be"),
        (rows(), {"assumed": "[0.5]"}, "assumed is not what it should be"),
        (rows(), {"start_prices": '{"BTC": 0}'}, "start_prices is not what it should be"),
        (rows(), {"fidelity": '[{"symbol": "BTC"}]'}, "fidelity is not what it should be"),
        (rows(), {"fidelity": "[3]"}, "fidelity is not what it should be"),
        (rows(), {"assumed_share": "0.5"}, "was built by an earlier version"),
    ],
)
def test_hostile_numbers(tmp_path: Path, columns: dict[str, list[object]], metadata: dict[str, str], said: str) -> None:
    assert any(said in fault for fault in faults(tmp_path, columns, METADATA | metadata))
