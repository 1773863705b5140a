"""Accounts, margin pools, positions, orders and plans: what a world is made of (RULES 1.3.7, 4.7, 6.2 to 6.4, 8.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from backtester.engine import spec
from backtester.enums import Held, OrderReason, OrderStatus, OrderType, PoolState, TimeInForce
from tests.oracle.exact import ZERO
from tests.oracle.market import Market

if TYPE_CHECKING:
    from tests.oracle.guard import Guard
    from tests.oracle.world import World


class Phase(IntEnum):
    """Phases of the agenda (RULES 1.3.7)."""

    DECISION = 0
    CANCEL_DECISION = 1
    CANCEL_ARRIVAL = 2
    POST_ONLY_ARRIVAL = 3
    OTHER_ARRIVAL = 4
    SECOND_LOOK = 5


WITHIN_NS = 10**9  # a trade prints at most so long after a message that shows it (RULES 3.3)


@dataclass(eq=False)
class Position:
    """A place of an account: signed lots and their signed cost in quote currency.

    `number` counts the positions of the world: of each account the cross ones, then the isolated ones (RULES 6.2).
    """

    number: int
    spec: spec.Position
    market: Market
    lots: int
    cost: Fraction
    pool: Pool = field(init=False)
    distance_min: Fraction | None = None  # smallest so far; None: never measured, or the buffer cannot end

    @property
    def unrealised(self) -> Fraction:
        """lots · unit · mark − cost."""
        return self.lots * self.market.unit * self.market.mark - self.cost

    @property
    def notional(self) -> Fraction:
        """|lots| · unit · mark."""
        return abs(self.lots) * self.market.unit * self.market.mark

    @property
    def maintenance(self) -> Fraction:
        """RULES 6.3."""
        return self.market.maintenance(self.notional)

    @property
    def bankruptcy_price(self) -> Fraction:
        """Where the position's share of the pool's equity is gone (RULES 8.3)."""
        share = self.maintenance / self.pool.maintenance
        return self.market.mark - self.pool.equity * share / (self.lots * self.market.unit)

    @property
    def distance(self) -> Fraction | None:
        """How far the mark may move until the pool's buffer is gone; None: no price above 0 ends it (RULES 6.4)."""
        legs = [leg for leg in self.pool.open_positions if leg.market is self.market]
        slope = sum((leg.lots * leg.market.unit * leg.market.mark for leg in legs), ZERO)
        slope -= sum((leg.notional * leg.market.rate(leg.notional) for leg in legs), ZERO)
        buffer = self.pool.equity - self.pool.maintenance
        fall = buffer if slope > 0 else -buffer  # · mark / |slope| is how far the mark falls until then
        if not slope or not self.pool.account.world.judge.less(fall, abs(slope)):
            return None
        return buffer / abs(slope)

    def opposite_lots(self, side: int) -> int:
        """Lots that an order of `side` would close."""
        return max(0, -side * self.lots)


@dataclass(eq=False)
class Pool:
    """Margin that backs one or more positions (RULES 6.2). `number` counts the pools of its world."""

    number: int
    account: Account
    balance: Fraction
    positions: list[Position]
    isolated: bool
    state: PoolState = PoolState.HEALTHY
    buffer_min: Fraction | None = None
    breach_ns: int | None = None
    round_ns: int | None = None  # first round of the breach that lasts (RULES 8.2)
    liquidated: bool = False  # once at least
    equity_start: Fraction = ZERO
    deficit: Fraction = ZERO  # what others had to bear of it (RULES 8.3, 8.4)

    @property
    def open_positions(self) -> list[Position]:
        """Positions with lots, by number."""
        return [position for position in self.positions if position.lots]

    @property
    def equity(self) -> Fraction:
        """Balance plus unrealised PnL at mark (RULES 6.4)."""
        return self.balance + sum((position.unrealised for position in self.open_positions), ZERO)

    @property
    def maintenance(self) -> Fraction:
        """Sum over the positions (RULES 6.4)."""
        return sum((position.maintenance for position in self.open_positions), ZERO)


#: Types with a trigger, by what they send (RULES 3.1, 4.1).
STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
TAKE_PROFITS = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
LIMITED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


@dataclass(eq=False)
class Plan:
    """A size that child orders work off (RULES 4.7). `traded` counts since its first decision, None before."""

    spec: spec.Plan
    children: list[Order] = field(default_factory=list)
    traded: int | None = None


