"""Facts become a path: worked figures of the shipped scenario, and every way a facts file can be wrong."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from backtester.errors import BacktesterError, ExitCode
from backtester.scenario.build import build, build_file, check_file
from backtester.scenario.library import find, ids, locate
from backtester.scenario.path import Scenario
from backtester.scenario.reader import read_facts
from backtester.scenario.stored import load
from backtester.shipped import scenarios_dir

ROOT = Path(__file__).resolve().parents[2]
KLINES = ROOT.parent / "shared" / "data" / "oct10" / "BTCUSDT-1m-2025-10-10T2050-2149.csv"
SHIPPED = scenarios_dir() / "2025-10-10.toml"
MINUTE = 60_000_000_000

SMALL = """\
id = "small"
title = "Two candles"
type = "HYPT"
tags = ["crashes", "alts"]
calibration = "1"
[window]
start = 2025-01-01T10:00:00Z
end = 2025-01-01T10:02:00Z
why = "short"
[sources]
K = "klines"
[prices]
baseline = ["10:00:00", "10:01:00"]
why = "small"
[[candles]]
symbol = "BTC"
interval_s = 60
source = "K"
rows = [
  ["10:00:00", 100.0, 101.0, 90.0, 95.0, 10.0],
  ["10:01:00", 95.0, 99.0, 94.0, 98.0, 30.0],
]
[[basis]]
symbol = "BTC"
rows = [["10:00:00", 0.0, "K"], ["10:02:00", -100.0, "assumed", "a guess"]]
[[held]]
symbol = "*"
columns = ["bid_depth_near", "volume_mult"]
rows = [["10:00:00", 1.0, 1.0, "K"], ["10:01:00", 0.1, 1.0, "K+assumed"]]
"""


def small(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "small.toml"
    path.write_text(text, "utf-8")
    return path


def messages(path: Path) -> str:
    with pytest.raises(BacktesterError) as caught:
        build(read_facts(path))
    assert caught.value.exit_code == ExitCode.CONFIG
    return str(caught.value)


def values(scenario: Scenario, column: str, venue: str = "*", symbol: str = "BTC") -> dict[int, float]:
    series = scenario.find(column, venue, symbol)
    assert series is not None
    return dict(zip(series.t_ns.tolist(), series.values.tolist(), strict=True))


@pytest.mark.parametrize("name", ids())
def test_the_shipped_table_is_the_compiled_facts(name: str) -> None:
    check_file(locate(name).with_suffix(".toml"))


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = small(tmp_path)
    first = build_file(path).read_bytes()
    assert build_file(path).read_bytes() == first
    assert [each.name for each in sorted(tmp_path.iterdir())] == ["small.parquet", "small.toml"]


def perp(scenario: Scenario) -> list[float]:
    """The perp of the small path at every second."""
    ratio, basis = values(scenario, "price_ratio"), values(scenario, "basis_bps")
    return [100.0 * ratio[t] * (1.0 + basis[t] / 1e4) for t in sorted(ratio)]


def test_candles_become_knots(tmp_path: Path) -> None:
    """Opens, extremes and closes: each minute ranges over more than 2.5 %, so there is a knot a second."""
    scenario = load(build_file(small(tmp_path)))
    assert scenario.cadence == ((0, 1_000_000_000),)
    assert list(values(scenario, "price_ratio")) == [second * 1_000_000_000 for second in range(121)]
    line = perp(scenario)
    assert (line[0], line[60], line[120]) == pytest.approx((100.0, 95.0, 98.0), rel=1e-7)
    assert (max(line[:60]), min(line[:60])) == pytest.approx((101.0, 90.0), rel=1e-7)
    assert (max(line[60:]), min(line[60:])) == pytest.approx((99.0, 94.0), rel=1e-7)


def test_rows_of_basis_put_the_index_where_they_say(tmp_path: Path) -> None:
    basis = values(load(build_file(small(tmp_path))), "basis_bps")
    assert basis[0] == 0.0 and basis[2 * MINUTE] == pytest.approx(-100.0, abs=1e-3)


def test_calm_minutes_move_every_twenty_seconds(tmp_path: Path) -> None:
    path = small(
        tmp_path, ("101.0, 90.0, 95.0", "100.2, 99.9, 100.0"), ("95.0, 99.0, 94.0, 98.0", "100.0, 102.0, 100.0, 101.0")
    )
    assert load(build_file(path)).cadence == ((0, 20_000_000_000), (MINUTE, 5_000_000_000))


def test_groups_are_kept_in_order(tmp_path: Path) -> None:
    assert load(build_file(small(tmp_path))).tags == ("alts", "crashes", "hypothetical")
    assert '"all" is no group' in messages(small(tmp_path, ('"alts"', '"all"')))


def test_volume_becomes_intensity_and_held_columns_drop_repeats(tmp_path: Path) -> None:
    scenario = load(build_file(small(tmp_path)))
    assert values(scenario, "trade_intensity") == {0: 1.0, MINUTE: 3.0}
    assert values(scenario, "bid_depth_near") == {0: 1.0, MINUTE: 0.1}
    assert values(scenario, "volume_mult") == {0: 1.0}


def test_before_the_perps_first_candle_its_first_volume_holds(tmp_path: Path) -> None:
    """The index tells the first minute, the perp the others: 30 and 10 units against a baseline of 10 a minute."""
    index = """[[candles]]
