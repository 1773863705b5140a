"""What is left when everything is closed now: the final positions through the final order book."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal, localcontext
from itertools import chain
from typing import Any

import numpy as np

from backtester.enums import Outage, RefillModel, TradingStatus
from backtester.formulas.value import worth
from backtester.run.result import ACTUAL, RunResult

Levels = Iterator[tuple[int, int]]  # (tick, lots), best first


def exit_cost(result: RunResult) -> float | None:
    """Quote currency lost by closing every position of ACTUAL at market, against valuing it at the mark, taker fees in.

    One position after the other, on what the ladder shows less what the world itself took and has not come back
    (RULES 2.2): two positions of one market share one ladder. None when a ladder is not deep enough for all of it, or
    its market takes no such order at the end (RULES 1.6, 1.7).
    Example: long 3 at a mark of 100 with bids 99×2, 98×5, no fee: 300 - (198 + 98) = 4.
    """
    ladders: dict[int, Levels] = {}
    costs = []
    for position in result.state.positions[result.state.positions["world"] == ACTUAL]:
        lots = int(position["lots"])
        if lots == 0:
            continue
        market = result.market.markets[position["market"]]
        if not _is_open(result.market.instruments[market["instrument"]]):
            return None
        side = 2 * int(market["instrument"]) + (lots < 0)
        levels = ladders.get(side) or available(result, side, int(market["rules"]))
        left, value, ladders[side] = _take(levels, abs(lots))
        if left:
            return None
        quote = value * float(market["tick_size"]) * float(market["unit"])
        fee = float(result.market.rules[market["rules"]]["taker_fee"]) * quote
        at_mark = abs(worth(lots, float(market["unit"]), float(market["mark"])))
        costs.append((at_mark - quote if lots > 0 else quote - at_mark) + fee)
    return math.fsum(costs)


def _is_open(instrument: Any) -> bool:
    """Whether an INSTRUMENT takes orders that take."""
    refused = instrument["outage"] & (Outage.MATCHING_HALTED | Outage.ORDERS_REFUSED)
    return bool(instrument["status"] == TradingStatus.TRADING and not refused)


def available(result: RunResult, side: int, rules: int) -> Levels:
    """Levels of a ladder side (2·instrument bids, 2·instrument + 1 asks) that ACTUAL can take at the end.

    Each is worked out as it is asked for: what is closed needs the first few of them.
    """
    row, terms = result.market.sides[side], result.market.rules[rules]
    best, edge, offset = int(row["best"]), int(row["edge"]), int(row["offset"])
    low, high = min(best, edge), max(best, edge)
    empty = best > edge if side % 2 else best < edge
    cells = result.market.cells[offset + low : offset + high + 1] if not empty else result.market.cells[:0]
    places = np.flatnonzero(cells["lots"])[:: 1 if side % 2 else -1]
    half_life = int(result.market.instruments[side // 2]["half_life_ns"]) or int(terms["refill_half_life_ns"])
    model, taken = RefillModel(int(terms["refill_model"])), dict(_taken(result, side))
    moved = cells["message"] < row["named"]  # a path step has named the level since
    message = np.where(moved, row["named"], cells["message"])
    left = cells["lots"] - np.where(moved, 0, cells["printed"])
    for place, lots in zip(places.tolist(), left[places].tolist(), strict=True):
        entry = taken.get(low + place)
        if entry is not None:
            age = result.end_ts - int(entry["ts"])
            lots -= _left(entry, model, int(message[place]), age, half_life)
        if lots > 0:
            yield low + place, lots


def _take(levels: Levels, lots: int) -> tuple[int, int, Levels]:
    """Take lots from the front of `levels`: (lots not found, Σ tick · lots, the rest)."""
    value = 0
    for tick, shown in levels:
        part = min(lots, shown)
        lots, value = lots - part, value + part * tick
        if lots == 0:
            return 0, value, chain([(tick, shown - part)], levels)
    return lots, value, levels


def _taken(result: RunResult, side: int) -> Iterator[tuple[int, Any]]:
    """(tick, CONSUMED record) of what ACTUAL took on a side; not all of it need be missing still."""
    overlay, shift = result.state.overlay, result.market.sides[side]["shift"]
    for entry in overlay[(overlay["lots"] > 0) & (overlay["world"] == ACTUAL) & (overlay["side"] == side)]:
        yield int(entry["tick"] + shift), entry


def _left(entry: Any, model: RefillModel, message: int, age_ns: int, half_life_ns: int) -> int:
    """Lots of a CONSUMED record still missing (RULES 2.2); in decimals, whose digits are the same everywhere."""
    lots = int(entry["lots"])
    if model is RefillModel.NEVER:
        return lots
    if model is RefillModel.NEXT_UPDATE:
        return lots if message == entry["message"] else 0
    with localcontext(prec=40):
        return math.ceil(lots * Decimal(2) ** (Decimal(-age_ns) / half_life_ns))
