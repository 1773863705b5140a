"""A market that no tape has takes the order book of another, at its own price.

The rows of ETH come a second time as those of SOL, which `data/liquidity.toml` says is a share as liquid: its trades
and its levels hold that share of the money, on its own ticks and lots and as wide as stated (market.scaled). Of a
market that is not in that table (`--proxy WIF=BTC`) nobody knows how deep it is: its levels are as many bps away and
hold as much money as those of its proxy (market.move). The report says whose order book it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backtester.market.move import Move
from backtester.market.read import Tape
from backtester.market.schema import TapeInstrument
from backtester.run.liquidity import liquidity
from backtester.run.resolve import find_instrument
from backtester.run.variants import Variant
from backtester.scenario.grid import Proxy


def lend(tape: Tape, variants: Sequence[Variant], proxies: Sequence[Proxy], any_venue: bool) -> Tape:
    """The tape with an instrument more for each market that an account trades, no tape has, and a proxy stands for.

    It begins at the price that is stated of it, or of the one that lends it, until `--price` moves it (run.prices).
    """
    offers = list(_offers(tape, {each.base: each.source for each in proxies}))
    offered, taken = [move.moved for move in offers], dict[Move, None]()
    for variant in variants:
        for account, profile in zip(variant.portfolio.portfolio.accounts, variant.profiles, strict=True):
            for position in account.positions:
                if find_instrument(position.symbol, profile.id, tape.instruments, any_venue) is None:
                    number = find_instrument(position.symbol, profile.id, offered, any_venue)
                    taken |= {} if number is None else {offers[number]: None}
    return tape.made_by((*tape.made, *taken)) if taken else tape


def _offers(tape: Tape, proxies: Mapping[str, str]) -> Iterator[Move]:
    """What the instruments of the tape could stand for, at every venue that has none of its own."""
    known, recorded = liquidity(), {(each.venue, each.base) for each in tape.instruments}
    for venue in dict.fromkeys(each.venue for each in tape.instruments):
        for base in dict.fromkeys((*proxies, *known.bases_at(venue))):
            lenders = [each for each in known.lenders(venue, base, proxies) if (venue, each) in recorded]
            if lenders and (venue, base) not in recorded:
                yield from (
                    _offer(each, base) for each in tape.instruments if (each.venue, each.base) == (venue, lenders[0])
                )


def _offer(lender: TapeInstrument, base: str) -> Move:
    stated = liquidity().stated(lender.venue, base, lender.base)
    return Move(lender, price=stated.price if stated else 1.0, lent_to=base, stated=stated)
