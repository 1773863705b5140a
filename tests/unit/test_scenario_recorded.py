"""Recorded candles of many shapes become one frame, and what cannot be meant is refused in a line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from backtester.errors import BacktesterError, ExitCode
from backtester.scenario.cover import Cover, covered, finest_rows
from backtester.scenario.recorded import Wanted, base_of, moment, named, origin, read_candles
from tests.unit.candle_cases import HEAD, START, flat, minutes, told, write

ROW = "100,101,99,100.5,10"


def refused(*paths: Path, symbols: tuple[str, ...] = ()) -> str:
    with pytest.raises(BacktesterError) as caught:
        read_candles(paths, Wanted(symbols=symbols))
    assert caught.value.exit_code in (ExitCode.DATA, ExitCode.USAGE)
    return str(caught.value)


@pytest.mark.parametrize(
    "first, second",
    [
        ("1704103200", "1704103260"),
        ("1704103200000", "1704103260000"),
        ("1704103200000000", "1704103260000000"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:01:00Z"),
        ("2024-01-01 10:00:00", "2024-01-01 10:01:00"),
    ],
)
@pytest.mark.parametrize("name", ["ts", "open_time", "time"])
def test_times_are_read_in_their_unit(tmp_path: Path, name: str, first: str, second: str) -> None:
    head = f"{name},open,high,low,close,volume\n"
    path = write(tmp_path / "a.csv", f"{first},{ROW}\n{second},{ROW}\n", head=head)
    rows = read_candles([path], Wanted(symbols=["BTC"]))
    assert told(rows, "symbol", "price", "seconds", "t") == [
        ("BTC", "perp", 60, START),
        ("BTC", "perp", 60, START + 60),
    ]


def test_parquet_with_venues_prices_and_intervals(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    said = [("x_spot", "trade", "1m"), ("x", "trade", "1h"), ("x", "mark", "60"), ("x", "index", "1d")]
    rows = [
        {"ts": START * 1000, "symbol": "BTC-USDT-SWAP", "venue": venue, "price": price, "interval": interval} | prices
        for venue, price, interval in said
    ]
    pl.DataFrame(rows).with_columns(pl.col("ts").cast(pl.Datetime("ms"))).write_parquet(path)
    assert set(told(read_candles([path]), "symbol", "price", "seconds")) == {
        ("BTC", "index", 60),
        ("BTC", "perp", 3600),
        ("BTC", "mark", 60),
        ("BTC", "index", 86_400),
    }


def test_binance_files_without_a_header(tmp_path: Path) -> None:
    lines = "".join(f"{(START + k * 60) * 1000},{ROW},{(START + k * 60) * 1000 + 59_999},0,1,0,0,0\n" for k in (0, 1))
    path = write(tmp_path / "a.csv", lines, head="")
    assert told(read_candles([path], Wanted(symbols=["BTC"])), "t", "close") == [(START, 100.5), (START + 60, 100.5)]


def test_events_and_symbols_are_chosen(tmp_path: Path) -> None:
    head = "ts,event,symbol,open,high,low,close,volume\n"
    lines = [f"{START + k * 60},{event},{symbol},{ROW}\n" for event in "ab" for symbol in "XY" for k in (0, 1)]
    path = write(tmp_path / "a.csv", *lines, head=head)
    assert read_candles([path], Wanted(events=["a"], symbols=["Y"])).height == 2
    assert "no candles of event c" in _message(path)


def _message(path: Path) -> str:
    with pytest.raises(BacktesterError) as caught:
        read_candles([path], Wanted(events=["c"]))
    return str(caught.value)


def test_symbols_lose_their_quote() -> None:
    names = ("BTCUSDT", "BTC-USDT-SWAP", "BTC/USDC:USDC", "btc_usdt", "1000PEPEUSDT", "SOL", "USDCUSDT", "USDC", "btc")
    bases = ["BTC", "BTC", "BTC", "BTC", "1000PEPE", "SOL", "USDC", "USDC", "BTC"]
    assert [base_of(name) for name in names] == bases


def test_names_in_small_letters_are_the_same_symbol(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", minutes(*flat(2), symbol="btc"), minutes(*flat(2), symbol="btcusdt", at=120))
    assert read_candles([path], Wanted(symbols=["BTC"]))["symbol"].to_list() == ["BTC"] * 4


VOLUMES = "ts,symbol,price,open,high,low,close,volume\n"


@pytest.mark.parametrize("price, volumes", [("trade", ",5"), ("trade", ","), ("index", "5,"), ("trade", "x,5")])
def test_a_missing_volume_is_not_nothing(tmp_path: Path, price: str, volumes: str) -> None:
    lines = [f"{START + 60 * k},BTC,{price},1,1,1,1,{v}\n" for k, v in enumerate(volumes.split(","))]
    found = refused(write(tmp_path / "a.csv", *lines, head=VOLUMES))
    first = START + 60 * next(k for k, v in enumerate(volumes.split(",")) if v != "5")
    assert f"a.csv BTC {moment(first)}" in found and "volume" in found


def test_what_is_wrong_with_a_missing_volume_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write(path, *(f"{START + 60 * k},BTC,trade,1,1,1,1,{v}\n" for k, v in enumerate(("5", "", ""))), head=VOLUMES)
    assert refused(path) == (
        f"error[data] {path} BTC 2024-01-01T10:01:00Z (and 1 more): has no volume\n"
        "  hint: write 0 where nothing was traded, and leave out candles of which that is not known"
    )


@pytest.mark.parametrize("price, volumes", [("index", ",,"), ("mark", ",,"), ("mark", "5,,")])
def test_prices_that_nobody_trades_at_need_no_volume(tmp_path: Path, price: str, volumes: str) -> None:
    lines = [f"{START + 60 * k},BTC,{price},1,1,1,1,{v}\n" for k, v in enumerate(volumes.split(","))]
    rows = read_candles([write(tmp_path / "a.csv", *lines, head=VOLUMES)])
    assert rows["volume"].to_list() == [float(v or 0.0) for v in volumes.split(",")]


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    def file(lines: str, head: str = "ts,symbol,open,high,low,close,volume\n") -> Path:
        return write(tmp_path / "a.csv", lines, head=head)

    two = f"{START},BTC,{ROW}\n{START + 60},BTC,{ROW}\n"
    assert 'no column "volume"' in refused(file(f"{START},BTC,1,1,1,1\n", "ts,symbol,open,high,low,close\n"))
    assert 'no column "ts"' in refused(file(two, "when,symbol,open,high,low,close,volume\n"))
    assert "--symbol BTC names" in refused(file(f"{START},{ROW}\n", "ts,open,high,low,close,volume\n"))
    assert "a single candle" in refused(file(f"{START},BTC,{ROW}\n"))
    assert "is the year 1970" in refused(file(f"5,BTC,{ROW}\n65,BTC,{ROW}\n"))
    assert "row 2: 17 as s is the year 1970" in refused(file(f"{START},BTC,{ROW}\n17,BTC,{ROW}\n"))
    assert "no time that can be read" in refused(file(f"noon,BTC,{ROW}\n"))
    assert "begins within a second" in refused(file(f"{START}059,BTC,{ROW}\n{START + 60}059,BTC,{ROW}\n"))
    assert "needs 0 < low" in refused(file(two + f"{START + 120},BTC,100,99,98,100,1\n"))
    assert "two different candles" in refused(file(two + f"{START},BTC,100,101,98,100,1\n"))
    assert "is a tape" in refused(file("1,1,1\n", "ts,recv_ts,kind\n"))
    assert "is no length" in refused(
        file(f"{START},BTC,long,{ROW}\n", "ts,symbol,interval,open,high,low,close,volume\n")
    )
    assert "needs 0 < low" in refused(file(f"{START},BTC,x,101,99,100,1\n{START + 60},BTC,{ROW}\n"))
    assert "is no price" in refused(file(f"{START},BTC,mid,{ROW}\n", "ts,symbol,price,open,high,low,close,volume\n"))
    assert "No such file" in refused(tmp_path / "absent.csv")


def test_prices_in_two_units_are_refused(tmp_path: Path) -> None:
    """Half a file in cents. A market that falls to a tenth within a candle is another thing."""
    path = write(tmp_path / "a.csv", minutes(*flat(3)), minutes(*flat(2, 10_000.0), at=180))
    assert refused(path) == (
        f"error[data] {path}: BTC perp of 2024-01-01T10:03:00Z opens at 10000, the candle before it closed at 100\n"
        "  hint: write all prices in one unit, and leave out candles of anything else"
    )
    cents = write(tmp_path / "b.csv", minutes(*flat(2, 10_000.0), at=180))
    assert "opens at 10000" in refused(write(tmp_path / "a.csv", minutes(*flat(3))), cents)
    read_candles([write(tmp_path / "a.csv", minutes(*flat(3)), minutes(*flat(3, 10_000.0), at=240))])  # a gap
    read_candles([write(tmp_path / "a.csv", minutes((100, 100, 10, 10), (10, 12, 10, 11)))])


@pytest.mark.parametrize("other", [";", "\t", "|"])
def test_another_separator_is_named(tmp_path: Path, other: str) -> None:
    path = write(tmp_path / "a.csv", minutes(*flat(3)).replace(",", other), head=HEAD.replace(",", other))
    assert refused(path) == f"error[data] {path}: has columns separated by {other!r}\n  hint: separate them by commas"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path) == (
        f"error[data] {tmp_path}: is a directory\n  hint: give its files, like {tmp_path}/*.csv: CSV, CSV.GZ or Parquet"
    )


def test_candles_say_where_they_are_from(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x", head="")
    sha = "2d711642b726"  # the first digits that sha256sum gives of an x
    assert named([path, path]) == f"a.csv (sha256 {sha}), a.csv (sha256 {sha})"
    rows = pl.DataFrame({"price": ["perp", "index"], "venue": ["a", ""]})
    assert origin(rows, [path]) == f"candles of a.csv (sha256 {sha}): index, perp of a"


def test_who_asks_for_no_volumes_needs_none(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", f"{START},BTC,1,1,1,1\n{START + 60},BTC,1,1,1,1\n", head=HEAD.replace(",volume", "")
    )
    assert "volume" not in read_candles([path], Wanted(volume=False)).columns
    assert 'no column "volume"' in refused(path)


def test_coarse_candles_fill_gaps_only(tmp_path: Path) -> None:
    fine, coarse = minutes(*flat(5)), minutes(*flat(2), seconds=300)
    paths = [write(tmp_path / "a.csv", fine), write(tmp_path / "b.csv", coarse)]
    rows = finest_rows(read_candles(paths))
    assert told(rows, "t", "seconds") == [*((START + 60 * k, 60) for k in range(5)), (START + 300, 300)]


def test_of_two_venues_the_preferred_counts(tmp_path: Path) -> None:
    head = "ts,venue,symbol,open,high,low,close,volume\n"
    lines = [f"{START + 60 * k},{venue},X,{ROW}\n" for venue, n in (("a", 3), ("b", 2)) for k in range(n)]
    rows = read_candles([write(tmp_path / "a.csv", *lines, head=head)])
    assert finest_rows(rows)["venue"].to_list() == ["a", "a", "a"]
    assert finest_rows(rows, ["b"])["venue"].to_list() == ["b", "b", "a"]


def test_cover_knows_its_gaps() -> None:
    cover = Cover()
    for start, seconds in ((60, 60), (0, 60), (240, 60), (250, 10)):
        cover.add(pl.Series([start]).to_numpy(), pl.Series([seconds]).to_numpy())
    assert cover.gaps(400) == [(120, 240), (300, 400)]
    assert cover.inside(pl.Series([0, 100]).to_numpy(), pl.Series([400, 270]).to_numpy()).tolist() == [180, 50]
    assert Cover().gaps(10) == [(0, 10)] and (Cover().length, cover.length) == (0, 180)


def test_candles_that_overlap_cover_their_time_once() -> None:
    rows = pl.DataFrame({"t": [0, 60, 0, 600], "seconds": [60, 60, 300, 60]})
    assert (covered(rows).length, covered(rows).gaps(660)) == (360, [(300, 600)])