@dataclass(eq=False)
class Order:
    """One order. `agenda` has when it is due, and in which phase (RULES 1.3.7): itself, and cancels of it.

    `limit_tick` and `trigger_tick` begin as given; a peg, a reprice and a trailing peak change them.
    """

    number: int
    spec: spec.Order
    account: Account
    position: Position
    plan: Plan | None
    remaining: int
    limit_tick: int
    trigger_tick: int
    agenda: list[tuple[int, Phase]] = field(default_factory=list)
    children: list[Order] = field(default_factory=list)
    status: OrderStatus = OrderStatus.PENDING
    reason: OrderReason = OrderReason.NONE
    filled: int = 0
    queue: int = 0
    displayed: int = 0  # at its level, as last set (RULES 3.3)
    traded: int = 0  # at its level since the last update of that, or since it rests (RULES 3.3)
    early: int = 0  # lots that messages took out of the queue and trades may still print, and when the last went
    early_ns: int = 0
    rested: int = 0  # how many orders rested before it: first come, first served
    waited: int = 0  # how many conditional orders were armed before it (RULES 4.1)
    peak: int | None = None  # of an active trailing stop (RULES 4.5)
    decided: bool = False
    arrival_ns: int | None = None
    hold_ns: int | None = None  # when its trigger was held first (RULES 4.4)
    trigger_ns: int | None = None
    trigger_price: float | None = None
    decision_mid_half_ticks: int | None = None
    guard: Guard | None = None  # that made it

    def early_at(self, t: int) -> int:
        """Lots that messages took out of its queue and that trades may still print at t (RULES 3.3)."""
        return self.early if t - self.early_ns < WITHIN_NS else 0

    @property
    def side(self) -> int:
        """+1 buy, −1 sell."""
        return self.spec.side

    @property
    def ended(self) -> bool:
        """Filled, cancelled or rejected."""
        return self.status in (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED)

    @property
    def has_limit(self) -> bool:
        """Whether it names the worst price it takes (RULES 3.1)."""
        return self.spec.type in LIMITED

    @property
    def has_to_fire(self) -> bool:
        """Whether it is a conditional order that has not fired."""
        return self.spec.type in (*STOPS, *TAKE_PROFITS) and self.trigger_ns is None

    @property
    def with_client(self) -> bool:
        """Whether its client watches its trigger, so that the venue knows nothing of it."""
        return self.has_to_fire and self.spec.held == Held.CLIENT

    @property
    def sent_by_venue(self) -> bool:
        """Whether the venue itself sends what arrives next: no message of the account (RULES 1.5, 4.6)."""
        linked = self.spec.parent >= 0 or self.plan is not None
        return self.spec.held == Held.VENUE and (linked or self.trigger_ns is not None)

    @property
    def armed(self) -> bool:
        """Whether it waits for its trigger and is not held (RULES 4.4)."""
        held = any(phase == Phase.SECOND_LOOK for _, phase in self.agenda)
        return self.status == OrderStatus.UNTRIGGERED and not held

    @property
    def arrival_phase(self) -> Phase:
        """Post-only orders arrive before others (RULES 1.3.7)."""
        return Phase.POST_ONLY_ARRIVAL if self.spec.tif == TimeInForce.POST_ONLY else Phase.OTHER_ARRIVAL

    def is_due(self, t: int, phase: Phase) -> None:
        """Put it on the agenda."""
        self.agenda.append((t, phase))


@dataclass(eq=False)
class Account:
    """Collateral, positions and orders under one venue's rules. `pools[0]` is the cross pool."""

    number: int
    world: World
    rules: spec.Rules
    spec: spec.Account
    pools: list[Pool] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    places: list[Position] = field(default_factory=list)  # positions in the order of the spec
    guards: list[Guard] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)  # when its guards sent orders
    equity_start: Fraction = ZERO  # of all pools (RULES 11.2)
    equity_high: Fraction | None = None  # the highest at its grid times, as guards see it
    last_arrival_ns: int = 0
    full_size_until_ns: int = 0
    equity_min: Fraction | None = None

    @property
    def cross(self) -> Pool:
        """The pool that all positions share that are not isolated."""
        return self.pools[0]

    @property
    def equity(self) -> Fraction:
        """Of the cross pool, and of each isolated one what it has above 0 (RULES 6.4)."""
        return self.cross.equity + sum((max(ZERO, pool.equity) for pool in self.pools[1:]), ZERO)
