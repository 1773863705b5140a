"""Our own exp2, log2, power and normal quantile, and what is drawn with them (RULES 1.8, 3.3)."""

from __future__ import annotations

import math
import statistics

import pytest

from backtester.engine import arith
from backtester.engine.jit import kernel
from backtester.engine.orders import latency
from backtester.engine.orders import queue as queues
from backtester.enums import QueueModel

NORMAL = statistics.NormalDist()
PESSIMISTIC, POWER, LOG = int(QueueModel.PESSIMISTIC), int(QueueModel.PROB_POWER), int(QueueModel.PROB_LOG)


@kernel
def log2(x: float) -> float:
    return arith.log2(x)


@kernel
def power(x: float, n: float) -> float:
    return arith.power(x, n)


@kernel
def halved(lots: int, halvings: float) -> float:
    return arith.halved(lots, halvings)


@kernel
def normal_quantile(p: float) -> float:
    return arith.normal_quantile(p)


@kernel
def jittered(ns: int, sigma: float, seed: int, key: int, draw: int) -> int:
    return latency.jittered(ns, sigma, seed, key, draw)


@kernel
def uniform(seed: int, key: int, draw: int) -> float:
    return latency.uniform(seed, key, draw)


@kernel
def cancelled_ahead(queue: int, behind: int, cancels: int, model: int, exponent: float) -> int:
    return queues.cancelled_ahead(queue, behind, cancels, model, exponent)


@pytest.mark.parametrize("x", [1e-300, 0.1, 0.7, 1.0, 1.5, 3.0, 10.0, 12_345.678, 1e18])
def test_log2_is_that_of_the_library_to_the_last_bits(x: float) -> None:
    assert log2(x) == pytest.approx(math.log2(x), rel=4e-16, abs=4e-16)


def test_what_is_left_after_a_number_of_halvings() -> None:
    assert (halved(4, 1.0), halved(4, 1.5)) == (2.0, pytest.approx(math.sqrt(2.0), rel=1e-15))
    assert [halved(7, whole) for whole in (0.0, 3.0, 60.0, 1001.0)] == [7.0, 7 / 8, 7 / 2**60, 0.0]
    for step in range(1, 4000):
        assert halved(2**44, step / 97) == pytest.approx(2.0**44 * 2.0 ** (-step / 97), rel=4e-16)


def test_log2_is_exact_at_powers_of_two() -> None:
    assert [log2(2.0**n) for n in range(-60, 61)] == list(range(-60, 61))


def test_power() -> None:
    assert power(9.0, 0.5) == pytest.approx(3.0, rel=1e-15)
    assert power(7.0, 3.0) == pytest.approx(343.0, rel=1e-15)
    assert power(0.0, 2.0) == 0.0


@pytest.mark.parametrize("p", [1e-12, 1e-4, 0.02, 0.024249, 0.02426, 0.3, 0.5, 0.6, 0.9, 0.976, 0.99999])
def test_the_normal_quantile_has_the_accuracy_that_its_author_states(p: float) -> None:
    assert normal_quantile(p) == pytest.approx(NORMAL.inv_cdf(p), rel=1.2e-9, abs=1e-12)


def test_the_uniform_numbers_are_those_of_splitmix64() -> None:
    """Computed apart, with whole numbers."""

    def mix(x: int) -> int:
        z = (x + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    for seed, key, draw in ((0, 0, 0), (0, 0, 1), (7, 2**62 + 5, 1), (2**63 - 1, 123, 0)):
        h = mix((mix((mix(seed) + key) % 2**64) + draw) % 2**64)
        assert uniform(seed, key, draw) == ((h >> 11) + 0.5) / 2**53


def test_jitter_has_its_median_and_its_spread() -> None:
    drawn = sorted(jittered(100_000_000, 0.5, 1, key, 0) for key in range(20_001))
    assert drawn[10_000] == pytest.approx(1e8, rel=0.015)
    for z in (-1.0, 1.0, 2.0):
        assert drawn[int(20_001 * NORMAL.cdf(z))] == pytest.approx(1e8 * math.exp(0.5 * z), rel=0.03)


def test_without_a_spread_the_latency_is_as_it_is() -> None:
    assert jittered(123_456_789, 0.0, 1, 2, 0) == 123_456_789


@pytest.mark.parametrize(
    ("model", "exponent", "ahead"), [(PESSIMISTIC, 1.0, 0), (POWER, 1.0, 12), (POWER, 2.0, 13), (LOG, 1.0, 10)]
)
def test_whose_cancels_they_were(model: int, exponent: float, ahead: int) -> None:
    """100 shown, 60 of them ahead of us, 20 go: 20 · 60/100, 20 · 3600/5200, 20 · 5.93/11.29."""
    assert cancelled_ahead(60, 40, 20, model, exponent) == ahead


def test_a_whole_share_is_not_cut_by_a_hair() -> None:
    """22 · 30/44 = 15, though 30/44 is a little more than its double."""
    assert cancelled_ahead(30, 14, 22, POWER, 1.0) == 15
    assert cancelled_ahead(26, 20, 23, POWER, 1.0) == 13


@pytest.mark.parametrize("model", [POWER, LOG])
def test_no_more_go_than_stood_there(model: int) -> None:
    assert cancelled_ahead(60, 5, 30, model, 1.0) >= 25  # only 5 stood behind
    assert cancelled_ahead(3, 0, 10, model, 1.0) == 3
    assert cancelled_ahead(0, 50, 10, model, 1.0) == 0
