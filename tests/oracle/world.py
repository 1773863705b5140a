"""A world: how its money and its lots move, and what its margin allows (RULES 5, 6, 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from fractions import Fraction

from backtester.engine import spec
from backtester.enums import (
    FillReason,
    LedgerKind,
    Liquidity,
    OrderMargin,
    OrderMarginPrice,
    OrderReason,
    OrderStatus,
    Party,
    Side,
)
from tests.oracle import links
from tests.oracle.account import Account, Order, Plan, Pool, Position
from tests.oracle.exact import ZERO, Judge
from tests.oracle.guard import Guard
from tests.oracle.ladder import Consumption, Tape
from tests.oracle.market import Market
from tests.oracle.records import Fill, GuardRow, LedgerRow, Liquidation


def name(code: Enum) -> str:
    """Codes of different enums are equal as integers: count them by name."""
    return f"{type(code).__name__}.{code.name}"


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
        self.markets = markets
        self.seed = data.seed
        self.acted: Counter[str] = Counter()  # how often a rule made a difference
        self.consumption = Consumption(judge)
        self.inventory: dict[Market, tuple[int, Fraction]] = {}  # lots and cost that the backstop keeps
        self.gained = [dict.fromkeys(Party, ZERO) for _ in given.insurance_start]  # by venue
        self.fills: list[Fill] = []
        self.ledger: list[LedgerRow] = []
        self.liquidations: list[Liquidation] = []
        self.guard_events: list[GuardRow] = []
        self.numbers: Iterator[int] = iter(())  # of orders that guards make (RULES 11.5)
        self.rested = 0  # orders that came to rest so far
        self.armed = 0  # conditional orders that began to wait so far
        self.changed: list[Pool] = []  # pools whose position changed since the last check (RULES 1.2c)
        self.accounts: list[Account] = []
        for account in given.accounts:
            self._open_account(account, data.rules[account.rules], markets, first_order)
        self.orders = [order for account in self.accounts for order in account.orders]
        self.start_total = sum((pool.balance for pool in self.pools), ZERO)

    @property
    def parties(self) -> dict[Party, Fraction]:
        """What each counterparty gained at all venues."""
        return {party: sum((gained[party] for gained in self.gained), ZERO) for party in Party}

    @property
    def fund(self) -> Fraction:
        """That of the first venue."""
        return self.fund_of(0)

    def fund_of(self, venue: int) -> Fraction:
        """Balance of a venue's insurance fund (RULES 9.1)."""
        return Fraction(self.spec.insurance_start[venue]) + self.gained[venue][Party.INSURANCE_FUND]

    @property
    def pools(self) -> list[Pool]:
        """All pools by number."""
        return [pool for account in self.accounts for pool in account.pools]

    @property
    def positions(self) -> list[Position]:
        """All positions by number."""
        return [position for account in self.accounts for position in account.positions]

    def note(self, rule: Enum | str, acted: bool = True) -> None:
        """Count that a rule made a difference."""
        self.acted[rule if isinstance(rule, str) else name(rule)] += acted

    def _open_account(
        self, given: spec.Account, rules: spec.Rules, markets: Sequence[Market], first_order: int
    ) -> None:
        account = Account(len(self.accounts), self, rules, given)
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
        account.places = [by_place[index] for index in range(len(by_place))]
        for pool in account.pools:
            pool.equity_start = pool.equity
        account.equity_start = sum((pool.equity for pool in account.pools), ZERO)
        first_guard = sum(len(other.guards) for other in self.accounts)
        account.guards = [Guard(number, guard, account) for number, guard in enumerate(given.guards, first_guard)]
        self._open_orders(account, by_place, first_order + sum(len(other.orders) for other in self.accounts))
        self.accounts.append(account)

    def _open_orders(self, account: Account, by_place: dict[int, Position], first: int) -> None:
        """Its plans and orders, and who is whose child."""
        account.plans = [Plan(given) for given in account.spec.plans]
        for number, given in enumerate(account.spec.orders, first):
            plan = account.plans[given.plan] if given.plan >= 0 else None
            place = by_place[given.position]
            order = Order(number, given, account, place, plan, given.lots, given.limit_tick, given.trigger_tick)
            account.orders.append(order)
            if plan is not None:
                plan.children.append(order)
        for order in account.orders:
            if order.spec.parent >= 0:
                account.orders[order.spec.parent].children.append(order)

    # -- money (RULES 9.1) ---------------------------------------------------------------------------------------------

    def pay(self, t: int, pool: Pool, amount: Fraction, party: Party, kind: LedgerKind) -> None:
        """Change a pool's balance: one ledger row, none for nothing."""
        if amount == 0:
            return
        venue = pool.account.spec.venue
        pool.balance += amount
        self.gained[venue][party] -= amount
        self.ledger.append(LedgerRow(t, pool.number, venue, party, kind, amount, pool.balance))

    def move(self, t: int, source: Pool, target: Pool, amount: Fraction) -> None:
        """Money between two pools of one account: two rows."""
        self.pay(t, source, -amount, Party.OWN_MARGIN, LedgerKind.MARGIN_TRANSFER)
        self.pay(t, target, amount, Party.OWN_MARGIN, LedgerKind.MARGIN_TRANSFER)

    def pay_fund(self, t: int, venue: int, amount: Fraction, party: Party, kind: LedgerKind) -> None:
        """Change the balance of a venue's insurance fund where no pool is concerned."""
        self.gained[venue][Party.INSURANCE_FUND] += amount
        self.gained[venue][party] -= amount
        self.ledger.append(LedgerRow(t, -1, venue, party, kind, amount, self.fund_of(venue)))

    # -- fills (RULES 5.1, 5.2, 6.5) -----------------------------------------------------------------------------------

    def fill(
        self,
        t: int,
        position: Position,
        lots: int,
        price: Fraction,
        reason: FillReason,
        liquidity: Liquidity,
        order: Order | None = None,
        pays_fee: bool = True,
    ) -> None:
        """Book `lots` (signed) at `price`: position, then realised PnL, fee and margin transfer in this order."""
        pool, market, rules = position.pool, position.market, position.market.rules
        held, balance_before = abs(position.lots), pool.balance
        closed = min(abs(lots), position.opposite_lots(Side.BUY if lots > 0 else Side.SELL))
        opened = abs(lots) - closed
        value = market.unit * price  # of one lot

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
        takes = liquidity == Liquidity.TAKER and reason != FillReason.TAKEOVER
        age = market.tape.age(Side.SELL if lots > 0 else Side.BUY, t) if takes else 0
        self.fills.append(Fill(t, account.number, position.number, number, lots, float(price), reason, liquidity, age))

        self.pay(t, pool, realised, Party.MARKET, LedgerKind.REALISED_PNL)
        forced = reason == FillReason.LIQUIDATION
        if pays_fee:
            rate = Fraction(rules.maker_fee if liquidity == Liquidity.MAKER else rules.taker_fee)
            payer = pool if rules.isolated_fee_from_margin or forced else account.cross
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
        self.note(order.spec.type)
        self.note(order.spec.tif)
        if liquidity == Liquidity.MAKER and order.account.rules.maker_fee < 0:
            self.note("rebate")
        links.filled(order, size, t)
        self.fill(t, order.position, order.side * size, Fraction(price), reason, liquidity, order)

    def _release(
        self, t: int, position: Position, closed: int, held: int, balance_before: Fraction, realised: Fraction
    ) -> None:
        """An order closed `closed` of `held` isolated lots: its share of the margin returns (RULES 6.5)."""
        pool = position.pool
        share = pool.balance
        if closed < held:
            share = min(max(ZERO, balance_before * Fraction(closed, held) + realised), pool.balance)
        self.move(t, pool, pool.account.cross, max(ZERO, share))

    def keep(self, market: Market, lots: int, price: Fraction) -> None:
        """The backstop holds signed lots at the price at which it took them (RULES 8.5)."""
        held, cost = self.inventory.get(market, (0, ZERO))
        self.inventory[market] = (held + lots, cost + lots * market.unit * price)

    # -- margin (RULES 6.1, 6.4) ---------------------------------------------------------------------------------------

    def refuse_margin(self, order: Order, lots: int) -> OrderReason:
        """Why an arriving order of `lots` may not open what it would open; NONE when it may."""
        position, judge, rules = order.position, self.judge, order.account.rules
        netted = rules.order_margin == OrderMargin.LARGER_SIDE
        beside = [other for other in self._resting(position) if netted and other.side == order.side]
        behind = lots + sum(other.remaining for other in beside)
        if order.spec.reduce_only or behind <= position.opposite_lots(order.side):
            return OrderReason.NONE
        after = abs(position.lots + order.side * lots) * position.market.unit * position.market.mark
        largest = self.need(position, order, lots) if netted else after
        if judge.less(position.market.largest_leverage(largest), Fraction(position.spec.leverage)):
            return OrderReason.LEVERAGE_TIER
        if judge.less(self.free(order.account, order, lots), ZERO):
            return OrderReason.INSUFFICIENT_MARGIN
        return OrderReason.NONE

    def refuse_match(self, order: Order, lots: int) -> bool:
        """Whether a fill of a resting order would open what the account's margin no longer covers (RULES 3.6)."""
        opens = lots > order.position.opposite_lots(order.side)
        return order.account.rules.margin_at_match and opens and self.judge.less(self.free(order.account), ZERO)

    def free(self, account: Account, arriving: Order | None = None, lots: int = 0) -> Fraction:
        """Cross equity less what positions and orders need (RULES 6.1); below 0 when they need more."""
        used = ZERO
        for position in account.positions:
            mine = arriving if arriving is not None and arriving.position is position else None
            held = ZERO if position.pool is account.cross else position.notional
            used += max(ZERO, self.need(position, mine, lots) - held) / Fraction(position.spec.leverage)
            for order, size in self._counted(position, mine, lots):
                price, mark = self._margin_price(order), position.market.mark
                used += size * position.market.unit * max(ZERO, order.side * (price - mark))
        return account.cross.equity - used

    def need(self, position: Position, arriving: Order | None, lots: int) -> Fraction:
        """Notional that initial margin is asked for (RULES 6.1)."""
        value = position.lots * position.market.unit * position.market.mark
        bids = asks = ZERO
        for order, size in self._counted(position, arriving, lots):
            worth = size * position.market.unit * self._margin_price(order)
            bids, asks = (bids + worth, asks) if order.side > 0 else (bids, asks + worth)
        if position.market.rules.order_margin == OrderMargin.EACH:
            return abs(value) + bids + asks
        self.note("larger side", bids > 0 and asks > 0)
        return max(abs(value + bids), abs(value - asks))

    def _resting(self, position: Position) -> list[Order]:
        """Resting orders of a position that are not reduce-only."""
        mine = (order for order in position.pool.account.orders if order.position is position)
        return [order for order in mine if order.status == OrderStatus.RESTING and not order.spec.reduce_only]

    def _counted(self, position: Position, arriving: Order | None, lots: int) -> list[tuple[Order, int]]:
        """Orders and their lots that ask for margin."""
        found = [(order, order.remaining) for order in self._resting(position)]
        found += [(arriving, lots)] if arriving is not None else []
        if position.market.rules.order_margin == OrderMargin.LARGER_SIDE:
            return found
        return [(order, max(0, size - position.opposite_lots(order.side))) for order, size in found]

    def _margin_price(self, order: Order) -> Fraction:
        """What an order is worth per unit: the mark, or its own price."""
        market, rules = order.position.market, order.account.rules
        if rules.order_margin_price == OrderMarginPrice.MARK:
            return market.mark
        if order.has_limit:
            return Fraction(market.tape.price(order.limit_tick))
        self.note("margin of a market order at its price")
        best = market.tape.best(-order.side)
        if best is None:
            return market.mark
        price = Fraction(market.tape.price(best))
        return price * (1 + Fraction(rules.order_margin_markup)) if order.side > 0 else max(price, market.mark)

    def breached(self, pool: Pool) -> bool:
        """Whether equity < maintenance (RULES 6.4)."""
        return self.judge.less(pool.equity, pool.maintenance)
