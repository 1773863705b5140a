"""Margin checks and what a breach sets off (RULES 8)."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import inf

from backtester.engine.spec import Step
from backtester.enums import (
    CloseOrder,
    Disposal,
    FillReason,
    ForcedAction,
    ForcedPrice,
    Held,
    LedgerKind,
    LiquidationStage,
    Liquidity,
    OrderReason,
    OrderStatus,
    Outage,
    Party,
    PoolState,
    Side,
)
from tests.oracle import links
from tests.oracle.account import Account, Order, Pool, Position
from tests.oracle.exact import ZERO
from tests.oracle.records import Liquidation
from tests.oracle.world import World

#: Rank of a pool without equity; exact in doubles, so that two of them are a tie for engine and oracle alike.
MOST_URGENT = Fraction(-(2**50))


def check_account(world: World, account: Account, t: int) -> None:
    """RULES 8.1 at a margin stage: all pools are judged first, then the breached ones are liquidated."""
    breached = [pool for pool in account.pools if judge_pool(world, pool, t)]
    ranked = sorted((pool for pool in breached if _may_be_liquidated(world, pool)), key=_urgency)
    equity = account.equity
    account.equity_min = equity if account.equity_min is None else min(account.equity_min, equity)
    _note_close_ranks(world, [pool for pool in ranked if not _only_waits(pool, t)])
    for pool in ranked:
        liquidate(world, pool, t)


def check_changed(world: World, t: int) -> None:
    """RULES 1.2c: check each pool whose position changed, first changed first; one that went flat is settled (8.3)."""
    changed = list(dict.fromkeys(world.changed))
    world.changed.clear()
    for pool in changed:
        if judge_pool(world, pool, t) and _may_be_liquidated(world, pool):
            liquidate(world, pool, t)
        else:
            settle(world, pool, t)


def judge_pool(world: World, pool: Pool, t: int) -> bool:
    """Whether the pool is in breach; without one it is healthy again (RULES 6.4, 8.2)."""
    if not pool.open_positions:
        pool.round_ns = None
        return False
    equity, maintenance = pool.equity, pool.maintenance
    buffer = equity - maintenance
    pool.buffer_min = buffer if pool.buffer_min is None else min(pool.buffer_min, buffer)
    for position in pool.open_positions:
        found = [distance for distance in (position.distance, position.distance_min) if distance is not None]
        position.distance_min = min(found, default=None)
    if world.judge.less(equity, maintenance):
        pool.breach_ns = t if pool.breach_ns is None else pool.breach_ns
        return True
    pool.state, pool.round_ns = PoolState.HEALTHY, None
    return False


def _may_be_liquidated(world: World, pool: Pool) -> bool:
    """RULES 1.7, 8.6: otherwise a breached pool is measured only."""
    tapes = (position.market.tape for position in pool.open_positions)
    return world.spec.liquidation and not any(tape.takes_away(Outage.LIQUIDATION_SUSPENDED) for tape in tapes)


def liquidate(world: World, pool: Pool, t: int) -> None:
    """One round (RULES 8.2)."""
    is_first = pool.round_ns is None
    pool.liquidated = True
    pool.round_ns = t if pool.round_ns is None else pool.round_ns
    since = t - pool.round_ns
    rows = [row for row in pool.account.rules.liquidation if row.after_ns <= since and (is_first or not row.once)]
    acted = _try_rows(world, pool, rows, t)
    world.note("waits for its takeover", ForcedAction.ORDER not in acted and bool(pool.open_positions))


def _try_rows(world: World, pool: Pool, rows: list[Step], t: int) -> set[ForcedAction]:
    """Those of `rows` whose time has come act where the pool is low enough. What they did."""
    acted = set()
    for row in rows:
        if pool.open_positions and _is_low(world, pool, row):
            _act(world, pool, row, t)
            acted.add(row.do)
    settle(world, pool, t)
    if not pool.open_positions:
        pool.round_ns = None
    world.changed.clear()
    return acted


def _is_low(world: World, pool: Pool, row: Step) -> bool:
    """`equity_below` of a row (RULES 8.2)."""
    limit = row.equity_below
    return limit == inf or world.judge.less(pool.equity, Fraction(limit) * pool.maintenance)


def _act(world: World, pool: Pool, row: Step, t: int) -> None:
    """What a row does (RULES 8.2)."""
    match row.do:
        case ForcedAction.CANCEL:
            _cancel_orders(pool, t)
        case ForcedAction.ORDER:
            pool.state = PoolState.LIQUIDATING if _close_positions(world, pool, row, t) else PoolState.STUCK
        case ForcedAction.TAKEOVER:
            _take_over_all(world, pool, row, t)
            pool.state = PoolState.CLOSED


def end_waiting(world: World, t: int) -> None:
    """The end of the tape ends the wait for a takeover (RULES 8.4)."""
    for pool in world.pools:
        if pool.round_ns is not None and _may_be_liquidated(world, pool):
            rows = [row for row in pool.account.rules.liquidation if row.after_ns > 0 and not row.once]
            acted = _try_rows(world, pool, rows, t)
            world.note("taken over at the end", ForcedAction.TAKEOVER in acted)


def settle(world: World, pool: Pool, t: int) -> None:
    """RULES 8.3: a flat pool does not stay below zero, a flat isolated pool does not stay above."""
    if pool.open_positions:
        return
    if pool.balance < 0:
        pool.deficit -= pool.balance
        fund = max(ZERO, world.fund_of(pool.account.spec.venue))
        paid = min(fund, -pool.balance)
        world.pay(t, pool, paid, Party.INSURANCE_FUND, LedgerKind.DEFICIT)
        world.pay(t, pool, -pool.balance, Party.RESERVE, LedgerKind.DEFICIT)
    elif pool.isolated:
        world.move(t, pool, pool.account.cross, pool.balance)


def _urgency(pool: Pool) -> tuple[Fraction, int]:
    """Sort key: equity ≤ 0 first, then by descending maintenance/equity, ties by number (RULES 8.1)."""
    equity = pool.equity
    return (MOST_URGENT if equity <= 0 else -pool.maintenance / equity, pool.number)


def _note_close_ranks(world: World, ranked: list[Pool]) -> None:
    """Doubles may see a tie, or none, where the exact numbers decide the order."""
    if len(ranked) > 1:
        for pool in ranked:
            world.judge.less(pool.equity, ZERO)
    for pool, other in pairwise(ranked):
        world.judge.less(_urgency(pool)[0], _urgency(other)[0])


def _only_waits(pool: Pool, t: int) -> bool:
    """Whether its round sends and takes nothing, so that its rank does not matter (RULES 8.2)."""
    rows = [row for row in pool.account.rules.liquidation if row.do != ForcedAction.CANCEL]
    start = pool.round_ns
    return start is not None and all(row.once or t < start + row.after_ns for row in rows)


def _cancel_orders(pool: Pool, t: int) -> None:
    """RULES 8.2, CANCEL: the orders on the pool's positions that are at the venue."""
    for order in pool.account.orders:
        if order.position in pool.positions and _at_venue(order):
            links.end(order, OrderStatus.CANCELLED, OrderReason.LIQUIDATION, t)


