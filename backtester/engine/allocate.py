"""From `spec` to arrays: the engine's memory as it is before the first record, and worlds as they are at the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backtester import enums
from backtester.engine import spec
from backtester.engine.allocate_orders import enter_orders
from backtester.engine.book.feed import GAPS
from backtester.engine.records import FILL, LEDGER, LIQUIDATION, MARKET_PATH, PATH, PATH_BUCKETS, PAYMENT
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
    TIER,
    WORLD,
    Capacities,
    Market,
    Worlds,
)
from backtester.formulas import margin


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
    rules = np.zeros(len(data.rules), RULES)
    for number, rule in enumerate(data.rules):
        for name, value in rule._asdict().items():
            rules[number][name] = value
    clocks = _allocate_clocks(data, rules, markets)
    path = np.zeros((len(markets), PATH_BUCKETS), MARKET_PATH)
    cells = np.zeros(2 * count * capacities.cells, CELL)
    slots = max((rule.mark_basis_window_ns // rule.mark_interval_ns for rule in data.rules), default=0)
    basis = np.zeros((len(markets), max(slots, 1)))
    feeds, gaps = np.zeros(2 * count, FEED), np.zeros((count, GAPS), np.int64)
    return Market(cells, sides, instruments, markets, tiers, rules, clocks, path, basis, feeds, gaps)


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


def allocate_worlds(
    market: Market, worlds: Sequence[spec.World], start_ts: int, capacities: Capacities
) -> tuple[Worlds, WorldIndex]:
    """The arrays of `worlds` as they stand at `start_ts`: nothing sent, nothing charged."""
    builder = _Builder(market, start_ts)
    for number, world in enumerate(worlds):
        builder.add(number, world)
    return builder.build(worlds, capacities), builder.index


class _Builder:
    """Collects rows world by world, then makes the arrays."""

    def __init__(self, market: Market, start_ts: int) -> None:
        self.market, self.start_ts = market, start_ts
        self.index = WorldIndex([], [], [], [])
        self.accounts: list[np.ndarray] = []
        self.pools: list[np.ndarray] = []
        self.positions: list[np.ndarray] = []
        self.orders: list[Sequence[spec.Order]] = []  # of each account
        self.plans: list[Sequence[spec.Plan]] = []
        self.order_count = self.plan_count = 0
        self.paths = 0

    def add(self, number: int, world: spec.World) -> None:
        self.index.accounts.append(len(self.accounts))
        for account in world.accounts:
            self._add_account(number, account, world.record and world.watched)

    def _add_account(self, world: int, account: spec.Account, watched: bool) -> None:
        row = np.zeros((), ACCOUNT)
        number = len(self.accounts)
        row["world"], row["rules"] = world, account.rules
        row["pool_first"], row["order_first"] = len(self.pools), self.order_count
        row["path"] = self.paths if watched else -1
        self.paths += watched
        row["equity_min"], row["equity_min_ts"] = np.inf, -1
        places = list(enumerate(account.positions))
        cross = [place for place in places if not place[1].isolated]
        isolated = [place for place in places if place[1].isolated]
        numbers = [0] * len(places)
        self._add_pool(world, number, cross, account.balance - sum(p.margin for _, p in isolated), numbers, False)
        for place in isolated:
            self._add_pool(world, number, [place], place[1].margin, numbers, True)
        row["pool_count"], row["order_count"] = 1 + len(isolated), len(account.orders)
        row["equity_start"] = self._equity(int(row["pool_first"]))
        self.accounts.append(row)
        self.index.positions.append(numbers)
        self.index.orders.append(range(self.order_count, self.order_count + len(account.orders)))
        self.orders.append(account.orders)
        self.order_count += len(account.orders)
        self.index.plans.append(range(self.plan_count, self.plan_count + len(account.plans)))
        self.plans.append(account.plans)
        self.plan_count += len(account.plans)

    def _equity(self, pool_first: int) -> float:
        total = 0.0
        for pool in self.pools[pool_first:]:
            total += float(pool["balance"])
        for position in self.positions[int(self.pools[pool_first]["position_first"]) :]:
            market = self.market.markets[position["market"]]
            total += float(position["lots"] * market["unit"] * market["mark"] - position["cost"])
        return total

    def _add_pool(
        self,
        world: int,
        account: int,
        places: list[tuple[int, spec.Position]],
        balance: float,
        numbers: list[int],
        isolated: bool,
    ) -> None:
        row = np.zeros((), POOL)
        row["world"], row["account"], row["isolated"] = world, account, isolated
        row["position_first"], row["position_count"] = len(self.positions), len(places)
        row["balance"] = row["balance_start"] = balance
        row["buffer_min"], row["buffer_min_ts"], row["breach_ts"], row["round_ts"] = np.inf, -1, -1, -1
        legs = dict[int, int]()  # of each market, its first position
        for place, position in places:
            numbers[place] = len(self.positions)
            twin = legs.setdefault(position.market, len(self.positions))
            self._add_position(world, account, len(self.pools), position)
            if twin != numbers[place]:
                self.positions[twin]["twin"] = numbers[place] - twin
                self.positions[-1]["twin"] = twin - numbers[place]
        self.pools.append(row)

    def _add_position(self, world: int, account: int, pool: int, position: spec.Position) -> None:
        row = np.zeros((), POSITION)
        market = self.market.markets[position.market]
        row["world"], row["account"], row["pool"], row["market"] = world, account, pool, position.market
        row["isolated"], row["leverage"] = position.isolated, position.leverage
        row["lots"] = row["lots_start"] = position.lots
        row["cost"] = row["cost_start"] = position.lots * market["unit"] * position.entry_price
        row["mark_start"], row["distance_min"] = market["mark"], np.inf
        self.positions.append(row)

    def build(self, worlds: Sequence[spec.World], capacities: Capacities) -> Worlds:
        rows = np.zeros(len(worlds), WORLD)
        parties = np.zeros((len(worlds), len(enums.Party)))
        for number, world in enumerate(worlds):
            rows[number]["liquidation"], rows[number]["record"] = world.liquidation, world.record
            rows[number]["insurance_start"] = world.insurance_start
        accounts, positions = _stack(self.accounts, ACCOUNT), _stack(self.positions, POSITION)
        places = self.index.positions
        entered = enter_orders(self.market, accounts, positions, places, self.orders, self.plans, self.start_ts)
        capacity = int(self.market.instruments["capacity"].max(initial=0))
        overlay = 4
        while overlay < capacities.overlay:
            overlay *= 2
        return Worlds(
            worlds=rows,
            accounts=accounts,
            calm=np.zeros((-(-len(accounts) // capacities.group), len(self.market.markets)), CALM),
            pools=_stack(self.pools, POOL),
            positions=positions,
            orders=entered.orders,
            plans=entered.plans,
            parties=parties,
            inventory=np.zeros((len(worlds), len(self.market.markets)), INVENTORY),
            heaps=entered.heaps,
            waiting=entered.waiting,
            levels=np.zeros((len(self.market.sides), capacity), np.int32),
            schedule=entered.schedule,
            overlay=np.zeros(overlay, CONSUMED),
            fills=np.zeros(max(capacities.rows, 1), FILL),
            ledger=np.zeros(max(capacities.rows, 1), LEDGER),
            liquidations=np.zeros(max(capacities.rows, 1), LIQUIDATION),
            payments=np.zeros(max(capacities.rows, 1), PAYMENT),
            path=np.zeros((self.paths, PATH_BUCKETS), PATH),
        )


def _stack(rows: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    return np.array(rows, dtype) if rows else np.zeros(0, dtype)
