"""The engine's arrays against the oracle's objects: what differs, in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from backtester.engine import spec
from backtester.engine.events import EVENT
from backtester.engine.state import NEVER_NS, Capacities
from backtester.enums import Advance, Fault, OrderStatus, Party, RefillModel, Side
from backtester.errors import BacktesterError
from backtester.run.drive import Engine
from tests.oracle.examples import cut
from tests.oracle.ladder import Event
from tests.oracle.oracle import Oracle
from tests.oracle.records import Fill, GuardRow, LedgerRow, Liquidation
from tests.oracle.universe import Universe
from tests.oracle.world import World

#: Money may differ by this share of the turnover (Σ|amount| of the world's ledger, at least 1).
MONEY = 1e-9

#: The records of a world.
COMPARED = ("fills", "ledger", "liquidations", "guard_events")  # a payment is its ledger row, with its reasons
ROWS = (*COMPARED, "payments")

#: Everything that can be full is full all the time.
SMALL = Capacities(cells=1, overlay=1, rows=1, group=2)


def as_array(step: Sequence[Event]) -> np.ndarray:
    """EVENT[n] of a step."""
    return np.array([tuple(event) for event in step], dtype=EVENT)


class Watched(Engine):
    """An engine that counts why its kernel returned to the shell, and has room for one row whenever it goes on."""

    def __init__(self, data: spec.MarketData, capacities: Capacities) -> None:
        super().__init__(data, capacities)
        self.returned: Counter[Advance] = Counter()

    def feed(self, events: np.ndarray) -> Advance:
        self._shorten(1)
        return super().feed(events)

    def _shorten(self, rows: int) -> None:
        """Drain the records, and give them exactly so much room."""
        self._drain()
        self.worlds = self.worlds._replace(**{name: np.zeros(rows, getattr(self.worlds, name).dtype) for name in ROWS})

    def resume(self) -> Advance:
        answer = super().resume()
        self.returned[answer] += 1
        return answer

    def _grow_ladder(self, cells: int) -> None:
        self.returned[Advance.NEED_LADDER] += 1
        super()._grow_ladder(cells)

    def _make_room(self, rows: int) -> None:
        self.returned[Advance.NEED_RECORD] += 1
        self._shorten(rows)

    def _grow_overlay(self) -> None:
        self.returned[Advance.NEED_OVERLAY] += 1
        super()._grow_overlay()

    def _add_orders(self, needed: int) -> None:
        self.returned[Advance.NEED_ORDER] += 1
        super()._add_orders(needed)

    def _fold_paths(self) -> None:
        self.returned[Advance.NEED_PATH] += 1
        super()._fold_paths()

    def _fault(self) -> BacktesterError:
        self.returned[Advance.FAULT] += 1
        return super()._fault()


class Pair:
    """Oracle and engine on the same universe, step by step."""

    def __init__(self, universe: Universe, capacities: Capacities = SMALL) -> None:
        self.universe = universe
        self.oracle = Oracle(universe.data)
        self.engine = Watched(universe.data, capacities)
        self.close = False  # a close call has been made: a difference proves nothing from here on
        self._seen = dict.fromkeys(COMPARED, 0)  # rows compared so far, of all worlds
        self._compared: dict[tuple[int, str], int] = {}  # rows compared so far, by world and name

    def run(self) -> list[str]:
        """Feed everything; the differences after the first step that has some."""
        for number, step in enumerate(cut(self.universe.events)):
            found = self._feed(step)
            if found:
                return [f"after step {number} (ts {step[0].ts}):", *found]
            if self.oracle.fault:
                return []
        found = self._feed(None)
        return ["after finish:", *found] if found else []

    def _feed(self, step: Sequence[Event] | None) -> list[str]:
        """One step, or the end, on both sides."""
        self.oracle.judge.ties = 0
        if step is None:
            self.oracle.finish()
        else:
            self.oracle.feed(step)
        started = self.oracle.waiting
        if started:
            self.oracle.attach(self.universe.worlds)
        fault = Fault.NONE
        try:
            if step is None:
                self.engine.finish()
            else:
                self.engine.feed(as_array(step))
            if (self.oracle.started or 0) != self.engine.start_ts:
                return [f"start: oracle {self.oracle.started}, engine {self.engine.start_ts}"]
            if started:
                self.engine.attach(self.universe.worlds)
                self.engine.resume()
        except BacktesterError:
            fault = Fault(int(self.engine.control["fault"][0]))
        self.close = self.oracle.judge.close_calls > 0 or self.oracle.judge.ties > 0
        if fault != self.oracle.fault:
            return [f"fault: oracle {self.oracle.fault!r}, engine {fault!r}"]
        return [] if fault else list(self.differences())

    # -- what is compared ----------------------------------------------------------------------------------------------

    def differences(self) -> Iterator[str]:
        """Every difference between the two states, and between the rows written since the last call."""
        yield from self._markets()
        fills, ledger, liquidations, events = (self._new_rows(name) for name in self._seen)
        positions = pools = accounts = guards = 0
        for number, world in enumerate(self.oracle.worlds):
            tolerance = MONEY * max(1.0, float(sum((abs(row.amount) for row in world.ledger), Fraction(0))))
            yield from self._orders(world)
            yield from self._positions(world, positions, tolerance)
            yield from self._pools(world, pools, tolerance)
            yield from self._accounts(world, accounts, tolerance)
            yield from self._parties(world, number, tolerance)
            yield from self._inventory(world, number, tolerance)
            yield from self._consumption(world, number)
            new = {name: self._since(world, number, name) for name in self._seen}
            yield from _compare_rows(
                f"world {number} fill",
                [_fill_of(row, accounts, positions) for row in new["fills"]],
                [_engine_fill(row) for row in fills if row["world"] == number],
                tolerance,
            )
            yield from _compare_rows(
                f"world {number} ledger",
                [_ledger_of(row, pools) for row in new["ledger"] if abs(row.amount) > tolerance],
                [_engine_ledger(row) for row in ledger if row["world"] == number and abs(row["amount"]) > tolerance],
                tolerance,
            )
            yield from _compare_rows(
                f"world {number} liquidation",
                [_liquidation_of(row, pools, positions) for row in new["liquidations"]],
                [_engine_liquidation(row) for row in liquidations if row["world"] == number],
                tolerance,
            )
            yield from self._guards(world, guards)
            yield from _compare_values(
                f"world {number} guard event",
                [_event_of(row, accounts, guards) for row in new["guard_events"]],
                [_engine_event(row) for row in events if row["world"] == number],
            )
            guards += sum(len(account.guards) for account in world.accounts)
            positions += len(world.positions)
            pools += len(world.pools)
            accounts += len(world.accounts)

    def _new_rows(self, name: str) -> np.ndarray:
        rows: np.ndarray = getattr(self.engine, name)
        new: np.ndarray = rows[self._seen[name] :]
        self._seen[name] = len(rows)
        return new

    def _since(self, world: World, number: int, name: str) -> list[Any]:
        rows: list[Any] = getattr(world, name)
        seen = self._compared.get((number, name), 0)
        self._compared[number, name] = len(rows)
        return rows[seen:]

    def _markets(self) -> Iterator[str]:
        for market, row in zip(self.oracle.markets, self.engine.market.markets, strict=True):
            mark = row["mark"] if row["has_mark"] else None
            if (mark is None) != (market.mark_float is None) or (
                mark is not None and abs(mark - float(market.mark)) > 1e-9 * max(1.0, abs(mark))
            ):
                yield f"market {market.number} mark: oracle {market.mark_float}, engine {mark}"

    def _orders(self, world: World) -> Iterator[str]:
        for order in world.orders:
            row = self.engine.worlds.orders[order.number]
            expected: dict[str, object] = {
                "status": int(order.status),
                "reason": int(order.reason),
                "filled": order.filled,
                "hold_ts": -1 if order.hold_ns is None else order.hold_ns,
                "trigger_ts": -1 if order.trigger_ns is None else order.trigger_ns,
            }
            if order.status != OrderStatus.REJECTED and (order.decided or order.plan is None):
                expected["lots"] = order.filled + order.remaining
            waits = order.status in (OrderStatus.IN_FLIGHT, OrderStatus.UNTRIGGERED)
            if order.arrival_ns is not None and not waits:
                expected["arrive_ts"] = order.arrival_ns
            if order.status == OrderStatus.RESTING:
                expected |= {"queue": order.queue, "shown": order.displayed}
            if order.decided and order.has_limit and order.status != OrderStatus.REJECTED:
                expected["limit_tick"] = order.limit_tick
            if order.peak is not None and (order.armed or order.trigger_ns is not None):
                expected |= {"peak": order.peak, "trigger_tick": order.trigger_tick}
            if order.decision_mid_half_ticks is not None:
                expected["decision_mid2"] = order.decision_mid_half_ticks
            if order.trigger_price is not None and abs(row["trigger_price"] - order.trigger_price) > 1e-9:
                yield f"order {order.number} trigger_price: oracle {order.trigger_price}, engine {row['trigger_price']}"
            for name, value in expected.items():
                if row[name] != value:
                    yield f"order {order.number} {name}: oracle {value}, engine {row[name]} ({order.spec})"

    def _guards(self, world: World, first: int) -> Iterator[str]:
        for guard in (guard for account in world.accounts for guard in account.guards):
            row = self.engine.worlds.guards[first + guard.number]
            expected = {
                "armed": guard.armed,
                "fires": guard.fires,
                "confirm_ts": NEVER_NS if guard.confirm_ns is None else guard.confirm_ns,
                "held": guard.held,
                "blind": guard.blind,
            }
            if guard.ready_ns is not None:
                expected["ready_ts"] = guard.ready_ns
            for name, value in expected.items():
                if row[name] != value:
                    where = f"guard {first + guard.number} {name}"
                    yield f"{where}: oracle {value}, engine {row[name]} ({guard.spec})"

    def _positions(self, world: World, first: int, tolerance: float) -> Iterator[str]:
        for position in world.positions:
            row = self.engine.worlds.positions[first + position.number]
            if row["lots"] != position.lots or abs(row["cost"] - float(position.cost)) > tolerance:
                where = f"position {first + position.number}"
                yield f"{where}: oracle {position.lots}, {float(position.cost)}; engine {row['lots']}, {row['cost']}"
            if _smallest_differs(row["distance_min"], position.distance_min, 1e3 * tolerance):
                where = f"position {first + position.number} distance_min"
                yield f"{where}: oracle {position.distance_min}, engine {row['distance_min']}"

    def _pools(self, world: World, first: int, tolerance: float) -> Iterator[str]:
        for pool in world.pools:
            row = self.engine.worlds.pools[first + pool.number]
            where = f"pool {first + pool.number}"
            if abs(row["balance"] - float(pool.balance)) > tolerance:
                yield f"{where} balance: oracle {float(pool.balance)}, engine {row['balance']}"
            if abs(row["deficit"] - float(pool.deficit)) > tolerance:
                yield f"{where} deficit: oracle {float(pool.deficit)}, engine {row['deficit']}"
            if row["state"] != pool.state:
                yield f"{where} state: oracle {pool.state!r}, engine {row['state']}"
            if row["breach_ts"] != (-1 if pool.breach_ns is None else pool.breach_ns):
                yield f"{where} breach_ts: oracle {pool.breach_ns}, engine {row['breach_ts']}"
            if _smallest_differs(row["buffer_min"], pool.buffer_min, tolerance):
                yield f"{where} buffer_min: oracle {pool.buffer_min}, engine {row['buffer_min']}"

    def _accounts(self, world: World, first: int, tolerance: float) -> Iterator[str]:
        for account in world.accounts:
            row = self.engine.worlds.accounts[first + account.number]
            if row["last_arrival"] != account.last_arrival_ns:
                where = f"account {first + account.number} last_arrival"
                yield f"{where}: oracle {account.last_arrival_ns}, engine {row['last_arrival']}"
            if _smallest_differs(row["equity_min"], account.equity_min, tolerance):
                yield f"account {first + account.number} equity_min: oracle {account.equity_min}, engine {row}"

    def _parties(self, world: World, number: int, tolerance: float) -> Iterator[str]:
        for party in Party:
            for venue, gained in enumerate(world.gained):
                amount = self.engine.worlds.parties[number, venue, party]
                if abs(amount - float(gained[party])) > tolerance:
                    yield f"world {number}, venue {venue}, {party.name}: oracle {float(gained[party])}, engine {amount}"

    def _inventory(self, world: World, number: int, tolerance: float) -> Iterator[str]:
        """What the backstop keeps, by market."""
        for market, row in zip(self.oracle.markets, self.engine.worlds.inventory[number], strict=True):
            lots, cost = world.inventory.get(market, (0, Fraction(0)))
            if row["lots"] != lots or abs(row["cost"] - float(cost)) > tolerance:
                yield f"world {number} inventory: oracle {lots} at {float(cost)}, engine {row}"

    def _consumption(self, world: World, number: int) -> Iterator[str]:
        """The stored pairs, as they would be seen: a level that nothing was taken from has no pair."""
        rows = self.engine.worlds.overlay
        stored = {}
        for row in rows[(rows["lots"] > 0) & (rows["world"] == number)]:
            instrument, ask = divmod(int(row["side"]), 2)
            stored[instrument, int(Side.SELL if ask else Side.BUY), int(row["tick"])] = (row["lots"], row["ts"])
        taken = {key: (value.lots, value.ts) for key, value in world.consumption.taken.items() if value.lots}
        if any(rules.refill_model == RefillModel.NEXT_UPDATE for rules in self.universe.data.rules):
            return  # what has come back may or may not be forgotten
        for key in sorted({*stored, *taken}):
            if stored.get(key) != taken.get(key):
                yield f"world {number} consumed {key}: oracle {taken.get(key)}, engine {stored.get(key)}"


def _smallest_differs(found: float, expected: Fraction | None, tolerance: float) -> bool:
    """The engine's smallest of nothing is infinite."""
    return not np.isinf(found) if expected is None else abs(found - float(expected)) > tolerance


