"""`--out DIR`: the result document and the long tables behind it, as files.

    result.json      the document
    fills.parquet    every fill of both worlds
    ledger.parquet   every change of a balance of both worlds
    path.parquet     the margin path of every account of both worlds, in buckets
    depth.parquet    mark and displayed depth within 1 % of mid of every market, in buckets

Names instead of numbers, prices and sizes in units, rows in the order of the run. `cell` is the place in the document's
`cells`. `world` is `actual`, or `unliquidated`: the same with liquidation off, which shows what was missing and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.enums import FillReason, LedgerKind, Liquidity, Party
from backtester.errors import BacktesterError, usage_error
from backtester.files import names_in, replacing_directory, write_text
from backtester.report.json import render_json
from backtester.report.model import ReportModel
from backtester.report.names import Names
from backtester.report.records import Cell
from backtester.run.result import RunResult

_TIME = pa.timestamp("ns", tz="UTC")
DOCUMENT = "result.json"
FILES = frozenset({DOCUMENT, "fills.parquet", "ledger.parquet", "path.parquet", "depth.parquet"})
_WORD = pa.dictionary(pa.int32(), pa.string())


def check_directory(directory: Path, force: bool) -> None:
    """Prove that `write_tables` takes nothing away there. An earlier result is replaced only by `force`.

    Raises a usage error, also for a directory that holds other things than a result.
    """
    there = names_in(directory)
    if there and not (DOCUMENT in there or there <= FILES):
        raise usage_error("--out", f"{directory} holds no result but other files", "name a new or an empty directory")
    if there and not force:
        message = f"{directory} holds an earlier result"
        raise usage_error("--out", message, "name another directory, or replace it with --force")


#: Tables of a run by the name of their file.
Tables = Mapping[str, pa.Table]


def tables_of(result: RunResult) -> Tables:
    """The long tables of one run."""
    names = Names(result)
    makers = {"fills": fills_table, "ledger": ledger_table, "path": path_table, "depth": depth_table}
    return {f"{name}.parquet": make(result, names) for name, make in makers.items()}


def write_tables(made: Sequence[Tables], model: ReportModel, directory: Path) -> None:
    """Write the five files, all of them or none; `directory` is made when it is missing.

    `made` are the tables (`tables_of`) of the cells of `model`; a cell that failed has none.

    Raises a usage error when they cannot be written.
    """
    numbered = enumerate(zip(made, model.cells, strict=True))
    finished = [(n, tables) for n, (tables, cell) in numbered if isinstance(cell, Cell)]
    try:
        with replacing_directory(directory, seal=DOCUMENT) as written:
            for name in finished[0][1]:
                table = _of_all_cells([(n, tables[name]) for n, tables in finished])
                pq.write_table(table, written / name, compression="zstd")
            write_text(written / DOCUMENT, render_json(model))
    except OSError as error:
        raise _cannot_write(directory, error) from error


def _of_all_cells(numbered: Iterable[tuple[int, pa.Table]]) -> pa.Table:
    """The tables of every cell below each other, with the number of the cell in front."""
    parts = [
        table.add_column(0, "cell", pa.array(np.full(table.num_rows, number, np.int32))) for number, table in numbered
    ]
    return pa.concat_tables(parts).unify_dictionaries()


def _cannot_write(directory: Path, error: OSError) -> BacktesterError:
    return usage_error("--out", f"cannot write {directory}: {error.strerror}", "name a directory of yours")


def fills_table(result: RunResult, names: Names) -> pa.Table:
    """One row per fill; `order` is the id in the portfolio, null for liquidations and takeovers."""
    rows = result.fills
    positions, orders = rows["position"].tolist(), rows["order"].tolist()
    grids = [names.grid(position) for position in positions]
    ticks = zip(grids, rows["tick"].tolist(), rows["price"].tolist(), strict=True)
    prices = [grid.price(tick) if tick >= 0 else mark for grid, tick, mark in ticks]
    sizes = [grid.size(lots) for grid, lots in zip(grids, rows["lots"].tolist(), strict=True)]
    return pa.table(
        {
            "ts": _times(rows["ts"]),
            "world": _words([names.world(world) for world in rows["world"].tolist()]),
            "account": _words([names.account(account) for account in rows["account"].tolist()]),
            "symbol": _words([names.symbol(position) for position in positions]),
            "order": _words([names.order(order) if order >= 0 else None for order in orders]),
            "side": pa.array(rows["side"], pa.int8()),
            "reason": _codes(FillReason, rows["reason"]),
            "liquidity": _codes(Liquidity, rows["liquidity"]),
            "price": pa.array(prices, pa.float64()),
            "size": pa.array(sizes, pa.float64()),
            "fee": pa.array(-rows["fee"]),
            "realised": pa.array(rows["realised"]),
            "age_ns": pa.array(rows["age_ns"]),
        }
    )


def ledger_table(result: RunResult, names: Names) -> pa.Table:
    """One row per change of a balance; account and pool are null where it is the insurance fund's own."""
    rows = result.ledger
    accounts, pools, positions = (rows[name].tolist() for name in ("account", "pool", "position"))
    venues = list(dict.fromkeys(profile.id for profile in result.profiles))
    return pa.table(
        {
            "ts": _times(rows["ts"]),
            "world": _words([names.world(world) for world in rows["world"].tolist()]),
            "venue": _words([venues[venue] for venue in rows["venue"].tolist()]),
            "account": _words([names.account(account) if account >= 0 else None for account in accounts]),
            "pool": _words([names.pool(pool) if pool >= 0 else None for pool in pools]),
            "symbol": _words([names.symbol(position) if position >= 0 else None for position in positions]),
            "kind": _codes(LedgerKind, rows["kind"]),
            "party": _codes(Party, rows["party"]),
            "amount": pa.array(rows["amount"]),
            "balance": pa.array(rows["balance"]),
        }
    )


