"""The lines of a Binance USDⓈ-M recording, `<receive time, ns> <JSON>`, as typed events. `where` is file:line.

Read are, bare or inside the combined stream's `{"stream": …, "data": …}`: `depthUpdate` (Diff), `trade` (Trade),
`bookTicker` (BestQuote), and the answer of the REST order book (Snapshot). Their fields are described under
"Websocket Market Streams" and "Order Book" on developers.binance.com. Anything else is Skipped, with its name.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.enums import Side
from backtester.errors import BacktesterError, data_error
from backtester.filekinds import JSON, RECORDING, FileKind, foreign
from backtester.market.encode import NO_TIME
from backtester.market.ingest.stamps import StampError, stamp_ns

_CHUNK_BYTES = 1 << 20

Levels = NDArray[np.float64]  # f8[levels, 2]: price, size; size 0 deletes


class Diff(NamedTuple):
    """Levels that changed between two update ids; `previous_id` is the `last_id` of the diff before it.

    `pair` is the underlying, which only coin-margined contracts name.
    """

    where: str
    recv_ns: int
    sent_ns: int
    ts_ns: int
    first_id: int
    last_id: int
    previous_id: int
    bids: Levels
    asks: Levels
    pair: str = ""


class Snapshot(NamedTuple):
    """The order book as REST answered it, after update `last_id`. `recv_ns` is NO_TIME in a file of its own."""

    where: str
    recv_ns: int
    ts_ns: int
    last_id: int
    bids: Levels
    asks: Levels


class Trade(NamedTuple):
    """One trade, by the side of its aggressor."""

    where: str
    recv_ns: int
    sent_ns: int
    ts_ns: int
    id: int
    price: float
    size: float
    side: int
    type: str

    @property
    def is_market(self) -> bool:
        """Whether it was made in the order book, not by the insurance fund or auto-deleveraging."""
        return self.type == "MARKET"

    @property
    def is_sound(self) -> bool:
        """Whether it has a price and a size."""
        return 0 < self.price < math.inf and 0 < self.size < math.inf


class Best(NamedTuple):
    """Best price and its size on both sides; price 0 and size 0 on an empty side."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


class BestQuote(NamedTuple):
    """The best prices after update `id`."""

    where: str
    recv_ns: int
    sent_ns: int
    id: int
    best: Best


class Skipped(NamedTuple):
    """A line that is none of the above, or of another symbol."""

    where: str
    what: str


Event = Diff | Snapshot | Trade | BestQuote | Skipped


class Broken(NamedTuple):
    """A line that cannot be read. `is_cut` for the last one of a file that ends inside it."""

    where: str
    why: str
    is_cut: bool


def read_events(path: Path, symbol: str, only: tuple[bytes, ...] = ()) -> Iterator[Event | Broken]:
    """Every line of a recording, plain or gzip, in the order of the file; in flat memory.

    With `only`, lines that hold none of these words are passed over unread.
    """
    _check_kind(path, RECORDING)
    for number, (text, is_whole) in enumerate(_lines(path), 1):
        if only and not any(word in text for word in only):
            continue
        where = f"{path}:{number}"
        try:
            yield _parse(where, text, symbol)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield Broken(where, _why(error), not is_whole and not isinstance(error, StampError))


def read_snapshot(path: Path) -> Snapshot:
    """An order book saved from REST: the JSON alone, or after a receive time; plain or gzip."""
    _check_kind(path, JSON, RECORDING)
    text = b"\n".join(line for line, _ in _lines(path)).strip()
    recv_ns = NO_TIME
    try:
        if not text.startswith(b"{"):
            stamp, _, text = text.partition(b" ")
            recv_ns = stamp_ns(int(stamp), "ns")
        return _snapshot(str(path), recv_ns, json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise data_error(str(path), f"is no order book as REST answers it: {_why(error)}") from error


def _check_kind(path: Path, *fitting: FileKind) -> None:
    if problems := foreign(path, "data", *fitting, unpacks=True):
        raise BacktesterError(problems)


def _parse(where: str, text: bytes, symbol: str) -> Event:
    stamp, _, body = text.partition(b" ")
    recv = int(stamp)
    said = json.loads(body)
    recv_ns = stamp_ns(recv, "ns")
    event = said.get("data", said)
    if "lastUpdateId" in event:
        return _snapshot(where, recv_ns, event)
    kind = event.get("e")
    if kind not in ("depthUpdate", "trade", "bookTicker"):
        return Skipped(where, f"{kind} events" if kind else f"lines with {', '.join(sorted(event)) or 'nothing'}")
    if event["s"] != symbol:
        return Skipped(where, f"events of {event['s']}")
    head = (where, recv_ns, stamp_ns(int(event["E"]), "ms"))
    ts_ns = stamp_ns(int(event["T"]), "ms")
    if kind == "depthUpdate":
        ids = (int(event["U"]), int(event["u"]), int(event["pu"]))
        return Diff(*head, ts_ns, *ids, _levels(event["b"]), _levels(event["a"]), str(event.get("ps", "")))
    if kind == "trade":
        side = Side.SELL if _flag(event["m"]) else Side.BUY  # m: the buyer was resting, so a seller came
        return Trade(*head, ts_ns, int(event["t"]), float(event["p"]), float(event["q"]), side, str(event["X"]))
    return BestQuote(*head, int(event["u"]), Best(*(float(event[name]) for name in "bBaA")))


def _snapshot(where: str, recv_ns: int, said: dict[str, Any]) -> Snapshot:
    ts_ns, last_id = stamp_ns(int(said["T"]), "ms"), int(said["lastUpdateId"])
    bids, asks = _levels(said["bids"]), _levels(said["asks"])
    if not (len(bids) and len(asks)):
        raise ValueError("an order book with an empty side")
    return Snapshot(where, recv_ns, ts_ns, last_id, bids, asks)


def _levels(pairs: list[list[str]]) -> Levels:
    levels = np.array(pairs, np.float64).reshape(-1, 2)
    if not (np.isfinite(levels).all() and (levels[:, 0] > 0).all() and (levels[:, 1] >= 0).all()):
        raise ValueError("a level without a positive price and a size")
    return levels


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _why(error: Exception) -> str:
    return f"lacks the field {error}" if isinstance(error, KeyError) else str(error)


def _lines(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The lines, and whether each is whole: only the last one of a file may not be."""
    rest = b""
    for chunk in _chunks(path):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line, True
    if rest:
        yield rest, False


def _chunks(path: Path) -> Iterator[bytes]:
    """The content of a file, unpacked if it is gzip; what can be unpacked of one that was cut off."""
    try:
        with path.open("rb") as file:
            unpack = zlib.decompressobj(wbits=31) if file.read(2) == b"\x1f\x8b" else None
            file.seek(0)
            while chunk := file.read(_CHUNK_BYTES):
                if unpack is None:
                    yield chunk
                while unpack is not None and chunk:
                    yield unpack.decompress(chunk)
                    chunk = unpack.unused_data
                    if unpack.eof:  # gzip files may be laid end to end
                        unpack = zlib.decompressobj(wbits=31)
    except OSError as error:
        raise data_error(str(path), f"cannot be read: {error.strerror}") from error
    except zlib.error as error:
        raise data_error(str(path), f"is no sound gzip file: {error}") from error
