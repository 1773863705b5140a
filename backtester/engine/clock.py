"""What the venue's clocks make: the mark on its grid and premium samples (RULES 5.3, 7)."""

from __future__ import annotations

import numpy as np

from backtester.engine.arith import LOG2_E, exp2, median3
from backtester.engine.jit import helper
from backtester.engine.ladder import impact_price
from backtester.engine.outage import MARK_FROZEN
from backtester.engine.state import NEVER_NS, NO_ASK, NO_BID
from backtester.enums import FundingWeights, MarkFormula, PriceReference
from backtester.formulas import funding

BASIS_S = 150.0
INNER_S = 30.0
premium = helper(funding.premium)
eight_hour_rate = helper(funding.eight_hour_rate)
interval_rate = helper(funding.interval_rate)


@helper
def next_multiple(ts: int, interval_ns: int) -> int:
    """Smallest multiple of `interval_ns` that is not before `ts`; NEVER_NS without an interval."""
    return -(-ts // interval_ns) * interval_ns if interval_ns > 0 else NEVER_NS


@helper
def _mid(m, instrument: int) -> float:
    """Mid price if both sides are displayed now, else -1."""
    bid = m.sides[2 * instrument]["best"]
    ask = m.sides[2 * instrument + 1]["best"]
    if bid == NO_BID or ask == NO_ASK:
        return -1.0
    return (bid + ask) * 0.5 * m.instruments[instrument]["tick_size"]


@helper
def _funding_anchored(i: np.void, k: np.void, ts: int) -> float:
    """The index carried to the next funding time: index · (1 + rate · part of the interval that is left).

    Source: Binance, mark price and price index. Example: 0.03 %, half of the interval left, 10,000 → 10,001.5.
    """
    interval = k["funding_interval_ns"]
    left = k["next_funding"] - ts if k["next_funding"] > ts else interval
    return i["index"] * (1.0 + k["funding_charged"] * (left / interval))


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
    return median3(_funding_anchored(i, k, ts), averaged, last)


@helper
def set_mark(m, market: int, ts: int) -> None:
    """Mark of one market at a time of its grid; keeps the old one where an input is missing (RULES 5.3)."""
    k = m.markets[market]
    i = m.instruments[k["instrument"]]
    if i["outage"] & MARK_FROZEN:
        return
    mid = _mid(m, k["instrument"])
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
        k["mark"] = _funding_anchored(i, k, ts)
    elif mid <= 0.0:
        return
    elif formula == MarkFormula.MEDIAN_BASIS_EMA:
        k["mark"] = _mark_of_ema(m, k, r, mid)
    else:
        k["mark"] = _mark_of_average(m, market, ts, mid)
    k["has_mark"] = 1


@helper
def count_missing_samples(m, ts: int) -> None:
    """Count what each market would have sampled from its last funding time to the first record (RULES 7.3).

    Example: an hour sampled every 5 s and a first record at half past → 359, the 360th is taken then.
    """
    for i in range(len(m.markets)):
        k = m.markets[i]
        r = m.rules[k["rules"]]
        if r["funding_premium"] != 0:
            last = k["next_funding"] - k["funding_interval_ns"]
            k["premium_count"] = (ts - 1) // r["funding_sample_ns"] - last // r["funding_sample_ns"]


@helper
def sample_premium(m, market: int) -> None:
    """Add one premium sample (RULES 7.3)."""
    k = m.markets[market]
    n = k["instrument"]
    i = m.instruments[n]
    if i["has_index"] == 0 or _mid(m, n) <= 0.0:
        k["premium_count"] += 1 - k["has_premium"]
        return
    k["has_premium"] = 1
    target = k["impact_notional"] / (k["unit"] * k["tick_size"])
    bid = impact_price(m.cells, m.sides[2 * n], 2 * n, target) * k["tick_size"]
    ask = impact_price(m.cells, m.sides[2 * n + 1], 2 * n + 1, target) * k["tick_size"]
    k["premium_count"] += 1
    linear = m.rules[k["rules"]]["funding_weights"] == FundingWeights.LINEAR
    weight = k["premium_count"] if linear else 1
    k["premium_sum"] += weight * premium(bid, ask, i["index"])


@helper
def premium_rate(k: np.void, r: np.void) -> float:
    """Funding rate of one interval from the samples since the last (RULES 7.3)."""
    count = k["premium_count"]
    weights = count * (count + 1) * 0.5 if r["funding_weights"] == FundingWeights.LINEAR else float(count)
    average = k["premium_sum"] / weights
    eight_hours = eight_hour_rate(average, r["funding_interest"], r["funding_clamp"])
    return interval_rate(eight_hours, k["funding_interval_ns"], k["funding_cap"])


@helper
def payment_price(m, k: np.void, reference: int) -> float:
    """Price of the notional that pays funding."""
    return m.instruments[k["instrument"]]["index"] if reference == PriceReference.INDEX else k["mark"]
