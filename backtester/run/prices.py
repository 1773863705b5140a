"""`[prices]` of a portfolio and `--price BTC=68_000`: the tape moved to the prices of the portfolio.

A portfolio is written at today's prices, a recording is of another day. The price of an instrument, where the tape
begins, becomes the one that was asked for; all its prices are multiplied by the same k, its sizes divided by it
(market.move). So the crash falls as deep in percent, through an order book that holds as much money, and every figure
of the report is in the user's prices. `--rebase` goes the other way: it moves the portfolio to the tape.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.bounds import LARGEST_PRICE, SMALLEST_PRICE
from backtester.config.portfolio import PortfolioFile
from backtester.config.toml import Where
from backtester.enums import EventKind
from backtester.errors import BacktesterError, Diagnostic, data_error, usage_error
from backtester.market.move import Move, Stated
from backtester.market.read import Tape
from backtester.run.liquidity import liquidity

FLAG = "--price"
#: What says where an instrument begins, the best first; a better one counts if it comes so soon after the first of all.
BEGINNINGS = (EventKind.INDEX, EventKind.MARK, EventKind.SNAPSHOT)
MINUTE_NS = 60_000_000_000


class _Seen(NamedTuple):
    """A price, quote, and its time."""

    ts: int
    price: float


class Price(NamedTuple):
    """What an instrument, or all instruments of a base, shall cost where the tape begins."""

    name: str
    price: float
    where: str | Where  # for messages


def parse_price(text: str) -> Price:
    """Read `BTC=68_000`. Raises a usage error."""
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        price = float(value)
    except ValueError:
        price = math.nan
    if not name or not SMALLEST_PRICE <= price <= LARGEST_PRICE:
        raise usage_error(f"{FLAG} {text}", "expected SYMBOL=PRICE, a price above 0", f"one each: {FLAG} BTC=68_000")
    return Price(name, price, f"{FLAG} {text}")


def prices_of(portfolio: PortfolioFile) -> tuple[Price, ...]:
    """The `[prices]` of a portfolio."""
    return tuple(
        Price(name, price, portfolio.where("prices", name)) for name, price in portfolio.portfolio.prices.items()
    )


def move_tape(tape: Tape, prices: Iterable[Price]) -> Tape:
    """The tape at these prices, later ones over earlier ones. Raises errors for names that it does not have."""
    wanted = {number: move.price for number, move in enumerate(tape.moves) if move.stated}
    problems = list[Diagnostic]()
    for each in prices:
        found = _called(each.name, tape)
        wanted |= dict.fromkeys(found, each.price)
        if not found:
            known = ", ".join(dict.fromkeys(instrument.symbol for instrument in tape.instruments))
            problems.append(Diagnostic("config", str(each.where), f"{each.name} is not on the tape", f"it has {known}"))
    problems += [_no_price(move) for n, move in enumerate(tape.moves) if move.lent_to and n not in wanted]
    if problems:
        raise BacktesterError(problems)
    if not wanted:
        return tape
    first = _first_prices(tape, wanted)
    moves = enumerate(tape.made)
    return tape.made_by(move._replace(first=first[n], price=wanted[n]) if n in wanted else move for n, move in moves)


def refuse_both_ways(tape: Tape) -> None:
    """Raise a usage error where a tape came to the portfolio that is to go to the tape, all but a lent order book: it
    has no other price."""
    moved = dict.fromkeys(move.written.symbol for move in tape.moves if move.factor != 1.0 and not move.lent_to)
    if moved:
        message = f"the tape was moved to the price of the portfolio: {', '.join(moved)}"
        raise usage_error("--rebase", message, f"leave out --rebase, or the price ({FLAG}, [prices])")


def moves_of(tape: Tape) -> Iterator[str]:
    """What a reader of the result should know of it."""
    for move in tape.moves:
        said = f"begins at {move.price:.10g} instead of {move.first:.10g}"
        said = f"{said}, its prices × and its sizes ÷ {move.factor:.6g}"
        if move.stated:
            yield _scaled(move, move.stated)
        elif move.lent_to:
            whose = f"{move.moved.symbol} has no order book of its own"
            yield f"{whose}, that of {move.written.symbol} stands for it: it {said} (--proxy)"
        elif move.factor != 1.0:
            yield f"{move.written.symbol}: the tape {said} ({FLAG})"


def _scaled(move: Move, stated: Stated) -> str:
    """Whose order book a market has whose liquidity is stated."""
    made = move.moved
    begins = f"its price of {liquidity().dates[move.lent_to]}" if move.price == stated.price else FLAG
    whose = f"{made.symbol} order book: {move.written.symbol}'s, scaled: {stated.share:.3g} of its depth and trades"
    grid = f"spread {stated.spread_bps:g} bps, tick {_plain(made.tick_size)}, lot {_plain(made.lot_size)}"
    return f"{whose}, {grid} (assumed); it begins at {move.price:.10g} ({begins})"


def _plain(step: float) -> str:
    """0.00001, not 1e-05."""
    return f"{Decimal(f'{step:.10g}'):f}"


def _no_price(move: Move) -> Diagnostic:
    """A market with another's order book, at a price that nobody knows."""
    base, source = move.lent_to, move.written.base
    message = f"nobody says what {base} costs, to which the order book of {source} has to be moved"
    return Diagnostic("usage", f"--proxy {base}={source}", message, f"say it: {FLAG} {base}=PRICE, or in [prices]")


