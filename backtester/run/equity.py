"""What an account or a position is worth, from the engine's arrays; sums are `math.fsum`, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Iterator

from backtester.engine.state import Market, Worlds
from backtester.formulas.value import worth


def account_equity(state: Worlds, market: Market, account: int, at_start: bool = False) -> float:
    """What an account's cross pool is worth, and each isolated pool that is not below 0 (RULES 6.4), quote.

    Example: 100 in cross, 50 behind an isolated long of 10 from 100: 140 at 99, 100 at 94.
    """
    pools = _pools(state, market, account, at_start)
    return math.fsum(part for lost, parts in pools if not lost for part in parts)


def added_up(state: Worlds, market: Market, account: int) -> float:
    """An account's pools added up as they are, isolated ones below 0 too, quote. Above at 94: 90."""
    return math.fsum(part for _, parts in _pools(state, market, account, False) for part in parts)


def uncovered(state: Worlds, market: Market, account: int, at_start: bool = False) -> float:
    """What an account's isolated pools lie below 0, others' loss and not its own (≥ 0), quote. Above at 94: 10."""
    pools = _pools(state, market, account, at_start)
    return math.fsum(-part for lost, parts in pools if lost for part in parts)


def unrealised(state: Worlds, market: Market, position: int, at_start: bool = False) -> float:
    """`lots · unit · mark - cost` of a position (RULES 5), quote. Example: long 2 from 100 at 110: 20."""
    row = state.positions[position]
    traded = market.markets[row["market"]]
    if at_start:
        return float(worth(row["lots_start"], traded["unit"], row["mark_start"]) - row["cost_start"])
    return float(worth(row["lots"], traded["unit"], traded["mark"]) - row["cost"])


def _pools(state: Worlds, market: Market, account: int, at_start: bool) -> Iterator[tuple[bool, list[float]]]:
    """Of each pool of an account: whether it is isolated and below 0, and what it adds up: balance, unrealised PnLs."""
    first, count = (int(state.accounts[account][name]) for name in ("pool_first", "pool_count"))
    for pool in state.pools[first : first + count]:
        held = range(int(pool["position_first"]), int(pool["position_first"] + pool["position_count"]))
        balance = float(pool["balance_start" if at_start else "balance"])
        parts = [balance, *(unrealised(state, market, position, at_start) for position in held)]
        yield bool(pool["isolated"]) and math.fsum(parts) < 0.0, parts