Row = tuple[tuple[int, ...], tuple[float, ...]]


def _compare_rows(what: str, expected: list[Row], found: list[Row], tolerance: float) -> Iterator[str]:
    """Rows of (integers, amounts): integers equal, amounts within the tolerance."""
    same = len(expected) == len(found) and all(
        whole == other and all(abs(a - b) <= tolerance for a, b in zip(parts, others, strict=True))
        for (whole, parts), (other, others) in zip(expected, found, strict=True)
    )
    if not same:
        yield f"{what}s: oracle\n    " + "\n    ".join(map(str, expected))
        yield f"{what}s: engine\n    " + "\n    ".join(map(str, found))


def _compare_values(what: str, expected: list[Row], found: list[Row]) -> Iterator[str]:
    """The same for rows of numbers of any size, infinite ones and unknown ones among them."""
    same = len(expected) == len(found) and all(
        whole == other and np.allclose(parts, others, rtol=1e-9, atol=1e-9, equal_nan=True)
        for (whole, parts), (other, others) in zip(expected, found, strict=True)
    )
    if not same:
        yield f"{what}s: oracle\n    " + "\n    ".join(map(str, expected))
        yield f"{what}s: engine\n    " + "\n    ".join(map(str, found))


def _event_of(row: GuardRow, accounts: int, guards: int) -> Row:
    whole = (row.ts, accounts + row.account, guards + row.guard, int(row.event), int(row.held), row.order)
    return whole, tuple(math.nan if side is None else float(side) for side in (row.seen, row.bound))


