"""Wide snapshots into a tape: every fault of a source, the order of rows, and a real recording."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.errors import BacktesterError
from backtester.market.check import check
from backtester.market.encode import NO_TIME
from backtester.market.ingest import source as source_module
from backtester.market.ingest.source import Clock, Sorted, clock_type, to_ns
from backtester.market.ingest.trades import TradeColumns
from backtester.market.ingest.wide_snapshots import BookColumns, IngestSummary, ingest_wide_snapshots
from backtester.market.inspect import inspect
from backtester.market.read import open_tape
from backtester.market.schema import TapeInstrument

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "data"
BTC = TapeInstrument("venue", "BTC", "BTC", tick_size=0.5, lot_size=0.001)
TS, RECV = Clock("ts", "ms"), Clock("recv", "s")
BOOKS = BookColumns("bp{i}", "bs{i}", "ap{i}", "as{i}", TS, RECV)
TRADES = TradeColumns("price", "size", "side", TS, RECV, "id")
BOOK_HEADER = "recv,ts,bp0,bs0,ap0,as0,bp1,bs1,ap1,as1"
TRADE_HEADER = "recv,ts,price,size,side,id"
SECOND = 1_000_000_000
DAY = 1_735_689_600  # 2025-01-01: times here are written as if since then


def book(ts: object, bid: object = 100, ask: object = 101, size: object = 1) -> str:
    return f"1.5,{ts},{bid},{size},{ask},1,90,2,110,2"


def dated(line: str) -> str:
    """The line with its receive time (s) and exchange time (ms), if they are numbers, moved to DAY."""
    recv, ts, *rest = line.split(",")
    cells = ((recv, DAY), (ts, 1_000 * DAY))
    moved = [str(Decimal(text) + day) if text[:1].isdigit() else text for text, day in cells]
    return ",".join([*moved, *rest])


def ingest(folder: Path, books: list[str], trades: list[str] | None = None) -> IngestSummary:
    (folder / "books.csv").write_text("\n".join([BOOK_HEADER, *map(dated, books)]) + "\n")
    if trades is not None:
        (folder / "trades.csv").write_text("\n".join([TRADE_HEADER, *map(dated, trades)]) + "\n")
    path = folder / "trades.csv" if trades is not None else None
    return ingest_wide_snapshots(
        folder / "books.csv", BOOKS, path, TRADES, BTC, folder / "tape.parquet", "src", "CC0-1.0"
    )


def counts(summary: IngestSummary) -> dict[str, int]:
    """The counts that are not zero."""
    return {f"{Path(each.source).stem}: {each.what}": each.rows for each in summary.counts if each.rows}


def rows_of(summary: IngestSummary) -> list[tuple[int, str, int, float, float]]:
    """(ts in ms since DAY, kind, side, price, size) of the tape."""
    read = pq.read_table(summary.path)
    ts = read["ts"].cast(pa.int64()).to_numpy() // 1_000_000 - 1_000 * DAY
    columns = (read[name].to_pylist() for name in ("kind", "side", "price", "size"))
    return list(zip(ts.tolist(), *columns, strict=True))


def test_rows_of_the_tape(tmp_path: Path) -> None:
    summary = ingest(tmp_path, [book(10), book(20, 100.5)], ["1.25,20,101,0.5,buy,a", ",15,100,0.25,S,b"])
    assert rows_of(summary) == [
        (10, "snapshot", 0, 0.0, 0.0),
        (10, "snapshot", 1, 100.0, 1.0),
        (10, "snapshot", 1, 90.0, 2.0),
        (10, "snapshot", -1, 101.0, 1.0),
        (10, "snapshot", -1, 110.0, 2.0),
        (15, "trade", -1, 100.0, 0.25),
        (20, "trade", 1, 101.0, 0.5),  # before the order book of its time, which shows what it left
        (20, "snapshot", 0, 0.0, 0.0),
        (20, "snapshot", 1, 100.5, 1.0),
        (20, "snapshot", 1, 90.0, 2.0),
        (20, "snapshot", -1, 101.0, 1.0),
        (20, "snapshot", -1, 110.0, 2.0),
    ]
    recv = pq.read_table(summary.path)["recv_ts"]
    assert recv.is_null().to_pylist() == [False] * 5 + [True] + [False] * 6
    assert recv.cast(pa.int64())[6].as_py() == DAY * SECOND + 1_250_000_000
    tape = open_tape([summary.path])
    assert tape.instruments == (BTC,) and tape.files[0].metadata.source == "src"


def test_faults_of_order_books(tmp_path: Path) -> None:
    books = [
        book(100_000),
        book(100_000),  # exact duplicate
        book(100_000, 99.5),  # another one at that time
        book(100_200),
        book(100_100),  # out of order
        book(40_000),  # 60.2 s late
        book(100_300, 101),  # locked
        book(100_300, 109),  # crossed
        book(100_400, 90),  # price twice on a side
        book(100_400, 100, 101, ""),  # price without size
        book(100_400, -1),
        book(100_400, 100, "nan"),
        book(""),
        "1.5,100400,,,,,,,,",  # no levels
        "1.5,100500,100,1,101,1,,,0,0",  # a short ladder is none
        book(106_000),  # a gap
    ]
    summary = ingest(tmp_path, books)
    assert counts(summary) == {
        "books: order books read": 16,
        "books: invalid, left out": 6,
        "books: crossed or locked, left out": 2,
        "books: out of order, put in place": 1,
        "books: out of order by more than 60 s, left out": 1,
        "books: exact duplicates, left out": 1,
        "books: at the ts of another order book, kept": 1,
        "books: order books written": 6 - 0,
        "books: gaps of more than 5 s": 1,
    }
    assert (summary.longest_gap_ns, summary.longest_gap_from_ns) == (5_500_000_000, DAY * SECOND + 100_500_000_000)
    markers = [row[0] for row in rows_of(summary) if row[2] == 0]
    assert markers == [100_000, 100_000, 100_100, 100_200, 100_500, 106_000]
    assert check(open_tape([summary.path])).is_valid


def test_faults_of_trades(tmp_path: Path) -> None:
    trades = [
        "1,99999,100,1,buy,a",  # before the first order book
        "1,100000,100,1,buy,b",
        "1,100000,100,1,buy,b",  # recorded twice
        "1,100000,100,1,buy,",  # without an id, nobody's double
        "1,100000,100,1,buy,",
        "1,170000,100,1,buy,c",
        "1,160000,100,1,sell,b",  # out of order; an id may come again at another time
        "1,100001,100,1,buy,e",  # 70 s late
        "1,170000,100,0,buy,f",  # no size
        "1,,100,1,buy,g",
        "1,170000,,1,buy,h",
    ]
    summary = ingest(tmp_path, [book(100_000), book(180_000)], trades)
    assert {key: rows for key, rows in counts(summary).items() if key.startswith("trades")} == {
        "trades: trades read": 11,
        "trades: invalid, left out": 3,
        "trades: out of order, put in place": 1,
        "trades: out of order by more than 60 s, left out": 1,
        "trades: before the first order book, left out": 1,
        "trades: exact duplicates, left out": 1,
        "trades: trades written": 5,
    }
    times = [row[0] for row in rows_of(summary) if row[1] == "trade"]
    assert times == [100_000] * 3 + [160_000, 170_000]


@pytest.mark.parametrize(
    ("books", "trades", "message"),
    [
        ([book(1), book(2, 100.25)], None, r"books\.csv:3 bp0: price 100\.25 is off the tick 0\.5"),
        ([book(1, size=0.0005)], None, r"books\.csv:2 bs0: size 0\.0005 is off the lot 0\.001"),
        ([book(1)], ["1,1,100.25,1,buy,a"], r"trades\.csv:2: price 100\.25 is off the tick"),
        ([book(1)], ["1,1,100,1,buy,a", "1,1,100,0.0001,buy,a"], r"trades\.csv:3: size 0\.0001 is off the lot"),
        ([book(1)], ["1,1,100,1,up,a"], r'trades\.csv:2: "up" is no side'),
        ([book("x")], None, r"books\.csv"),
        ([book(1, 101)], None, "holds no order book that can be used"),
        ([book(1, 101)], ["1,1,100,1,buy,a"], "holds no order book that can be used"),
    ],
)
def test_source_that_cannot_be_used(tmp_path: Path, books: list[str], trades: list[str] | None, message: str) -> None:
    with pytest.raises(BacktesterError, match=message):
        ingest(tmp_path, books, trades)
    assert not (tmp_path / "tape.parquet").exists()


def test_columns_that_are_missing_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text("bp0,bs0,ap0,as0\n1,1,2,1\n")
    with pytest.raises(BacktesterError) as caught:
        ingest_wide_snapshots(tmp_path / "books.csv", BOOKS, None, None, BTC, tmp_path / "t.parquet")
    assert [each.message for each in caught.value.diagnostics] == ['no column "ts"', 'no column "recv"']


def test_levels_must_be_complete(tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text("recv,ts,bp1,bs1,ap1,as1,bp2\n1,1,1,1,2,1,1\n")
    with pytest.raises(BacktesterError, match=r"found bp\{i\} 2, bs\{i\} 1"):
        ingest_wide_snapshots(tmp_path / "books.csv", BOOKS, None, None, BTC, tmp_path / "t.parquet")
    with pytest.raises(BacktesterError, match=r'the pattern "bp0" lacks \{i\}'):
        plain = BOOKS._replace(bid_price="bp0")
        ingest_wide_snapshots(tmp_path / "books.csv", plain, None, None, BTC, tmp_path / "t.parquet")


def test_block_size_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    stamps = 100_000 + np.cumsum(generator.integers(0, 900, 300)) + generator.integers(-1, 2, 300) * 40_000
    books = [book(ts, 100 + 0.5 * (place % 2)) for place, ts in enumerate(stamps)]
    trades = [f"1,{ts + 3},100,1,buy,{place // 2}" for place, ts in enumerate(stamps)]
    whole = ingest(tmp_path, books, trades)
    content = whole.path.read_bytes()
    monkeypatch.setattr(source_module, "_BLOCK_BYTES", 700)
    cut = ingest(tmp_path, books, trades)
    assert cut == whole and cut.path.read_bytes() == content
    said = counts(whole)
    assert (
        said["books: out of order, put in place"] > 20 and said["books: out of order by more than 60 s, left out"] > 20
    )


def test_compressed_source(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "books.csv.gz", "wt") as file:
        file.write("\n".join([BOOK_HEADER, dated(book(10))]) + "\n")
    summary = ingest_wide_snapshots(tmp_path / "books.csv.gz", BOOKS, None, None, BTC, tmp_path / "t.parquet")
    assert summary.rows == 5


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("1757015216.673878001", "s", 1_757_015_216_673_878_001),  # no float64 holds these digits
        ("1757015216253", "ms", 1_757_015_216_253_000_000),
        ("1757015216253.5", "us", 1_757_015_216_253_500),
        ("1757015216253000001", "ns", 1_757_015_216_253_000_001),
    ],
)
def test_times_are_exact(text: str, unit: str, expected: int) -> None:
    column = pa.array(["0", text, None]).cast(clock_type(Clock("ts", unit)))
    assert list(to_ns(column.slice(1))) == [expected, NO_TIME]


def test_iso_times() -> None:
    column = pa.array(["2025-09-04T19:46:56.253Z", None]).cast(clock_type(Clock("ts", "iso")))
    assert list(to_ns(column)) == [1_757_015_216_253_000_000, NO_TIME]


@pytest.mark.parametrize(
    ("clocks", "cells", "message"),
    [
        (
            (TS, None),
            "{us},1",
            r"csv:3 ts: 1735689600000000 as ms is the year 5697.; did you mean --ts-unit us\?",
        ),
        ((TS, None), "{s},1", r"1735689600 as ms is the year 1970; did you mean --ts-unit s\?"),
        (
            (Clock("ts", "s"), None),
            "{ns},1",
            r"1735689600000000000 as s is the year 5500\d+; did you mean --ts-unit ns\?",
        ),
        ((Clock("ts", "ns"), None), "{ms},1", r"did you mean --ts-unit ms\?"),
        ((TS, None), "0,1", "books.csv:3 ts: 0 as ms is the year 1970, not one of 2009 to 2099"),
        ((TS, None), "-{ms},1", "is the year 1915, not one of"),
        ((TS, None), "4102444800000,1", "is the year 2100, not one of"),
        ((TS, None), "18446744073709,1", "as ms is the year 2554, not one of"),  # 2**64 ns: its lower half is small
        ((TS, Clock("recv", "s", "--recv-unit")), "{ms},{ms}", r"books\.csv:3 recv: .*did you mean --recv-unit ms\?"),
        ((Clock("ts", "iso"), None), "1999-01-01T00:00:00Z,1", r"books\.csv:3 ts: 1999-01-01T.* 2009 to 2099"),
    ],
)
def test_a_stamp_in_the_wrong_unit(
    tmp_path: Path, clocks: tuple[Clock, Clock | None], cells: str, message: str
) -> None:
    stamps = {unit: DAY * 10**digits for unit, digits in {"s": 0, "ms": 3, "us": 6, "ns": 9}.items()}
    good = "2025-01-01T00:00:00Z" if clocks[0].unit == "iso" else str(stamps[clocks[0].unit])
    rows = [f"{row},100,1,101,1" for row in (f"{good},{DAY}", cells.format(**stamps))]
    (tmp_path / "books.csv").write_text("\n".join(["ts,recv,bp0,bs0,ap0,as0", *rows]))
    with pytest.raises(BacktesterError, match=message):
        columns = BOOKS._replace(clock=clocks[0], recv_clock=clocks[1])
        ingest_wide_snapshots(tmp_path / "books.csv", columns, None, None, BTC, tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet").exists()


def test_a_stamp_of_a_trade_in_the_wrong_unit(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match=r"trades\.csv:2 ts: .* did you mean --ts-unit us\?"):
        ingest(tmp_path, [book(1)], ["1,1735689600000000,100,1,buy,a"])


def test_rows_wait_only_for_the_window() -> None:
    """Memory: what lies more than the window behind the newest row has left."""
    blocks = [(np.arange(start, start + 10) * SECOND,) for start in range(0, 1_000, 10)]
    rows = iter(Sorted(iter(blocks), window_ns=20 * SECOND))
    first = next(rows)[0]
    assert first[0] == 0 and len(first) <= 10


def recording(name: str) -> Path:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"no recording {name} beside the project")
    return path


def test_hyperliquid_recording(tmp_path: Path) -> None:
    books = recording("hyperliquid_l2/orderbooks_BTC.csv")
    trades = recording("hyperliquid_l2/trades_BTC.csv")
    clocks = (Clock("exchange_timestamp", "ms"), Clock("timestamp", "s"))
    summary = ingest_wide_snapshots(
        books,
        BookColumns("bid_price_{i}", "bid_size_{i}", "ask_price_{i}", "ask_size_{i}", *clocks),
        trades,
        TradeColumns("price", "size", "side", *clocks, "trade_id"),
        TapeInstrument("hyperliquid", "BTC", "BTC", 1.0, 1e-5, quote="USDC"),
        tmp_path / "tape.parquet",
    )
    assert counts(summary) == {
        "orderbooks_BTC: order books read": 3_785,
        "orderbooks_BTC: exact duplicates, left out": 3,
        "orderbooks_BTC: order books written": 3_782,
        "orderbooks_BTC: gaps of more than 5 s": 1,
        "trades_BTC: trades read": 6_675,
        "trades_BTC: before the first order book, left out": 30,
        "trades_BTC: trades written": 6_645,
    }
    assert summary.longest_gap_ns == 17_976_000_000
    tape = open_tape([summary.path])
    assert check(tape).is_valid
    btc = inspect(tape).instruments[0]
    assert (btc.messages, btc.median_spread_ticks) == (3_782, 1.0)


def test_tardis_sample(tmp_path: Path) -> None:
    books = recording("formats/binance-futures_book_snapshot_25_BTCUSDT.csv")
    columns = BookColumns(
        "bids[{i}].price",
        "bids[{i}].amount",
        "asks[{i}].price",
        "asks[{i}].amount",
        Clock("timestamp", "us"),
        Clock("local_timestamp", "us"),
    )
    instrument = TapeInstrument("binance", "BTCUSDT", "BTC", 0.01, 0.001, quote="USDT")
    summary = ingest_wide_snapshots(books, columns, None, None, instrument, tmp_path / "tape.parquet")
    assert summary.rows == 51 * counts(summary)[f"{books.stem}: order books written"]
    assert check(open_tape([summary.path])).is_valid
