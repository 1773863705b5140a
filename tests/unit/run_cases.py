"""Small runs for tests: portfolios, venues, tapes and crashes as files, and the arithmetic to judge what comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.enums import LedgerKind
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.schema import TapeInstrument
from backtester.run.request import Request
from backtester.run.result import ACTUAL, RunResult
from backtester.run.session import run_cell
from backtester.shipped import data_dir
from backtester.venue import loader
from tests.unit.market_tapes import Row, write

S = 1_000_000_000
START = 1_760_130_000 * S  # 2025-10-10T21:00:00Z: every clock of the venue strikes, the funding hour too
HOUR = 3600 * S
FUNDING_HOUR = START + HOUR
BTC = TapeInstrument("hyperliquid", "BTC", "BTC", tick_size=1.0, lot_size=0.00001, quote="USDC")
DEMO = data_dir() / "demo-portfolio.toml"
CRASH = "2025-10-10"

Array = np.ndarray[Any, Any]
Knots = Sequence[tuple[float, float]]  # (second, value)


# --- files ---------------------------------------------------------------------------------------------------------


def account(
    *tables: str, name: str = "main", collateral: str = "USDC = 100_000.0", venue: Path | str = "hyperliquid"
) -> str:
    """An account in TOML with the given `positions(...)` and `order(...)` tables."""
    head = f'[[accounts]]\nname = "{name}"\nvenue = "{venue}"\ncollateral = {{ {collateral} }}\n'
    return head + "".join(tables)


def position(symbol: str = "BTC", **keys: object) -> str:
    """A position: long 1, cross at 10x, unless told otherwise. None leaves a key out."""
    values = {"side": "long", "size": 1.0, "margin_mode": "cross", "leverage": 10.0}
    return _table("positions", {"symbol": symbol} | values | keys)


def order(id: str = "o", symbol: str = "BTC", **keys: object) -> str:
    """An order to sell 0.5 at the market, unless told otherwise. None leaves a key out."""
    return _table("orders", {"id": id, "symbol": symbol, "type": "market", "side": "sell", "size": 0.5} | keys)


def plan(id: str = "p", symbol: str = "BTC", **keys: object) -> str:
    """A plan to sell 0.5 at the market at the start, unless told otherwise. None leaves a key out."""
    return _table("plans", {"id": id, "symbol": symbol, "algo": "market", "side": "sell", "size": 0.5} | keys)


def guard(id: str = "g", when: str = "loss > 1%", **keys: object) -> str:
    """A guard that alerts once a hundredth of the equity is lost, unless told otherwise."""
    return _table("guards", {"id": id, "when": when} | keys)


def automation(**keys: object) -> str:
    """Limits on what the guards of an account send, their values as TOML writes them."""
    return "[accounts.automation]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def _table(array: str, keys: Mapping[str, object]) -> str:
    said = (f"{key} = {json.dumps(value)}\n" for key, value in keys.items() if value is not None)
    return f"[[accounts.{array}]]\n" + "".join(said)


def portfolio(directory: Path, *accounts: str) -> Path:
    """A portfolio file of these accounts. Its first account begins on line 2."""
    path = directory / "p.toml"
    path.write_text('name = "p"\n' + "".join(accounts))
    return path


def venue(directory: Path, **rules: object) -> Path:
    """The shipped venue with other values of its newest rules, as a file; durations are text."""
    text = (loader.SHIPPED / "hyperliquid.toml").read_text()
    for name, value in rules.items():
        stated = f"{name} = {{ value = {json.dumps(value)},"
        text, found = re.subn(rf"(?m)^{name} = {{ value = [^,]+,", stated, text, count=1)
        assert found == 1, f"the venue has no rule {name}"
    path = directory / "venue.toml"
    path.write_text(text)
    return path


def ladder(ts: int, mid: int, lots: float = 50.0, levels: int = 100, spacing: int = 10) -> list[Row]:
    """A snapshot of BTC around `mid`: the same size on every level, the best ones one tick from it."""
    rows = [Row(ts, kind="snapshot", side=0, price=None, size=0.0)]
    for side in (1, -1):
        rows += [Row(ts, "BTC", "snapshot", side, float(mid - side * (1 + spacing * n)), lots) for n in range(levels)]
    return rows


def tape(
    directory: Path,
    mids: Sequence[int] = (50_000,) * 10,
    *,
    step_s: float = 1.0,
    start: int = START,
    index: bool = True,
    more: Sequence[Row] = (),
    lots: float = 50.0,
    instrument: TapeInstrument = BTC,
    described: bool = True,
) -> Path:
    """A tape of BTC: an order book every `step_s` around each of `mids`, and the index on the mid."""
    rows = [*more]
    for number, mid in enumerate(mids):
        ts = start + int(number * step_s * S)
        rows += [row._replace(symbol=instrument.symbol) for row in ladder(ts, mid, lots)]
        rows += [Row(ts, instrument.symbol, "index", 0, float(mid), 0.0)] if index else []
    rows.sort(key=lambda row: row.ts or 0)
    return write(directory / "tape.parquet", [r._replace(seq=n) for n, r in enumerate(rows)], [instrument] * described)


def crash(
    directory: Path,
    ratios: Knots,
    *,
    start: int = START,
    bases: Sequence[str] = ("BTC",),
    name: str = "crash",
    columns: Mapping[str, Knots] = MappingProxyType({}),
) -> Path:
    """A scenario file: price ratios for each base, held columns for all; it ends at the last ratio."""
    series = [("*", base, "price_ratio", ratios) for base in bases]
    series += [("*", "*", column, knots) for column, knots in columns.items()]
    rows = [{"t_ns": int(t * S), "venue": v, "symbol": s, c: float(x)} for v, s, c, knots in series for t, x in knots]
    names = ["t_ns", "venue", "symbol", "price_ratio", *columns]
    table = pa.table({key: [row.get(key) for row in rows] for key in names})
    said = {
        "schema_version": "1",
        "id": name,
        "type": "HYPT",
        "window": json.dumps([start, start + int(ratios[-1][0] * S)]),
        "cadence": json.dumps([[0, S]]),
    }
    path = directory / f"{name}.parquet"
    pq.write_table(table.replace_schema_metadata({f"backtester.{key}": value for key, value in said.items()}), path)
    return path


# --- runs ----------------------------------------------------------------------------------------------------------


@cache
def demo() -> RunResult:
    """The demo portfolio in the crash it was made for; one run for all tests."""
    return run_cell(Request(DEMO, scenario=CRASH))


def plain(directory: Path, *tables: str, **keys: str) -> Request:
    """A long of 1 BTC on a tape of ten calm seconds."""
    path = portfolio(directory, account(position(), *tables, **keys))
    return Request(path, tapes=(str(tape(directory)),))


def problems(request: Request) -> tuple[Diagnostic, ...]:
    """What a run is refused for."""
    with pytest.raises(BacktesterError) as caught:
        run_cell(request)
    return caught.value.diagnostics


def order_row(result: RunResult, name: str, world: int = ACTUAL) -> Any:
    """The row of an order, found by its id."""
    accounts = result.portfolio.accounts
    for number, each in enumerate(accounts):
        ids = [order.id for order in each.orders]
        if name in ids:
            return result.state.orders[result.index.orders[result.index.accounts[world] + number][ids.index(name)]]
    raise AssertionError(f"no order {name}")


def position_number(result: RunResult, account: int, symbol: str, world: int = ACTUAL) -> int:
    """Number of a position in the engine's arrays."""
    symbols = [each.symbol for each in result.portfolio.accounts[account].positions]
    return result.index.positions[result.index.accounts[world] + account][symbols.index(symbol)]