def _engine_event(row: Any) -> Row:
    whole = tuple(int(row[name]) for name in ("ts", "account", "guard", "event", "held", "order"))
    return whole, (float(row["seen"]), float(row["bound"]))


def _fill_of(row: Fill, accounts: int, positions: int) -> Row:
    side = 1 if row.lots > 0 else -1
    codes = (int(row.reason), int(row.liquidity), row.age_ns)
    whole = (row.ts, accounts + row.account, positions + row.position, row.order, side, abs(row.lots), *codes)
    return whole, (row.price,)


def _engine_fill(row: Any) -> Row:
    names = ("ts", "account", "position", "order", "side", "lots", "reason", "liquidity", "age_ns")
    return tuple(int(row[name]) for name in names), (float(row["price"]),)


def _ledger_of(row: LedgerRow, pools: int) -> Row:
    whole = (row.ts, pools + row.pool if row.pool >= 0 else -1, row.venue, int(row.party), int(row.kind))
    return whole, (float(row.amount), float(row.balance))


def _engine_ledger(row: Any) -> Row:
    whole = tuple(int(row[name]) for name in ("ts", "pool", "venue", "party", "kind"))
    return whole, (float(row["amount"]), float(row["balance"]))


def _liquidation_of(row: Liquidation, pools: int, positions: int) -> Row:
    whole = (row.ts, pools + row.pool, positions + row.position, int(row.stage), row.lots, row.filled)
    return whole, (float(row.mark), float(row.fee), float(row.takeover_price))


def _engine_liquidation(row: Any) -> Row:
    names = ("ts", "pool", "position", "stage", "lots", "filled")
    return tuple(int(row[name]) for name in names), (
        float(row["mark"]),
        float(row["fee"]),
        float(row["takeover_price"]),
    )


def agreed(inputs: Universe, capacities: Capacities = SMALL) -> Oracle:
    """Run both over a whole tape, fail on a difference; the oracle as it ended."""
    pair = Pair(inputs, capacities)
    found = pair.run()
    assert not found, "\n".join(found)
    return pair.oracle
