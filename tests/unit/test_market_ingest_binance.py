"""Binance recordings into a tape: the stitching by update ids, the order of rows, and every fault of a recording."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.cli.app import main
from backtester.errors import BacktesterError
from backtester.market.check import check
from backtester.market.ingest.binance_ws import RecordingSummary, ingest_binance_ws
from backtester.market.read import open_tape
from backtester.market.schema import TapeInstrument

BTC = TapeInstrument("binance-usdm", "BTCUSDT", "BTC", tick_size=0.5, lot_size=0.001, quote="USDT")
DAY_MS = 1_735_689_600_000  # 2025-01-01: times here are written as if since then
Pairs = Sequence[tuple[str, str]]
BIDS, ASKS = [("100.0", "1.000"), ("99.5", "2.000")], [("100.5", "3.000"), ("101.0", "4.000")]


def line(event: dict[str, Any], recv_ms: int) -> str:
    return f"{(DAY_MS + recv_ms) * 1_000_000} {json.dumps(event)}"


def stream(kind: str, t: int, said: dict[str, Any], symbol: str = "BTCUSDT") -> str:
    """Sent at t + 1 ms, received at t + 3 ms, so 2 ms after it was sent."""
    event = {"e": kind, "E": DAY_MS + t + 1, "T": DAY_MS + t, "s": symbol} | said
    return line({"stream": f"{symbol.lower()}@{kind}", "data": event}, t + 3)


def diff(t: int, first: int, last: int, previous: int, bids: Pairs = (), asks: Pairs = ()) -> str:
    return stream("depthUpdate", t, {"U": first, "u": last, "pu": previous, "b": bids, "a": asks})


def trade(t: int, id_: int, price: str = "100.5", size: str = "0.100", type_: str = "MARKET", m: Any = False) -> str:
    return stream("trade", t, {"t": id_, "p": price, "q": size, "X": type_, "m": m})


def quote(t: int, id_: int, bid: str = "100.0", size: str = "1.000") -> str:
    return stream("bookTicker", t, {"u": id_, "b": bid, "B": size, "a": "100.5", "A": "3.000"})


def rest(t: int, last: int, bids: Pairs = BIDS, asks: Pairs = ASKS) -> dict[str, Any]:
    return {"lastUpdateId": last, "E": DAY_MS + t + 1, "T": DAY_MS + t, "bids": bids, "asks": asks}


def snapshot(t: int, last: int, bids: Pairs = BIDS, asks: Pairs = ASKS) -> str:
    return line(rest(t, last, bids, asks), t + 9)


def ingest(folder: Path, lines: list[str], **options: Any) -> RecordingSummary:
    path = folder / "raw.txt"
    path.write_text("".join(f"{each}\n" for each in lines))
    return ingest_binance_ws(path, BTC, folder / "tape.parquet", **options)


def failure(folder: Path, lines: list[str], **options: Any) -> list[str]:
    """What the error says, without the folder."""
    with pytest.raises(BacktesterError) as caught:
        ingest(folder, lines, **options)
    assert not (folder / "tape.parquet").exists()
    return [f"{each.where}: {each.message}".replace(f"{folder}/", "") for each in caught.value.diagnostics]


def counts(summary: RecordingSummary) -> dict[str, float]:
    """The counts that are not zero."""
    return {each.what: each.rows for each in summary.counts if each.rows}


def rows_of(summary: RecordingSummary) -> list[tuple[int, str, int, float, float]]:
    """(ts in ms since DAY_MS, kind, side, price, size) of the tape."""
    read = pq.read_table(summary.path)
    ts = read["ts"].cast(pa.int64()).to_numpy() // 1_000_000 - DAY_MS
    columns = (read[name].to_pylist() for name in ("kind", "side", "price", "size"))
    return list(zip(ts.tolist(), *columns, strict=True))


def first_ts(summary: RecordingSummary, kind: str) -> int:
    return next(row[0] for row in rows_of(summary) if row[1] == kind)


GOOD = [
    diff(1_000, 1, 4, 0, [("99.0", "9.000")]),  # older than the snapshot
    diff(1_050, 5, 9, 4, [("99.5", "2.500")]),
    trade(1_060, 71, m=True, price="100.0"),
    snapshot(1_040, 7),  # arrives behind the diff that continues it
    diff(1_100, 12, 15, 9, [("100.0", "0.000")], [("100.5", "2.900")]),
    trade(1_100, 72),  # arrives behind the diff of its time, which shows what it left
]


def test_rows_of_the_tape(tmp_path: Path) -> None:
    summary = ingest(tmp_path, GOOD, source="src", licence="CC0-1.0")
    assert rows_of(summary) == [
        (1_040, "snapshot", 0, 0.0, 0.0),
        (1_040, "snapshot", 1, 100.0, 1.0),
        (1_040, "snapshot", 1, 99.5, 2.0),
        (1_040, "snapshot", -1, 100.5, 3.0),
        (1_040, "snapshot", -1, 101.0, 4.0),
        (1_050, "delta", 1, 99.5, 2.5),
        (1_060, "trade", -1, 100.0, 0.1),  # m: the buyer was resting
        (1_100, "trade", 1, 100.5, 0.1),
        (1_100, "delta", 1, 100.0, 0.0),
        (1_100, "delta", -1, 100.5, 2.9),
    ]
    assert counts(summary) == {
        "diffs read": 3,
        "trades read": 2,
        "snapshots offered": 1,
        "stretches": 1,
        "diffs without a snapshot, left out": 1,
        "ladders without a best quote to compare": 3,
        "trades written": 2,
        "diffs written": 2,
    }
    assert (summary.lowest_bid, summary.highest_ask, summary.stretch.diffs) == (99.5, 101.0, 2)
    recv = pq.read_table(summary.path)["recv_ts"].cast(pa.int64()).to_numpy() // 1_000_000 - DAY_MS
    assert recv.tolist() == [1_049] * 5 + [1_053, 1_063, 1_103, 1_103, 1_103]  # possible, so kept
    tape = open_tape([summary.path])
    assert tape.instruments == (BTC,) and check(tape).is_valid
    words = "src; recv_ts as recorded, not checked against the exchange's clock"
    assert tape.files[0].metadata[1:3] == (words, "CC0-1.0")


@pytest.mark.parametrize(
    ("last", "first_delta"),
    [
        (5, 1_050),  # lastUpdateId = U
        (9, 1_050),  # lastUpdateId = u
        (12, 1_100),  # the diffs before are dropped, whose u < lastUpdateId
        (15, 1_100),
    ],
)
def test_the_first_diff_spans_the_snapshot(tmp_path: Path, last: int, first_delta: int) -> None:
    lines = [diff(1_050, 5, 9, 4, BIDS), diff(1_100, 12, 15, 9, BIDS), snapshot(1_040, last)]
    assert first_ts(ingest(tmp_path, lines), "delta") == first_delta


@pytest.mark.parametrize("last", [4, 10, 16])  # before the first U, between two diffs, behind the last u
def test_a_snapshot_that_no_diff_spans(tmp_path: Path, last: int) -> None:
    lines = [diff(1_050, 5, 9, 4, BIDS), diff(1_100, 12, 15, 9, BIDS), snapshot(1_040, last)]
    assert failure(tmp_path, lines) == ["raw.txt: none of 1 snapshot joins any of 2 diffs"]


def test_a_snapshot_before_its_diffs_waits_for_them(tmp_path: Path) -> None:
    summary = ingest(tmp_path, [snapshot(1_040, 7), diff(1_000, 1, 4, 0), diff(1_050, 5, 9, 4, BIDS)])
    assert summary.stretch.diffs == 1 and counts(summary)["diffs without a snapshot, left out"] == 1


def test_diffs_wait_for_60_s(tmp_path: Path) -> None:
    early = [diff(1_000 + 20_000 * place, 10 * place + 1, 10 * place + 9, 10 * place - 1) for place in range(5)]
    assert failure(tmp_path, [*early, snapshot(1_000, 5)]) == ["raw.txt: none of 1 snapshot joins any of 5 diffs"]
    summary = ingest(tmp_path, [*early, snapshot(21_000, 15)])
    assert counts(summary)["diffs without a snapshot, left out"] == 1


GAP = [
    *GOOD,
    diff(1_200, 16, 18, 15, BIDS),
    diff(1_700, 31, 33, 27, BIDS),  # pu is not 18
    trade(1_710, 73),
    diff(1_750, 34, 36, 33, BIDS),
    snapshot(1_740, 35),
    trade(1_745, 74),
    diff(1_800, 40, 41, 36, BIDS),
    trade(1_801, 75),
]


def test_a_gap_is_an_error_that_names_it_and_what_there_is(tmp_path: Path) -> None:
    day = "2025-01-01T00:00:0"
    assert failure(tmp_path, GAP) == [
        f"raw.txt:8: update ids after 18 up to 27 are missing (at most 9), 500 ms from {day}1.200000000Z",
        f"raw.txt: stretch 1: 3 diffs from {day}1.040000000Z to {day}1.200000000Z",
        f"raw.txt: stretch 2: 2 diffs from {day}1.740000000Z to {day}1.800000000Z",
    ]


@pytest.mark.parametrize(
    ("stretch", "trades", "left_out"),
    [(1, [1_060, 1_100], {"after": 3}), (2, [1_745], {"before": 3, "after": 1})],
)
def test_a_stretch_is_whole(tmp_path: Path, stretch: int, trades: list[int], left_out: dict[str, int]) -> None:
    summary = ingest(tmp_path, GAP, stretch=stretch)
    rows = rows_of(summary)
    assert [row[0] for row in rows if row[1] == "trade"] == trades
    assert {row[0] for row in rows if row[1] == "delta"} == ({1_050, 1_100, 1_200}, {1_750, 1_800})[stretch - 1]
    assert [row[0] for row in rows if row[2] == 0] == [(1_040, 1_740)[stretch - 1]]
    names = {
        "before": "trades before the first order book, left out",
        "after": "trades after the last order book, left out",
    }
    assert {when: counts(summary).get(what) for when, what in names.items() if what in counts(summary)} == left_out
    assert counts(summary)["diffs without a snapshot, left out"] == 2
    assert [gap[1:] for gap in summary.gaps] == [(18, 27, DAY_MS * 1_000_000 + 1_200_000_000, 500_000_000)]
    assert check(open_tape([summary.path])).is_valid


def test_a_gap_without_a_new_snapshot(tmp_path: Path) -> None:
    lines = [*GOOD, diff(1_700, 31, 33, 27, BIDS)]
    found = failure(tmp_path, lines)
    assert [text.split(":")[0] for text in found] == ["raw.txt"] * 2 and "ids after 15 up to 27" in found[0]
    summary = ingest(tmp_path, lines, stretch=1)
    assert rows_of(summary)[-1][0] == 1_100 and counts(summary)["diffs without a snapshot, left out"] == 2
    with pytest.raises(BacktesterError, match="2 does not exist: the recording has 1") as caught:
        ingest(tmp_path, lines, stretch=2)
    assert caught.value.exit_code == 2


def test_a_gap_while_diffs_wait(tmp_path: Path) -> None:
    """What waited before the gap must not be joined to what came behind it."""
    lines = [diff(1_000, 1, 4, 0), diff(1_050, 5, 9, 4), diff(1_100, 20, 25, 18, BIDS), snapshot(1_040, 7)]
    assert "update ids after 9 up to 18" in failure(tmp_path, [*lines, snapshot(1_090, 22)])[0]
    summary = ingest(tmp_path, [*lines, snapshot(1_090, 22)], stretch=1)
    assert [row[0] for row in rows_of(summary) if row[1] == "delta"] == [1_100] * 2 and summary.stretch.diffs == 1


@pytest.mark.parametrize("pack", [str.encode, lambda text: gzip.compress(f"{DAY_MS * 1_000_000} {text}".encode())])
def test_a_snapshot_in_a_file_of_its_own(tmp_path: Path, pack: Any) -> None:
    (tmp_path / "rest.json").write_bytes(pack(json.dumps(rest(1_040, 7), indent=1 if pack is str.encode else None)))
    lines = [each for each in GOOD if "lastUpdateId" not in each]
    whole = ingest(tmp_path, GOOD)
    expected = rows_of(whole)
    assert rows_of(ingest(tmp_path, lines, snapshots=[tmp_path / "rest.json"])) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"lastUpdateId": 7', "is no order book as REST answers it"),
        ('{"lastUpdateId": 7, "bids": [], "asks": []}', "lacks the field 'T'"),
        (json.dumps(rest(1_040, 7, asks=[])), "an order book with an empty side"),
        (json.dumps(rest(1_040, 7, [("100.25", "1")])), r"price 100\.25 is off the tick 0\.5"),
    ],
)
def test_a_snapshot_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rest.json").write_text(text)
    with pytest.raises(BacktesterError, match=rf"rest\.json: .*{message}"):
        ingest(tmp_path, [diff(1_050, 5, 9, 4, BIDS)], snapshots=[tmp_path / "rest.json"])


def test_what_is_left_out_is_counted_by_name(tmp_path: Path) -> None:
    lines = [
        *GOOD,
        GOOD[-2],  # the diff of ids 12 to 15 once more
        trade(1_100, 72),  # recorded twice
        trade(1_110, 73, "50.0", type_="INSURANCE_FUND"),
        trade(1_110, 74, "0", "0"),
        trade(1_120, 79),
        trade(1_115, 78),
        stream("trade", 1_121, {}, "ETHUSDT"),
        stream("markPriceUpdate", 1_121, {}),
        line({"result": None, "id": 1}, 1_125),
        snapshot(1_100, 15),  # the ladder needs none
        diff(1_130, 16, 18, 15),
    ]
    assert counts(ingest(tmp_path, lines)) == {
        "diffs read": 5,
        "trades read": 7,
        "snapshots offered": 2,
        "events of ETHUSDT, left out": 1,
        "lines with id, result, left out": 1,
        "markPriceUpdate events, left out": 1,
        "trades of type INSURANCE_FUND, left out": 1,
        "trades without price or size, left out": 1,
        "receive times before the one above": 1,
        "diffs repeated, left out": 1,
        "diffs without a snapshot, left out": 1,
        "snapshots not used": 1,
        "stretches": 1,
        "ladders without a best quote to compare": 4,
        "trade ids jumped over": 4,
        "trades out of order, put in place": 1,
        "trades exact duplicates, left out": 1,
        "trades written": 4,
        "diffs written": 3,
    }


def test_every_unusable_line_is_named(tmp_path: Path) -> None:
    lines = [
        *GOOD,
        "no stamp {}",
        '1000 {"e": "trade"',
        f"{DAY_MS * 1_000_000} []",
        line({"e": "depthUpdate", "s": "BTCUSDT", "E": DAY_MS, "T": DAY_MS, "U": 16, "u": 17, "b": [], "a": []}, 1),
        trade(1_110, 74, m="false"),
        diff(1_130, 16, 18, 15, [("-1", "1")]),
        trade(1_110, 74, "100.25"),
        trade(1_110, 75, size="0.0005"),
        diff(1_140, 16, 18, 15, [("99.25", "1")]),
        diff(1_150, 19, 20, 18, [("101.0", "1")]),
        diff(1_100, 21, 22, 20),
    ]
    assert failure(tmp_path, lines) == [
        "raw.txt:7: cannot be read: invalid literal for int() with base 10: b'no'",
        "raw.txt:8: cannot be read: Expecting ',' delimiter: line 1 column 14 (char 13)",
        "raw.txt:9: cannot be read: 'list' object has no attribute 'get'",
        "raw.txt:10: cannot be read: lacks the field 'pu'",
        "raw.txt:11: cannot be read: 'false' is neither true nor false",
        "raw.txt:13: price 100.25 is off the tick 0.5",
        "raw.txt:14: size 0.0005 is off the lot 0.001",
        "raw.txt:15: price 99.25 is off the tick 0.5",
        "raw.txt:16: leaves the ladder crossed or locked: bid 101.0, ask 100.5",
        "raw.txt:17: its T lies before that of the update which it follows",
        "raw.txt:17: leaves the ladder crossed or locked: bid 101.0, ask 100.5",
        "raw.txt: 1 more: unreadable",
    ]


@pytest.mark.parametrize("field", ["E", "T"])
def test_stamps_of_another_unit(tmp_path: Path, field: str) -> None:
    """In every event and in the order book from REST, also on a last line without its end."""
    wrong = f"{DAY_MS}000 as ms is the year 56970; it would fit as us"
    for text in (diff(1_130, 16, 18, 15), trade(1_130, 73), quote(1_130, 18), snapshot(1_130, 18)):
        stamp, _, body = text.partition(" ")
        said = json.loads(body)
        event = said.get("data", said)
        if "lastUpdateId" in event and field == "E":
            continue
        event[field] = DAY_MS * 1_000
        assert failure(tmp_path, [*GOOD, f"{stamp} {json.dumps(said)}"]) == [f"raw.txt:7: cannot be read: {wrong}"]
    (tmp_path / "cut.txt").write_text("\n".join([*GOOD, f"{DAY_MS} {json.dumps(rest(1_130, 18))}"]))
    with pytest.raises(BacktesterError, match=r"cut\.txt:7: .* as ns is the year 1970; it would fit as ms"):
        ingest_binance_ws(tmp_path / "cut.txt", BTC, tmp_path / "tape.parquet")


@pytest.mark.parametrize("symbol", ["ETHUSD_PERP", "BTCUSD_250926", "BTCUSDT"])  # the last one: only its events say it
def test_a_coin_margined_recording_is_no_linear_tape(tmp_path: Path, symbol: str) -> None:
    rows = {"U": 5, "u": 9, "pu": 4, "b": BIDS, "a": ASKS, "ps": symbol.partition("_")[0]}
    (tmp_path / "raw.txt").write_text(f"{snapshot(1_040, 7)}\n{stream('depthUpdate', 1_050, rows, symbol)}\n")
    linear = BTC._replace(symbol=symbol)
    with pytest.raises(BacktesterError, match=rf"raw\.txt:2: {symbol} is coin-margined"):
        ingest_binance_ws(tmp_path / "raw.txt", linear, tmp_path / "tape.parquet")
    inverse = linear._replace(contract="inverse", size_unit="contracts", multiplier=10.0)
    ingest_binance_ws(tmp_path / "raw.txt", inverse, tmp_path / "tape.parquet")
    assert open_tape([tmp_path / "tape.parquet"]).instruments == (inverse,)


def test_a_recording_that_ends_inside_a_line(tmp_path: Path) -> None:
    text = "".join(f"{each}\n" for each in GOOD)
    whole = rows_of(ingest(tmp_path, GOOD))
    for name, content in {
        "plain": (text + GOOD[1][:50]).encode(),
        "packed.gz": gzip.compress((text + GOOD[1]).encode(), 0)[:-60],
        "two.gz": gzip.compress(text[:700].encode()) + gzip.compress((text[700:] + GOOD[1][:50]).encode()),
    }.items():
        (tmp_path / name).write_bytes(content)
        summary = ingest_binance_ws(tmp_path / name, BTC, tmp_path / "cut.parquet")
        assert rows_of(summary) == whole and counts(summary)["last line, cut off, left out"] == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"1 {}\n" * 99)[:12] + b"x" * 40)
    for name, message in (("none.gz", "cannot be read: No such file"), ("bad.gz", "is no sound gzip file")):
        with pytest.raises(BacktesterError, match=message):
            ingest_binance_ws(tmp_path / name, BTC, tmp_path / "tape.parquet")


def test_best_quotes_check_the_ladder(tmp_path: Path) -> None:
    """Ladders after ids 7 (snapshot), 9, 15 and 18; the last quote that is not newer counts for each."""
    lines = [
        snapshot(1_040, 7),
        quote(1_030, 6),  # older than the snapshot: says nothing about it
        diff(1_050, 5, 9, 4, [("99.5", "2.500")]),
        quote(1_045, 8),  # ladder 9 agrees with it
        quote(1_060, 12, "100.0", "0.900"),  # between two diffs
        quote(1_099, 15, "99.5", "2.500"),  # ladder 15
        quote(1_150, 17, "99.5", "2.400"),  # ladder 18 does not
        diff(1_100, 12, 15, 9, [("100.0", "0.000")]),
        diff(1_200, 16, 18, 15, [("99.5", "2.300")]),
        quote(1_250, 19, "99.5", "2.300"),
        diff(1_300, 19, 20, 18),  # no later quote: which one is its last is not known
    ]
    summary = ingest(tmp_path, lines)
    assert [each.split("/")[-1] for each in summary.disagreeing] == ["raw.txt:9"]
    said = {what.partition(" ")[2]: count for what, count in counts(summary).items() if what.startswith("ladders")}
    assert said == {
        "that agree with the best quote": 2,
        "that disagree with the best quote": 1,
        "without a best quote to compare": 2,
    }
    assert counts(summary)["best quotes read"] == 6 and {row[1] for row in rows_of(summary)} == {"snapshot", "delta"}


def test_a_best_price_beyond_the_snapshot_is_counted(tmp_path: Path) -> None:
    gone = [(price, "0.000") for price, _ in BIDS]
    summary = ingest(tmp_path, [snapshot(1_040, 7), diff(1_050, 5, 9, 4, [*gone, ("99.0", "1.000")])])
    assert counts(summary)["ladders with a best price beyond the levels of the snapshot"] == 1


def early(lines: list[str], ms: int) -> list[str]:
    """The same lines by a recorder whose clock is `ms` behind."""
    parts = [each.partition(" ") for each in lines]
    return [f"{int(stamp) - ms * 1_000_000} {body}" for stamp, _, body in parts]


def test_receive_times_before_the_exchange_are_no_latency(tmp_path: Path) -> None:
    summary = ingest(tmp_path, early(GOOD, 1_000))
    assert pq.read_table(summary.path)["recv_ts"].null_count == summary.rows
    assert summary.recv_words == (
        "recv_ts left out: it lies up to 998.0 ms before the exchange's time, so it is no latency"
    )
    assert open_tape([summary.path]).files[0].metadata.source == summary.recv_words


def test_a_declared_fastest_message_brings_receive_times_back(tmp_path: Path) -> None:
    honest = pq.read_table(ingest(tmp_path, GOOD).path)["recv_ts"]
    summary = ingest(tmp_path, early(GOOD, 1_000), fastest_ns=2_000_000)
    assert pq.read_table(summary.path)["recv_ts"] == honest
    assert "the fastest message took 2 ms, as declared" in open_tape([summary.path]).files[0].metadata.source


def test_same_recording_same_bytes(tmp_path: Path) -> None:
    first = ingest(tmp_path, GOOD).path.read_bytes()
    assert ingest(tmp_path, GOOD).path.read_bytes() == first


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw.txt").write_text("".join(f"{each}\n" for each in early(GAP, 1_000)))
    flags = ["--symbol", "BTCUSDT", "--instrument", "BTCUSDT:tick=0.5,lot=0.001,base=BTC", "--quote", "USDT"]
    command = ["data", "ingest", "binance-ws", str(tmp_path / "raw.txt"), str(tmp_path / "t.parquet"), *flags]
    assert main(command) == 4
    said = capsys.readouterr()
    assert said.out == "" and "hint: --stretch 2 writes it" in said.err
    assert main([*command, "--stretch", "2", "--fastest-feed-ms", "0.5", "--format", "json"]) == 0
    rows = {row["what"]: row["count"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["receive minus exchange time of the fastest messages, in ms, at the start"] == -998.0
    assert rows["drift of the receive clock, in millionths"] == 0.0
    assert rows["gap before it, in ms, from 2025-01-01T00:00:01.200000000Z"] == 500.0
    assert rows["recv_ts set so that the fastest message took 0.5 ms, as declared"] is None
    assert rows["lowest bid of the snapshot: below it only what changed since is known"] == 99.5
    tape = open_tape([tmp_path / "t.parquet"])
    assert tape.instruments == (BTC,) and tape.rows == rows["rows of the tape"]
