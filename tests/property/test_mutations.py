"""Broken and hostile inputs end with one of the documented exit codes, in time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.property.mutations import Outcome, mutants, portfolios, scenarios, tapes
from tests.property.suite_mutations import archives, suites

pytestmark = pytest.mark.compiled

Maker = Callable[[Path, random.Random], Iterator[Outcome]]


@pytest.mark.parametrize("make", [tapes, scenarios, portfolios, suites, archives])
def test_a_few_mutants(make: Maker, tmp_path: Path) -> None:
    mutants(make, tmp_path, 25)


@pytest.mark.slow
@pytest.mark.parametrize("make", [tapes, scenarios, portfolios])
def test_many_mutants(make: Maker, tmp_path: Path) -> None:
    print(make.__name__, dict(mutants(make, tmp_path, 600)))


@pytest.mark.slow
@pytest.mark.parametrize("make, count", [(suites, 200), (archives, 100)])
def test_many_mutants_of_the_monthly_job(make: Maker, count: int, tmp_path: Path) -> None:
    print(make.__name__, dict(mutants(make, tmp_path, count)))
