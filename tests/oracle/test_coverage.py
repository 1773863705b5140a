"""The universes are not vacuous: over fixed seeds every outcome that can occur occurs often."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from random import Random

from backtester.enums import (
    After,
    Fault,
    FillReason,
    GuardDo,
    GuardEvent,
    GuardMetric,
    GuardOp,
    GuardScope,
    Hold,
    LedgerKind,
    LiquidationStage,
    Liquidity,
    MarkFormula,
    OrderReason,
    OrderStatus,
    OrderType,
    Outage,
    Party,
    Peg,
    PoolState,
    PostOnly,
    QueueModel,
    Rearm,
    SelfTrade,
    TimeInForce,
    TradingStatus,
)
from tests.oracle.examples import run
from tests.oracle.oracle import Oracle
from tests.oracle.universe import universe
from tests.oracle.world import name

UNIVERSES = 600
ENOUGH = 20

SEEN_IN_FULL: tuple[type[Enum], ...] = (
    Fault,
    FillReason,
    GuardEvent,
    Hold,
    LedgerKind,
    LiquidationStage,
    Liquidity,
    MarkFormula,
    OrderReason,
    OrderStatus,
    Outage,
    Party,
    PoolState,
    TradingStatus,
)

#: Counted where they made a difference: a fill of the type, a child let go, a limit pegged, a queue that moved, a
#: figure that was known to a guard, a guard that was armed again …
ACTED: tuple[type[Enum], ...] = (
    OrderType,
    After,
    Peg,
    QueueModel,
    SelfTrade,
    PostOnly,
    TimeInForce,
    GuardOp,
    GuardMetric,
    GuardScope,
    Rearm,
    GuardDo,
)

#: Rules without a code of their own, counted in the same way.
RULES = {
    "a guard closes a part",
    "a guard knows what is under way",
    "a guard sees what was before",
    "a guard sends what the venue takes",
    "a guard sizes nothing unseen",
    "grown with the parent",
    "level out of view",
    "queue out of view",
    "larger side",
    "margin of a market order at its price",
    "own bound",
    "plan max_child_lots",
    "plan rate",
    "plan target",
    "rebate",
    "shown before it prints",
    "size of the parent",
    "trailing activation",
    "trailing at once",
    "trailing rate",
    "trailing ticks",
    "waits for its takeover",
}

#: Universes always show an index, the worked example of RULES 7.1 leaves it out; and there are no transfers to halt.
#: A venue that rejects shows as POST_ONLY_WOULD_CROSS, no peg as nothing.
NEVER = {name(code) for code in (Fault.MISSING_INDEX, Outage.TRANSFERS_HALTED, PostOnly.REJECT, Peg.NONE)}
#: Of drills, and of guards that cancel and pause, it knows nothing.
NEVER |= {name(code) for code in (OrderReason.LOST, OrderReason.RATE_LIMIT, OrderReason.GUARD, OrderReason.PAUSED)}
NEVER |= {name(code) for code in (GuardDo.CANCEL, GuardDo.PAUSE, GuardEvent.CANCEL, GuardEvent.PAUSE)}


def note_step(counts: Counter[str], oracle: Oracle) -> None:
    """What passes: states between two steps."""
    counts.update(name(tape.status) for tape in oracle.tapes)
    for world in oracle.worlds:
        counts.update(name(pool.state) for pool in world.pools)
        counts.update(name(order.reason) for order in world.orders if order.status == OrderStatus.UNTRIGGERED)


def note_end(counts: Counter[str], oracle: Oracle) -> None:
    """What stays: rows, and how each order ended."""
    counts[name(oracle.fault)] += 1
    counts["close calls"] += oracle.judge.close_calls > 0
    counts.update(name(market.rules.mark_formula) for market in oracle.markets if market.mark_float is not None)
    for tape in oracle.tapes:
        counts.update({name(bit): times for bit, times in tape.acted.items()})
    for world in oracle.worlds:
        counts.update(world.acted)
        for fill in world.fills:
            counts.update((name(fill.reason), name(fill.liquidity)))
        for row in world.ledger:
            counts.update((name(row.kind), name(row.party)))
        counts.update(name(row.stage) for row in world.liquidations)
        for event in world.guard_events:
            counts.update((name(event.event), name(event.held)))
        for order in world.orders:
            counts.update((name(order.status), name(order.reason)))


def test_everything_that_can_happen_happens_often() -> None:
    counts: Counter[str] = Counter()
    for seed in range(UNIVERSES):
        inputs = universe(Random(seed), steps=60, fault=seed % 4 > 0)
        note_end(counts, run(inputs, lambda oracle: note_step(counts, oracle)))
    wanted = RULES | {name(code) for kind in SEEN_IN_FULL + ACTED for code in kind} - NEVER
    rare = {code: counts[code] for code in wanted if counts[code] < ENOUGH}
    assert not rare
    assert counts["close calls"] <= UNIVERSES * 0.15


def test_money_is_conserved_exactly() -> None:
    for seed in range(40):
        for world in run(universe(Random(seed), steps=60)).worlds:
            total = sum(pool.balance for pool in world.pools) + sum(world.parties.values())
            assert total == world.start_total
