"""A raw websocket recording as a tape, judged by the lines of the recording and not by what ingested them.

Binance USDⓈ-M BTCUSDT, 2024-08-08 23:54:15–24:00:00 UTC: every diff, trade and best quote, one order book from REST.
"""

from __future__ import annotations

import gzip
import json
from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.market.check import check
from backtester.market.ingest.binance_ws import RecordingSummary, ingest_binance_ws
from backtester.market.ingest.clocks import receive_clock
from backtester.market.inspect import inspect
from backtester.market.read import open_tape
from backtester.market.schema import TapeInstrument

RECORDING = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "binance_l2" / "btcusdt_20240808.gz"
BTC = TapeInstrument("binance-usdm", "BTCUSDT", "BTC", tick_size=0.1, lot_size=0.001, quote="USDT")
MS = 1_000_000

pytestmark = pytest.mark.skipif(not RECORDING.is_file(), reason=f"no recording at {RECORDING}")


class Recorded(NamedTuple):
    """The lines as JSON, each with its place `n` in the file and receive time `r`."""

    diffs: list[dict[str, Any]]
    trades: list[dict[str, Any]]
    quotes: list[dict[str, Any]]
    snapshot: dict[str, Any]


class Made(NamedTuple):
    """The tape: `messages` are (ts, {(side, price): size}) of its depth rows, and the trades as rows."""

    summary: RecordingSummary
    messages: list[tuple[int, dict[tuple[int, float], float]]]
    trades: list[tuple[int, int, float, float]]
    order: list[tuple[int, str]]  # (ts, kind) of every row


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    kinds: dict[str, list[dict[str, Any]]] = {"depthUpdate": [], "trade": [], "bookTicker": [], "": []}
    with gzip.open(RECORDING, "rt") as lines:
        for number, line in enumerate(lines):
            stamp, _, text = line.partition(" ")
            said = json.loads(text)
            event = said.get("data", said)
            kinds[event.get("e", "")].append(event | {"n": number, "r": int(stamp)})
    (snapshot,) = kinds[""]
    return Recorded(kinds["depthUpdate"], kinds["trade"], kinds["bookTicker"], snapshot)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    summary = ingest_binance_ws(RECORDING, BTC, tmp_path_factory.mktemp("tape") / "btcusdt.parquet")
    read = pq.read_table(summary.path)
    ts = read["ts"].cast(pa.int64()).to_pylist()
    columns = [read[name].to_pylist() for name in ("kind", "side", "price", "size")]
    messages: list[tuple[int, dict[tuple[int, float], float]]] = []
    trades: list[tuple[int, int, float, float]] = []
    for stamp, kind, side, price, size in zip(ts, *columns, strict=True):
        if kind == "trade":
            trades.append((stamp, side, price, size))
        elif not messages or messages[-1][0] != stamp:
            messages.append((stamp, {(side, price): size}))
        else:
            messages[-1][1][side, price] = size
    return Made(summary, messages, trades, list(zip(ts, columns[0], strict=True)))


def levels(event: dict[str, Any], bids: str, asks: str) -> dict[tuple[int, float], float]:
    return {(side, float(price)): float(size) for side, name in ((1, bids), (-1, asks)) for price, size in event[name]}


def test_counts(made: Made) -> None:
    said = {each.what: each.rows for each in made.summary.counts if each.rows}
    assert said == {
        "diffs read": 6_551,
        "trades read": 21_313,
        "best quotes read": 66_089,
        "snapshots offered": 1,
        "diffs without a snapshot, left out": 4,
        "stretches": 1,
        "ladders with a best price beyond the levels of the snapshot": 722,
        "ladders that agree with the best quote": 6_544,
        "ladders without a best quote to compare": 4,
        "trades before the first order book, left out": 4,
        "trades written": 21_309,
        "diffs written": 6_547,
    }
    assert made.summary.rows == 466_572 and made.summary.gaps == () and made.summary.disagreeing == ()
    assert (made.summary.lowest_bid, made.summary.highest_ask) == (61_653.4, 61_976.2)


def test_the_tape_is_valid_and_never_crossed(made: Made) -> None:
    tape = open_tape([made.summary.path])
    assert check(tape).is_valid
    btc = inspect(tape).instruments[0]
    assert (btc.messages, btc.median_spread_ticks) == (6_548, 1.0)
    assert {kind.kind: kind.rows for kind in btc.kinds if kind.rows} == {
        "snapshot": 2_001,
        "delta": 443_262,
        "trade": 21_309,
    }


def test_messages_are_the_recorded_diffs(made: Made, recorded: Recorded) -> None:
    """Joined as Binance says: u >= lastUpdateId, the first with U <= lastUpdateId, each pu the u before it."""
    last = recorded.snapshot["lastUpdateId"]
    used = [diff for diff in recorded.diffs if diff["u"] >= last]
    assert used[0]["U"] <= last and all(b["pu"] == a["u"] for a, b in pairwise(used))
    expected = [(recorded.snapshot["T"] * MS, {(0, 0.0): 0.0} | levels(recorded.snapshot, "bids", "asks"))]
    expected += [(diff["T"] * MS, levels(diff, "b", "a")) for diff in used]
    assert made.messages == expected


