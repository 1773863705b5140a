"""A portfolio on a real recording, judged by the recording's own CSV files and not by the tape made from them.

Hyperliquid BTC, 20 levels every 540 ms and all trades, 2025-09-04 19:46:56–20:21:45 UTC: half an hour that rises from
109,750 to 110,270, with a funding hour in it.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from backtester.config.command import Acceptances
from backtester.enums import EventKind, FillReason, LedgerKind, Liquidity, OrderStatus
from backtester.market.ingest.source import Clock
from backtester.market.ingest.trades import TradeColumns
from backtester.market.ingest.wide_snapshots import BookColumns, ingest_wide_snapshots
from backtester.market.read import open_tape
from backtester.market.schema import ingest_instrument
from backtester.run.request import Request
from backtester.run.result import ACTUAL, RunResult
from backtester.run.session import run_cell
from tests.unit.run_cases import (
    S,
    account,
    differences,
    fills_of,
    order,
    order_row,
    portfolio,
    position,
    problems,
)

RECORDING = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "hyperliquid_l2"
MS = 1_000_000
LOT = 0.00001
FUNDING_HOUR = 1_757_016_000 * S  # 2025-09-04T20:00:00Z
ORDERS = (
    order("bid", type="limit", side="buy", size=3.0, price=109_751.0, tif="post_only"),
    order("low-bid", type="limit", side="buy", size=1.0, price=109_700.0, tif="post_only"),
    order("ask", type="limit", side="sell", size=1.5, price=110_000.0),
    order("high-ask", type="limit", side="sell", size=1.0, price=110_400.0),
    order("out", side="sell", size=1.0, at="5m"),
    order("large", side="buy", size=25.0, at="2025-09-04T20:10:00Z"),
    order("stop", type="stop_market", side="buy", size=2.0, trigger_price=110_100.0, trigger_by="last"),
)

pytestmark = pytest.mark.skipif(not RECORDING.is_dir(), reason=f"no recording at {RECORDING}")


class OrderBook(NamedTuple):
    """One row of the recording: {price: lots} per side, best first."""

    ts_ns: int
    bids: dict[int, int]
    asks: dict[int, int]

    @property
    def mid(self) -> float:
        return (next(iter(self.bids)) + next(iter(self.asks))) / 2


class Trade(NamedTuple):
    """One recorded trade."""

    ts_ns: int
    price: int
    lots: int
    side: str


def rows_of(name: str) -> Iterator[dict[str, str]]:
    with (RECORDING / name).open(newline="") as file:
        yield from csv.DictReader(file)


def levels(row: dict[str, str], side: str) -> dict[int, int]:
    """{price: lots} of one side of a CSV row."""
    pairs = ((row[f"{side}_price_{n}"], row[f"{side}_size_{n}"]) for n in range(20))
    return {int(float(price)): round(float(size) / LOT) for price, size in pairs if price}


@pytest.fixture(scope="module")
def order_books() -> list[OrderBook]:
    books = (
        OrderBook(int(row["exchange_timestamp"]) * MS, levels(row, "bid"), levels(row, "ask"))
        for row in rows_of("orderbooks_BTC.csv")
    )
    return sorted(books, key=lambda book: book.ts_ns)


@pytest.fixture(scope="module")
def trades() -> list[Trade]:
    made = (
        Trade(
            int(row["exchange_timestamp"]) * MS, int(float(row["price"])), round(float(row["size"]) / LOT), row["side"]
        )
        for row in rows_of("trades_BTC.csv")
    )
    return sorted(made, key=lambda trade: trade.ts_ns)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Request:
    """The recording as a tape, and a long of 5 BTC with orders of every kind; the venue watches last, too."""
    directory = tmp_path_factory.mktemp("recording")
    tape = directory / "btc.parquet"
    clock, received = Clock("exchange_timestamp", "ms"), Clock("timestamp", "s")
    ingest_wide_snapshots(
        RECORDING / "orderbooks_BTC.csv",
        BookColumns("bid_price_{i}", "bid_size_{i}", "ask_price_{i}", "ask_size_{i}", clock, received),
        RECORDING / "trades_BTC.csv",
        TradeColumns("price", "size", "side", clock, received, "trade_id"),
        ingest_instrument("BTC:tick=1,lot=0.00001", "BTC", "hyperliquid", "USDC"),
        tape,
        source="a recording",
    )
    path = portfolio(directory, account(position(size=5.0, leverage=20.0), *ORDERS, collateral="USDC = 400_000.0"))
    words = ('venue.trigger_series=["mark", "last"]',)
    return Request(path, tapes=(str(tape),), accept=Acceptances(index_mid=True), overrides=words)


@pytest.fixture(scope="module")
def result(made: Request) -> RunResult:
    return run_cell(made)


def book_at(order_books: list[OrderBook], ts_ns: int) -> OrderBook:
    """The newest order book at or before a time."""
    return order_books[bisect_right(order_books, ts_ns, key=lambda book: book.ts_ns) - 1]


# --- the start -----------------------------------------------------------------------------------------------------


def test_the_recording_has_no_index_and_says_so(made: Request, result: RunResult) -> None:
    (found,) = problems(made._replace(accept=Acceptances()))
    assert (found.code, found.hint) == ("data", "accept the mid in its place with --assume-index-mid")
    assert "BTC: the tape has no index, the mid stands for it (--assume-index-mid)" in result.assumptions
    assert "BTC: btc.parquet, a recording" in result.assumptions


def test_the_run_covers_the_recording(result: RunResult, order_books: list[OrderBook], trades: list[Trade]) -> None:
    grid = 3 * S
    assert result.start_ts == -(-order_books[0].ts_ns // grid) * grid
    assert result.end_ts == max(order_books[-1].ts_ns, trades[-1].ts_ns)
    held = result.world.accounts[0].positions[0]
    assert held.entry_price == pytest.approx(book_at(order_books, result.start_ts).mid, abs=1.0)  # the first mark
    path = result.market.path[0][result.market.path[0]["count"] > 0]
    assert path["mark_min"].min() >= min(book.mid for book in order_books) - 1.0
    assert path["mark_max"].max() <= max(book.mid for book in order_books) + 1.0


# --- taking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "side"), [("out", "bids"), ("large", "asks"), ("stop", "asks")])
def test_takers_fill_at_the_recorded_levels(
    result: RunResult, order_books: list[OrderBook], trades: list[Trade], name: str, side: str
) -> None:
    row, fills = order_row(result, name), fills_of(result, name)
    book = book_at(order_books, int(row["arrive_ts"]))
    hits = {"bids": "sell", "asks": "buy"}[side]
    since = [each for each in trades if book.ts_ns < each.ts_ns <= row["arrive_ts"] and each.side == hits]
    shown = {
        price: max(0, lots - sum(each.lots for each in since if each.price == price))
        for price, lots in getattr(book, side).items()
    }
    left, wanted = int(row["lots"]), []
    for price, lots in shown.items():  # what the recorded order book gives, best level first
        if left and lots:
            wanted.append((price, min(left, lots)))
            left -= wanted[-1][1]
    assert [(int(fill["tick"]), int(fill["lots"])) for fill in fills] == wanted
    assert set(fills["reason"]) == {FillReason.TAKER_WALK} and set(fills["liquidity"]) == {Liquidity.TAKER}
    assert row["filled"] == sum(lots for _, lots in wanted)


def test_the_large_order_walks_many_levels(result: RunResult) -> None:
    assert order_row(result, "large")["levels"] > 5
    assert order_row(result, "large")["decision_ts"] == FUNDING_HOUR + 600 * S


def test_the_stop_fires_at_the_first_trade_at_its_trigger(result: RunResult, trades: list[Trade]) -> None:
    row = order_row(result, "stop")
    first = next(each for each in trades if each.ts_ns >= result.start_ts and each.price >= 110_100)
    assert (row["trigger_ts"], row["trigger_price"]) == (first.ts_ns, first.price)
    block = 70 * MS
    assert row["arrive_ts"] == -(-(first.ts_ns + block) // block) * block


# --- resting -------------------------------------------------------------------------------------------------------


class Fill(NamedTuple):
    """A fill of a resting order, as it must have been."""

    ts_ns: int
    lots: int
    reason: FillReason


def queue_in(levels: dict[int, int], sign: int, limit: int, unseen: float) -> float:
    """Lots shown at a level; `unseen` beyond the last one that the recording shows (RULES 1.1)."""
    is_shown = any(sign * price <= sign * limit for price in levels)
    return levels.get(limit, 0) if is_shown else unseen


def resting_fills(
    sign: int, limit: int, lots: int, arrive_ns: int, order_books: list[OrderBook], trades: list[Trade]
) -> Iterator[Fill]:
    """RULES 3.2–3.4 for one order, on the recording: it joins the queue of its level at `arrive_ns`."""
    own, opposite, aggressor = ("bids", "asks", "sell") if sign > 0 else ("asks", "bids", "buy")
    queue = queue_in(getattr(book_at(order_books, arrive_ns), own), sign, limit, math.inf)
    # At one exchange time the trade comes first: the order book shows what it left.
    moments: list[Trade | OrderBook] = [*trades, *order_books]
    for each in sorted(moments, key=lambda moment: (moment.ts_ns, isinstance(moment, OrderBook))):
        part, reason = 0, FillReason.TRADE_THROUGH
        if each.ts_ns <= arrive_ns:
            continue
        if isinstance(each, OrderBook):
            queue = min(queue, queue_in(getattr(each, own), sign, limit, queue))
            crossing = sum(size for price, size in getattr(each, opposite).items() if sign * price <= sign * limit)
            part, reason = min(lots, crossing), FillReason.BBO_CROSS
        elif each.side == aggressor and sign * each.price < sign * limit:
            part = min(lots, each.lots)
        elif each.side == aggressor and each.price == limit:
            part, reason = int(min(lots, max(0, each.lots - queue))), FillReason.TRADE_AT_LEVEL
            queue = max(0, queue - each.lots)
        if part:
            yield Fill(each.ts_ns, part, reason)
            lots -= part


@pytest.mark.parametrize(("name", "sign"), [("bid", 1), ("ask", -1)])
def test_resting_orders_fill_when_the_queue_is_through_and_only_then(
    result: RunResult, order_books: list[OrderBook], trades: list[Trade], name: str, sign: int
) -> None:
    row, fills = order_row(result, name), fills_of(result, name)
    limit, lots, arrived = int(row["limit_tick"]), int(row["lots"]), int(row["arrive_ts"])
    wanted = list(resting_fills(sign, limit, lots, arrived, order_books, trades))
    assert [Fill(int(f["ts"]), int(f["lots"]), FillReason(f["reason"])) for f in fills] == wanted
    assert wanted and wanted[0].ts_ns > arrived + 10 * S  # it had to wait
    assert set(fills["tick"]) == {limit} and set(fills["liquidity"]) == {Liquidity.MAKER}


@pytest.mark.parametrize(("name", "sign"), [("low-bid", 1), ("high-ask", -1)])
def test_an_order_that_the_market_never_reached_still_rests(
    result: RunResult, trades: list[Trade], name: str, sign: int
) -> None:
    row = order_row(result, name)
    assert not [
        each for each in trades if each.ts_ns > row["arrive_ts"] and sign * each.price <= sign * row["limit_tick"]
    ]
    assert (row["status"], row["filled"]) == (OrderStatus.RESTING, 0)


# --- funding -------------------------------------------------------------------------------------------------------


def impact_price(shown: dict[int, int], notional: float) -> float:
    """Average price of trading a notional through the levels, the last one in part."""
    value, lots, target = 0.0, 0.0, notional / LOT
    for price, size in shown.items():
        part = min(size, (target - value) / price)
        value, lots = value + part * price, lots + part
        if value >= target * (1 - 1e-12):
            break
    return value / lots


def premium(order_books: list[OrderBook], start: int, end: int) -> float:
    """Mean premium of the samples every 5 s; the index is the mid of the last multiple of 3 s (RULES 7.3)."""
    samples = []
    for ts in range(-(-start // (5 * S)) * 5 * S, end + 1, 5 * S):
        grid = ts // (3 * S) * 3 * S
        if grid < start:
            continue
        index, book = book_at(order_books, grid).mid, book_at(order_books, ts)
        bid, ask = impact_price(book.bids, 20_000), impact_price(book.asks, 20_000)
        samples.append((max(0.0, bid - index) - max(0.0, index - ask)) / index)
    return sum(samples) / len(samples)


def test_funding_of_the_hour_follows_from_the_premium(result: RunResult, order_books: list[OrderBook]) -> None:
    rows = result.ledger[(result.ledger["kind"] == LedgerKind.FUNDING) & (result.ledger["world"] == ACTUAL)]
    assert rows["ts"].tolist() == [FUNDING_HOUR]
    mean = premium(order_books, order_books[0].ts_ns, FUNDING_HOUR)
    rate = (mean + min(max(0.0001 - mean, -0.0005), 0.0005)) / 8
    fills = result.fills[(result.fills["world"] == ACTUAL) & (result.fills["ts"] <= FUNDING_HOUR)]
    lots = 500_000 + int((fills["lots"] * fills["side"]).sum())
    assert lots > 0
    index = book_at(order_books, FUNDING_HOUR).mid
    assert rows["amount"].tolist() == [pytest.approx(-lots * LOT * index * rate, rel=1e-9)]


def test_twice_the_same(made: Request, result: RunResult) -> None:
    assert differences(result, run_cell(made._replace(chunk_rows=5_000))) == []


def test_the_tape_holds_every_trade_of_the_recording(made: Request, trades: list[Trade]) -> None:
    events: Any = [chunk[chunk["kind"] == EventKind.TRADE] for chunk in open_tape(made.tapes).chunks()]
    first = min(int(chunk["ts"].min()) for chunk in events if len(chunk))
    kept = [each for each in trades if each.ts_ns >= first]
    assert sum(int(chunk["lots"].sum()) for chunk in events) == sum(each.lots for each in kept)
