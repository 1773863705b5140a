"""Make the table of leverage brackets that a venue profile names, from the JSON in which they are exchanged.

    python scripts/make_tier_table.py BRACKETS.json OUT.csv --date 2026-02 --source "where the JSON is published"

BRACKETS.json maps a market such as `BTC/USDT:USDT` or `BTC/USDT:USDT-260327` to its brackets, each with `minNotional`,
`maxNotional`, `maintenanceMarginRate` and `maxLeverage`: the form in which ccxt gives what Binance answers to
`leverageBracket`. Markets are named as the venue writes them (`BTCUSDT`, `BTCUSDT_260327`). Those with equal brackets
share one block; a bracket of no width is left out, for nothing can lie in it. `cum` is not kept: it follows from the
rest.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from backtester.venue.tier_table import COLUMNS, read_tier_table


class Bracket(NamedTuple):
    """One row of a table."""

    floor_quote: float
    maintenance_rate: float
    max_leverage: float


def venue_symbol(market: str) -> str:
    """`BTC/USDT:USDT` is BTCUSDT, `BTC/USDT:USDT-260327` is BTCUSDT_260327."""
    pair, _, settled = market.partition(":")
    _, _, expiry = settled.partition("-")
    return pair.replace("/", "") + (f"_{expiry}" if expiry else "")


def blocks_of(markets: dict[str, list[dict[str, float]]]) -> list[tuple[list[str], tuple[Bracket, ...]]]:
    """Symbols and the brackets that they share, largest leverage first, then by symbol."""
    shared = defaultdict(list)
    for market, rows in markets.items():
        brackets = tuple(
            Bracket(row["minNotional"], row["maintenanceMarginRate"], row["maxLeverage"])
            for row in rows
            if row["minNotional"] < row["maxNotional"]
        )
        shared[brackets].append(venue_symbol(market))
    blocks = [(sorted(symbols), brackets) for brackets, symbols in shared.items()]
    return sorted(blocks, key=lambda block: (-block[1][0].max_leverage, block[0]))


def table_of(blocks: list[tuple[list[str], tuple[Bracket, ...]]], date: str, source: str) -> str:
    """The text of a table."""
    count = sum(len(symbols) for symbols, _ in blocks)
    lines = [f"# Leverage brackets of {count} markets, {date}", f"# {source}", ";".join(COLUMNS)]
    for symbols, brackets in blocks:
        names = [" ".join(symbols), *[""] * (len(brackets) - 1)]
        lines += (";".join((name, *map(_plain, row))) for name, row in zip(names, brackets, strict=True))
    return "\n".join(lines) + "\n"


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def main() -> None:
    """Write the table, then read it as a profile would."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("brackets", type=Path, metavar="BRACKETS.json")
    parser.add_argument("out", type=Path, metavar="OUT.csv")
    parser.add_argument("--date", required=True, help="when the brackets were in force")
    parser.add_argument("--source", required=True, help="where they are published")
    args = parser.parse_args()
    blocks = blocks_of(json.loads(args.brackets.read_text(encoding="utf-8")))
    args.out.write_text(table_of(blocks, args.date, args.source), encoding="utf-8")
    table = read_tier_table(args.out)
    rows = sum(len(block.tiers) for block in table.blocks)
    print(f"{args.out}: {sum(len(symbols) for symbols, _ in blocks)} markets, {len(table.blocks)} blocks, {rows} rows")


if __name__ == "__main__":
    main()