symbol = "BTC"
price = "index"
interval_s = 60
source = "K"
rows = [["10:00:00", 100.0, 101.0, 90.0, 95.0, 77.0]]
[[basis]]"""
    last = '["10:01:00", 95.0, 99.0, 94.0, 98.0, 30.0],'
    path = small(
        tmp_path,
        ('["10:00:00", "10:01:00"]', '["10:02:00", "10:03:00"]'),
        ("end = 2025-01-01T10:02:00Z", "end = 2025-01-01T10:03:00Z"),
        ('  ["10:00:00", 100.0, 101.0, 90.0, 95.0, 10.0],\n', ""),
        (last, last + '\n  ["10:02:00", 98.0, 98.0, 98.0, 98.0, 10.0],'),
        ("[[basis]]", index),
    )
    assert values(build(read_facts(path)), "trade_intensity") == {0: 3.0, 2 * MINUTE: 1.0}


def test_a_baseline_without_volume_is_refused(tmp_path: Path) -> None:
    assert messages(small(tmp_path, ("95.0, 10.0]", "95.0, 0.0]"))) == (
        "error[config] small.toml: BTC has no volume in the baseline, by which trades are counted\n"
        "  hint: [prices] baseline: name times at which it was traded; a draft needs candles with volumes"
    )


@pytest.mark.parametrize(
    "number, said", [("inf", "Infinity"), ("nan", "NaN"), ("-inf", "-Infinity"), ("1" + "0" * 309, "1000")]
)
@pytest.mark.parametrize(
    "before, old, after", [("100.0, 101.0, ", "90.0", ","), ("100.0, ", "101.0", ","), ("90.0, 95.0, ", "10.0", "]")]
)
def test_numbers_are_finite(tmp_path: Path, before: str, old: str, after: str, number: str, said: str) -> None:
    found = messages(small(tmp_path, (before + old + after, before + number + after)))
    assert f"small.toml:20 candles.0.rows.0: expected a number, was {said}" in found


@pytest.mark.parametrize("number, said", [("inf", "Infinity"), ("nan", "NaN"), ("0.0", "0.0")])
def test_a_normal_spread_is_a_number_of_more_than_0(tmp_path: Path, number: str, said: str) -> None:
    spread = f'[[spread]]\nsymbol = "BTC"\nnormal_bps = {number}\nnormal_source = "K"\n'
    path = small(tmp_path, ("[[held]]", f'{spread}rows = [["10:00:00", 26.43, "K"]]\n[[held]]'))
    assert f"normal_bps: must be a number of more than 0, was {said}" in messages(path)


def test_the_assumed_share_counts_every_quantity_alike(tmp_path: Path) -> None:
    """However many candles there are; a row that speaks of two quantities counts for both."""
    scenario = load(build_file(small(tmp_path)))
    assert scenario.assumed == {"prices": 0.0, "basis": 0.5, "depth": 0.5, "volume": 0.5}
    assert scenario.assumed_share == 0.375


def test_what_was_built_comes_back_as_it_was(tmp_path: Path) -> None:
    path = small(tmp_path)
    made, read = build(read_facts(path)), load(build_file(path))
    assert [each[:3] for each in made.series] == [each[:3] for each in read.series]
    for a, b in zip(made.series, read.series, strict=True):
        assert (a.t_ns == b.t_ns).all() and (a.values == b.values).all()
    assert replace(made, series=()) == replace(read, series=())
    assert made.start_prices == {"BTC": 100.0} and [each.price for each in made.fidelity] == ["perp"]


def test_a_mark_is_compared_and_changes_nothing(tmp_path: Path) -> None:
    mark = """[[candles]]
