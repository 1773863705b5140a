"""The engine against the oracle, on tiny universes, compared after every step, with every buffer of size one."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from backtester.enums import Advance
from tests.oracle.compare import Pair
from tests.oracle.universe import Universe, universe, universes

BATCH = 25
BATCHES = 8

#: A universe with a close call proves nothing after it; of all universes few may end that way.
LARGEST_INCONCLUSIVE_SHARE = 0.05


def agree(inputs: Universe, returned: Counter[Advance]) -> bool:
    """Run both; fail on a difference. False when a close call made a difference inconclusive."""
    pair = Pair(inputs)
    found = pair.run()
    returned.update(pair.engine.returned)
    if found and pair.close:
        return False
    assert not found, "\n".join(found)
    return True


@pytest.mark.parametrize("batch", range(BATCHES))
def test_seeded_universes_agree(batch: int) -> None:
    returned: Counter[Advance] = Counter()
    seeds = range(batch * BATCH, (batch + 1) * BATCH)
    conclusive = [agree(universe(Random(seed), steps=60, fault=seed % 10 == 0), returned) for seed in seeds]
    assert conclusive.count(False) <= LARGEST_INCONCLUSIVE_SHARE * BATCH
    assert returned.keys() == set(Advance)  # with buffers of one, every way out of the kernel is taken


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(4))
def test_long_universes_agree(batch: int) -> None:
    seeds = range(10_000 + 15 * batch, 10_015 + 15 * batch)
    conclusive = [agree(universe(Random(seed), steps=400), Counter()) for seed in seeds]
    assert conclusive.count(False) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(6))
def test_many_universes_agree(batch: int) -> None:
    seeds = range(1_000 + 250 * batch, 1_250 + 250 * batch)
    conclusive = [agree(universe(Random(seed), steps=60), Counter()) for seed in seeds]
    assert conclusive.count(False) <= LARGEST_INCONCLUSIVE_SHARE * len(conclusive)


@given(universes(steps=20))
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_drawn_universes_agree(inputs: Universe) -> None:
    agree(inputs, Counter())
