"""The mark on its venue's grid (RULES 5.3)."""

from __future__ import annotations

import numpy as np

from backtester.engine.arith import LOG2_E, exp2, median3
from backtester.engine.book.outage import MARK_FROZEN
from backtester.engine.jit import helper
from backtester.engine.state import NO_ASK, NO_BID
from backtester.enums import MarkFormula

BASIS_S = 150.0
INNER_S = 30.0


@helper
def mid_price(m, instrument: int) -> float:
    """Mid price if both sides are displayed now, else -1."""
    bid = m.sides[2 * instrument]["best"]
    ask = m.sides[2 * instrument + 1]["best"]
    if bid == NO_BID or ask == NO_ASK:
        return -1.0
    return (bid + ask) * 0.5 * m.instruments[instrument]["tick_size"]


@helper
def _funding_anchored(m, i: np.void, k: np.void, ts: int) -> float:
    """The index carried to the next funding time: index · (1 + rate · part of the interval that is left).

    Source: Binance, mark price and price index. Example: 0.03 %, half of the interval left, 10,000 → 10,001.5.
    """
    clock = m.clocks[k["funding_clock"]]
    left = clock["next"] - ts if clock["next"] > ts else clock["interval_ns"]
    return i["index"] * (1.0 + k["funding_charged"] * (left / clock["interval_ns"]))


@helper
def _basis_average(m, market: int, slots: int, sample: float) -> float:
    """Mean of the last `slots` samples of mid − index, `sample` the newest."""
    k = m.markets[market]
    k["basis_count"] += 1
    m.basis[market, (k["basis_count"] - 1) % slots] = sample
    count = min(k["basis_count"], slots)
    total = 0.0
    for slot in range(count):
        total += m.basis[market, slot]
    return total / count


@helper
def _mark_of_ema(m, k: np.void, r: np.void, mid: float) -> float:
    """median(index + EMA of the basis, median(bid, ask, last), EMA of that).

    Source: Hyperliquid, robust price indices. Example: index + EMA 10,020, inner 10,008, its EMA 10,012 → 10,012.
    """
    i = m.instruments[k["instrument"]]
    tick_size = i["tick_size"]
    last = i["last_tick"] * tick_size if i["last_tick"] >= 0 else mid
    bid = m.sides[2 * k["instrument"]]["best"] * tick_size
    ask = m.sides[2 * k["instrument"] + 1]["best"] * tick_size
    inner = median3(bid, ask, last)
    seconds = r["mark_interval_ns"] * 1e-9
    slow = exp2(-seconds * LOG2_E / BASIS_S)
    fast = exp2(-seconds * LOG2_E / INNER_S)
    k["basis_num"] = k["basis_num"] * slow + (mid - i["index"]) * seconds
    k["basis_den"] = k["basis_den"] * slow + seconds
    k["inner_num"] = k["inner_num"] * fast + inner * seconds
    k["inner_den"] = k["inner_den"] * fast + seconds
    anchored = i["index"] + k["basis_num"] / k["basis_den"]
    return median3(anchored, inner, k["inner_num"] / k["inner_den"])


@helper
def _mark_of_average(m, market: int, ts: int, mid: float) -> float:
    """median(index with the funding basis, index + moving average of the basis, last).

    Source: Binance, mark price and price index.
    """
    k = m.markets[market]
    i = m.instruments[k["instrument"]]
    r = m.rules[k["rules"]]
    slots = max(np.int64(1), r["mark_basis_window_ns"] // r["mark_interval_ns"])
    averaged = i["index"] + _basis_average(m, market, slots, mid - i["index"])
    last = i["last_tick"] * i["tick_size"] if i["last_tick"] >= 0 else mid
    return median3(_funding_anchored(m, i, k, ts), averaged, last)


@helper
def set_mark(m, market: int, ts: int) -> None:
    """Mark of one market at a time of its grid; keeps the old one where an input is missing (RULES 5.3)."""
    k = m.markets[market]
    i = m.instruments[k["instrument"]]
    if i["outage"] & MARK_FROZEN:
        return
    mid = mid_price(m, k["instrument"])
    if i["index_from_mid"] != 0 and i["mid2"] > 0:
        i["index"] = i["mid2"] * 0.5 * i["tick_size"]
        i["has_index"] = 1
    r = m.rules[k["rules"]]
    formula = r["mark_formula"]
    if formula == MarkFormula.TAPE:
        if i["has_tape_mark"] == 0:
            return
        k["mark"] = i["tape_mark"]
    elif i["has_index"] == 0:
        return
    elif formula == MarkFormula.FUNDING_BASIS:
        k["mark"] = _funding_anchored(m, i, k, ts)
    elif mid <= 0.0:
        return
    elif formula == MarkFormula.MEDIAN_BASIS_EMA:
        k["mark"] = _mark_of_ema(m, k, r, mid)
    else:
        k["mark"] = _mark_of_average(m, market, ts, mid)
    k["has_mark"] = 1