def _at_venue(order: Order) -> bool:
    """Resting, or a venue-held conditional order that waits or has fired; all else is still with the client."""
    if order.status == OrderStatus.RESTING:
        return True
    fired = order.status == OrderStatus.IN_FLIGHT and order.trigger_ns is not None
    waits = order.status == OrderStatus.UNTRIGGERED
    return (waits or fired) and order.spec.held == Held.VENUE


def _close_positions(world: World, pool: Pool, row: Step, t: int) -> bool:
    """RULES 8.2, ORDER: by the row's order and size. Whether anything was filled."""
    account = pool.account
    targets = pool.open_positions
    if row.scope == CloseOrder.LARGEST_MAINTENANCE:
        targets.sort(key=lambda position: (-position.maintenance, position.number))
        for position, other in pairwise(targets):
            world.judge.less(other.maintenance, position.maintenance)
    may_be_partial = t >= account.full_size_until_ns
    sizes = [_order_size(world, position, row, may_be_partial) for position in targets]
    any_filled = any_partial = False
    for position, (lots, stage) in zip(targets, sizes, strict=True):
        any_filled |= _liquidation_order(world, position, row, lots, stage, t) > 0
        any_partial |= stage == LiquidationStage.PARTIAL
        if row.scope == CloseOrder.LARGEST_MAINTENANCE and not world.breached(pool):
            break
    if any_partial:
        account.full_size_until_ns = t + row.full_window_ns
    return any_filled


