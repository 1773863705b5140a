"""Random guards of one account: conditions near what the tape does, and everything that a guard can do (RULES 11)."""

from __future__ import annotations

from random import Random

from backtester.engine import spec
from backtester.enums import GuardDo, GuardMetric, GuardOp, GuardScope, Rearm
from tests.oracle.tapes import Scale

HOUR_NS = 3600 * 10**9

#: How often a metric is drawn more than once.
OFTEN = {GuardMetric.EQUITY: 3, GuardMetric.BUFFER: 3, GuardMetric.MARGIN_RATIO: 3, GuardMetric.LEVERAGE: 3}
#: The same while nothing is seen of a market: what is known all the same.
OFTEN_BLIND = OFTEN | {GuardMetric.TIME_TO_FUNDING: 9, GuardMetric.EQUITY_START: 9}
OF_POOLS = (
    GuardMetric.EQUITY,
    GuardMetric.EQUITY_START,
    GuardMetric.MAINTENANCE,
    GuardMetric.BUFFER,
    GuardMetric.LEVERAGE,
    GuardMetric.MARGIN_RATIO,
)
OF_POSITIONS = (GuardMetric.NOTIONAL, GuardMetric.NET_NOTIONAL, GuardMetric.FUNDING_24H)
OF_ACCOUNT = (GuardMetric.LOSS, GuardMetric.DRAWDOWN)
AMOUNTS = (
    GuardMetric.EQUITY,
    GuardMetric.EQUITY_START,
    GuardMetric.MAINTENANCE,
    GuardMetric.BUFFER,
    GuardMetric.NOTIONAL,
    GuardMetric.NET_NOTIONAL,
)
TARGETS = (GuardMetric.LEVERAGE, GuardMetric.MARGIN_RATIO, GuardMetric.NOTIONAL, GuardMetric.BUFFER)
SIGNS = (GuardOp.BELOW, GuardOp.AT_MOST, GuardOp.ABOVE, GuardOp.AT_LEAST)

Ops = tuple[spec.GuardOp, ...]


