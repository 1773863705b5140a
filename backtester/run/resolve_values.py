"""The words of an account as numbers: sizes in lots, prices in ticks, moments in ns; what does not fit is collected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from backtester.bounds import MOST_LOTS, MOST_TICKS
from backtester.config.portfolio import PortfolioFile
from backtester.config.values import Instant, Notional, Offset, PositionShare, RelativePrice, Scaled
from backtester.engine import spec
from backtester.enums import Side
from backtester.errors import BacktesterError, Diagnostic
from backtester.formulas.value import worth
from backtester.market.schema import TapeInstrument
from backtester.venue.profile import VenueProfile

#: A size or price this close to a whole lot or tick, in lots or ticks, is meant to be one.
GRID_TOLERANCE = 1e-6
#: An order price further from the mark than this factor is a slip, and would ask for a ladder of that length.
FARTHEST = 10.0
#: An entry price further from the first mark than this share of it is taken for one of another day.
OTHER_DAY = 0.2


#: Units of the base, or what they are known by when the run starts.
Size = float | Notional | PositionShare


class Resolved(NamedTuple):
    """The markets of a run. `profiles[i]` is that of account i; `numbers[i]` says where its symbols trade."""

    data: spec.MarketData
    instruments: tuple[TapeInstrument, ...]
    profiles: tuple[VenueProfile, ...]
    numbers: tuple[dict[str, int], ...]  # per account: portfolio symbol → market number
    as_written: bool = False  # entry prices of another day are meant (--as-written)


class Start(NamedTuple):
    """The market when the run starts: time, first mark of each market (quote), whether each instrument has an index."""

    ts_ns: int
    marks: Sequence[float]
    has_index: Sequence[bool]


class Values:
    """Reads the values of one account. `problems` has all that was wrong so far."""

    def __init__(self, portfolio: PortfolioFile, resolved: Resolved, start: Start, number: int) -> None:
        self.resolved, self.start = resolved, start
        self.profile = resolved.profiles[number]
        self.problems: list[Diagnostic] = []
        self._portfolio, self._number = portfolio, number

    def fault(self, message: str, *place: str | int, hint: str = "") -> None:
        """Something wrong at a place of the account."""
        where = str(self._portfolio.where("accounts", self._number, *place))
        self.problems.append(Diagnostic("config", where, message, hint))

    def add(self, error: BacktesterError) -> None:
        """What somebody else found."""
        self.problems += error.diagnostics

    def market(self, symbol: str) -> int:
        """Number of the market of a symbol."""
        return self.resolved.numbers[self._number][symbol]

    def mark(self, market: int) -> float:
        """First mark of a market, quote currency."""
        return self.start.marks[market]

    def instrument(self, market: int) -> TapeInstrument:
        """The instrument of a market, as the tape describes it."""
        return self.resolved.instruments[self.resolved.data.markets[market].instrument]

    def worth(self, lots: int, market: int, price: float) -> float:
        """What signed lots of a market are worth at a price, quote."""
        instrument = self.instrument(market)
        value: float = worth(lots * instrument.lot_size, instrument.multiplier, price)
        return value

    def lots(self, size: Size, market: int, *place: str | int, held: int = 0) -> int:
        """A size in whole lots, of a position of `held` lots: shares, notionals and products are rounded down.

        Another number between two lots is a fault. Example: 50,000 USD at a mark of 60,000 are 833 lots of 0.001.
        """
        lot, said = self.instrument(market).lot_size, repr(size) if isinstance(size, float) else str(size)
        wanted = self._fractional_lots(size, market, *place, held=held)
        if wanted > MOST_LOTS:
            self.fault(f"{said} is more than the {MOST_LOTS:,} lots that can be held", *place)
            return 0
        if isinstance(size, Scaled) or not isinstance(size, float):
            lots = math.floor(wanted + GRID_TOLERANCE)
            if wanted and not lots:
                self.fault(f"{said} is less than a lot: {lot!r}", *place)
            return lots
        lots = round(wanted)
        if abs(wanted - lots) > GRID_TOLERANCE * max(1.0, wanted * 1e-6) or (size > 0 and lots == 0):
            self.fault(f"{said} is no multiple of the lot {lot!r}", *place)
        return lots

    def _fractional_lots(self, size: Size, market: int, *place: str | int, held: int) -> float:
        """A size in lots as it is written; 0 where it cannot be known."""
        instrument = self.instrument(market)
        if isinstance(size, float):
            return size / instrument.lot_size
        if isinstance(size, PositionShare):
            if not held:
                self.fault(f"{size} is nothing: its size is 0 at the start", *place)
            return size.fraction * held
        quotes = dict.fromkeys(("USD", instrument.quote or self.profile.collateral))
        if size.asset not in quotes:
            hint = f"units of {instrument.base} are written as a number alone"
            self.fault(f"expected a notional in {' or '.join(quotes)}, was in {size.asset}", *place, hint=hint)
            return 0.0
        return size.units(self.mark(market)) / (instrument.lot_size * instrument.multiplier)

    def tick(self, price: float | RelativePrice, side: Side, market: int, *place: str | int) -> int:
        """An order price as a tick: relative ones are rounded to the less favourable price that the venue accepts."""
        instrument, mark = self.instrument(market), self.mark(market)
        decimals = self.profile.market(*instrument.names_at(self.profile.id)).size_decimals
        wanted = price.at(mark) if isinstance(price, RelativePrice) else price
        accepted = self.profile.order_price(wanted, side, decimals, instrument.tick_size)
        tick = accepted / instrument.tick_size
        if abs(tick - round(tick)) > GRID_TOLERANCE:
            self.fault(f"{accepted!r} lies between two ticks of the tape ({instrument.tick_size!r})", *place)
        elif accepted > FARTHEST * mark:
            self.fault(f"{accepted!r} is more than {FARTHEST:g} times the mark {mark:.10g}", *place)
        elif tick > MOST_TICKS:
            self.fault(f"{accepted!r} is more than the {MOST_TICKS:,} ticks that a ladder holds", *place)
        elif not isinstance(price, RelativePrice) and abs(accepted - wanted) > GRID_TOLERANCE * instrument.tick_size:
            by_venue = self.profile.order_price(wanted, side, decimals)
            off_tick = abs(by_venue - wanted) <= GRID_TOLERANCE * instrument.tick_size
            between = f"lies between two ticks of the tape ({instrument.tick_size!r})"
            why = between if off_tick else f"is no order price on {self.profile.id}"
            self.fault(f"{wanted!r} {why}", *place, hint=f"the next one is {accepted!r}")
        return round(tick)

    def distance(self, distance: float, market: int, *place: str | int) -> int:
        """A price distance in whole ticks; anything between two ticks is a fault."""
        tick = self.instrument(market).tick_size
        if distance / tick > MOST_TICKS:
            self.fault(f"{distance!r} is more than the {MOST_TICKS:,} ticks that a ladder holds", *place)
            return 1
        ticks = round(distance / tick)
        if abs(distance / tick - ticks) > GRID_TOLERANCE or ticks == 0:
            self.fault(f"{distance!r} is no multiple of the tick {tick!r}", *place)
        return ticks

    def moment(self, at: Offset | Instant | None, *place: str | int) -> int:
        """A moment in ns; START_NS for none."""
        if at is None:
            return spec.START_NS
        if isinstance(at, Offset):
            return self.start.ts_ns + at.ns
        if at.ts_ns < self.start.ts_ns:
            self.fault("lies before the start of the run", *place, hint='use an offset such as "90s"')
        return at.ts_ns