def path_table(result: RunResult, names: Names) -> pa.Table:
    """One row per account and bucket that saw a margin check; buffer of the tightest pool, null without a position."""
    parts = []
    for number, account in enumerate(result.state.accounts):
        row = result.state.path[int(account["path"])]
        seen = np.flatnonzero(row["count"])
        buffers = row["buffer_min"][seen]
        parts.append(
            pa.table(
                {
                    "ts": _times(result.start_ts + seen * result.path_width_ns),
                    "world": _words([names.world(int(account["world"]))] * len(seen)),
                    "account": _words([names.account(number)] * len(seen)),
                    "checks": pa.array(row["count"][seen]),
                    "equity_min": pa.array(row["equity_min"][seen]),
                    "equity_max": pa.array(row["equity_max"][seen]),
                    "maintenance_max": pa.array(row["maintenance_max"][seen]),
                    "buffer_min": pa.array(buffers, mask=~np.isfinite(buffers)),
                }
            )
        )
    return pa.concat_tables(parts).unify_dictionaries()


def depth_table(result: RunResult, names: Names) -> pa.Table:
    """One row per market and bucket: range of the mark, smallest displayed size within 1 % of mid."""
    parts = []
    for market, row in zip(result.market.markets, result.market.path, strict=True):
        number = int(market["instrument"])
        instrument, grid = result.instruments[number].tape, names.instrument_grid(number)
        seen = np.flatnonzero(row["count"])
        depths = {
            side: pa.array([grid.size(lots) for lots in row[f"{side}_depth_min"][seen].tolist()], pa.float64())
            for side in ("bid", "ask")
        }
        parts.append(
            pa.table(
                {
                    "ts": _times(result.start_ts + seen * result.path_width_ns),
                    "venue": _words([instrument.venue] * len(seen)),
                    "symbol": _words([instrument.symbol] * len(seen)),
                    "mark_min": pa.array(row["mark_min"][seen]),
                    "mark_max": pa.array(row["mark_max"][seen]),
                    "bid_depth_min": depths["bid"],
                    "ask_depth_min": depths["ask"],
                }
            )
        )
    return pa.concat_tables(parts).unify_dictionaries()


def _times(ts_ns: np.ndarray) -> pa.Array:
    return pa.array(ts_ns.astype(np.int64), pa.int64()).view(_TIME)


def _words(words: Sequence[str | None]) -> pa.Array:
    return pa.array(words, pa.string()).cast(_WORD)


def _codes(codes: type[IntEnum], numbers: np.ndarray) -> pa.Array:
    named = pa.array([code.name.lower() for code in codes])
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), named)
