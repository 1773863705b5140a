"""`--proxy SOL=BTC` where no tape has SOL: the order book of BTC, at the price of SOL.

The rows of BTC come a second time as those of SOL, moved to its price (market.move): its levels are as many bps away
and hold as much money, its trades are as large in money. Nobody knows how deep the order book of SOL would be, so the
report says whose it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backtester.market.move import Move
from backtester.market.read import Tape
from backtester.run.resolve import find_instrument
from backtester.run.variants import Variant
from backtester.scenario.grid import Proxy


def lend(tape: Tape, variants: Sequence[Variant], proxies: Sequence[Proxy], any_venue: bool) -> Tape:
    """The tape with an instrument more for each market that an account trades, no tape has, and a proxy stands for.

    It begins at the price of the one that lends it, until `--price` moves it (run.prices).
    """
    offers = list(_offers(tape, proxies))
    offered, taken = [move.moved for move in offers], dict[Move, None]()
    for variant in variants:
        for account, profile in zip(variant.portfolio.portfolio.accounts, variant.profiles, strict=True):
            for position in account.positions:
                if find_instrument(position.symbol, profile.id, tape.instruments, any_venue) is None:
                    number = find_instrument(position.symbol, profile.id, offered, any_venue)
                    taken |= {} if number is None else {offers[number]: None}
    return tape.made_by((*tape.made, *taken)) if taken else tape


def _offers(tape: Tape, proxies: Sequence[Proxy]) -> Iterator[Move]:
    """What the instruments of the tape could stand for, at every venue that has none of its own."""
    recorded = {(each.venue, each.base) for each in tape.instruments}
    for proxy in proxies:
        for each in tape.instruments:
            if each.base == proxy.source and (each.venue, proxy.base) not in recorded:
                yield Move(each, lent_to=proxy.base)
