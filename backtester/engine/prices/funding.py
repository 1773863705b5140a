"""Premium samples and the rate that they make, and the price of the notional that pays (RULES 7)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.ladder import impact_price
from backtester.engine.jit import helper
from backtester.engine.prices.marks import mid_price
from backtester.engine.value import walked
from backtester.enums import FundingWeights, PriceReference
from backtester.formulas import funding

premium = helper(funding.premium)
eight_hour_rate = helper(funding.eight_hour_rate)
interval_rate = helper(funding.interval_rate)


@helper
def count_missing_samples(m, ts: int) -> None:
    """Count what each market would have sampled from its last funding time to the first record (RULES 7.3).

    Example: an hour sampled every 5 s and a first record at half past → 359, the 360th is taken then.
    """
    for i in range(len(m.markets)):
        k = m.markets[i]
        r = m.rules[k["rules"]]
        if r["funding_premium"] != 0:
            clock = m.clocks[k["funding_clock"]]
            last = clock["next"] - clock["interval_ns"]
            k["premium_count"] = (ts - 1) // r["funding_sample_ns"] - last // r["funding_sample_ns"]


@helper
def sample_premium(m, market: int) -> None:
    """Add one premium sample (RULES 7.3)."""
    k = m.markets[market]
    n = k["instrument"]
    i = m.instruments[n]
    if i["has_index"] == 0 or mid_price(m, n) <= 0.0:
        k["premium_count"] += 1 - k["has_premium"]
        return
    k["has_premium"] = 1
    target = k["impact_notional"] / walked(1, k["unit"], k["tick_size"])  # Σ tick · lots
    bid = impact_price(m.cells, m.sides[2 * n], 2 * n, target) * k["tick_size"]
    ask = impact_price(m.cells, m.sides[2 * n + 1], 2 * n + 1, target) * k["tick_size"]
    k["premium_count"] += 1
    linear = m.rules[k["rules"]]["funding_weights"] == FundingWeights.LINEAR
    weight = k["premium_count"] if linear else 1
    k["premium_sum"] += weight * premium(bid, ask, i["index"])


@helper
def premium_rate(m, k: np.void, r: np.void) -> float:
    """Funding rate of one interval from the samples since the last (RULES 7.3)."""
    count = k["premium_count"]
    weights = count * (count + 1) * 0.5 if r["funding_weights"] == FundingWeights.LINEAR else float(count)
    average = k["premium_sum"] / weights
    eight_hours = eight_hour_rate(average, r["funding_interest"], r["funding_clamp"])
    return interval_rate(eight_hours, m.clocks[k["funding_clock"]]["interval_ns"], k["funding_cap"])


@helper
def payment_price(m, k: np.void, reference: int) -> float:
    """Price of the notional that pays funding."""
    return m.instruments[k["instrument"]]["index"] if reference == PriceReference.INDEX else k["mark"]