symbol = "BTC"
price = "mark"
interval_s = 60
source = "K"
rows = [["10:00:00", 100.0, 101.0, 92.0, 95.0, 0.0]]
[[basis]]"""
    without = build(read_facts(small(tmp_path)))
    made = build(read_facts(small(tmp_path, ("[[basis]]", mark))))
    assert all((a.values == b.values).all() for a, b in zip(made.series, without.series, strict=True))
    assert made.assumed == without.assumed
    assert [each.price for each in made.fidelity] == ["mark", "perp"]


def test_the_low_can_be_put_where_it_was(tmp_path: Path) -> None:
    path = small(tmp_path, ('source = "K"\nrows', 'source = "K"\nlow_at = { "10:00:00" = "10:00:50" }\nrows'))
    line = perp(load(build_file(path)))
    assert line.index(min(line)) == 50


OVERLAY = """\
id = "over"
title = "An overlay"
type = "HYPT"
calibration = "1"
[window]
from_low = ["-90s", "2m"]
why = "short"
[sources]
K = "klines"
[[held]]
symbol = "*"
columns = ["outage", "trade_intensity"]
rows = [["-90s", 5, 1.0, "K"], ["0s", 1, 2.0, "assumed"], ["2m", 0, 1.0, "assumed"]]
"""


def over(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = OVERLAY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "over.toml"
    path.write_text(text, "utf-8")
    return path


def test_an_overlay_counts_its_times_from_the_low(tmp_path: Path) -> None:
    scenario = load(build_file(over(tmp_path)))
    assert scenario.is_overlay
    assert (scenario.start_ns, scenario.end_ns) == (-3 * MINUTE // 2, 2 * MINUTE)
    assert values(scenario, "outage") == {0: 5.0, 3 * MINUTE // 2: 1.0, 7 * MINUTE // 2: 0.0}
    assert scenario.assumed_share == pytest.approx(2 / 3, abs=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('["-90s", "2m"]', '["2m", "5m"]', "over.toml:6 window.from_low: must hold the low, as from -2m to 8m does"),
        ('["-90s", "2m"]', '["early", "5m"]', "over.toml:5 window: expected start and end, or from_low"),
        ('["-90s", "2m"]', '["-90s"]', "over.toml:5 window: expected start and end, or from_low"),
        ('"0s", 1,', '"10:00:00", 1,', 'expected a time, was "10:00:00"\n  hint: write it like -2m or 90s'),
        ('"0s", 1,', '"-2m", 1,', "-2m lies outside the window"),
        (
            '"trade_intensity"',
            '"refill_half_life_s"',
            '"refill_half_life_s" cannot stand here\n  hint: one of bid_depth',
        ),
        (
            "[window]",
            '[prices]\nbaseline = []\nwhy = ""\n[window]',
            "prices: cannot stand here: an overlay has no prices",
        ),
    ],
)
def test_what_is_wrong_with_an_overlay(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert fault in messages(over(tmp_path, (old, new)))


def test_a_path_with_a_date_needs_prices(tmp_path: Path) -> None:
    dated = ('from_low = ["-90s", "2m"]', "start = 2025-01-01T10:00:00Z\nend = 2025-01-01T10:02:00Z")
    found = messages(over(tmp_path, dated))
    assert "prices: missing key" in found and "candles: missing key" in found


def test_spread_in_bps_becomes_a_multiple(tmp_path: Path) -> None:
    spread = '[[spread]]\nsymbol = "BTC"\nnormal_bps = 0.02\nnormal_source = "K"\nrows = [["10:00:00", 26.43, "K"]]\n'
    path = small(tmp_path, ("[[held]]", spread + "[[held]]"))
    assert values(load(build_file(path)), "spread_mult") == {0: 1321.5}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('type = "HYPT"', 'type = "HYP"', 'type: expected "HIST", "HYPT" or "REVERSE"'),
        ('title = "Two candles"\n', "", "title: missing key"),
        ("[window]", "colour = 1\n[window]", "colour: unknown key"),
        ("end = 2025-01-01T10:02:00Z", "end = 2025-01-01T09:00:00Z", "window.end: must be after the start"),
        ('"10:00:00", 0.0, "K"', '"10:00", 0.0, "K"', 'expected a time, was "10:00"'),
        ('"10:00:00", 0.0, "K"', '"09:00:00", 0.0, "K"', "09:00:00 lies outside the window"),
        ('"10:00:00", 0.0, "K"', '"10:00:00", 0.0, "Q"', 'unknown source "Q"'),
        ('"10:00:00", 0.0, "K"', '"10:00:00", "0", "K"', 'expected a number, was "0"'),
        ('"10:00:00", 0.0, "K"', '"10:00:00", 0.0', "expected [time, a number, source] and perhaps a note"),
        ('"10:00:00", 0.0, "K"', '"10:00:30", 0.0, "K"', "must begin at the window's start"),
        ('"10:02:00", -100.0', '"10:00:00", -100.0', "times must ascend"),
        ("100.0, 101.0, 90.0", "100.0, 99.0, 90.0", "needs 0 < low ≤ open, close ≤ high"),
        ('"10:01:00", 95.0, 99.0', '"10:00:30", 95.0, 99.0', "BTC candles overlap at 30 s"),
        ('  ["10:00:00", 100.0, 101.0, 90.0, 95.0, 10.0],\n', "", "BTC candles leave a gap at 0 s"),
        ('  ["10:01:00", 95.0, 99.0, 94.0, 98.0, 30.0],\n', "", "BTC candles end at 60 s, the window at 120"),
        ('"bid_depth_near", "vol', '"adl_pressure", "vol', '"adl_pressure" cannot stand here'),
        ("0.1, 1.0", "-0.1, 1.0", "bid_depth_near is -0.1, must be ≥ 0"),
        ('["10:00:00", "10:01:00"]', '["10:01:00", "10:00:00"]', "two ascending times"),
        ('why = "short"', 'why = "short"\nstep_s = 7', "must divide a minute, as 5, 20 and 60 do"),
        ("interval_s = 60", "interval_s = 0", "must be more than 0"),
    ],
)
def test_a_wrong_fact_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in messages(small(tmp_path, (old, new)))


def test_all_wrong_facts_are_named_with_their_lines(tmp_path: Path) -> None:
    path = small(
        tmp_path,
        ('0.0, "K"]', '0.0, "Q"]'),
        ("interval_s = 60", "interval_s = 0"),
        ('why = "short"', 'why = "short"\nstep_s = 7'),
    )
    lines = messages(path).splitlines()
    assert [line.split(" ")[1] for line in lines if line.startswith("error")] == [
        f"{path}:{number}" for number in (10, 18, 26)
    ]


def test_a_column_given_twice(tmp_path: Path) -> None:
    again = '[[basis]]\nsymbol = "BTC"\nrows = [["10:00:00", 0.0, "K"]]\n[[held]]'
    assert "*/BTC/basis_bps is given twice" in messages(small(tmp_path, ("[[held]]", again)))


def test_the_id_is_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match="the id must be the file's name"):
        build_file(small(tmp_path, ('id = "small"', 'id = "other"')))


def test_a_stale_or_missing_table_is_told(tmp_path: Path) -> None:
    path = small(tmp_path)
    with pytest.raises(BacktesterError, match=r"small.parquet is missing"):
        check_file(path)
    build_file(path)
    check_file(path)
    path.write_text(path.read_text("utf-8").replace("0.1, 1.0", "0.2, 1.0"), "utf-8")
    with pytest.raises(BacktesterError, match="is not what it compiles to"):
        check_file(path)


def test_facts_that_were_changed_are_not_run_as_what_they_were(tmp_path: Path) -> None:
    path = small(tmp_path)

    with pytest.raises(BacktesterError, match="is not compiled yet"):
        find(str(path))
    build_file(path)
    assert find(str(path)).id
    path.write_text(path.read_text("utf-8").replace("0.1, 1.0", "0.2, 1.0"), "utf-8")
    with pytest.raises(BacktesterError, match="it was changed since"):
        find(str(path))
    build_file(path)
    assert find(str(path)).id


def test_unknown_scenarios_get_a_suggestion() -> None:
    with pytest.raises(BacktesterError, match="did you mean '2025-10-10'"):
        find("2025-10-1")
    with pytest.raises(BacktesterError, match="no such scenario file"):
        find("absent.parquet")


def test_2025_10_10_lows() -> None:
    """Spot 102,000, 3,435 and 168.8; Binance's perp 101,516.5, 3,400 and 141.28; Bybit's BTC perp 101,045.9."""
    scenario = find("2025-10-10")
    for symbol, venue, start, second, spot, perp in (
        ("BTC", "binance", 117_014 / (1 - 4.4e-4), 15, 102_000, 101_516.5),
        ("BTC", "bybit", 117_014 / (1 - 4.4e-4), 15, 102_000, 101_045.9),
        ("ETH", "binance", 4_021.28 / (1 - 4.4e-4), 15, 3_435, 3_400.0),
        ("SOL", "binance", 207.44 / (1 - 4.4e-4), 90, 168.8, 141.28),
        ("SOL", "hyperliquid", 207.44 / (1 - 4.4e-4), 15, 168.8, 164.961),
    ):
        low = np.array([50 * MINUTE + second * 1_000_000_000])  # after 21:20
        ratio, basis = scenario.find("price_ratio", venue, symbol), scenario.find("basis_bps", venue, symbol)
        assert ratio is not None and basis is not None
        index = float(ratio.at(low)[0]) * start
        assert index == pytest.approx(spot, rel=1e-5)
        assert index * (1 + float(basis.at(low)[0]) / 1e4) == pytest.approx(perp, rel=1e-5)


def test_2025_10_10_steps_every_second_where_minutes_range_over_two_and_a_half_per_cent() -> None:
    cadence = find("2025-10-10").cadence
    assert cadence[0] == (0, 20_000_000_000)
    assert {step // 1_000_000_000 for _, step in cadence} == {1, 5, 20}
    worst = max(start for start, _ in cadence if start <= 50 * MINUTE)
    assert dict(cadence)[worst] == 1_000_000_000  # 21:20, the low


def test_2025_10_10_candles_are_the_published_ones() -> None:
    if not KLINES.exists():
        pytest.skip(f"needs {KLINES}")
    with KLINES.open() as file:
        published = [
            tuple(float(row[name]) for name in ("open", "high", "low", "close", "volume"))
            for row in csv.DictReader(file)
        ]
    minutes = next(part for part in read_facts(SHIPPED).candles if part.symbol == "BTC" and part.interval_ns == MINUTE)
    assert [tuple(row[1:]) for row in minutes.rows[20:80]] == published


def test_the_table_says_where_it_comes_from() -> None:
    metadata = pq.read_schema(locate("2025-10-10")).metadata
    assert metadata[b"backtester.sha256"].decode() == read_facts(SHIPPED).sha256
    scenario = find("2025-10-10")
    used = {key for table in read_facts(SHIPPED).tables for f in table.figures for key in f.source.split("+")}
    assert used - {"assumed"} <= {source.key for source in scenario.sources}