def fills_of(result: RunResult, name: str, world: int = ACTUAL) -> Array:
    """The fills of an order, in order."""
    row = order_row(result, name, world)
    number = next(n for n, each in enumerate(result.state.orders) if each.tobytes() == row.tobytes())
    found: Array = result.fills[result.fills["order"] == number]
    return found


def funding(result: RunResult) -> list[float]:
    """The funding payments of the world that happens."""
    return [amount for _, amount in payments(result)]


def payments(result: RunResult) -> list[tuple[int, float]]:
    """Their times, too."""
    rows = result.ledger[(result.ledger["kind"] == LedgerKind.FUNDING) & (result.ledger["world"] == ACTUAL)]
    return [(int(row["ts"]), float(row["amount"])) for row in rows]


def unrealised(result: RunResult, row: Any, mark: float | None = None) -> float:
    """Unrealised PnL of a position row at the mark of the end, or another one."""
    market = result.market.markets[row["market"]]
    price = float(market["mark"]) if mark is None else mark
    return float(row["lots"]) * float(market["unit"]) * price - float(row["cost"])


def tables(result: RunResult) -> Iterator[tuple[str, Array]]:
    """Every array of a result that a report reads."""
    yield from (("fills", result.fills), ("ledger", result.ledger), ("liquidations", result.liquidations))
    for name in ("worlds", "accounts", "pools", "positions", "orders", "parties", "inventory", "path"):
        yield name, getattr(result.state, name)
    yield from (("market path", result.market.path), ("markets", result.market.markets))


def differences(one: RunResult, other: RunResult) -> list[str]:
    """The names of the arrays whose bytes differ."""
    mine, theirs = dict(tables(one)), dict(tables(other))
    return [name for name, array in mine.items() if not same_bytes(array, theirs[name])]


def same_bytes(one: Array, other: Array) -> bool:
    """Equal shape, and equal bytes in every field; the padding of a record says nothing."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    names = one.dtype.names
    return all(one[n].tobytes() == other[n].tobytes() for n in names) if names else one.tobytes() == other.tobytes()
