"""How long messages travel: latencies, their jitter, blocks, and that nothing overtakes (RULES 1.5, 1.8)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.arith import LOG2_E, exp2, normal_quantile
from backtester.engine.jit import helper

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_63_BITS = np.uint64((1 << 63) - 1)
#: Draws of an order: what it, or its trigger, sends, and its cancel.
SENT, CANCELLED = np.int64(0), np.int64(1)


@helper
def _mix(x: np.uint64) -> np.uint64:
    """One step of splitmix64: neighbouring numbers become unrelated ones."""
    z = x + _GAMMA
    z = (z ^ (z >> np.uint64(30))) * _MIX_A
    z = (z ^ (z >> np.uint64(27))) * _MIX_B
    return z ^ (z >> np.uint64(31))


@helper
def mixed(key: int) -> int:
    """A key of its own for what is counted up from another one, 0 … 2^63 − 1."""
    return int(_mix(np.uint64(key)) & _63_BITS)


@helper
def uniform(seed: int, key: int, draw: int) -> float:
    """A number in (0, 1) that belongs to (seed, key, draw)."""
    h = _mix(_mix(_mix(np.uint64(seed)) + np.uint64(key)) + np.uint64(draw))
    return (np.float64(h >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@helper
def jittered(ns: int, sigma: float, seed: int, key: int, draw: int) -> int:
    """A latency of median `ns` with log-standard-deviation `sigma`; `ns` itself when that is 0.

    Example: 100 ms, sigma 0.5, one standard deviation above the median → 164.872 ms.
    """
    if sigma == 0.0:
        return ns
    return math.floor(ns * exp2(sigma * LOG2_E * normal_quantile(uniform(seed, key, draw))) + 0.5)


@helper
def _ceil_block(ts: int, block_ns: int) -> int:
    return ts if block_ns == 0 else -(-ts // block_ns) * block_ns


@helper
def client_arrival(m, w, c: np.void, o: np.void, ts: int, reaction_ns: int, draw: int) -> int:
    """When a message decided at `ts` reaches the venue; becomes the account's last arrival (RULES 1.5)."""
    a = w.accounts[o["account"]]
    r = m.rules[a["rules"]]
    legs = r["feed_latency_ns"] + r["order_latency_ns"]
    travel = jittered(legs, r["latency_sigma"], c["seed"], o["key"], draw) + reaction_ns
    travel += m.instruments[o["instrument"]]["extra_latency_ns"]
    a["last_arrival"] = _ceil_block(max(ts + travel, a["last_arrival"]), r["block_ns"])
    return a["last_arrival"]


@helper
def venue_arrival(m, w, o: np.void, ts: int) -> int:
    """When what the venue itself sends at `ts` arrives."""
    r = m.rules[w.accounts[o["account"]]["rules"]]
    return _ceil_block(ts + r["engine_latency_ns"], r["block_ns"])