def _order_size(world: World, position: Position, row: Step, may_be_partial: bool) -> tuple[int, LiquidationStage]:
    """The whole position, or the row's share of a large one."""
    large = world.judge.less(Fraction(row.share_above_quote), position.notional)
    if large and may_be_partial:
        share = world.judge.ceil(row.share * abs(position.lots))
        if share < abs(position.lots):
            return share, LiquidationStage.PARTIAL
    return abs(position.lots), LiquidationStage.FULL


def _liquidation_order(world: World, position: Position, row: Step, lots: int, stage: LiquidationStage, t: int) -> int:
    """One IOC, its taker fees, then the liquidation fee out of what the pool has left. Returns the lots filled."""
    pool, market = position.pool, position.market
    side = Side.SELL if position.lots > 0 else Side.BUY
    filled, notional = 0, ZERO
    if row.price == ForcedPrice.BANKRUPTCY:
        limit = bankruptcy_tick(position, side)
    else:
        limit = market.bound_tick(side, row.bound)
    for tick, part in forced_walk(world, position, side, lots, limit, t):
        price = Fraction(market.tape.price(tick))
        world.fill(t, position, side * part, price, FillReason.LIQUIDATION, Liquidity.TAKER, pays_fee=row.taker_fee)
        filled += part
        notional += part * market.unit * price
    fee = min(Fraction(market.spec.liquidation_fee) * notional, max(ZERO, pool.equity))
    world.pay(t, pool, -fee, Party.INSURANCE_FUND, LedgerKind.LIQUIDATION_FEE)
    taker_fee = Fraction(market.rules.taker_fee) * notional if row.taker_fee else ZERO
    done = Liquidation(t, pool.number, position.number, stage, lots, filled, market.mark, taker_fee + fee)
    world.liquidations.append(done)
    return filled


def bankruptcy_tick(position: Position, side: int) -> int:
    """The bankruptcy price as a limit: inwards, unless it is a tick within 1e-6 (RULES 8.3)."""
    ticks = float(position.bankruptcy_price / Fraction(position.market.tape.spec.tick_size))
    return position.market.inwards(side, ticks + side * 1e-6)


def forced_walk(world: World, position: Position, side: int, lots: int, limit: int, t: int) -> list[tuple[int, int]]:
    """What an IOC of a liquidation or a disposal takes: [(tick, lots)]; nothing while HALTED (RULES 1.6)."""
    market = position.market
    if market.tape.halted:
        return []
    fills, _ = world.consumption.walk(market.instrument, market.tape, market.rules, side, lots, limit, t)
    return fills


def _take_over_all(world: World, pool: Pool, row: Step, t: int) -> None:
    """RULES 8.4."""
    equity = pool.equity
    for position in pool.open_positions:
        _take_over(world, position, row, t)
    world.pay(t, pool, -pool.balance, Party.INSURANCE_FUND, LedgerKind.TAKEOVER)
    venue = pool.account.spec.venue
    if world.fund_of(venue) < 0:
        world.pay_fund(t, venue, -world.fund_of(venue), Party.RESERVE, LedgerKind.DEFICIT)
    pool.deficit += max(ZERO, -equity)


def _take_over(world: World, position: Position, row: Step, t: int) -> None:
    """One position passes to the fund, which disposes of it at once (RULES 8.4, 8.5)."""
    market, lots = position.market, position.lots
    price = position.bankruptcy_price if row.price == ForcedPrice.BANKRUPTCY else market.mark
    world.fill(t, position, -lots, price, FillReason.TAKEOVER, Liquidity.TAKER, pays_fee=False)
    size = abs(lots)
    done = Liquidation(
        t, position.pool.number, position.number, LiquidationStage.TAKEOVER, size, size, market.mark, ZERO, price
    )
    world.liquidations.append(done)
    kept = lots - _dispose(world, position, row, lots, price, t) if row.disposal == Disposal.WALK else lots
    world.keep(market, kept, price)


def _dispose(world: World, position: Position, row: Step, lots: int, price: Fraction, t: int) -> int:
    """The fund sells what it took: its result against the price of the takeover (RULES 8.5). Returns signed lots."""
    side, market = Side.SELL if lots > 0 else Side.BUY, position.market
    limit = market.bound_tick(side, row.bound)
    sold = forced_walk(world, position, side, abs(lots), limit, t)
    gain = sum((-side * part * market.unit * (Fraction(market.tape.price(tick)) - price) for tick, part in sold), ZERO)
    world.pay_fund(t, position.pool.account.spec.venue, gain, Party.MARKET, LedgerKind.REALISED_PNL)
    return -side * sum(part for _, part in sold)