def _called(name: str, tape: Tape) -> list[int]:
    """Numbers of the instruments with this symbol or base: BTC is the symbol of one venue, the base of all."""
    return [number for number, each in enumerate(tape.instruments) if name in (each.symbol, each.base)]


def _first_prices(tape: Tape, wanted: Mapping[int, float]) -> dict[int, float]:
    """Where each instrument begins: at its first index, mark or mid, the best of those that come within a minute."""
    seen = {number: dict[EventKind, _Seen]() for number in wanted}
    as_written = tape._replace(moves=tuple(move.plain for move in tape.moves))
    for chunk in as_written.chunks():
        for number, found in seen.items():
            rows, tick_size = chunk[chunk["instrument"] == number], tape.made[number].written.tick_size
            found |= {
                kind: first
                for kind in BEGINNINGS
                if kind not in found and (first := _first_of(kind, rows, tick_size)) is not None
            }
        if all(_is_known(found, int(chunk["ts"][-1])) for found in seen.values()):
            break
    return {number: _beginning(found, tape.instruments[number].symbol) for number, found in seen.items()}


def _is_known(seen: Mapping[EventKind, _Seen], now: int) -> bool:
    """Whether nothing that a tape shows after `now` can change where an instrument begins."""
    return BEGINNINGS[0] in seen or any(each.ts + MINUTE_NS < now for each in seen.values())


def _beginning(seen: Mapping[EventKind, _Seen], symbol: str) -> float:
    """The best of the prices with which an instrument begins. Raises a data error without one."""
    if not seen:
        message = "the tape has neither index, mark nor a snapshot of two sides: nobody knows where it begins"
        raise data_error(symbol, message, "move the portfolio instead, with --rebase")
    until = min(each.ts for each in seen.values()) + MINUTE_NS
    price = next(seen[kind].price for kind in BEGINNINGS if kind in seen and seen[kind].ts <= until)
    if not SMALLEST_PRICE <= price <= LARGEST_PRICE:
        raise data_error(symbol, f"begins at {price:.10g}: no price", "is the tape what it says it is?")
    return price


def _first_of(kind: EventKind, rows: NDArray[Any], tick_size: float) -> _Seen | None:
    """The first index or mark in EVENT[n] of one instrument, or the mid of its first snapshot with both sides."""
    shown = rows[rows["kind"] == kind]
    if kind != EventKind.SNAPSHOT:
        return _Seen(int(shown["ts"][0]), float(shown["value"][0])) if len(shown) else None
    shown = shown[(shown["side"] != 0) & (shown["lots"] > 0)]
    for ts in np.unique(shown["ts"]):
        levels = shown[shown["ts"] == ts]
        bids, asks = (levels["tick"][levels["side"] == side] for side in (1, -1))
        if len(bids) and len(asks):
            return _Seen(int(ts), 0.5 * float(bids.max() + asks.min()) * tick_size)
    return None