class GuardMaker:
    """Writes guards of one account."""

    def __init__(self, random: Random, data: spec.MarketData, scale: Scale, account: spec.Account, blind: bool) -> None:
        self.often = OFTEN_BLIND if blind else OFTEN
        self.random = random
        self.data = data
        self.scale = scale
        self.account = account
        self.isolated = sum(place.isolated for place in account.positions)
        self.notional = sum(
            abs(place.lots) * self._unit(place.market) * place.entry_price for place in account.positions
        )

    def make(self, count: int) -> tuple[spec.Guard, ...]:
        """So many guards."""
        return tuple(self._guard(number) for number in range(count))

    def _unit(self, market: int) -> float:
        instrument = self.data.instruments[self.data.markets[market].instrument]
        return instrument.lot_size * instrument.multiplier

    def _interval(self, market: int) -> int:
        return self.data.rules[self.data.markets[market].rules].mark_interval_ns

    def _guard(self, number: int) -> spec.Guard:
        random, unit = self.random, self.scale.unit_ns
        rearm = random.choice(list(Rearm))
        return spec.Guard(
            id=f"g{number}",
            when=self._condition(),
            rearm=rearm,
            rearm_when=self._condition() if rearm == Rearm.WHEN else (),
            cool_down_ns=random.choice([0, 0, 0, 3, 10]) * unit,
            confirm_ns=random.choice([0, 0, 0, 1, 4, 9]) * unit,
            max_fires=random.choice([0, 0, 0, 1, 2]),
            do=tuple(self._action() for _ in range(random.choice([1, 1, 2, 3]))),
            reaction_ns=random.choice([0, 0, 1, 4]) * unit,
            key=random.choice([random.randrange(2**63), 0, 2**63 - 1]),
        )

    # -- conditions ----------------------------------------------------------------------------------------------------

    def _condition(self) -> Ops:
        """One to three comparisons, joined as they come."""
        found = self._part()
        for _ in range(self.random.choice([0, 0, 1, 1, 2])):
            join = spec.GuardOp(self.random.choice([GuardOp.AND, GuardOp.OR, GuardOp.OR]))
            found = (*found, *self._part(), join)
            found = self._perhaps(found, 0.1)
        return found

    def _part(self) -> Ops:
        return self._perhaps(self._comparison(), 0.2)

    def _perhaps(self, ops: Ops, chance: float) -> Ops:
        """The same, or not that, or that for a while."""
        if self.random.random() < chance:
            ops = (*ops, spec.GuardOp(GuardOp.NOT))
        if self.random.random() < chance:
            ops = (*ops, spec.GuardOp(GuardOp.FOR, ns=self.random.choice([1, 3, 6]) * self.scale.unit_ns))
        return ops

    def _comparison(self) -> Ops:
        """A metric and a number, or a share of another one, either way round."""
        metric = self.random.choices(list(GuardMetric), [self.often.get(each, 1) for each in GuardMetric])[0]
        left = self._metric(metric)
        right: Ops = (spec.GuardOp(GuardOp.NUMBER, value=self._threshold(left)),)
        if metric in AMOUNTS and self.random.random() < 0.3:
            other = self._metric(self.random.choice([each for each in AMOUNTS if each != metric]))
            right = (other, spec.GuardOp(GuardOp.SHARE, value=self.random.uniform(0.01, 2.0)))
        sides = ((left,), right) if self.random.random() < 0.9 else (right, (left,))
        return (*sides[0], *sides[1], spec.GuardOp(self.random.choice(SIGNS)))

    def _metric(self, metric: GuardMetric) -> spec.GuardOp:
        places = range(len(self.account.positions))
        if metric in OF_POOLS or metric in OF_POSITIONS:
            scope, place = self._scope(with_positions=metric in OF_POSITIONS)
            return spec.GuardOp(GuardOp.METRIC, metric, scope, place)
        if metric in OF_ACCOUNT:
            return spec.GuardOp(GuardOp.METRIC, metric, GuardScope.ACCOUNT)
        if metric == GuardMetric.DISTANCE:
            return spec.GuardOp(GuardOp.METRIC, metric, GuardScope.POSITION, self.random.choice(places))
        market = self.random.choice(self.account.positions).market
        if self.random.random() < 0.2:
            market = self.random.randrange(len(self.data.markets))
        longest = HOUR_NS if metric == GuardMetric.RETURN else 0
        ns = min(longest, self.random.choice([1, 1, 2, 3, 5]) * self._interval(market) + self.random.choice([0, 0, 1]))
        return spec.GuardOp(GuardOp.METRIC, metric, GuardScope.MARKET, market, ns=ns)

    def _scope(self, with_positions: bool) -> tuple[GuardScope, int]:
        kinds = [GuardScope.ACCOUNT, GuardScope.WORST, GuardScope.POOL, GuardScope.POOL]
        kinds += [GuardScope.POSITION] * 3 if with_positions else []
        scope = self.random.choice(kinds)
        most = {GuardScope.POOL: 1 + self.isolated, GuardScope.POSITION: len(self.account.positions)}
        return scope, self.random.randrange(most.get(scope, 1))

    def _threshold(self, op: spec.GuardOp) -> float:
        """A number that the metric comes near to."""
        random, unit_s = self.random, self.scale.unit_ns / 1e9
        match op.metric:
            case GuardMetric.EQUITY | GuardMetric.EQUITY_START | GuardMetric.BUFFER:
                return self._money(op) * random.uniform(0.0, 1.3)
            case GuardMetric.MAINTENANCE:
                return self.notional * random.uniform(0.0, 0.15)
            case GuardMetric.LEVERAGE:
                return random.uniform(0.0, 10.0)
            case GuardMetric.MARGIN_RATIO:
                return random.uniform(0.0, 1.0)
            case GuardMetric.NOTIONAL | GuardMetric.NET_NOTIONAL:
                return self.notional * random.uniform(0.0, 1.2)
            case GuardMetric.FUNDING_24H:
                interval = self.data.rules[self.account.rules].funding_interval_ns
                return self.notional * random.uniform(-1.0, 2.0) / 256 * (24 * HOUR_NS / interval)
            case GuardMetric.LOSS | GuardMetric.DRAWDOWN:
                return random.uniform(-0.2, 0.5)
            case GuardMetric.DISTANCE:
                return random.uniform(0.0, 0.8)
            case GuardMetric.MARK | GuardMetric.INDEX | GuardMetric.LAST:
                tick_size = self.data.instruments[self.data.markets[op.place].instrument].tick_size
                return random.uniform(8.0, 16.0) * tick_size
            case GuardMetric.TIME_TO_FUNDING:
                return (random.choice([0, 1, 2, 5, 11]) + 0.5) * unit_s
            case GuardMetric.AGE:
                return (random.choice([-1, 0, 1, 2, 5]) + 0.5) * unit_s
            case GuardMetric.SPREAD:
                return random.uniform(0.0, 0.4)
            case GuardMetric.FUNDING:
                return random.uniform(-1.5, 3.5) / 256
            case _:
                return random.uniform(-0.2, 0.2)

    def _money(self, op: spec.GuardOp) -> float:
        """About what a pool has."""
        margins = [place.margin for place in self.account.positions if place.isolated]
        if op.scope == GuardScope.POOL and op.place > 0:
            return margins[op.place - 1] or 8.0
        return self.account.balance - (sum(margins) if op.scope != GuardScope.ACCOUNT else 0.0) or 8.0

    # -- actions -------------------------------------------------------------------------------------------------------

    def _action(self) -> spec.GuardAction:
        random = self.random
        do = random.choice(
            [GuardDo.ALERT, GuardDo.REDUCE_SHARE, GuardDo.REDUCE_AMOUNT, GuardDo.REDUCE_TO, GuardDo.REDUCE_TO]
        )
        if do == GuardDo.ALERT:
            return spec.GuardAction(do)
        scope, place = self._scope(with_positions=True)
        bound = random.choice([0.0, 0.0, 1 / 1024, 1 / 16, 1 / 3])
        if do == GuardDo.REDUCE_SHARE:
            return spec.GuardAction(do, scope, place, random.choice([1.0, 0.5, 0.25, 0.07, 1 / 3]), bound=bound)
        if do == GuardDo.REDUCE_AMOUNT:
            return spec.GuardAction(do, scope, place, self.notional * random.uniform(0.0, 1.2) + 1.0, bound=bound)
        metric = random.choice(TARGETS)
        if random.random() < 0.3:
            other = int(random.choice([each for each in TARGETS if each != metric]))
            return spec.GuardAction(do, scope, place, random.uniform(0.01, 1.5), metric, other, bound)
        value = {
            GuardMetric.LEVERAGE: random.uniform(0.0, 6.0),
            GuardMetric.MARGIN_RATIO: random.uniform(0.0, 0.5),
            GuardMetric.NOTIONAL: self.notional * random.uniform(0.0, 1.0),
            GuardMetric.BUFFER: self.account.balance * random.uniform(0.3, 1.0),
        }[metric]
        return spec.GuardAction(do, scope, place, value, metric, bound=bound)


def guarded(random: Random, data: spec.MarketData, scale: Scale, world: spec.World, blind: bool) -> spec.World:
    """A world whose accounts may have guards; `blind`: they do not see the first instrument from the start on."""
    accounts = (
        account._replace(guards=GuardMaker(random, data, scale, account, blind).make(random.choice([0, 1, 2, 3])))
        for account in world.accounts
    )
    return world._replace(accounts=tuple(accounts))


def with_bases(random: Random, data: spec.MarketData) -> spec.MarketData:
    """Some markets share a base."""
    return data._replace(markets=tuple(market._replace(base=random.choice([-1, 0, 0, 1])) for market in data.markets))
