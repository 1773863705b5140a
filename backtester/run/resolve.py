"""Names, dates and decimals become numbers: a portfolio and its venues in the terms of `engine.spec`.

In two steps, because "mark" in a portfolio is known only when the engine has started: `resolve_markets` before the
first record, `resolve_world` at the start.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from backtester.config.portfolio import Account, Order, PortfolioFile, Position
from backtester.config.values import Instant, Offset, RelativePrice
from backtester.engine import spec
from backtester.enums import OrderType, PriceSeries, Side
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.schema import TapeInstrument
from backtester.venue.profile import VenueProfile, maintenance_margin

#: A size or price this close to a whole lot or tick, in lots or ticks, is meant to be one.
GRID_TOLERANCE = 1e-6
#: An order price further from the mark than this factor is a slip, and would ask for a ladder of that length.
FARTHEST = 10.0


class Acceptances(NamedTuple):
    """What the user agreed to do without (--assume-…)."""

    funding_zero: bool = False
    index_mid: bool = False


class Resolved(NamedTuple):
    """The markets of a run. `profiles[i]` is that of account i; `markets[(profile, symbol)]` numbers `data.markets`."""

    data: spec.MarketData
    instruments: tuple[TapeInstrument, ...]
    profiles: tuple[VenueProfile, ...]
    numbers: tuple[dict[str, int], ...]  # per account: portfolio symbol → market number


def find_instrument(symbol: str, instruments: Sequence[TapeInstrument]) -> int | None:
    """Number of the instrument a portfolio means: its symbol, else its base if that is unique."""
    for match in ("symbol", "base"):
        found = [n for n, each in enumerate(instruments) if getattr(each, match) == symbol]
        if len(found) == 1:
            return found[0]
    return None


def resolve_markets(
    portfolio: PortfolioFile,
    profiles: Sequence[VenueProfile],
    instruments: Sequence[TapeInstrument],
    accept: Acceptances,
) -> Resolved:
    """Every market that an account trades, under the rules of its venue. Raises all unknown symbols at once."""
    rules: list[VenueProfile] = []
    keys: list[tuple[int, int]] = []
    markets: list[spec.Market] = []
    numbers: list[dict[str, int]] = []
    problems: list[Diagnostic] = []
    for a, (account, profile) in enumerate(zip(portfolio.portfolio.accounts, profiles, strict=True)):
        if profile not in rules:
            rules.append(profile)
        numbers.append({})
        for p, position in enumerate(account.positions):
            place = portfolio.where("accounts", a, "positions", p, "symbol")
            number = find_instrument(position.symbol, instruments)
            if number is None:
                problems.append(_not_found(place, position.symbol, instruments))
                continue
            if instruments[number].contract != "linear" or instruments[number].size_unit != "base":
                problems.append(Diagnostic("config", place, "only linear contracts sized in the base are supported"))
            if any(markets[other].instrument == number for other in numbers[a].values()):
                problems.append(Diagnostic("config", place, "the account has another position in this instrument"))
            key = (rules.index(profile), number)
            if key not in keys:
                keys.append(key)
                markets.append(market_of(*key, profile, instruments[number]))
            numbers[a][position.symbol] = keys.index(key)
    if problems:
        raise BacktesterError(problems)
    data = spec.MarketData(
        tuple(each.spec for each in instruments),
        tuple(rules_of(profile, accept.funding_zero) for profile in rules),
        tuple(markets),
    )
    return Resolved(data, tuple(instruments), tuple(profiles), tuple(numbers))


def take_mid_as_index(resolved: Resolved, numbers: Collection[int]) -> Resolved:
    """The same with instruments whose mid stands for the index that nobody gives them (`--assume-index-mid`)."""
    data = resolved.data
    instruments = tuple(each._replace(index_from_mid=n in numbers) for n, each in enumerate(data.instruments))
    return resolved._replace(data=data._replace(instruments=instruments))


def _not_found(place: str, symbol: str, instruments: Sequence[TapeInstrument]) -> Diagnostic:
    if any(symbol in (each.symbol, each.base) for each in instruments):
        return Diagnostic("config", place, f"{symbol} may mean more than one instrument of the tape")
    have = ", ".join(sorted(each.symbol for each in instruments))
    return Diagnostic("config", place, f"the tape has no {symbol}", f"it has {have}")


def rules_of(profile: VenueProfile, assume_funding_zero: bool) -> spec.Rules:
    """What a profile says of all markets, as the engine takes it."""
    own = {name: getattr(profile.rules, name) for name in spec.Rules._fields if name != "assume_funding_zero"}
    return spec.Rules(**own, assume_funding_zero=assume_funding_zero)


def market_of(rules: int, number: int, profile: VenueProfile, instrument: TapeInstrument) -> spec.Market:
    """Instrument `number` of the tape under the rules with that number."""
    market = profile.market(*instrument.names)
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
    )


def _lots_of(size: float, instrument: TapeInstrument) -> int:
    """Whole lots of a size; 0 stays 0. Example: 120 BTC in lots of 0.001 are 120,000."""
    return math.floor(size / instrument.lot_size + GRID_TOLERANCE)


class Start(NamedTuple):
    """The market when the run starts: time, first mark of each market (quote), whether each instrument has an index."""

    ts_ns: int
    marks: Sequence[float]
    has_index: Sequence[bool]


def resolve_world(portfolio: PortfolioFile, resolved: Resolved, start: Start) -> spec.World:
    """The portfolio as it stands at the start. Raises every fault of it at once."""
    accounts, problems = [], []
    for a, account in enumerate(portfolio.portfolio.accounts):
        builder = _AccountBuilder(portfolio, resolved, start, a)
        accounts.append(builder.build(account))
        problems += builder.problems
    if problems:
        raise BacktesterError(problems)
    funds = {profile.id: profile.rules.insurance_start for profile in resolved.profiles}
    return spec.World(tuple(accounts), insurance_start=sum(funds.values()))


class _AccountBuilder:
    """One account; `problems` collects what is wrong with it."""

    def __init__(self, portfolio: PortfolioFile, resolved: Resolved, start: Start, number: int) -> None:
        self.portfolio, self.resolved, self.number = portfolio, resolved, number
        self.start_ts, self.marks, self.has_index = start.ts_ns, start.marks, start.has_index
        self.profile = resolved.profiles[number]
        self.problems: list[Diagnostic] = []

    def build(self, account: Account) -> spec.Account:
        if account.collateral.asset != self.profile.collateral:
            message = f"{self.profile.id} takes {self.profile.collateral} as collateral, not {account.collateral.asset}"
            self._fault(message, "collateral")
        positions = tuple(self._position(p, position) for p, position in enumerate(account.positions))
        symbols = [position.symbol for position in account.positions]
        orders = tuple(self._order(o, order, symbols.index(order.symbol)) for o, order in enumerate(account.orders))
        rules = self.resolved.data.markets[positions[0].market].rules if positions else 0
        made = spec.Account(account.name, rules, account.collateral.amount, positions, orders)
        if not self.problems:
            self._check_solvent(made)
        return made

    def _fault(self, message: str, *place: str | int, hint: str = "") -> None:
        where = self.portfolio.where("accounts", self.number, *place)
        self.problems.append(Diagnostic("config", where, message, hint))

    def _instrument(self, market: int) -> TapeInstrument:
        return self.resolved.instruments[self.resolved.data.markets[market].instrument]

    def _lots(self, size: float, market: int, *place: str | int) -> int:
        lot = self._instrument(market).lot_size
        lots = round(size / lot)
        if abs(size / lot - lots) > GRID_TOLERANCE * max(1.0, size / lot * 1e-6) or (size > 0 and lots == 0):
            self._fault(f"{size!r} is no multiple of the lot {lot!r}", *place)
        return lots

    def _tick(self, price: float | RelativePrice, side: Side, market: int, relative: bool, *place: str | int) -> int:
        """An order price as a tick: relative ones are rounded to the less favourable price that the venue accepts."""
        instrument = self._instrument(market)
        decimals = self.profile.market(*instrument.names).size_decimals
        wanted = price.at(self.marks[market]) if isinstance(price, RelativePrice) else price
        accepted = self.profile.order_price(wanted, side, decimals, instrument.tick_size)
        tick = accepted / instrument.tick_size
        if abs(tick - round(tick)) > GRID_TOLERANCE:
            self._fault(f"{accepted!r} lies between two ticks of the tape ({instrument.tick_size!r})", *place)
        elif accepted > FARTHEST * self.marks[market]:
            self._fault(f"{accepted!r} is more than {FARTHEST:g} times the mark {self.marks[market]:.10g}", *place)
        elif not relative and abs(accepted - wanted) > GRID_TOLERANCE * instrument.tick_size:
            by_venue = self.profile.order_price(wanted, side, decimals)
            off_tick = abs(by_venue - wanted) <= GRID_TOLERANCE * instrument.tick_size
            between = f"lies between two ticks of the tape ({instrument.tick_size!r})"
            why = between if off_tick else f"is no order price on {self.profile.id}"
            self._fault(f"{wanted!r} {why}", *place, hint=f"the next one is {accepted!r}")
        return round(tick)

    def _entry(self, position: Position, market: int) -> float:
        """Entry price; a relative one is rounded to the less favourable tick of the tape."""
        if not isinstance(position.entry_price, RelativePrice):
            return position.entry_price
        if position.entry_price.fraction == 0.0:
            return self.marks[market]
        tick = self._instrument(market).tick_size
        ticks = position.entry_price.at(self.marks[market]) / tick
        nearest = round(ticks)
        if abs(ticks - nearest) > GRID_TOLERANCE:
            nearest = math.ceil(ticks) if position.side is Side.BUY else math.floor(ticks)
        return nearest * tick

    def _position(self, p: int, position: Position) -> spec.Position:
        market = self.resolved.numbers[self.number][position.symbol]
        lots = self._lots(position.size, market, "positions", p, "size")
        entry = self._entry(position, market)
        instrument = self._instrument(market)
        notional = lots * instrument.lot_size * instrument.multiplier * entry
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
            self._fault(message, "positions", p, key)
        return spec.Position(market, lots * int(position.side), entry, leverage, isolated, margin)

    def _max_leverage(self, market: int, lots: int) -> float:
        instrument = self._instrument(market)
        notional = lots * instrument.lot_size * instrument.multiplier * self.marks[market]
        tiers = self.resolved.data.markets[market].tiers
        return next(tier.max_leverage for tier in reversed(tiers) if tier.floor_quote <= notional)

    def _order(self, o: int, order: Order, position: int) -> spec.Order:
        market = self.resolved.numbers[self.number][order.symbol]
        limit = trigger = 0
        if order.price is not None:
            relative = isinstance(order.price, RelativePrice)
            limit = self._tick(order.price, order.side, market, relative, "orders", o, "price")
        if order.trigger_price is not None:
            relative = isinstance(order.trigger_price, RelativePrice)
            trigger = self._tick(order.trigger_price, order.side, market, relative, "orders", o, "trigger_price")
        instrument = self.resolved.data.markets[market].instrument
        at_ns = self._moment(o, "at", order.at)
        known = self.has_index[instrument] and not self.resolved.data.instruments[instrument].index_from_mid
        if order.type is OrderType.STOP_MARKET and order.trigger_by is PriceSeries.INDEX and not known:
            self._fault("the tape has no index to trigger on", "orders", o, "trigger_by", hint="use mark or last")
        return spec.Order(
            id=order.id,
            position=position,
            type=order.type,
            tif=order.tif,
            side=int(order.side),
            lots=self._lots(order.size, market, "orders", o, "size"),
            limit_tick=limit,
            trigger_tick=trigger,
            trigger_by=order.trigger_by,
            reduce_only=order.reduce_only,
            held=order.held,
            reaction_ns=order.reaction_ns,
            at_ns=at_ns,
            price_protect=order.price_protect,
            cancel_at_ns=self._cancel_moment(o, order, at_ns),
        )

    def _moment(self, o: int, key: str, at: Offset | Instant | None) -> int:
        """A moment of an order in ns; START_NS for none."""
        if at is None:
            return spec.START_NS
        if isinstance(at, Offset):
            return self.start_ts + at.ns
        if at.ts_ns < self.start_ts:
            self._fault("lies before the start of the run", "orders", o, key, hint='use an offset such as "90s"')
        return at.ts_ns

    def _cancel_moment(self, o: int, order: Order, at_ns: int) -> int:
        cancel_ns = self._moment(o, "cancel_at", order.cancel_at)
        if order.cancel_at is not None and cancel_ns <= max(at_ns, self.start_ts):
            self._fault("lies before the order itself", "orders", o, "cancel_at")
        return cancel_ns

    def _check_solvent(self, account: spec.Account) -> None:
        """A position that would be liquidated at once was never held: that is a slip in the portfolio."""
        isolated = sum(position.margin for position in account.positions)
        pools = [("cross", account.balance - isolated, [p for p in account.positions if not p.isolated])]
        if account.balance < isolated:
            self._fault(f"isolated margins of {isolated:,.2f} exceed the collateral", "collateral")
        pools += [("isolated", p.margin, [p]) for p in account.positions if p.isolated]
        for mode, balance, positions in pools:
            held = [position for position in positions if position.lots]
            equity = balance + sum(self._unrealised(position) for position in held)
            needed = sum(self._maintenance(position) for position in held)
            if held and equity < needed:
                symbols = ", ".join(self._instrument(position.market).symbol for position in held)
                message = (
                    f"{mode} {symbols} is under water at the start: equity {equity:,.2f}, maintenance {needed:,.2f}"
                )
                self._fault(message, "positions", hint="add collateral or margin, or hold less")

    def _unit_value(self, position: spec.Position, price: float) -> float:
        instrument = self._instrument(position.market)
        return position.lots * instrument.lot_size * instrument.multiplier * price

    def _unrealised(self, position: spec.Position) -> float:
        at_mark = self._unit_value(position, self.marks[position.market])
        return at_mark - self._unit_value(position, position.entry_price)

    def _maintenance(self, position: spec.Position) -> float:
        tiers = self.profile.market(*self._instrument(position.market).names).tiers
        return maintenance_margin(tiers, abs(self._unit_value(position, self.marks[position.market])))


def assumptions_of(profiles: Iterable[VenueProfile], resolved: Resolved, accept: Acceptances) -> list[str]:
    """What a reader of the result should know was taken for granted."""
    lines = []
    for profile in dict.fromkeys(profiles):
        share = f"{profile.assumed_share:.0%}"
        lines.append(f"{profile.name}: {share} of the rules are assumed (`backtester venues show {profile.id}`)")
    for market in resolved.data.markets:
        instrument = resolved.instruments[market.instrument]
        profile = list(dict.fromkeys(profiles))[market.rules]
        if not profile.market(*instrument.names).listed:
            lines.append(f"{instrument.symbol} is not in the profile {profile.name}: its default tiers apply")
    if accept.funding_zero:
        lines.append("funding is taken as zero where the tape has no rate (--assume-funding-zero)")
    for each in resolved.data.instruments:
        if each.index_from_mid:
            lines.append(f"{each.symbol}: the tape has no index, the mid stands for it (--assume-index-mid)")
    return lines
