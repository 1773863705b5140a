"""What an account or a position is worth, from the engine's arrays; sums are `math.fsum`, the same on every machine."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.state import Market, Worlds


def account_equity(state: Worlds, market: Market, account: int, at_start: bool = False) -> float:
    """Balances of an account's pools plus unrealised PnL at the marks, quote."""
    pools = state.pools[state.pools["account"] == account]
    positions = np.flatnonzero(state.positions["account"] == account).tolist()
    open_pnl = (unrealised(state, market, position, at_start) for position in positions)
    return math.fsum((*pools["balance_start" if at_start else "balance"], *open_pnl))


def unrealised(state: Worlds, market: Market, position: int, at_start: bool = False) -> float:
    """`lots · unit · mark - cost` of a position (RULES 5), quote. Example: long 2 from 100 at 110: 20."""
    row = state.positions[position]
    traded = market.markets[row["market"]]
    if at_start:
        return float(row["lots_start"] * traded["unit"] * row["mark_start"] - row["cost_start"])
    return float(row["lots"] * traded["unit"] * traded["mark"] - row["cost"])
