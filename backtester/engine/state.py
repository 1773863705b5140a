"""The engine's memory: one structured array per kind of thing, made from `spec` and owned by the shell.

Prices are ticks and sizes lots (int64), money is quote currency (float64), times are ns. Worlds own contiguous ranges:
worlds → accounts → pools → positions and orders. `Market` is shared by all worlds and read-only for them. Integers are
int64 throughout (but for the cells, of which there are millions), so that every helper has one signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_type_hints

import numpy as np

from backtester import enums
from backtester.engine import spec

NO_BID = -1
NO_ASK = 1 << 62
NEVER_NS = 1 << 62
#: "None of them" where a number of an order, position, pool, world, market or tick is asked for. An np.int64, because a
#: plain -1 would make numba compile each helper once more.
NONE = np.int64(-1)
PATH_BUCKETS = 2000

#: One price level of one side. message: number of the instrument's message that named it last.
#: head: order number + 1 of the first own order resting here, 0 = none.
CELL = np.dtype([("lots", "i8"), ("message", "i4"), ("head", "i4")], align=True)

#: One side of a ladder (2·instrument bid, 2·instrument + 1 ask). Cell of a tick: offset + tick.
SIDE = np.dtype(
    [
        ("offset", "i8"),
        ("best", "i8"),  # NO_BID or NO_ASK when empty
        ("edge", "i8"),  # no level lies farther out than this
        ("own_best", "i8"),
        ("own_count", "i8"),
        ("shift", "i8"),  # translation of the last path step, ticks
    ],
    align=True,
)

INSTRUMENT = np.dtype(
    [
        ("tick_size", "f8"),
        ("unit", "f8"),  # lot_size · multiplier
        ("capacity", "i8"),  # cells per side
        ("mid2", "i8"),  # best bid + best ask, last time both were there; 0 = never
        ("last_tick", "i8"),  # -1 = no trade yet
        ("last_up", "i8"),  # nearest trigger of LAST above and below
        ("last_down", "i8"),
        ("index", "f8"),
        ("tape_mark", "f8"),
        ("funding_ts", "i8"),
        ("funding_rate", "f8"),
        ("extra_latency_ns", "i8"),
        ("half_life_ns", "i8"),  # 0 = as the rules say
        ("message", "i8"),
        ("status", "i8"),
        ("has_index", "i8"),
        ("has_tape_mark", "i8"),
        ("index_from_mid", "i8"),
    ],
    align=True,
)

#: An instrument under one venue's rules.
MARKET = np.dtype(
    [
        ("instrument", "i8"),
        ("rules", "i8"),
        ("tier_first", "i8"),
        ("tier_count", "i8"),
        ("has_mark", "i8"),
        ("unit", "f8"),
        ("tick_size", "f8"),
        ("mark", "f8"),
        ("basis_num", "f8"),
        ("basis_den", "f8"),
        ("inner_num", "f8"),
        ("inner_den", "f8"),
        ("impact_notional", "f8"),
        ("premium_sum", "f8"),
        ("premium_count", "i8"),
    ],
    align=True,
)

TIER = np.dtype([("floor", "f8"), ("rate", "f8"), ("deduction", "f8"), ("max_leverage", "f8")], align=True)

RULES = np.dtype(
    [(name, "f8" if kind is float else "i8") for name, kind in get_type_hints(spec.Rules).items()]
    + [("next_mark", "i8"), ("next_sample", "i8"), ("next_funding", "i8")],
    align=True,
)

WORLD = np.dtype(
    [
        ("liquidation", "i8"),
        ("record", "i8"),
        ("used", "i8"),  # lots of the trade of step `used_step` that filled own orders
        ("used_step", "i8"),
        ("turnover", "f8"),  # Σ|amount| of the ledger
    ],
    align=True,
)

ACCOUNT = np.dtype(
    [
        ("world", "i8"),
        ("rules", "i8"),
        ("pool_first", "i8"),
        ("pool_count", "i8"),
        ("order_first", "i8"),
        ("order_count", "i8"),
        ("path", "i8"),  # row of the path table, -1 = not recorded
        ("last_arrival", "i8"),
        ("full_size_until", "i8"),
        ("equity_start", "f8"),
        ("equity_min", "f8"),
        ("equity_min_ts", "i8"),
    ],
    align=True,
)

#: Margin that stands or falls together: the cross pool of an account, or one isolated position.
POOL = np.dtype(
    [
        ("world", "i8"),
        ("account", "i8"),
        ("position_first", "i8"),
        ("position_count", "i8"),
        ("next_dirty", "i8"),  # pool number + 1 of the next pool to check; -1 = last; 0 = not waiting
        ("isolated", "i8"),
        ("state", "i8"),
        ("breach", "i8"),  # to be liquidated at this margin stage
        ("balance", "f8"),
        ("balance_start", "f8"),
        ("equity", "f8"),  # of the last check
        ("maintenance", "f8"),
        ("buffer_min", "f8"),
        ("buffer_min_ts", "i8"),
        ("margin_ratio_max", "f8"),
        ("breach_ts", "i8"),  # first check below maintenance
        ("takeover", "f8"),
        ("deficit", "f8"),
    ],
    align=True,
)

POSITION = np.dtype(
    [
        ("world", "i8"),
        ("account", "i8"),
        ("pool", "i8"),
        ("market", "i8"),
        ("isolated", "i8"),
        ("lots", "i8"),
        ("cost", "f8"),
        ("leverage", "f8"),
        ("lots_start", "i8"),
        ("cost_start", "f8"),
        ("mark_start", "f8"),
        ("realised", "f8"),
        ("fee", "f8"),
        ("funding", "f8"),
        ("liquidation_fee", "f8"),
        ("send_lots", "i8"),  # size of the liquidation order of the round in progress
        ("distance_min", "f8"),  # smallest distance to the liquidation price, fraction of mark
    ],
    align=True,
)

ORDER = np.dtype(
    [
        ("world", "i8"),
        ("account", "i8"),
        ("position", "i8"),
        ("market", "i8"),
        ("instrument", "i8"),
        ("prev", "i8"),  # order number + 1 in the list of a level; the head's prev is the tail
        ("next", "i8"),
        ("type", "i8"),
        ("tif", "i8"),
        ("side", "i8"),
        ("trigger_by", "i8"),
        ("reduce_only", "i8"),
        ("held", "i8"),
        ("status", "i8"),
        ("reason", "i8"),
        ("phase", "i8"),
        ("lots", "i8"),
        ("filled", "i8"),
        ("limit_tick", "i8"),
        ("trigger_tick", "i8"),
        ("reaction_ns", "i8"),
        ("at_ns", "i8"),
        ("due", "i8"),
        ("queue", "i8"),  # lots ahead of us at our level
        ("seen", "i8"),  # last step that offered this order a fill
        ("decision_ts", "i8"),
        ("trigger_ts", "i8"),
        ("arrive_ts", "i8"),
        ("done_ts", "i8"),
        ("trigger_price", "f8"),
        ("decision_mid2", "i8"),
        ("arrival_mid2", "i8"),
        ("arrival_best", "i8"),
        ("sweep_lots", "i8"),  # what sweeping the displayed ladder on arrival would have filled
        ("sweep_value", "i8"),  # Σ tick · lots of it
        ("fill_value", "i8"),  # Σ tick · lots filled
        ("maker_lots", "i8"),
        ("levels", "i8"),
        ("fee", "f8"),
    ],
    align=True,
)

#: Inventory that the backstop of one world holds in one market.
INVENTORY = np.dtype([("lots", "i8"), ("cost", "f8")], align=True)

#: Heap 0 is the agenda, keyed by due time. Heap 1 + 2·series + up holds the armed triggers of a price series, keyed by
#: tick (up) or -tick (down). An order is in at most one entry of each, so heaps never grow.
HEAP = np.dtype([("first", "i8"), ("size", "i8")], align=True)
WAITING = np.dtype([("key", "i8"), ("phase", "i8"), ("order", "i8")], align=True)

#: What one world consumed at one level. tick is the base tick (level minus translation); lots = 0 marks a free slot.
CONSUMED = np.dtype(
    [("ts", "i8"), ("tick", "i8"), ("lots", "i8"), ("world", "i8"), ("side", "i8"), ("message", "i8")], align=True
)

FILL = np.dtype(
    [
        ("ts", "i8"),
        ("world", "i8"),
        ("account", "i8"),
        ("position", "i8"),
        ("order", "i8"),  # -1: not an order of the user
        ("side", "i8"),
        ("reason", "i8"),
        ("liquidity", "i8"),
        ("lots", "i8"),
        ("tick", "i8"),  # -1: not on a tick (takeover at the mark)
        ("price", "f8"),
        ("fee", "f8"),
        ("realised", "f8"),
    ],
    align=True,
)

#: A change of a pool's balance. pool = -1: of the insurance fund's.
LEDGER = np.dtype(
    [
        ("ts", "i8"),
        ("world", "i8"),
        ("account", "i8"),
        ("pool", "i8"),
        ("position", "i8"),
        ("kind", "i8"),
        ("party", "i8"),
        ("amount", "f8"),
        ("balance", "f8"),
    ],
    align=True,
)

#: One liquidation order or one position taken over.
LIQUIDATION = np.dtype(
    [
        ("ts", "i8"),
        ("world", "i8"),
        ("account", "i8"),
        ("pool", "i8"),
        ("position", "i8"),
        ("stage", "i8"),
        ("side", "i8"),
        ("lots", "i8"),
        ("filled", "i8"),
        ("value", "i8"),  # Σ tick · lots filled
        ("levels", "i8"),
        ("mid2", "i8"),
        ("mark", "f8"),
        ("bankruptcy", "f8"),
        ("equity", "f8"),
        ("maintenance", "f8"),
        ("fee", "f8"),
    ],
    align=True,
)

#: One time bucket of an account's margin path.
PATH = np.dtype(
    [
        ("count", "i8"),
        ("equity_min", "f8"),
        ("equity_max", "f8"),
        ("maintenance_max", "f8"),
        ("buffer_min", "f8"),
    ],
    align=True,
)

#: One time bucket of a market. Depth: lots within 1 % of mid, smallest seen at the samples.
MARKET_PATH = np.dtype(
    [("count", "i8"), ("mark_min", "f8"), ("mark_max", "f8"), ("bid_depth_min", "i8"), ("ask_depth_min", "i8")],
    align=True,
)

#: Where the engine stands. Everything a resume needs is here or in the arrays.
CONTROL = np.dtype(
    [
        ("next", "i8"),  # next record of the chunk
        ("now", "i8"),  # ts of the last record
        ("next_due", "i8"),
        ("due", "i8"),  # the due time being worked, if stage > 0
        ("start_ts", "i8"),
        ("step", "i8"),  # number of the step, 1 …
        ("stage", "i8"),  # 0 = between steps; see loop.Stage
        ("item", "i8"),
        ("sub", "i8"),
        ("instrument", "i8"),  # of the step being worked
        ("trade_tick", "i8"),
        ("trade_lots", "i8"),
        ("trade_side", "i8"),
        ("message_open", "i8"),
        ("message_snapshot", "i8"),
        ("message_step", "i8"),
        ("begun", "i8"),
        ("started", "i8"),
        ("finishing", "i8"),
        ("dirty_head", "i8"),  # pool number + 1
        ("dirty_tail", "i8"),
        ("overlay", "i8"),
        ("fills", "i8"),
        ("ledger", "i8"),
        ("liquidations", "i8"),
        ("need", "i8"),  # free rows, slots or cells the next step asks for
        ("path_width", "i8"),
        ("bucket", "i8"),  # of the path, now
        ("fault", "i8"),
        ("fault_item", "i8"),  # instrument or market of the fault
    ],
    align=True,
)


class Market(NamedTuple):
    """What all worlds share."""

    cells: np.ndarray
    sides: np.ndarray
    instruments: np.ndarray
    markets: np.ndarray
    tiers: np.ndarray
    rules: np.ndarray
    path: np.ndarray  # [market, bucket] of MARKET_PATH


class Worlds(NamedTuple):
    """What worlds own, and the pools that grow."""

    worlds: np.ndarray
    accounts: np.ndarray
    pools: np.ndarray
    positions: np.ndarray
    orders: np.ndarray
    parties: np.ndarray  # f8[world, Party], balances
    inventory: np.ndarray  # [world, market]
    heaps: np.ndarray
    waiting: np.ndarray  # entries of all heaps
    overlay: np.ndarray
    fills: np.ndarray
    ledger: np.ndarray
    liquidations: np.ndarray
    path: np.ndarray  # [recorded account, bucket] of PATH


class Capacities(NamedTuple):
    """Starting sizes of what grows. Any positive value gives the same results; larger ones return less often."""

    cells: int = 1 << 16
    overlay: int = 1 << 12
    rows: int = 1 << 12


def allocate_control() -> np.ndarray:
    """CONTROL[1] of an engine that has seen nothing."""
    control = np.zeros(1, CONTROL)
    control["next_due"] = NEVER_NS
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
        row["funding_ts"], row["status"] = -1, enums.TradingStatus.TRADING
        row["index_from_mid"] = item.index_from_mid
    sides["offset"] = np.arange(2 * count) * capacities.cells
    for name, bid, ask in (("best", NO_BID, NO_ASK), ("edge", NO_ASK, NO_BID), ("own_best", NO_BID, NO_ASK)):
        sides[name][0::2], sides[name][1::2] = bid, ask
    markets, tiers = _allocate_markets(data, instruments)
    rules = np.zeros(len(data.rules), RULES)
    for number, rule in enumerate(data.rules):
        for name, value in rule._asdict().items():
            rules[number][name] = value
    path = np.zeros((len(markets), PATH_BUCKETS), MARKET_PATH)
    return Market(np.zeros(2 * count * capacities.cells, CELL), sides, instruments, markets, tiers, rules, path)


def _allocate_markets(data: spec.MarketData, instruments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    markets = np.zeros(len(data.markets), MARKET)
    tiers: list[tuple[float, float, float, float]] = []
    for number, item in enumerate(data.markets):
        row, instrument = markets[number], instruments[item.instrument]
        row["instrument"], row["rules"] = item.instrument, item.rules
        row["unit"], row["tick_size"] = instrument["unit"], instrument["tick_size"]
        row["impact_notional"] = item.impact_notional_quote
        row["tier_first"], row["tier_count"] = len(tiers), len(item.tiers)
        tiers.extend(tier_rows(item.tiers))
    return markets, np.array(tiers, TIER)


def tier_rows(tiers: Sequence[spec.Tier]) -> list[tuple[float, float, float, float]]:
    """(floor, rate, deduction, max leverage) per tier; the deduction makes maintenance continuous (RULES 6.3).

    Hyperliquid BTC: 150 M at 1.25 % → 2.5 % deducts 1,875,000.
    """
    rows: list[tuple[float, float, float, float]] = []
    deduction, previous = 0.0, 0.0
    for tier in tiers:
        if rows:
            deduction += tier.floor_quote * (tier.maintenance_rate - previous)
        previous = tier.maintenance_rate
        rows.append((tier.floor_quote, tier.maintenance_rate, deduction, tier.max_leverage))
    return rows


class WorldIndex(NamedTuple):
    """Where the things of the spec lie in the arrays: position and order numbers, per account, in spec order."""

    accounts: list[int]  # account number of the first account of each world
    positions: list[list[int]]  # [account][spec position]
    orders: list[list[int]]  # [account][spec order]


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
        self.index = WorldIndex([], [], [])
        self.accounts: list[np.ndarray] = []
        self.pools: list[np.ndarray] = []
        self.positions: list[np.ndarray] = []
        self.orders: list[np.ndarray] = []
        self.paths = 0

    def add(self, number: int, world: spec.World) -> None:
        self.index.accounts.append(len(self.accounts))
        for account in world.accounts:
            self._add_account(number, account, world.record)

    def _add_account(self, world: int, account: spec.Account, record: bool) -> None:
        row = np.zeros((), ACCOUNT)
        number = len(self.accounts)
        row["world"], row["rules"] = world, account.rules
        row["pool_first"], row["order_first"] = len(self.pools), len(self.orders)
        row["path"] = self.paths if record else -1
        self.paths += record
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
        self.index.orders.append([self._add_order(world, number, numbers, order) for order in account.orders])

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
        row["buffer_min"], row["buffer_min_ts"], row["breach_ts"] = np.inf, -1, -1
        for place, position in places:
            numbers[place] = len(self.positions)
            self._add_position(world, account, len(self.pools), position)
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

    def _add_order(self, world: int, account: int, numbers: list[int], order: spec.Order) -> int:
        row = np.zeros((), ORDER)
        position = self.positions[numbers[order.position]]
        row["world"], row["account"], row["position"] = world, account, numbers[order.position]
        row["market"] = position["market"]
        row["instrument"] = self.market.markets[position["market"]]["instrument"]
        for name in ("type", "tif", "side", "lots", "limit_tick", "trigger_tick", "trigger_by", "reduce_only"):
            row[name] = getattr(order, name)
        row["held"], row["reaction_ns"], row["at_ns"] = order.held, order.reaction_ns, order.at_ns
        row["status"] = enums.OrderStatus.PENDING
        for name in ("decision_ts", "trigger_ts", "arrive_ts", "done_ts"):
            row[name] = -1
        self.orders.append(row)
        return len(self.orders) - 1

    def build(self, worlds: Sequence[spec.World], capacities: Capacities) -> Worlds:
        rows = np.zeros(len(worlds), WORLD)
        parties = np.zeros((len(worlds), len(enums.Party)))
        for number, world in enumerate(worlds):
            rows[number]["liquidation"], rows[number]["record"] = world.liquidation, world.record
            parties[number, enums.Party.INSURANCE_FUND] = world.insurance_start
        orders = _stack(self.orders, ORDER)
        heaps, waiting = _allocate_heaps(orders, len(self.market.instruments), len(self.market.markets))
        overlay = 4
        while overlay < capacities.overlay:
            overlay *= 2
        return Worlds(
            worlds=rows,
            accounts=_stack(self.accounts, ACCOUNT),
            pools=_stack(self.pools, POOL),
            positions=_stack(self.positions, POSITION),
            orders=orders,
            parties=parties,
            inventory=np.zeros((len(worlds), len(self.market.markets)), INVENTORY),
            heaps=heaps,
            waiting=waiting,
            overlay=np.zeros(overlay, CONSUMED),
            fills=np.zeros(max(capacities.rows, 1), FILL),
            ledger=np.zeros(max(capacities.rows, 1), LEDGER),
            liquidations=np.zeros(max(capacities.rows, 1), LIQUIDATION),
            path=np.zeros((self.paths, PATH_BUCKETS), PATH),
        )


def _stack(rows: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    return np.array(rows, dtype) if rows else np.zeros(0, dtype)


def series_number(by: int, instrument: int, market: int, instruments: int) -> int:
    """Number of a price series: LAST of each instrument, INDEX of each, MARK of each market."""
    if by == enums.PriceSeries.LAST:
        return instrument
    return instruments + instrument if by == enums.PriceSeries.INDEX else 2 * instruments + market


def _allocate_heaps(orders: np.ndarray, instruments: int, markets: int) -> tuple[np.ndarray, np.ndarray]:
    heaps = np.zeros(1 + 2 * (2 * instruments + markets), HEAP)
    sizes = np.zeros(len(heaps), np.int64)
    sizes[0] = len(orders)
    for order in orders[orders["type"] == enums.OrderType.STOP_MARKET]:
        series = series_number(order["trigger_by"], order["instrument"], order["market"], instruments)
        sizes[1 + 2 * series + (order["side"] > 0)] += 1
    heaps["first"] = np.cumsum(sizes) - sizes
    return heaps, np.zeros(int(sizes.sum()) + 1, WAITING)
