"""The positions of a portfolio at given prices, each with the margin pool that backs it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from backtester.calc.liquidation import Inputs
from backtester.calc.quotes import Quotes
from backtester.config.portfolio import PortfolioFile, Position
from backtester.config.toml import Judge
from backtester.config.values import Notional, RelativePrice
from backtester.errors import BacktesterError, Diagnostic, config_error, usage_error
from backtester.venue.accounts import Choice, judge_accounts
from backtester.venue.loader import VenueRef
from backtester.venue.margin import maintenance_margin
from backtester.venue.profile import VenueProfile


class Held(NamedTuple):
    """A position as the portfolio writes it, and the rules of its venue."""

    account: str
    profile: VenueProfile
    position: Position


class Holding(NamedTuple):
    """A position at its mark. `pool_notional`: of all positions that share its margin, at mark, quote."""

    profile: VenueProfile
    position: Inputs
    pool_notional: float


def find_profile(venue: str | None) -> VenueProfile:
    """The rules of `ID` or `ID@DATE`. Raises for none, and for `@scenario`: there is none here."""
    if venue is None:
        raise usage_error("--venue", "is missing", "see `backtester venues list`")
    return Choice(None, _no_day).profile(venue)


def judge(venue: str | None) -> Judge:
    """What finds the venues and fee tiers of a portfolio that are not known; `venue` stands for that of every account.

    Raises as `find_profile` does where `venue` cannot be read.
    """
    choice = Choice(VenueRef.parse(venue) if venue else None, _no_day)
    return lambda document: judge_accounts(document, choice)


def _no_day(ref: VenueRef) -> date:
    raise usage_error(f"venue {ref.id}@scenario", "there is no scenario here", f"name a date: {ref.id}@2025-10-10")


def held_positions(portfolio: PortfolioFile, venue: str | None) -> tuple[Held, ...]:
    """What is held, in the order of the file; `venue` stands for that of every account.

    Raises a configuration error for a notional in an asset whose price is not known here.
    """
    held = tuple(
        Held(account.name, profile, position)
        for account in portfolio.portfolio.accounts
        for profile in [find_profile(venue or account.venue)]
        for position in account.positions
        if position.size != 0.0
    )
    for each in held:
        _check_asset(each)
    return held


def _check_asset(held: Held) -> None:
    size, known = held.position.size, dict.fromkeys(("USD", held.profile.collateral))
    if isinstance(size, Notional) and size.asset not in known:
        where = f"{held.account} {held.position.symbol}"
        raise config_error(where, f"expected a size in {' or '.join(known)}, was {size}")


def units(size: float | Notional, price: float) -> float:
    """A size in units of the base. Example: 50,000 USD at 100,000 are 0.5."""
    return size.units(price) if isinstance(size, Notional) else size


def holdings(portfolio: PortfolioFile, venue: str | None, marks: Quotes) -> tuple[Holding, ...]:
    """What is held, at its marks, in the order of the file.

    Raises usage errors for symbols without a mark, configuration errors where isolated margins exceed an account's
    collateral.
    """
    held = held_positions(portfolio, venue)
    raise_any(marks.problems(each.position.symbol for each in held))
    found: list[Holding] = []
    problems: list[Diagnostic] = []
    for number, account in enumerate(portfolio.portfolio.accounts):
        own = [each for each in held if each.account == account.name]
        at_mark = [_at_mark(each, marks) for each in own]
        isolated = math.fsum(each.margin for each in at_mark)
        if isolated > account.collateral.amount:
            where = str(portfolio.where("accounts", number, "collateral"))
            problems.append(Diagnostic("config", where, f"isolated margins of {isolated:,.2f} exceed the collateral"))
        found += _backed(own, at_mark, account.collateral.amount - isolated)
    raise_any(problems)
    return tuple(found)


def raise_any(problems: Sequence[Diagnostic]) -> None:
    """Raise one error with all problems, if there are any."""
    if problems:
        raise BacktesterError(problems)


def _at_mark(held: Held, marks: Quotes) -> Inputs:
    """A position with what is isolated for it; a cross position has no margin as yet."""
    position, mark = held.position, marks.of(held.position.symbol)
    entry = position.entry_price
    price = entry.at(mark) if isinstance(entry, RelativePrice) else entry
    size = units(position.size, mark)
    mode, margin, leverage = position.margin_mode, 0.0, position.leverage
    if mode == "isolated":
        margin, leverage = isolated_margin(size * price, position.margin, leverage)
    return Inputs(held.account, position.symbol, position.side, size, price, mark, mode, margin, leverage)


def isolated_margin(notional: float, margin: float | None, leverage: float | None) -> tuple[float, float]:
    """(margin, leverage) of an isolated position from the one that is said, at its entry. Example: 5x of 10 is 2."""
    if margin is not None:
        return margin, max(1.0, notional / margin)
    assert leverage is not None, "an isolated position says its margin or its leverage"
    return notional / leverage, leverage


def _backed(held: Sequence[Held], at_mark: Sequence[Inputs], balance: float) -> Iterator[Holding]:
    """The positions of one account; each that is cross is backed by all of `balance`. The other
    leg of its contract (hedge mode) moves with it, positions in other contracts are held fixed."""
    cross = [number for number, each in enumerate(at_mark) if each.margin_mode == "cross"]
    pool_notional = math.fsum(at_mark[number].notional for number in cross)
    for number, each in enumerate(at_mark):
        profile = held[number].profile
        if number not in cross:
            yield Holding(profile, each, each.notional)
            continue
        others = [at_mark[other] for other in cross if other != number]
        apart = [other for other in others if other.symbol != each.symbol]
        needed = (maintenance_margin(profile.market(other.symbol).tiers, other.notional) for other in apart)
        backed = each._replace(
            margin=balance,
            other_maintenance=math.fsum(needed),
            other_pnl=math.fsum(other.pnl for other in others),
            opposite=math.fsum(other.signed_size for other in others if other not in apart),
        )
        yield Holding(profile, backed, pool_notional)