def test_trades_are_the_recorded_ones(made: Made, recorded: Recorded) -> None:
    begin = recorded.snapshot["T"]
    assert {trade["X"] for trade in recorded.trades} == {"MARKET"}
    assert made.trades == [
        (trade["T"] * MS, -1 if trade["m"] else 1, float(trade["p"]), float(trade["q"]))
        for trade in recorded.trades
        if trade["T"] >= begin
    ]


def test_ladders_agree_with_the_best_quotes_of_their_ids(made: Made, recorded: Recorded) -> None:
    """A plain replay of the tape: after each diff whose last id a best quote has, both show the same."""
    quotes = {quote["u"]: quote for quote in recorded.quotes}
    last_ids = {diff["T"] * MS: diff["u"] for diff in recorded.diffs}
    ladder: dict[tuple[int, float], float] = {}
    compared = 0
    for ts, changed in made.messages:
        ladder.update(changed)
        if (quote := quotes.get(last_ids.get(ts, -1))) is None:
            continue
        bid = max(price for (side, price), size in ladder.items() if side > 0 and size)
        ask = min(price for (side, price), size in ladder.items() if side < 0 and size)
        shown = (bid, ladder[1, bid], ask, ladder[-1, ask])
        assert shown == tuple(float(quote[name]) for name in "bBaA")
        compared += 1
    assert compared == 629


def test_transaction_time_puts_trades_before_the_diff_that_shows_them(recorded: Recorded) -> None:
    """The measurement behind the order of rows: best quotes tell in which diff the effect of a trade stands."""
    last_ids = [diff["u"] for diff in recorded.diffs]
    shown_in: dict[int, set[int]] = {}  # by T, the diffs that hold its quotes
    for quote in recorded.quotes:
        shown_in.setdefault(quote["T"], set()).add(bisect_left(last_ids, quote["u"]))
    shown = ((trade, shown_in.get(trade["T"], set())) for trade in recorded.trades)
    known = [(trade, min(diffs)) for trade, diffs in shown if len(diffs) == 1]
    assert len(known) == 14_584

    def outcome(key: str, trades_first: bool) -> dict[int, int]:
        """How many trades stand before the right diff (0), before an earlier one (−1), behind it (+1)."""
        stamps = [diff[key] for diff in recorded.diffs]
        place = bisect_left if trades_first else bisect_right
        off = (place(stamps, trade[key]) - diff for trade, diff in known)
        return dict(Counter((each > 0) - (each < 0) for each in off))

    assert outcome("T", trades_first=True) == {0: 14_549, -1: 35}
    assert outcome("T", trades_first=False) == {0: 13_955, 1: 629}
    assert outcome("E", trades_first=True) == {0: 13_614, -1: 970}
    assert outcome("E", trades_first=False) == {0: 13_880, -1: 702, 1: 2}
    assert outcome("n", trades_first=True) == {0: 13_693, -1: 699, 1: 192}


def test_no_trade_follows_depth_of_its_ts(made: Made) -> None:
    """In 144 of the milliseconds in which a diff ends there are trades."""
    pairs = pairwise(made.order)
    turns = Counter((a[1] == "trade", b[1] == "trade") for a, b in pairs if a[0] == b[0] and a[1] != b[1])
    assert turns == {(True, False): 144}


def test_clocks(made: Made, recorded: Recorded) -> None:
    """The receive clock is 1.27 s behind the exchange's and loses 4.3 µs a second: no latency to be had from it."""
    clock = made.summary.clock
    assert clock is not None
    events = [*recorded.diffs, *recorded.trades, *recorded.quotes]
    offsets = [event["r"] - event["E"] * MS for event in events]
    assert clock.smallest_ns == min(offsets) == -1_272_548_721
    assert all(event["r"] - event["E"] * MS >= clock.offset_at(event["r"]) for event in events)
    assert clock.drift_ppm == pytest.approx(-4.347, abs=1e-3)
    assert [round(clock.offset_at(ns) / MS, 3) for ns in (clock.first_ns, clock.last_ns)] == [-1271.057, -1272.555]
    assert clock.mean_delay_ns / MS == pytest.approx(4.270, abs=1e-3)
    assert pq.read_table(made.summary.path)["recv_ts"].null_count == made.summary.rows
    assert "recv_ts left out: it lies up to 1,272.5 ms before the exchange's time" in (
        open_tape([made.summary.path]).files[0].metadata.source
    )


def test_declared_fastest_message(made: Made, recorded: Recorded) -> None:
    """With 5 ms declared nothing is received earlier, and in every minute something as early, to the ms of E."""
    clock = receive_clock(made.summary.clock, 5 * MS)
    by_minute: dict[int, list[int]] = {}
    for event in (*recorded.diffs, *recorded.trades, *recorded.quotes):
        by_minute.setdefault(event["E"] // 60_000, []).append(clock(event["r"]) - event["E"] * MS)
    assert min(map(min, by_minute.values())) == 5 * MS
    full = [delays for delays in by_minute.values() if len(delays) > 1_000]
    assert len(full) == 6 and max(map(min, full)) < 6 * MS
