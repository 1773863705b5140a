"""What a client sees when its guards look: markets as at their last mark that its feed showed, and the figures that
conditions are made of (RULES 11.2). A value is a fraction, infinite, or None: UNKNOWN."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from backtester.engine import spec
from backtester.enums import GuardMetric, GuardScope, Outage, Side
from tests.oracle.account import Account, Pool, Position
from tests.oracle.exact import ZERO
from tests.oracle.market import Market

Value = Fraction | float | None

NS_PER_S = 10**9
DAY_NS = 24 * 3600 * NS_PER_S


@dataclass(frozen=True)
class View:
    """A market at `ns`."""

    ns: int
    mark: Fraction
    index_price: Fraction | None
    last: Fraction | None
    bid: Fraction | None
    ask: Fraction | None
    funding: Fraction | None


def take(market: Market, t: int) -> None:
    """At a grid time of a market, from the start on: its mark is kept, and is seen unless the feed is frozen."""
    market.marks[t] = market.mark
    if market.tape.takes_away(Outage.FEED_FROZEN):
        return
    tape = market.tape
    rate = market.made_rate()
    if rate is None and tape.funding is not None:
        rate = Fraction(tape.funding[1])
    market.view = View(
        t,
        market.mark,
        None if tape.index is None else Fraction(tape.index),
        _price(market, tape.last_tick),
        _price(market, tape.best(Side.BUY)),
        _price(market, tape.best(Side.SELL)),
        rate,
    )


def _price(market: Market, tick: int | None) -> Fraction | None:
    return None if tick is None else Fraction(market.tape.price(tick))


def total(values: Iterable[Fraction | None]) -> Fraction | None:
    """The sum, UNKNOWN if a part of it is."""
    known = list(values)
    return None if None in known else sum((value for value in known if value is not None), ZERO)


def maintenance(market: Market, notional: Fraction) -> Fraction:
    """RULES 6.3 without its deductions: what a tier adds to the rate is paid on what lies above its floor."""
    needed, before = ZERO, ZERO
    for tier in market.spec.tiers:
        rate = Fraction(tier.maintenance_rate)
        needed += max(ZERO, notional - Fraction(tier.floor_quote)) * (rate - before)
        before = rate
    return needed


class Sight:
    """What one account's guards see at t."""

    def __init__(self, account: Account, t: int) -> None:
        self.account = account
        self.t = t
        self.judge = account.world.judge

    def metric(self, op: spec.GuardOp) -> Value:
        """The figure that an op asks for."""
        if op.metric in POOLED:
            pools = self.pools(op.scope, op.place)
            return None if pools is None else POOLED[op.metric](self, pools)
        if op.metric in HELD:
            positions = self.positions(op.scope, op.place)
            return None if positions is None else HELD[op.metric](self, positions)
        if op.metric == GuardMetric.DISTANCE:
            return self.distance(self.account.places[op.place])
        if op.scope == GuardScope.MARKET:
            return self._of_market(op, self.account.world.markets[op.place])
        equity = self.equity_of_all()
        base = self.account.equity_start if op.metric == GuardMetric.LOSS else self.account.equity_high
        if equity is None or base is None or not self.judge.less(ZERO, base):
            return None
        return 1 - equity / base

    # -- what is meant -------------------------------------------------------------------------------------------------

    def pools(self, scope: GuardScope, place: int) -> list[Pool] | None:
        """All, one, the worst, that of a position."""
        match scope:
            case GuardScope.ACCOUNT:
                return self.account.pools
            case GuardScope.WORST:
                worst = self._worst()
                return None if worst is None else [worst]
            case GuardScope.POOL:
                return [self.account.pools[place]]
            case _:
                return [self.account.places[place].pool]

    def positions(self, scope: GuardScope, place: int) -> list[Position] | None:
        """By number."""
        if scope == GuardScope.POSITION:
            return [self.account.places[place]]
        pools = self.pools(scope, place)
        return None if pools is None else [position for pool in pools for position in pool.positions]

    def _worst(self) -> Pool | None:
        """Of the pools with maintenance the first of those with the largest margin ratio."""
        worst: Pool | None = None
        for pool in self.account.pools:
            if self.maintenance([pool]) in (None, ZERO):
                continue
            if worst is None or self._is_worse(pool, worst):
                worst = pool
        return worst

    def _is_worse(self, pool: Pool, other: Pool) -> bool:
        """Whether its ratio is larger: pools with the same amounts are equal in doubles, too."""
        if (self.maintenance([pool]), self.equity([pool])) == (self.maintenance([other]), self.equity([other])):
            return False
        ratio, others = self.margin_ratio([pool]), self.margin_ratio([other])
        return ratio is not None and others is not None and self.below(others, ratio)

    def below(self, a: Fraction | float, b: Fraction | float) -> bool:
        """a < b, and a close call counted."""
        if isinstance(a, float) or isinstance(b, float):
            return a < b
        return self.judge.less(a, b)

    # -- of pools ------------------------------------------------------------------------------------------------------

    def value(self, position: Position) -> Fraction | None:
        """Signed notional."""
        if not position.lots:
            return ZERO
        view = position.market.view
        return None if view is None else position.lots * position.market.unit * view.mark

    def equity(self, pools: Iterable[Pool]) -> Fraction | None:
        """Balances and what is unrealised."""
        parts: list[Fraction | None] = []
        for pool in pools:
            parts.append(pool.balance)
            for position in pool.open_positions:
                value = self.value(position)
                parts.append(None if value is None else value - position.cost)
        return total(parts)

    def equity_of_all(self) -> Fraction | None:
        """E."""
        return self.equity(self.account.pools)

    def maintenance(self, pools: Iterable[Pool]) -> Fraction | None:
        """Sum over the positions."""
        values = [(position.market, self.value(position)) for pool in pools for position in pool.open_positions]
        return total(None if value is None else maintenance(market, abs(value)) for market, value in values)

    def buffer(self, pools: list[Pool]) -> Fraction | None:
        """Equity less maintenance."""
        equity, needed = self.equity(pools), self.maintenance(pools)
        return None if equity is None or needed is None else equity - needed

    def leverage(self, pools: list[Pool]) -> Value:
        """Notional over equity."""
        return self.per_equity(self.notional([x for pool in pools for x in pool.positions]), self.equity(pools))

    def margin_ratio(self, pools: list[Pool]) -> Value:
        """Maintenance over equity."""
        return self.per_equity(self.maintenance(pools), self.equity(pools))

    def per_equity(self, amount: Fraction | None, equity: Fraction | None) -> Value:
        """Infinite without equity."""
        if amount is None or equity is None:
            return None
        return amount / equity if self.judge.less(ZERO, equity) else math.inf

    # -- of positions --------------------------------------------------------------------------------------------------

    def notional(self, positions: Iterable[Position]) -> Fraction | None:
        """Long and short added up."""
        values = [self.value(position) for position in positions]
        return total(None if value is None else abs(value) for value in values)

    def net_notional(self, positions: Iterable[Position]) -> Fraction | None:
        """What is held of one base nets."""
        nets: dict[tuple[bool, int], list[Fraction | None]] = {}
        for position in positions:
            base = position.market.spec.base
            key = (True, base) if base >= 0 else (False, position.market.number)
            nets.setdefault(key, []).append(self.value(position))
        sums = [total(values) for values in nets.values()]
        return total(None if value is None else abs(value) for value in sums)

    def funding_24h(self, positions: Iterable[Position]) -> Fraction | None:
        """What a day pays."""
        paid: list[Fraction | None] = []
        for position in positions:
            if not position.lots:
                continue
            value, view = self.value(position), position.market.view
            if value is None or view is None or view.funding is None:
                return None
            paid.append(value * view.funding * Fraction(DAY_NS, position.market.interval_ns))
        return total(paid)

    def distance(self, position: Position) -> Value:
        """How far its mark goes against it until its pool breaches."""
        view, pool = position.market.view, position.pool
        if not position.lots or view is None:
            return None
        legs = [other for other in pool.open_positions if other.market is position.market]
        rest = [other for other in pool.open_positions if other.market is not position.market]
        values = [self.value(other) for other in rest]
        if None in values:
            return None
        fixed = pool.balance - sum((leg.cost for leg in legs), ZERO)
        for other, value in zip(rest, values, strict=True):
            assert value is not None
            fixed += value - other.cost - maintenance(other.market, abs(value))
        return _until_breach(position, legs, fixed, view.mark)

    # -- of a market ---------------------------------------------------------------------------------------------------

    def _of_market(self, op: spec.GuardOp, market: Market) -> Value:
        if op.metric == GuardMetric.TIME_TO_FUNDING:
            return Fraction(market.next_funding(self.t) - self.t, NS_PER_S)
        view = market.view
        if view is None:
            return None
        self.account.world.note("a guard sees what was before", self.t - view.ns >= market.rules.mark_interval_ns)
        match op.metric:
            case GuardMetric.MARK:
                return view.mark
            case GuardMetric.INDEX:
                return view.index_price
            case GuardMetric.LAST:
                return view.last
            case GuardMetric.BASIS:
                return None if view.index_price is None else view.mark / view.index_price - 1
            case GuardMetric.SPREAD:
                if view.bid is None or view.ask is None:
                    return None
                return 2 * (view.ask - view.bid) / (view.ask + view.bid)
            case GuardMetric.FUNDING:
                return view.funding
            case GuardMetric.AGE:
                return Fraction(self.t - view.ns, NS_PER_S)
            case _:
                interval = market.rules.mark_interval_ns
                before = market.marks.get(view.ns - op.ns // interval * interval)
                return None if before is None else view.mark / before - 1


POOLED: Mapping[GuardMetric, Callable[[Sight, list[Pool]], Value]] = {
    GuardMetric.EQUITY: Sight.equity,
    GuardMetric.EQUITY_START: lambda _, pools: sum((pool.equity_start for pool in pools), ZERO),
    GuardMetric.MAINTENANCE: Sight.maintenance,
    GuardMetric.BUFFER: Sight.buffer,
    GuardMetric.LEVERAGE: Sight.leverage,
    GuardMetric.MARGIN_RATIO: Sight.margin_ratio,
}
HELD: Mapping[GuardMetric, Callable[[Sight, list[Position]], Value]] = {
    GuardMetric.NOTIONAL: Sight.notional,
    GuardMetric.NET_NOTIONAL: Sight.net_notional,
    GuardMetric.FUNDING_24H: Sight.funding_24h,
}


def _until_breach(position: Position, legs: list[Position], fixed: Fraction, mark: Fraction) -> Fraction | float:
    """The first mark, against the position, behind which the buffer is below 0: between two tiers it is a line."""

    def buffer(at: Fraction) -> Fraction:
        worth = [leg.lots * leg.market.unit * at for leg in legs]
        needed = (maintenance(position.market, abs(value)) for value in worth)
        return fixed + sum(worth, ZERO) - sum(needed, ZERO)

    falls = position.lots > 0
    floors = [Fraction(tier.floor_quote) for tier in position.market.spec.tiers]
    bends = {floor / (abs(leg.lots) * leg.market.unit) for floor in floors for leg in legs}
    ahead = (
        sorted((at for at in bends if 0 < at < mark), reverse=True)
        if falls
        else sorted(at for at in bends if at > mark)
    )
    at, has = mark, buffer(mark)
    if has < 0:
        return ZERO
    for end in [*ahead, ZERO] if falls else [*ahead, max([mark, *ahead]) + 1]:
        left = buffer(end)
        if left < 0 or (not falls and end > max([mark, *ahead]) and left < has):
            return abs(at + (end - at) * has / (has - left) - mark) / mark
        at, has = end, left
    return math.inf
