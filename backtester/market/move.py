"""A tape at another price level: every price times k, every size divided by k, so that its notional stays.

An instrument may also be made of another one's rows, which then come twice: a market that nobody recorded gets the
order book of another, at its own price.

A crash is a path of ratios, and an order book is a shape: levels so many bps away that hold so much money. Both are
kept when the tape moves. Bids and asks move to the nearest tick and lot of a grid as fine as what it has to hold (the
tape's own tick divided by 1, 2, 5, 10, …), so that no two levels fall on one tick and no level is lost.

Example: a tape at 117,041.0 with ticks of 0.1 and lots of 0.001, moved to 68,000: k = 0.581, ticks of 0.05, lots of
0.001. Its bid of 2 BTC at 117,040.9 (234,082 USD) is a bid of 3.442 BTC at 67,999.95 (234,056 USD).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.bounds import LARGEST_PRICE, MOST_LOTS, MOST_TICKS
from backtester.enums import EventKind
from backtester.errors import BacktesterError, data_error
from backtester.market.schema import TapeInstrument

BPS = 1e-4


class Stated(NamedTuple):
    """What is stated of a market that nobody recorded, beside the one that lends it rows (market.scaled)."""

    price: float  # at which it begins unless told otherwise, and at which tick and lot hold
    tick_size: float
    lot_size: float
    share: float  # of the depth and the trades of the lender, in money
    spread_bps: float  # on average


class Move(NamedTuple):
    """How an instrument is made of one of the files: moved from the price `first`, at which it begins, to `price`."""

    written: TapeInstrument  # as its files have it
    first: float = 1.0
    price: float = 1.0
    lent_to: str = ""  # the base that it stands for; empty: its own
    stated: Stated | None = None  # None: on a grid that follows from its own, with all of its depth

    @property
    def factor(self) -> float:
        """What prices are multiplied by, and sizes divided by."""
        return self.price / self.first

    @property
    def tick_parts(self) -> int:
        """Into how many a tick is divided, so that two ticks do not become one."""
        return _parts(1.0 / self.factor)

    @property
    def lot_parts(self) -> int:
        """Into how many a lot is divided, so that a level of one lot does not become none."""
        return _parts(self.factor)

    @property
    def moved(self) -> TapeInstrument:
        """The instrument on its new grid. Example: BTCUSDT that is lent to SOL is SOLUSDT."""
        written, base = self.written, self.lent_to or self.written.base
        names_base = written.symbol.startswith(written.base)
        symbol = base + written.symbol.removeprefix(written.base) if names_base else self.lent_to or written.symbol
        tick_size, lot_size = self._grid
        return written._replace(symbol=symbol, base=base, tick_size=tick_size, lot_size=lot_size)

    @property
    def half_spread(self) -> float:
        """By which fraction of its price a quote of a stated market moves away from the other side.

        Rounding outward adds a tick to the spread, on average, and the lender's is taken to be one tick of its own.
        Example: 3 bps with ticks of 0.4 bps of a lender with ticks of 0.2 bps → (3 - 0.4 - 0.2) / 2 = 1.2 bps.
        """
        if self.stated is None:
            return 0.0
        ticks = self._grid[0] / self.price + self.written.tick_size / self.first
        return max(0.0, 0.5 * (self.stated.spread_bps * BPS - ticks))

    @property
    def plain(self) -> Move:
        """The same instrument at the prices of its file, every row as it is there."""
        return self._replace(first=1.0, price=1.0, stated=None)

    @property
    def _grid(self) -> tuple[float, float]:
        """Tick and lot. Those that are stated become finer, too, where a price is far from the one they hold at."""
        written, stated = self.written, self.stated
        if stated is None:
            return written.tick_size / self.tick_parts, written.lot_size / self.lot_parts
        factor = self.price / stated.price
        return stated.tick_size / _parts(1.0 / factor), stated.lot_size / _parts(factor)


def lent_events(events: NDArray[Any], sources: Sequence[int]) -> NDArray[Any]:
    """EVENT[m] in which instrument i has the rows that `sources[i]` has in `events`, in the order (ts, instrument).

    Example: sources (0, 0), ts 1 and 2 of instrument 0 → ts 1, 1, 2, 2 of instruments 0, 1, 0, 1.
    """
    if list(sources) == list(range(len(sources))):
        return events
    parts = [events[events["instrument"] == source] for source in sources]
    for number, part in enumerate(parts):
        part["instrument"] = number
    out = np.concatenate(parts)
    return out[np.lexsort((out["instrument"], out["ts"]))]


def moved_events(events: NDArray[Any], moves: Sequence[Move]) -> NDArray[Any]:
    """EVENT[n] with instrument i moved by `moves[i]`; statuses and funding rates stay, and so do depth and trades of
    markets whose liquidity is stated (market.scaled).

    Raises a data error when a price or size is then larger than a ladder holds.
    """
    out = events.copy()
    number, kind = events["instrument"], events["kind"]
    factors = np.array([each.factor for each in moves])
    ticks = events["tick"] * (factors * [float(each.tick_parts) for each in moves])[number]
    lots = events["lots"] * ([float(each.lot_parts) for each in moves] / factors)[number]
    values = events["value"] * factors[number]  # all float64: what is too large is no int64 yet
    priced = (kind <= EventKind.TRADE) & np.array([each.stated is None for each in moves])[number]
    series = (kind == EventKind.MARK) | (kind == EventKind.INDEX)
    _refuse(moves, number, priced & ((ticks > MOST_TICKS) | (lots > MOST_LOTS)) | series & (values > LARGEST_PRICE))
    out["tick"][priced] = _nearest(ticks[priced])
    out["lots"][priced] = _nearest(lots[priced])
    out["value"][series] = values[series]
    return out


def _refuse(moves: Sequence[Move], number: NDArray[np.int32], too_large: NDArray[np.bool_]) -> None:
    if too_large.any():
        raise too_large_error(moves[int(number[np.argmax(too_large)])])


def too_large_error(move: Move) -> BacktesterError:
    """Prices or sizes that no ladder holds."""
    message = f"a price or size of the tape is too large once its prices are multiplied by {move.factor:.6g}"
    return data_error(move.written.symbol, message, "is the price that was asked for one of this symbol?")


def _nearest(amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    """To whole ticks or lots, halves upward: amounts that are 1 apart or more stay apart; 0 stays 0."""
    rounded: NDArray[np.int64] = np.floor(amounts + 0.5).astype(np.int64)
    return rounded


def _parts(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, … that is not below `least`."""
    size = 1
    while True:
        for digit in (1, 2, 5):
            if digit * size >= least:
                return digit * size
        size *= 10
