"""How long messages travel (RULES 1.5, 1.8)."""

from __future__ import annotations

import math

from tests.oracle.account import Order
from tests.oracle.exact import Judge

WORD = (1 << 64) - 1

#: Draws of an order's key (RULES 1.8).
ORDER_DRAW, CANCEL_DRAW = 0, 1


def arrival_of_message(order: Order, reaction_ns: int, draw: int, t: int) -> int:
    """When a client's message about an order, decided at t, arrives: it becomes the account's last arrival."""
    account, rules, world = order.account, order.account.rules, order.account.world
    travel_ns = rules.feed_latency_ns + rules.order_latency_ns
    if rules.latency_sigma > 0:
        travel_ns = jittered(travel_ns, rules.latency_sigma, world.seed, order.spec.key, draw, world.judge)
    earliest = t + travel_ns + reaction_ns + order.position.market.tape.extra_latency_ns
    account.last_arrival_ns = _ceil_block(max(earliest, account.last_arrival_ns), rules.block_ns)
    return account.last_arrival_ns


def arrival_at_venue(order: Order, t: int) -> int:
    """When an order arrives that the venue itself sends at t."""
    rules = order.account.rules
    return _ceil_block(t + rules.engine_latency_ns, rules.block_ns)


def _ceil_block(ns: int, block_ns: int) -> int:
    """Round up to a multiple of the block; 0 is no block."""
    return ns if block_ns == 0 else -(-ns // block_ns) * block_ns


# -- jitter (RULES 1.8) ------------------------------------------------------------------------------------------------


def jittered(travel_ns: int, sigma: float, seed: int, key: int, draw: int, judge: Judge) -> int:
    """A travel time, times a lognormal factor of median 1, in whole ns."""
    factor = 2.0 ** (sigma * math.log2(math.e) * normal_quantile(uniform(seed, key, draw)))
    return judge.rounded(travel_ns * factor)


def uniform(seed: int, key: int, draw: int) -> float:
    """A number between 0 and 1, the same for the same three numbers."""
    word = mix(mix(mix(seed) + key) + draw)
    return ((word >> 11) + 0.5) * 2.0**-53


def mix(x: int) -> int:
    """One output of splitmix64 from the state x (Steele, Lea, Flood 2014)."""
    z = (x + 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


CENTRE_OVER = (
    -3.969683028665376e01,
    2.209460984245205e02,
    -2.759285104469687e02,
    1.383577518672690e02,
    -3.066479806614716e01,
    2.506628277459239e00,
)
CENTRE_UNDER = (
    -5.447609879822406e01,
    1.615858368580409e02,
    -1.556989798598866e02,
    6.680131188771972e01,
    -1.328068155288572e01,
    1.0,
)
TAIL_OVER = (
    -7.784894002430293e-03,
    -3.223964580411365e-01,
    -2.400758277161838e00,
    -2.549732539343734e00,
    4.374664141464968e00,
    2.938163982698783e00,
)
TAIL_UNDER = (7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00, 1.0)
TAIL = 0.02425


def normal_quantile(p: float) -> float:
    """Acklam's rational approximation of the standard normal quantile, relative error below 1.15e-9."""
    if p > 1.0 - TAIL:
        return -normal_quantile(1.0 - p)
    if p < TAIL:
        q = math.sqrt(-2.0 * math.log(p))
        return _polynomial(TAIL_OVER, q) / _polynomial(TAIL_UNDER, q)
    q = p - 0.5
    return q * _polynomial(CENTRE_OVER, q * q) / _polynomial(CENTRE_UNDER, q * q)


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    """Highest power first."""
    value = 0.0
    for coefficient in coefficients:
        value = value * x + coefficient
    return value
