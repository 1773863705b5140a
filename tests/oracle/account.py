"""Worlds, accounts, margin pools, positions and orders: what changes when money or lots move (RULES 5, 6, 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from backtester.engine import spec
from backtester.enums import (
    FillReason,
    LedgerKind,
    Liquidity,
    OrderReason,
    OrderStatus,
    Party,
    PoolState,
    Side,
)
from tests.oracle.exact import ZERO, Judge
from tests.oracle.ladder import Consumption, Tape
from tests.oracle.market import Market
from tests.oracle.records import Fill, LedgerRow, Liquidation


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
    """One order. Its agenda entry, if it has one, is `due_ns` and `phase` (RULES 1.3.7)."""

    number: int
    spec: spec.Order
    account: Account
    position: Position
    remaining: int
    due_ns: int | None = None
    phase: int = 0
    status: OrderStatus = OrderStatus.PENDING
    reason: OrderReason = OrderReason.NONE
    filled: int = 0
    queue: int = 0
    rested: int = 0  # how many orders rested before it: first come, first served
    arrival_ns: int | None = None
    trigger_ns: int | None = None
    trigger_price: float | None = None
    decision_mid_half_ticks: int | None = None

    @property
    def side(self) -> int:
        """+1 buy, −1 sell."""
        return self.spec.side

    def end(self, status: OrderStatus, reason: OrderReason = OrderReason.NONE) -> None:
        """Filled, cancelled or rejected: nothing of it is live any more."""
        self.status, self.reason, self.due_ns = status, reason, None


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


class World:
    """One independent copy of accounts. Numbers of accounts and pools count within the world, orders over all."""

    def __init__(
        self,
        given: spec.World,
        first_order: int,
        data: spec.MarketData,
        markets: Sequence[Market],
        tapes: Sequence[Tape],
        judge: Judge,
    ) -> None:
        self.spec = given
        self.judge = judge
        self.tapes = tapes
        self.consumption = Consumption(judge)
        self.inventory: dict[Market, tuple[int, Fraction]] = {}  # lots and cost that the backstop keeps
        self.parties = {party: ZERO for party in Party}
        self.parties[Party.INSURANCE_FUND] = Fraction(given.insurance_start)
        self.fills: list[Fill] = []
        self.ledger: list[LedgerRow] = []
        self.liquidations: list[Liquidation] = []
        self.rested = 0  # orders that came to rest so far
        self.changed: list[Pool] = []  # pools whose position changed since the last check (RULES 1.2c)
        self.accounts: list[Account] = []
        for account in given.accounts:
            self._open_account(account, data.rules[account.rules], markets, first_order)
        self.orders = [order for account in self.accounts for order in account.orders]
        self.start_total = sum((pool.balance for pool in self.pools), ZERO) + sum(self.parties.values(), ZERO)

    @property
    def pools(self) -> list[Pool]:
        """All pools by number."""
        return [pool for account in self.accounts for pool in account.pools]

    @property
    def positions(self) -> list[Position]:
        """All positions by number."""
        return [position for account in self.accounts for position in account.positions]

    def _open_account(
        self, given: spec.Account, rules: spec.Rules, markets: Sequence[Market], first_order: int
    ) -> None:
        account = Account(len(self.accounts), self, rules)
        first_pool, first_position = len(self.pools), len(self.positions)
        by_place: dict[int, Position] = {}
        for index in sorted(range(len(given.positions)), key=lambda index: given.positions[index].isolated):
            place = given.positions[index]
            market = markets[place.market]
            cost = place.lots * market.unit * Fraction(place.entry_price)
            by_place[index] = Position(first_position + len(by_place), place, market, place.lots, cost)
        account.positions = list(by_place.values())
        isolated = [position for position in account.positions if position.spec.isolated]
        margins = [Fraction(position.spec.margin) for position in isolated]
        cross = [position for position in account.positions if not position.spec.isolated]
        account.pools.append(Pool(first_pool, account, Fraction(given.balance) - sum(margins, ZERO), cross, False))
        for position, margin in zip(isolated, margins, strict=True):
            account.pools.append(Pool(first_pool + len(account.pools), account, margin, [position], True))
        for pool in account.pools:
            for position in pool.positions:
                position.pool = pool
        first = first_order + sum(len(other.orders) for other in self.accounts)
        for order in given.orders:
            number = first + len(account.orders)
            account.orders.append(Order(number, order, account, by_place[order.position], order.lots))
        self.accounts.append(account)

    # -- money (RULES 9.1) ---------------------------------------------------------------------------------------------

    def pay(self, t: int, pool: Pool, amount: Fraction, party: Party, kind: LedgerKind) -> None:
        """Change a pool's balance: one ledger row, none for nothing."""
        if amount == 0:
            return
        pool.balance += amount
        self.parties[party] -= amount
        self.ledger.append(LedgerRow(t, pool.number, party, kind, amount, pool.balance))

    def move(self, t: int, source: Pool, target: Pool, amount: Fraction) -> None:
        """Money between two pools of one account: two rows."""
        self.pay(t, source, -amount, Party.OWN_MARGIN, LedgerKind.MARGIN_TRANSFER)
        self.pay(t, target, amount, Party.OWN_MARGIN, LedgerKind.MARGIN_TRANSFER)

    def pay_fund(self, t: int, amount: Fraction, party: Party, kind: LedgerKind) -> None:
        """Change the insurance fund's balance where no pool is concerned."""
        self.parties[Party.INSURANCE_FUND] += amount
        self.parties[party] -= amount
        self.ledger.append(LedgerRow(t, -1, party, kind, amount, self.parties[Party.INSURANCE_FUND]))

    # -- fills (RULES 5.1, 5.2, 6.5) -----------------------------------------------------------------------------------

    def fill(
        self,
        t: int,
        position: Position,
        lots: int,
        price: float,
        reason: FillReason,
        liquidity: Liquidity,
        order: Order | None = None,
    ) -> None:
        """Book `lots` (signed) at `price`: position, then realised PnL, fee and margin transfer in this order."""
        pool, market, rules = position.pool, position.market, position.market.rules
        held, balance_before = abs(position.lots), pool.balance
        closed = min(abs(lots), position.opposite_lots(Side.BUY if lots > 0 else Side.SELL))
        opened = abs(lots) - closed
        value = market.unit * Fraction(price)  # of one lot

        realised = ZERO
        if closed:
            cost_share = position.cost * Fraction(closed, held)
            realised = (-closed if lots > 0 else closed) * value - cost_share
            position.cost -= cost_share
        if opened:
            position.cost += (opened if lots > 0 else -opened) * value
        position.lots += lots
        self.changed.append(pool)
        number = -1 if order is None else order.number
        account = pool.account
        self.fills.append(Fill(t, account.number, position.number, number, lots, price, reason, liquidity))

        self.pay(t, pool, realised, Party.MARKET, LedgerKind.REALISED_PNL)
        if reason != FillReason.TAKEOVER:
            rate = Fraction(rules.maker_fee if liquidity == Liquidity.MAKER else rules.taker_fee)
            payer = pool if rules.isolated_fee_from_margin else account.cross
            self.pay(t, payer, -rate * abs(lots) * value, Party.VENUE_FEES, LedgerKind.FEE)
        if pool.isolated and order is not None:
            if closed:
                self._release(t, position, closed, held, balance_before, realised)
            if opened:
                self.move(t, account.cross, pool, opened * value / Fraction(position.spec.leverage))

    def fill_order(
        self, order: Order, size: int, price: float, reason: FillReason, liquidity: Liquidity, t: int
    ) -> None:
        """Fill `size` lots of an order."""
        order.filled += size
        order.remaining -= size
        if order.remaining == 0:
            order.end(OrderStatus.FILLED)
        self.fill(t, order.position, order.side * size, price, reason, liquidity, order)

    def _release(
        self, t: int, position: Position, closed: int, held: int, balance_before: Fraction, realised: Fraction
    ) -> None:
        """An order closed `closed` of `held` isolated lots: its share of the margin returns (RULES 6.5)."""
        pool = position.pool
        share = pool.balance
        if closed < held:
            share = min(max(ZERO, balance_before * Fraction(closed, held) + realised), pool.balance)
        self.move(t, pool, pool.account.cross, max(ZERO, share))

    def keep(self, market: Market, lots: int, mark: Fraction) -> None:
        """The backstop holds signed lots at the mark at which it took them (RULES 8.5)."""
        held, cost = self.inventory.get(market, (0, ZERO))
        self.inventory[market] = (held + lots, cost + lots * market.unit * mark)

    # -- margin (RULES 6.1, 6.4) ---------------------------------------------------------------------------------------

    def refuse_margin(self, order: Order, lots: int) -> OrderReason:
        """Why an arriving order of `lots` may not open what it would open; NONE when it may."""
        position, judge = order.position, self.judge
        opening = lots - min(lots, position.opposite_lots(order.side))
        if opening == 0:
            return OrderReason.NONE
        after = abs(position.lots + order.side * lots) * position.market.unit * position.market.mark
        if judge.less(position.market.max_leverage(after), Fraction(position.spec.leverage)):
            return OrderReason.LEVERAGE_TIER
        if judge.less(self.available(order.account), self._initial(position, opening)):
            return OrderReason.INSUFFICIENT_MARGIN
        return OrderReason.NONE

    def refuse_match(self, order: Order, lots: int) -> bool:
        """Whether a fill of a resting order would open what the account's margin no longer covers (RULES 3.6)."""
        opens = lots > order.position.opposite_lots(order.side)
        return order.account.rules.margin_at_match and opens and self.judge.less(self.free(order.account), ZERO)

    def available(self, account: Account) -> Fraction:
        """Cross equity that may back something new (RULES 6.1)."""
        return max(ZERO, self.free(account))

    def free(self, account: Account) -> Fraction:
        """Cross equity less what positions and resting orders need (RULES 6.1); below 0 when they need more."""
        cross = account.cross
        used = sum((self._initial(position, abs(position.lots)) for position in cross.open_positions), ZERO)
        for order in account.orders:
            if order.status == OrderStatus.RESTING and not order.spec.reduce_only:
                opening = order.remaining - min(order.remaining, order.position.opposite_lots(order.side))
                used += self._initial(order.position, opening)
        return cross.equity - used

    def _initial(self, position: Position, lots: int) -> Fraction:
        return lots * position.market.unit * position.market.mark / Fraction(position.spec.leverage)

    def breached(self, pool: Pool) -> bool:
        """Whether equity < maintenance (RULES 6.4)."""
        return self.judge.less(pool.equity, pool.maintenance)
