"""Accounts, margin pools, positions and orders: what a world is made of (RULES 1.3.7, 6.2 to 6.4, 8.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from backtester.engine import spec
from backtester.enums import OrderReason, OrderStatus, PoolState
from tests.oracle.exact import ZERO
from tests.oracle.market import Market

if TYPE_CHECKING:
    from tests.oracle.world import World


class Phase(IntEnum):
    """Phases of the agenda (RULES 1.3.7)."""

    DECISION = 0
    CANCEL_DECISION = 1
    CANCEL_ARRIVAL = 2
    POST_ONLY_ARRIVAL = 3
    OTHER_ARRIVAL = 4
    SECOND_LOOK = 5


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


@dataclass(eq=False)
class Order:
    """One order. `agenda` has when it is due, by phase (RULES 1.3.7): an entry of its own and one of its cancel."""

    number: int
    spec: spec.Order
    account: Account
    position: Position
    remaining: int
    agenda: dict[Phase, int] = field(default_factory=dict)
    status: OrderStatus = OrderStatus.PENDING
    reason: OrderReason = OrderReason.NONE
    filled: int = 0
    queue: int = 0
    rested: int = 0  # how many orders rested before it: first come, first served
    arrival_ns: int | None = None
    hold_ns: int | None = None  # when its trigger was held first (RULES 4.4)
    trigger_ns: int | None = None
    trigger_price: float | None = None
    decision_mid_half_ticks: int | None = None

    @property
    def side(self) -> int:
        """+1 buy, −1 sell."""
        return self.spec.side

    @property
    def live(self) -> bool:
        """Whether it is decided and has not ended."""
        return self.status in (OrderStatus.IN_FLIGHT, OrderStatus.UNTRIGGERED, OrderStatus.RESTING)

    @property
    def armed(self) -> bool:
        """Whether it waits for its trigger and is not held (RULES 4.4)."""
        return self.status == OrderStatus.UNTRIGGERED and Phase.SECOND_LOOK not in self.agenda

    def end(self, status: OrderStatus, reason: OrderReason = OrderReason.NONE) -> None:
        """Filled, cancelled or rejected: nothing of it is live any more, but a cancel may be under way."""
        self.status, self.reason = status, reason
        for phase in (Phase.DECISION, Phase.POST_ONLY_ARRIVAL, Phase.OTHER_ARRIVAL, Phase.SECOND_LOOK):
            self.agenda.pop(phase, None)


@dataclass(eq=False)
class Account:
    """Collateral, positions and orders under one venue's rules. `pools[0]` is the cross pool."""

    number: int
    world: World
    rules: spec.Rules
    pools: list[Pool] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    last_arrival_ns: int = 0
    full_size_until_ns: int = 0
    equity_min: Fraction | None = None

    @property
    def cross(self) -> Pool:
        """The pool that all positions share that are not isolated."""
        return self.pools[0]
