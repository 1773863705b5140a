"""Names, dates and decimals become numbers: a portfolio and its venues in the terms of `engine.spec`.

In two steps, because "mark" in a portfolio is known only when the engine has started: `resolve_markets` before the
first record, `resolve_world` at the start. Several portfolios may share one pass: each has accounts, and so worlds, of
its own on markets that they share.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from backtester.bounds import MOST_LOTS
from backtester.config.command import Acceptances
from backtester.config.portfolio import Account, PortfolioFile, Position
from backtester.config.toml import Where
from backtester.config.values import RelativePrice
from backtester.engine import spec
from backtester.enums import Side
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.funding import SECOND_NS
from backtester.market.schema import TapeInstrument
from backtester.run.resolve_automation import resolve_automation
from backtester.run.resolve_guards import resolve_guards
from backtester.run.resolve_liquidation import steps
from backtester.run.resolve_orders import Curve, no_curve, resolve_orders
from backtester.run.resolve_values import GRID_TOLERANCE, OTHER_DAY, Resolved, Start, Values
from backtester.venue.margin import largest_leverage, maintenance_margin
from backtester.venue.profile import VenueProfile

#: What venues write behind the base of a perpetual: its quote, its kind.
_NAME_ENDS = re.compile(r"(?:[-_/:.]?(?:USDT|USDC|USD|PERP|SWAP))+$")


class Holder(NamedTuple):
    """A portfolio and the rules of each of its accounts."""

    portfolio: PortfolioFile
    profiles: Sequence[VenueProfile]


def find_instrument(
    symbol: str, venue: str, instruments: Sequence[TapeInstrument], any_venue: bool = False
) -> int | None:
    """Number of the instrument an account of a venue means: its symbol, else its base; None for none or several.

    An account trades where it is: another venue's instrument is only taken with `any_venue`, and if its own venue has
    none. A tape that does not say its venue may be anyone's.
    """
    own = [n for n, each in enumerate(instruments) if each.venue in (venue, "")]
    others = [n for n in range(len(instruments)) if n not in own] if any_venue else []
    for place in (own, others):
        for match in ("symbol", "base"):
            found = [n for n in place if getattr(instruments[n], match) == symbol]
            if found:
                return found[0] if len(found) == 1 else None
    return None


def resolve_markets(
    holders: Sequence[Holder], instruments: Sequence[TapeInstrument], accept: Acceptances, seed: int = 0
) -> tuple[Resolved, ...]:
    """Every market that an account of a portfolio trades, under the rules of its venue; one answer per portfolio.

    Raises all unknown symbols at once.
    """
    rules: list[VenueProfile] = []
    keys: list[tuple[int, int]] = []
    numbers: list[tuple[dict[str, int], ...]] = []
    problems: list[Diagnostic] = []
    for portfolio, profiles in holders:
        mine: list[dict[str, int]] = []
        for a, profile in enumerate(profiles):
            if profile not in rules:
                rules.append(profile)
            mine.append({})
            for symbol, number in _instruments_of(portfolio, a, profile, instruments, accept, problems):
                key = (rules.index(profile), number)
                if key not in keys:
                    keys.append(key)
                mine[a][symbol] = keys.index(key)
        numbers.append(tuple(mine))
    if problems:
        raise BacktesterError(dict.fromkeys(problems))
    bases = [each.base for each in instruments]
    made = (market_of(rule, number, rules[rule], instruments[number]) for rule, number in keys)
    data = spec.MarketData(
        tuple(each.spec for each in instruments),
        tuple(rules_of(profile, accept.funding_zero) for profile in rules),
        tuple(market._replace(base=bases.index(bases[market.instrument])) for market in made),
        seed,
    )
    pairs = zip(holders, numbers, strict=True)
    return tuple(
        Resolved(data, tuple(instruments), tuple(holder.profiles), found, accept.as_written) for holder, found in pairs
    )


def _instruments_of(
    portfolio: PortfolioFile,
    a: int,
    profile: VenueProfile,
    instruments: Sequence[TapeInstrument],
    accept: Acceptances,
    problems: list[Diagnostic],
) -> Iterator[tuple[str, int]]:
    """The symbols of an account and the instruments they mean."""
    account, seen = portfolio.portfolio.accounts[a], dict[int, str]()
    if account.position_mode == "hedge" and "hedge_mode" not in profile.rules.services:
        mode = str(portfolio.where("accounts", a, "position_mode"))
        problems.append(Diagnostic("config", mode, f"{profile.id} has no hedge mode, its accounts are one-way"))
    for p, position in enumerate(account.positions):
        where = portfolio.where("accounts", a, "positions", p, "symbol")
        number = find_instrument(position.symbol, profile.id, instruments, accept.order_book)
        if number is None:
            problems.append(not_found(where, position.symbol, profile.id, instruments))
            continue
        if instruments[number].contract != "linear" or instruments[number].size_unit != "base":
            problems.append(Diagnostic("config", str(where), "only linear contracts sized in the base are supported"))
        if seen.setdefault(number, position.symbol) != position.symbol:
            problems.append(Diagnostic("config", str(where), "the account has another position in this instrument"))
        yield position.symbol, number


def take_mid_as_index(resolved: Resolved, numbers: Collection[int]) -> Resolved:
    """The same with instruments whose mid stands for the index that nobody gives them (`--assume-index-mid`)."""
    data = resolved.data
    instruments = tuple(each._replace(index_from_mid=n in numbers) for n, each in enumerate(data.instruments))
    return resolved._replace(data=data._replace(instruments=instruments))


def take_intervals(resolved: Resolved, firsts: NDArray[Any]) -> Resolved:
    """The same with markets that pay as their first row of funding (EVENT[n]) says, until another says otherwise."""
    said = {int(row["instrument"]): (int(row["ts"]), int(row["lots"]) * SECOND_NS) for row in firsts}
    data, markets = resolved.data, []
    for each in data.markets:
        ts, interval_ns = said.get(each.instrument, (each.funding_ns, each.funding_interval_ns))
        markets.append(each._replace(funding_ns=ts, funding_interval_ns=interval_ns))
    return resolved._replace(data=data._replace(markets=tuple(markets)))


def not_found(where: Where, symbol: str, venue: str, instruments: Sequence[TapeInstrument]) -> Diagnostic:
    """Why a symbol of an account at `venue` means no instrument of the tape, or more than one."""
    named = [each for each in instruments if symbol in (each.symbol, each.base)]
    if any(each.venue in (venue, "") for each in named):
        return Diagnostic("config", str(where), f"{symbol} may mean more than one instrument of the tape")
    if named:
        others = " and ".join(dict.fromkeys(each.venue for each in named))
        hint = f"give a tape of {venue} with --tape, or accept that of {others} with --assume-order-book"
        return Diagnostic("config", str(where), f"the tape has {symbol} of {others}, the account is at {venue}", hint)
    meant = sorted(each.symbol for each in instruments if each.base == base_meant(symbol) and each.venue in (venue, ""))
    have = ", ".join(sorted(each.symbol for each in instruments))
    hint = f'did you mean "{meant[0]}"?' if meant else f"it has {have}"
    return Diagnostic("config", str(where), f"the tape has no {symbol}", hint)


def base_meant(symbol: str) -> str:
    """The base of a contract, whoever named it. Example: BTC of BTC-PERP, BTC/USDT, BTCUSDT and BTC-USDT-SWAP."""
    return _NAME_ENDS.sub("", symbol.upper()) or symbol


def rules_of(profile: VenueProfile, assume_funding_zero: bool) -> spec.Rules:
    """What a profile says of all markets, as the engine takes it."""
    made = ("assume_funding_zero", "liquidation")
    own = {name: getattr(profile.rules, name) for name in spec.Rules._fields if name not in made}
    return spec.Rules(**own, assume_funding_zero=assume_funding_zero, liquidation=steps(profile.rules))


def market_of(rules: int, number: int, profile: VenueProfile, instrument: TapeInstrument) -> spec.Market:
    """Instrument `number` of the tape under the rules with that number."""
    market = profile.market(*instrument.names_at(profile.id))
    return spec.Market(
        instrument=number,
        rules=rules,
        tiers=tuple(spec.Tier(row.floor_quote, row.maintenance_rate, row.max_leverage) for row in market.tiers),
        impact_notional_quote=market.impact_notional_quote,
        funding_cap=profile.market_rule("funding_cap", market),
        liquidation_fee=profile.market_rule("liquidation_fee", market),
        max_market_lots=_lots_of(profile.market_rule("max_market_size", market), instrument),
        max_market_quote=profile.market_rule("max_market_quote", market),
        max_limit_lots=_lots_of(profile.market_rule("max_limit_size", market), instrument),
        max_limit_quote=profile.market_rule("max_limit_quote", market),
        min_order_quote=profile.market_rule("min_order_quote", market),
        min_close_quote=profile.market_rule("min_close_quote", market),
    )


def _lots_of(size: float, instrument: TapeInstrument) -> int:
    """Whole lots of a size, at most MOST_LOTS; 0 stays 0. Example: 120 BTC in lots of 0.001 are 120,000."""
    return math.floor(min(size / instrument.lot_size + GRID_TOLERANCE, MOST_LOTS))


def resolve_world(portfolio: PortfolioFile, resolved: Resolved, start: Start, curve: Curve = no_curve) -> spec.World:
    """The portfolio as it stands at the start. `curve`: of the trading in an instrument. Raises every fault at once."""
    accounts, problems = [], []
    for a, account in enumerate(portfolio.portfolio.accounts):
        builder = _AccountBuilder(Values(portfolio, resolved, start, a))
        accounts.append(builder.build(account, curve))
        problems += builder.values.problems
    if problems:
        raise BacktesterError(problems)
    funds = {profile.id: profile.rules.insurance_start for profile in resolved.profiles}
    venues = {venue: number for number, venue in enumerate(funds)}
    at = (account._replace(venue=venues[p.id]) for account, p in zip(accounts, resolved.profiles, strict=True))
    return spec.World(tuple(at), insurance_start=tuple(funds.values()))


class _AccountBuilder:
    """One account; `values` collects what is wrong with it."""

    def __init__(self, values: Values) -> None:
        self.values, self.profile = values, values.profile

    def build(self, account: Account, curve: Curve) -> spec.Account:
        self._check_collateral(account)
        positions = tuple(self._position(p, position) for p, position in enumerate(account.positions))
        orders, plans = resolve_orders(account, self.values, curve, positions)
        rules = self.values.resolved.data.markets[positions[0].market].rules if positions else 0
        guards = resolve_guards(account, self.values, positions)
        automation = resolve_automation(account, self.values, positions)
        balance = self._balance(account, positions)
        made = spec.Account(account.name, rules, balance, positions, orders, plans, guards, automation)
        if not self.values.problems:
            self._check_solvent(made)
        return made

    def _balance(self, account: Account, positions: Sequence[spec.Position]) -> float:
        """The collateral; the sum of isolated margins where they are all of it but for the last digit."""
        collateral, isolated = account.collateral.amount, math.fsum(position.margin for position in positions)
        return isolated if math.isclose(isolated, collateral, rel_tol=1e-12) else collateral

    def _check_collateral(self, account: Account) -> None:
        """An account is kept in the asset in which its contracts are settled."""
        venue, usual = self.profile.id, self.profile.collateral
        instruments = [self.values.instrument(self.values.market(each.symbol)) for each in account.positions]
        needed = {each.settle_asset(venue, usual): each.symbol for each in reversed(instruments)} or {usual: ""}
        for asset, symbol in needed.items():
            if asset != account.collateral.asset:
                of = "" if asset == usual else f" of {symbol}"
                self.values.fault(
                    f"{venue} takes {asset} as collateral{of}, not {account.collateral.asset}", "collateral"
                )

    def _entry(self, position: Position, market: int) -> float:
        """Entry price; a relative one is rounded to the less favourable tick of the tape."""
        mark = self.values.mark(market)
        if not isinstance(position.entry_price, RelativePrice):
            return position.entry_price
        if position.entry_price.fraction == 0.0:
            return mark
        tick = self.values.instrument(market).tick_size
        ticks = position.entry_price.at(mark) / tick
        nearest = round(ticks)
        if abs(ticks - nearest) > GRID_TOLERANCE:
            nearest = math.ceil(ticks) if position.side is Side.BUY else math.floor(ticks)
        return nearest * tick

    def _position(self, p: int, position: Position) -> spec.Position:
        market = self.values.market(position.symbol)
        lots = self.values.lots(position.size, market, "positions", p, "size")
        entry = self._entry(position, market)
        self._check_day(p, position, entry, market)
        notional = abs(self.values.worth(lots, market, entry))
        isolated = position.margin_mode == "isolated"
        margin, leverage = position.margin or 0.0, position.leverage
        if leverage is None:
            leverage = max(1.0, notional / margin)
        elif isolated:
            margin = notional / leverage
        allowed = self._max_leverage(market, lots)
        if leverage > allowed * (1.0 + GRID_TOLERANCE):
            key = "leverage" if position.leverage else "margin"
            message = f"{leverage:.4g}x exceeds the {allowed:g}x that {self.profile.name} allows at this size"
            self.values.fault(message, "positions", p, key)
        margin = margin if isolated else 0.0
        return spec.Position(market, lots * int(position.side), entry, leverage, isolated, margin)

    def _check_day(self, p: int, position: Position, entry: float, market: int) -> None:
        """A position from prices of another day has a profit or a loss in it that decides everything."""
        mark = self.values.mark(market)
        is_meant = self.values.resolved.as_written or isinstance(position.entry_price, RelativePrice)
        if is_meant or not position.size or abs(entry / mark - 1.0) <= OTHER_DAY:
            return
        message = f"is {entry:.10g} while {position.symbol} begins at {mark:.10g} here: prices of another day?"
        hint = (
            f"--price {position.symbol}=TODAY moves the tape to your prices, --rebase the portfolio to the tape's, "
            "--as-written takes both as they are"
        )
        self.values.fault(message, "positions", p, "entry_price", hint=hint)

    def _max_leverage(self, market: int, lots: int) -> float:
        instrument = self.values.instrument(market)
        notional = abs(self.values.worth(lots, market, self.values.mark(market)))
        return largest_leverage(self.profile.market(*instrument.names_at(self.profile.id)).tiers, notional)

    def _check_solvent(self, account: spec.Account) -> None:
        """A position that would be liquidated at once was never held: that is a slip in the portfolio."""
        isolated = math.fsum(position.margin for position in account.positions)
        pools = [("cross", account.balance - isolated, [p for p in account.positions if not p.isolated])]
        if account.balance < isolated:
            self.values.fault(f"isolated margins of {isolated:,.2f} exceed the collateral", "collateral")
        pools += [("isolated", p.margin, [p]) for p in account.positions if p.isolated]
        for mode, balance, positions in pools:
            held = [position for position in positions if position.lots]
            equity = balance + sum(self._unrealised(position) for position in held)
            needed = sum(self._maintenance(position) for position in held)
            if held and equity < needed:
                symbols = ", ".join(self.values.instrument(position.market).symbol for position in held)
                message = (
                    f"{mode} {symbols} is under water at the start: equity {equity:,.2f}, maintenance {needed:,.2f}"
                )
                self.values.fault(message, "positions", hint="add collateral or margin, or hold less")

    def _unrealised(self, position: spec.Position) -> float:
        return self._at_mark(position) - self.values.worth(position.lots, position.market, position.entry_price)

    def _at_mark(self, position: spec.Position) -> float:
        return self.values.worth(position.lots, position.market, self.values.mark(position.market))

    def _maintenance(self, position: spec.Position) -> float:
        instrument = self.values.instrument(position.market)
        tiers = self.profile.market(*instrument.names_at(self.profile.id)).tiers
        return maintenance_margin(tiers, abs(self._at_mark(position)))


def derived_leverages(portfolio: PortfolioFile, world: spec.World) -> Iterator[str]:
    """Cross positions that state a margin: what setting of the leverage asks for it."""
    for account, made in zip(portfolio.portfolio.accounts, world.accounts, strict=True):
        for position, place in zip(account.positions, made.positions, strict=True):
            if position.margin is not None and not place.isolated:
                said = f"{account.name} {position.symbol}: a margin of {position.margin:,.10g}"
                yield f"{said} is a leverage of {place.leverage:.4g}x, its pool is the cross pool"


def assumptions_of(resolved: Resolved, accept: Acceptances) -> list[str]:
    """What a reader of the result should know was taken for granted."""
    lines = []
    for profile in dict.fromkeys(resolved.profiles):
        share = f"{profile.assumed_share:.0%}"
        lines.append(f"{profile.name}: {share} of the rules are assumed (`backtester venues show {profile.id}`)")
    for profile, numbers in zip(resolved.profiles, resolved.numbers, strict=True):
        for number in numbers.values():
            instrument = resolved.instruments[resolved.data.markets[number].instrument]
            line = f"{instrument.symbol} is not in the profile {profile.name}: its default tiers apply"
            if not profile.market(*instrument.names_at(profile.id)).listed and line not in lines:
                lines.append(line)
            line = f"{instrument.symbol} of {instrument.venue} is traded under the rules of {profile.name}"
            if instrument.venue not in (profile.id, "") and line not in lines:
                lines.append(f"{line} (--assume-order-book)")
    if accept.funding_zero:
        lines.append("funding is taken as zero where the tape has no rate (--assume-funding-zero)")
    for each in resolved.data.instruments:
        if each.index_from_mid:
            lines.append(f"{each.symbol}: the tape has no index, the mid stands for it (--assume-index-mid)")
    return lines
