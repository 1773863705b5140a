"""From `spec` to arrays: the engine's memory as it is before the first record, and worlds as they are at the start."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np

from backtester import enums
from backtester.engine import spec
from backtester.engine.allocate_guards import (
    STACK,
    allocate_automations,
    allocate_guards,
    allocate_recent,
    allocate_viewers,
    allocate_views,
    cancels_at_a_time,
    orders_at_a_time,
    rows_at_a_time,
    viewer_numbers,
)
from backtester.engine.allocate_orders import enter_orders
from backtester.engine.book.feed import GAPS
from backtester.engine.records import FILL, GUARD_EVENT, LEDGER, LIQUIDATION, MARKET_PATH, PATH, PATH_BUCKETS, PAYMENT
from backtester.engine.state import (
    ACCOUNT,
    CALM,
    CELL,
    CLOCK,
    CONSUMED,
    CONTROL,
    DEFAULT_CAPACITIES,
    FEED,
    INSTRUMENT,
    INVENTORY,
    MARKET,
    NEVER_NS,
    NO_ASK,
    NO_BID,
    POOL,
    POSITION,
    RULES,
    SIDE,
    STEP,
    TIER,
    WORLD,
    Capacities,
    Market,
    Worlds,
)
from backtester.formulas import margin
from backtester.formulas.value import worth


def allocate_control(seed: int = 0, capacities: Capacities = DEFAULT_CAPACITIES) -> np.ndarray:
    """CONTROL[1] of an engine that has seen nothing."""
    control = np.zeros(1, CONTROL)
    control["group"] = capacities.group
    control["seed"] = seed
    control["next_due"] = control["next_clock"] = NEVER_NS
    control["path_width"] = 1_000_000_000
    return control


def allocate_market(data: spec.MarketData, capacities: Capacities) -> Market:
    """Ladders empty, clocks unset, nothing marked."""
    count = len(data.instruments)
    instruments = np.zeros(count, INSTRUMENT)
    sides = np.zeros(2 * count, SIDE)
    for number, item in enumerate(data.instruments):
        row = instruments[number]
        row["tick_size"], row["unit"] = item.tick_size, item.lot_size * item.multiplier
        row["capacity"] = capacities.cells
        row["last_tick"], row["last_up"], row["last_down"] = -1, NO_ASK, NO_BID
        row["funding_ts"], row["book_ts"], row["status"] = -1, -1, enums.TradingStatus.TRADING
        row["index_from_mid"] = item.index_from_mid
        row["snapshot"] = 1  # none yet: what any message names is in view
    sides["offset"] = np.arange(2 * count) * capacities.cells
    for name in ("best", "own_best"):
        sides[name][0::2], sides[name][1::2] = NO_BID, NO_ASK
    for name in ("edge", "view"):
        sides[name][0::2], sides[name][1::2] = NO_ASK, NO_BID
    markets, tiers = _allocate_markets(data, instruments)
    rules, steps = _allocate_rules(data.rules)
    clocks = _allocate_clocks(data, rules, markets)
    path = np.zeros((len(markets), PATH_BUCKETS), MARKET_PATH)
    cells = np.zeros(2 * count * capacities.cells, CELL)
    slots = max((rule.mark_basis_window_ns // rule.mark_interval_ns for rule in data.rules), default=0)
    basis = np.zeros((len(markets), max(slots, 1)))
    feeds, gaps = np.zeros(2 * count, FEED), np.zeros((count, GAPS), np.int64)
    viewers = allocate_viewers(())
    views, no_marks = allocate_views(data, len(viewers)), np.zeros((len(markets), 1))
    return Market(
        cells,
        sides,
        instruments,
        markets,
        tiers,
        rules,
        steps,
        clocks,
        path,
        basis,
        feeds,
        gaps,
        viewers,
        views,
        no_marks,
        no_marks[np.newaxis].copy(),
    )


def _allocate_rules(all_rules: Sequence[spec.Rules]) -> tuple[np.ndarray, np.ndarray]:
    """RULES of each, and the STEPs of their liquidations, one after the other."""
    rows, steps = np.zeros(len(all_rules), RULES), list[spec.Step]()
    for row, rules in zip(rows, all_rules, strict=True):
        values = rules._asdict()
        row["step_first"], row["step_count"] = len(steps), len(rules.liquidation)
        steps += values.pop("liquidation")
        for name, value in values.items():
            row[name] = value
    return rows, np.array(steps, STEP)


#: The largest and the smallest orders a market takes.
_SIZES = (
    "max_market_lots",
    "max_market_quote",
    "max_limit_lots",
    "max_limit_quote",
    "min_order_quote",
    "min_close_quote",
)


def _allocate_markets(data: spec.MarketData, instruments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    markets = np.zeros(len(data.markets), MARKET)
    tiers: list[tuple[float, float, float, float]] = []
    for number, item in enumerate(data.markets):
        row, instrument = markets[number], instruments[item.instrument]
        row["instrument"], row["rules"] = item.instrument, item.rules
        row["unit"], row["tick_size"] = instrument["unit"], instrument["tick_size"]
        row["impact_notional"] = item.impact_notional_quote
        row["base"] = item.base if item.base >= 0 else -1 - number
        for name in ("funding_cap", "liquidation_fee", *_SIZES):
            row[name] = getattr(item, name)
        row["tier_first"], row["tier_count"] = len(tiers), len(item.tiers)
        tiers.extend(tier_rows(item.tiers))
    return markets, np.array(tiers, TIER)


def _allocate_clocks(data: spec.MarketData, rules: np.ndarray, markets: np.ndarray) -> np.ndarray:
    """CLOCK of the marks and of the samples of each of `rules`, then of the funding of each of `markets`."""
    times: list[tuple[int, int]] = []
    for rule, row in zip(data.rules, rules, strict=True):
        row["mark_clock"], row["sample_clock"] = len(times), len(times) + 1
        times += [(0, rule.mark_interval_ns), (0, rule.funding_sample_ns if rule.funding_premium else 0)]
    for item, row in zip(data.markets, markets, strict=True):
        row["funding_clock"] = len(times)
        times.append((item.funding_ns, item.funding_interval_ns or data.rules[item.rules].funding_interval_ns))
    return np.array(times, CLOCK)


def tier_rows(tiers: Sequence[spec.Tier]) -> list[tuple[float, float, float, float]]:
    """(floor, rate, deduction, max leverage) per tier; the deduction makes maintenance continuous (RULES 6.3).

    Hyperliquid BTC: 150 M at 1.25 % → 2.5 % deducts 1,875,000.
    """
    rows: list[tuple[float, float, float, float]] = []
    deduction, previous = 0.0, 0.0
    for tier in tiers:
        if rows:
            deduction = margin.next_deduction(deduction, tier.floor_quote, previous, tier.maintenance_rate)
        previous = tier.maintenance_rate
        rows.append((tier.floor_quote, tier.maintenance_rate, deduction, tier.max_leverage))
    return rows


class WorldIndex(NamedTuple):
    """Where the things of the spec lie in the arrays: their numbers, per account, in spec order."""

    accounts: list[int]  # account number of the first account of each world
    positions: list[list[int]]  # [account][spec position]
    orders: list[range]  # [account][spec order]
    plans: list[range]  # [account][spec plan]
    guards: list[range]  # [account][spec guard]


def allocate_worlds(
    market: Market, worlds: Sequence[spec.World], start_ts: int, capacities: Capacities
) -> tuple[Worlds, WorldIndex]:
    """The arrays of `worlds` as they stand at `start_ts`: nothing sent, nothing charged. There may be 100,000."""
    owners = [account for world in worlds for account in world.accounts]
    world = np.repeat(np.arange(len(worlds)), _lengths([each.accounts for each in worlds]))
    positions, numbers = _allocate_positions(market, owners, world)
    pools = _allocate_pools(owners, world, positions)
    accounts = _allocate_accounts(market, worlds, owners, world, pools, positions)
    orders, plans = [each.orders for each in owners], [each.plans for each in owners]
    index = WorldIndex(
        accounts=[each.start for each in _ranges([each.accounts for each in worlds])],
        positions=[numbers[each.start : each.stop] for each in _ranges([each.positions for each in owners])],
        orders=_ranges(orders),
        plans=_ranges(plans),
        guards=_ranges([each.guards for each in owners]),
    )
    guards, guard_ops, guard_actions = allocate_guards(owners, accounts, index.positions)
    cancels = sum(map(cancels_at_a_time, owners))
    entered = enter_orders(market, accounts, positions, index.positions, orders, plans, start_ts, cancels)
    insurance = _allocate_insurance(worlds)
    capacity = int(market.instruments["capacity"].max(initial=0))
    overlay = 4
    while overlay < capacities.overlay:
        overlay *= 2
    return Worlds(
        worlds=_allocate_world_rows(worlds),
        accounts=accounts,
        calm=np.zeros((-(-len(accounts) // capacities.group), len(market.markets)), CALM),
        pools=pools,
        positions=positions,
        orders=entered.orders,
        plans=entered.plans,
        guards=guards,
        guard_ops=guard_ops,
        guard_actions=guard_actions,
        automations=allocate_automations(owners),
        recent=allocate_recent(owners),
        stack=np.zeros(STACK),
        parties=np.zeros((*insurance.shape, len(enums.Party))),
        insurance=insurance,
        inventory=np.zeros((len(worlds), len(market.markets)), INVENTORY),
        heaps=entered.heaps,
        waiting=entered.waiting,
        levels=np.zeros((len(market.sides), capacity), np.int32),
        schedule=entered.schedule,
        overlay=np.zeros(overlay, CONSUMED),
        fills=np.zeros(max(capacities.rows, 1), FILL),
        ledger=np.zeros(max(capacities.rows, 1), LEDGER),
        liquidations=np.zeros(max(capacities.rows, 1), LIQUIDATION),
        payments=np.zeros(max(capacities.rows, 1), PAYMENT),
        guard_events=np.zeros(max(capacities.rows, 1), GUARD_EVENT),
        path=_allocate_paths(worlds, accounts, pools),
    ), index


def _allocate_world_rows(worlds: Sequence[spec.World]) -> np.ndarray:
    rows = np.zeros(len(worlds), WORLD)
    for name in ("liquidation", "record", "limits"):
        rows[name] = [getattr(world, name) for world in worlds]
    rows["drill"] = [world.drill.kind for world in worlds]
    rows["drill_from"] = [world.drill.from_ns for world in worlds]
    rows["drill_to"] = [world.drill.to_ns for world in worlds]
    rows["viewer"] = viewer_numbers(worlds)
    return rows


def _allocate_insurance(worlds: Sequence[spec.World]) -> np.ndarray:
    """f8[world, venue]: a world may have fewer venues than another."""
    funds = [world.insurance_start for world in worlds]
    insurance = np.zeros((len(worlds), max(map(len, funds), default=1)))
    for row, of_world in zip(insurance, funds, strict=True):
        row[: len(of_world)] = of_world
    return insurance


def _allocate_positions(
    market: Market, owners: Sequence[spec.Account], world: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """POSITION of each position, and the number each has got, in the order of the spec.

    Of the positions of an account those of its cross pool come first. world[account]
    """
    table = spec.position_table(chain.from_iterable(each.positions for each in owners))
    account = np.repeat(np.arange(len(owners)), _lengths([each.positions for each in owners]))
    order = np.lexsort((table["isolated"], account))
    table, account = table[order], account[order]
    rows = np.zeros(len(table), POSITION)
    for name in ("market", "isolated", "lots", "leverage"):
        rows[name] = table[name]
    rows["world"], rows["account"] = world[account], account
    rows["pool"] = account + np.cumsum(table["isolated"])  # each account begins one, and so does each isolated position
    rows["twin"] = _twins(rows["pool"], rows["market"], len(market.markets))
    rows["lots_start"] = table["lots"]
    unit = market.markets["unit"][table["market"]]
    rows["cost"] = rows["cost_start"] = worth(table["lots"], unit, table["entry_price"])
    rows["mark_start"], rows["distance_min"] = market.markets["mark"][table["market"]], np.inf
    return rows, np.argsort(order).tolist()


def _twins(pool: np.ndarray, market: np.ndarray, markets: int) -> np.ndarray:
    """i8[n]: how many positions further the other leg of the contract in the pool is; 0 = none.

    Example: BTC long, ETH long, BTC short in a cross pool → 2, 0, -2.
    """
    _, first, contract = np.unique(pool * markets + market, return_index=True, return_inverse=True)
    twins = first[contract] - np.arange(len(pool))
    second = np.flatnonzero(twins)
    twins[second + twins[second]] = -twins[second]
    return twins


def _allocate_pools(owners: Sequence[spec.Account], world: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """POOL of what is cross in each account, followed by one for each of its isolated positions. world[account]"""
    balances: list[float] = []
    for owner in owners:
        margins = [position.margin for position in owner.positions if position.isolated]
        balances += (owner.balance - sum(margins), *margins)
    rows = np.zeros(len(balances), POOL)
    rows["isolated"][positions["pool"][positions["isolated"] > 0]] = True
    rows["account"] = np.cumsum(rows["isolated"] == 0) - 1
    rows["world"] = world[rows["account"]]
    rows["position_first"], rows["position_count"] = _spans(positions["pool"], len(rows))
    rows["balance"] = rows["balance_start"] = balances
    rows["buffer_min"] = np.inf
    for name in ("buffer_min_ts", "breach_ts", "round_ts"):
        rows[name] = -1
    return rows


def _allocate_accounts(
    market: Market,
    worlds: Sequence[spec.World],
    owners: Sequence[spec.Account],
    world: np.ndarray,
    pools: np.ndarray,
    positions: np.ndarray,
) -> np.ndarray:
    """ACCOUNT of each of `owners`, which own pools and positions; world[account]."""
    rows = np.zeros(len(owners), ACCOUNT)
    rows["world"] = world
    for name in ("rules", "venue"):
        rows[name] = [getattr(each, name) for each in owners]
    rows["pool_first"], rows["pool_count"] = _spans(pools["account"], len(rows))
    orders = _lengths([each.orders for each in owners])
    rows["order_first"], rows["order_count"] = np.cumsum(orders) - orders, orders
    rows["equity_start"] = _equity(market, pools, positions, len(rows))
    rows["equity_min"], rows["equity_min_ts"] = np.inf, -1
    guards = _lengths([each.guards for each in owners])
    rows["guard_first"], rows["guard_count"] = np.cumsum(guards) - guards, guards
    drills = [worlds[n].drill.kind for n in world]
    rows["guard_orders"] = [orders_at_a_time(*each) for each in zip(owners, drills, strict=True)]
    rows["guard_rows"] = [rows_at_a_time(*each) for each in zip(owners, drills, strict=True)]
    rows["equity_high"] = np.where(guards > 0, -np.inf, 0.0)
    rows["passed_ts"] = -NEVER_NS
    return rows


def _allocate_paths(worlds: Sequence[spec.World], accounts: np.ndarray, pools: np.ndarray) -> np.ndarray:
    """PATH of each account that is watched, followed by those of its pools where it has several; they learn theirs."""
    watched = np.array([each.record and each.watched for each in worlds], bool)[accounts["world"]]
    apart = watched & (accounts["pool_count"] > 1)
    rows = watched + apart * accounts["pool_count"]
    first = np.cumsum(rows) - rows
    accounts["path"] = np.where(watched, first, -1)
    owner = pools["account"]
    place = np.arange(len(pools)) - accounts["pool_first"][owner]
    pools["path"] = np.where(apart[owner], first[owner] + 1 + place, -1)
    return np.zeros((int(rows.sum()), PATH_BUCKETS), PATH)


def _equity(market: Market, pools: np.ndarray, positions: np.ndarray, accounts: int) -> np.ndarray:
    """f8[account]: its balances and then what its positions have won, added one after the other."""
    unit = market.markets["unit"][positions["market"]]
    won = worth(positions["lots"], unit, positions["mark_start"]) - positions["cost"]
    account = np.concatenate([pools["account"], positions["account"]])
    return np.bincount(account, np.concatenate([pools["balance"], won]), accounts)


def _spans(owner: np.ndarray, owners: int) -> tuple[np.ndarray, np.ndarray]:
    """Where what each owner has begins, and how much it is. Example: [0, 0, 2] of 3 → [0, 2, 2] and [2, 0, 1]."""
    counts = np.bincount(owner, minlength=owners)
    return np.cumsum(counts) - counts, counts


def _lengths(owned: Sequence[Sequence[object]]) -> np.ndarray:
    return np.fromiter(map(len, owned), np.int64, len(owned))


def _ranges(owned: Sequence[Sequence[object]]) -> list[range]:
    """The numbers of what each owns, when all are numbered through. Example: "ab", "", "c" → 0-1, none, 2."""
    ends = accumulate(map(len, owned))
    return [range(end - len(each), end) for each, end in zip(owned, ends, strict=True)]
