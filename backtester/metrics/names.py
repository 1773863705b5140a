"""From the engine's numbers to names and units, exactly: a price is ticks times the tick that the tape names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from backtester.config.values import Instant
from backtester.config.venue import TierRow
from backtester.enums import Side
from backtester.formulas.value import walked
from backtester.report.records import CROSS
from backtester.run.result import ACTUAL, RunResult

#: A record of the engine by the names of its fields, in plain numbers: many of them are read much faster so.
Row = dict[str, Any]


def rows_of(records: np.ndarray, *fields: str) -> Iterator[Row]:
    """Each of an array of records, all of it or only some fields."""
    wanted = list(fields or records.dtype.names or ())
    return (dict(zip(wanted, record, strict=True)) for record in records[wanted].tolist())


class Grid(NamedTuple):
    """Tick, lot and contract multiplier of one instrument, as the decimals they were written with."""

    tick: Fraction
    lot: Fraction
    multiplier: Fraction

    def price(self, ticks: Fraction | int) -> float:
        """Quote currency per unit. Example: 40071 ticks of 0.1 are 4007.1, not 4007.1000000000004."""
        return ticks.numerator * self.tick.numerator / (ticks.denominator * self.tick.denominator)

    def size(self, lots: int) -> float:
        """Units of the base, signed like `lots`."""
        return lots * self.lot.numerator / self.lot.denominator

    def value(self, tick_lots: Fraction | int) -> float:
        """Quote currency of Σ tick · lots."""
        return float(walked(tick_lots, self.lot * self.multiplier, self.tick))


def exact(number: float) -> Fraction:
    """The decimal that a float was written as. Example: 0.1 is 1/10."""
    return Fraction(Decimal(repr(float(number))))


def moment(ts_ns: int) -> Instant | None:
    """A time of the engine, None where it never came."""
    return Instant(int(ts_ns)) if ts_ns >= 0 else None


def known(number: float) -> float | None:
    """A number of the engine, None where it is not finite: never measured, or a ratio to nothing."""
    return float(number) if math.isfinite(number) else None


class Names:
    """Looks up what the numbers of a result stand for."""

    def __init__(self, result: RunResult) -> None:
        self._result = result
        self._grids = tuple(
            Grid(exact(each.tape.tick_size), exact(each.tape.lot_size), exact(each.tape.multiplier))
            for each in result.instruments
        )
        self._instruments: list[int] = result.market.markets["instrument"][result.state.positions["market"]].tolist()

    def account(self, number: int) -> str:
        """Name of an account of any world."""
        return self._result.world.accounts[self._place(number)].name

    def guard(self, account: int, number: int) -> str:
        """Id of a guard of an account."""
        place = self._result.index.guards[account].index(number)
        return self._result.world.accounts[self._place(account)].guards[place].id

    def symbol(self, position: int) -> str:
        """Symbol of a position, as the tape names it."""
        return self._result.instruments[self._instruments[position]].tape.symbol

    def position(self, position: int) -> str:
        """Its symbol, in hedge mode with its side: `BTCUSDT.long`."""
        account = int(self._result.state.positions[position]["account"])
        described = self._result.portfolio.accounts[self._place(account)]
        if described.position_mode != "hedge":
            return self.symbol(position)
        side = described.positions[self._result.index.positions[account].index(position)].side
        return f"{self.symbol(position)}.{'long' if side is Side.BUY else 'short'}"

    def base(self, position: int) -> str:
        """Base asset of a position."""
        return self._result.instruments[self._instruments[position]].tape.base

    def grid(self, position: int) -> Grid:
        """Grid of a position's instrument."""
        return self._grids[self._instruments[position]]

    def instrument_grid(self, instrument: int) -> Grid:
        """Grid of an instrument."""
        return self._grids[instrument]

    def tiers(self, position: int) -> tuple[TierRow, ...]:
        """Maintenance tiers of a position's market under the rules of its account."""
        account = self._place(int(self._result.state.positions[position]["account"]))
        instrument = self._result.instruments[self._instruments[position]].tape
        profile = self._result.profiles[account]
        return profile.market(*instrument.names_at(profile.id)).tiers

    def markets(self) -> dict[int, str]:
        """The markets of the portfolio by number, in the order of its positions: whose rules each has."""
        positions = self._result.state.positions
        held = zip(positions["market"].tolist(), positions["account"].tolist(), strict=True)
        return {market: self._result.profiles[self._place(account)].name for market, account in held}

    def pool(self, number: int) -> str:
        """`cross`, or the name of the isolated position."""
        pool = self._result.state.pools[number]
        return self.position(int(pool["position_first"])) if pool["isolated"] else CROSS

    @cached_property
    def made(self) -> dict[int, str]:
        """The orders that guards of any world made, by number: `low-buffer 1`, `low-buffer 2`."""
        orders, found = self._result.state.orders, dict[int, str]()
        counts: dict[int, int] = {}
        for number in np.flatnonzero(orders["guard"] >= 0).tolist():
            guard = int(orders[number]["guard"])
            counts[guard] = counts.get(guard, 0) + 1
            found[number] = f"{self.guard(int(orders[number]['account']), guard)} {counts[guard]}"
        return found

    @cached_property
    def made_in_actual(self) -> tuple[int, ...]:
        """Those of ACTUAL, as they are reported behind the orders of the portfolio."""
        worlds = self._result.state.orders["world"]
        return tuple(number for number in self.made if worlds[number] == ACTUAL)

    def order(self, number: int) -> str:
        """Id of an order of any world."""
        if number in self.made:
            return self.made[number]
        account = int(self._result.state.orders[number]["account"])
        place = self._result.index.orders[account].index(number)
        return self._result.world.accounts[self._place(account)].orders[place].id

    def plan(self, number: int) -> str:
        """Id of a plan of any world."""
        account = int(self._result.state.plans[number]["account"])
        place = self._result.index.plans[account].index(number)
        return self._result.world.accounts[self._place(account)].plans[place].id

    def algo(self, number: int) -> str:
        """How a plan of any world works."""
        account = int(self._result.state.plans[number]["account"])
        place = self._result.index.plans[account].index(number)
        return self._result.portfolio.accounts[self._place(account)].plans[place].algo

    def world(self, number: int) -> str:
        """`actual` or `unliquidated`."""
        return "actual" if number == ACTUAL else "unliquidated"

    def _place(self, account: int) -> int:
        """Place in the portfolio of an account of any world."""
        return account - self._result.index.accounts[int(self._result.state.accounts[account]["world"])]
