"""The engine against the oracle, on tiny universes, compared after every step, with every buffer of size one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from tests.oracle.compare import Pair
from tests.oracle.universe import Universe, universe, universes

BATCH = 25
BATCHES = 12

#: A universe with a close call proves nothing after it; of all universes few may have one.
LARGEST_CLOSE_SHARE = 0.15


def agree(inputs: Universe) -> bool:
    """Run both; fail on a difference. False when a close call made a difference inconclusive."""
    pair = Pair(inputs)
    found = pair.run()
    if found and pair.close:
        return False
    assert not found, "\n".join(found)
    return True


@pytest.mark.parametrize("batch", range(BATCHES))
def test_seeded_universes_agree(batch: int) -> None:
    seeds = range(batch * BATCH, (batch + 1) * BATCH)
    conclusive = [agree(universe(Random(seed), steps=60, fault=seed % 10 == 0)) for seed in seeds]
    assert conclusive.count(False) <= LARGEST_CLOSE_SHARE * BATCH


@pytest.mark.slow
def test_long_universes_agree() -> None:
    conclusive = [agree(universe(Random(seed), steps=400)) for seed in range(10_000, 10_060)]
    assert conclusive.count(False) <= LARGEST_CLOSE_SHARE * len(conclusive)


@given(universes(steps=20))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_drawn_universes_agree(inputs: Universe) -> None:
    agree(inputs)
