"""`--out DIR`: the result document and the tables behind it, as files.

    result.json           the document
    cells.parquet         a row per cell, also of one that failed; the sums over its accounts
    accounts.parquet      a row per account, and so on: the records of the document (`record_tables`)
    positions.parquet
    orders.parquet
    liquidations.parquet
    funding.parquet
    fills.parquet         every fill of both worlds
    ledger.parquet        every change of a balance of both worlds
    path.parquet          the margin path of every account of both worlds, and of its pools, in buckets
    depth.parquet         mark of every market and what it displays within 2 to 500 bps of mid, in buckets
    SHA256SUMS            the digests of all these, as `sha256sum --check` reads them

Names instead of numbers, prices and sizes in units, rows in the order of the run. Every table begins with the keys of
its cell, typed alike, then those of account, symbol and order where they apply: `cell` is the place in the document's
`cells`, `variant` is written `key=value key=value`. `world` is `actual`, or `unliquidated`: the same with liquidation
off, which shows what was missing and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.engine.records import UNSEEN
from backtester.enums import FillReason, LedgerKind, Liquidity, Party, Side
from backtester.errors import usage_error
from backtester.files import names_in, replacing_directory, write_text
from backtester.metrics.names import Names
from backtester.metrics.paths import kept
from backtester.report.json import render_json
from backtester.report.records import SCHEMA_VERSION, ReportModel
from backtester.results.columns import DEPTH_COLUMNS, codes, times, word, words
from backtester.results.places import DOCUMENT, refuse_months
from backtester.results.record_tables import CELL_KEYS, RECORD_TABLES, Tables, record_tables
from backtester.results.sums import SUMS, write_sums
from backtester.run.result import RunResult

RUN_TABLES = ("fills.parquet", "ledger.parquet", "path.parquet", "depth.parquet")
TABLES = (*RECORD_TABLES, *RUN_TABLES)
CONTENTS = (DOCUMENT, *TABLES)
FILES = frozenset({*CONTENTS, SUMS})
#: In the metadata of every table: that of the document beside it.
VERSION_KEY = b"backtester.schema_version"


def check_directory(directory: Path, force: bool) -> None:
    """Prove that `write_tables` takes nothing away there. An earlier result is replaced only by `force`.

    Raises a usage error, also for a directory that holds other things than a result, or lies in an archived month.
    """
    refuse_months("--out", directory)
    there = names_in(directory)
    if there and not (DOCUMENT in there or there <= FILES):
        raise usage_error("--out", f"{directory} holds no result but other files", "name a new or an empty directory")
    if there and not force:
        message = f"{directory} holds an earlier result"
        raise usage_error("--out", message, "name another directory, or replace it with --force")


def tables_of(result: RunResult) -> Tables:
    """The long tables of one run."""
    names = Names(result)
    makers = (fills_table, ledger_table, path_table, depth_table)
    return {name: make(result, names) for name, make in zip(RUN_TABLES, makers, strict=True)}


def write_tables(made: Sequence[Tables], model: ReportModel, directory: Path) -> None:
    """Write all files or none; `directory` is made when it is missing.

    `made` are the tables (`tables_of`) of the cells of `model`; a cell that failed has none.

    Raises OSError when they cannot be written.
    """
    cells = [{**record_tables(cell), **tables} for tables, cell in zip(made, model.cells, strict=True)]
    with replacing_directory(directory, seal=DOCUMENT) as written:
        for name in TABLES:
            parts = [_with_keys(tables[name], model, n) for n, tables in enumerate(cells) if name in tables]
            pq.write_table(_below_each_other(parts), written / name, compression="zstd")
        write_text(written / DOCUMENT, render_json(model))
        write_sums(written, CONTENTS)


def _with_keys(table: pa.Table, model: ReportModel, number: int) -> pa.Table:
    """A table of one cell, with what tells it from the others in front."""
    cell, rows = model.cells[number], table.num_rows
    said = (cell.portfolio.name, cell.scenario, cell.venue, str(cell.variant))
    keys = [pa.array(np.full(rows, number, np.int32)), *(word(text, rows) for text in said)]
    return pa.table([*keys, *table.columns], [*CELL_KEYS, *table.column_names])


def _below_each_other(parts: Iterable[pa.Table]) -> pa.Table:
    table = pa.concat_tables(parts).unify_dictionaries()
    return table.replace_schema_metadata({VERSION_KEY: str(SCHEMA_VERSION)})


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
            "account": words([names.account(account) for account in rows["account"].tolist()]),
            "symbol": words([names.symbol(position) for position in positions]),
            "order": words([names.order(order) if order >= 0 else None for order in orders]),
            "ts": times(rows["ts"]),
            "world": words([names.world(world) for world in rows["world"].tolist()]),
            "side": words([Side(side).name.lower() for side in rows["side"].tolist()]),
            "reason": codes(FillReason, rows["reason"]),
            "liquidity": codes(Liquidity, rows["liquidity"]),
            "price": pa.array(prices, pa.float64()),
            "size": pa.array(sizes, pa.float64()),
            "fee": pa.array(-rows["fee"]),
            "realised": pa.array(rows["realised"]),
            "age_ns": pa.array(rows["age_ns"]),
        }
    )


def ledger_table(result: RunResult, names: Names) -> pa.Table:
    """One row per change of a balance; account and pool are null where it is the insurance fund's own.

    `own_venue` is whose fund and counterparties they are.
    """
    rows = result.ledger
    accounts, pools, positions = (rows[name].tolist() for name in ("account", "pool", "position"))
    venues = list(dict.fromkeys(profile.id for profile in result.profiles))
    return pa.table(
        {
            "account": words([names.account(account) if account >= 0 else None for account in accounts]),
            "symbol": words([names.symbol(position) if position >= 0 else None for position in positions]),
            "ts": times(rows["ts"]),
            "world": words([names.world(world) for world in rows["world"].tolist()]),
            "own_venue": words([venues[venue] for venue in rows["venue"].tolist()]),
            "pool": words([names.pool(pool) if pool >= 0 else None for pool in pools]),
            "kind": codes(LedgerKind, rows["kind"]),
            "party": codes(Party, rows["party"]),
            "amount": pa.array(rows["amount"]),
            "balance": pa.array(rows["balance"]),
        }
    )


def path_table(result: RunResult, names: Names) -> pa.Table:
    """One row per account and bucket that saw a margin check, then per pool of an account that has several.

    `pool` is null for the whole account, whose buffer is that of its tightest pool; without a position it is null.
    """
    parts = []
    for account, pool, row in kept(result, range(len(result.state.accounts))):
        world = int(result.state.accounts[account]["world"])
        seen = np.flatnonzero(row["count"])
        buffers = row["buffer_min"][seen]
        parts.append(
            pa.table(
                {
                    "account": word(names.account(account), len(seen)),
                    "ts": times(result.start_ts + seen * result.path_width_ns),
                    "world": word(names.world(world), len(seen)),
                    "pool": word(None if pool is None else names.pool(pool), len(seen)),
                    "width_ns": pa.array(np.full(len(seen), result.path_width_ns)),
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
    """One row per market and bucket: range of the mark, smallest displayed size within each of DISTANCES_BPS of mid.

    Sizes are null in a bucket in which the order book was not walked. `own_venue` has the rules of the market, as of
    its accounts; `book_venue` the order book.
    """
    parts = []
    for market, venue in names.markets().items():
        number, row = int(result.market.markets[market]["instrument"]), result.market.path[market]
        instrument, grid = result.instruments[number].tape, names.instrument_grid(number)
        seen = np.flatnonzero(row["count"])
        lots = row["depth_min"][seen].reshape(len(seen), len(DEPTH_COLUMNS)).T
        depths = (pa.array(map(grid.size, each.tolist()), pa.float64(), mask=each == UNSEEN) for each in lots)
        parts.append(
            pa.table(
                {
                    "symbol": word(instrument.symbol, len(seen)),
                    "ts": times(result.start_ts + seen * result.path_width_ns),
                    "own_venue": word(venue, len(seen)),
                    "book_venue": word(instrument.venue, len(seen)),
                    "width_ns": pa.array(np.full(len(seen), result.path_width_ns)),
                    "mark_min": pa.array(row["mark_min"][seen]),
                    "mark_max": pa.array(row["mark_max"][seen]),
                    **dict(zip(DEPTH_COLUMNS, depths, strict=True)),
                }
            )
        )
    return pa.concat_tables(parts).unify_dictionaries()
