"""Phases of a path: when it takes away more than price and depth, and what it borrows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from backtester.scenario.grid import Proxy
from backtester.scenario.path import neutral
from backtester.scenario.phases import phases
from tests.unit.scenario_tapes import BTC, ETH, START, S, scenario

Found = list[tuple[float, float, str, float]]


def seconds(found: Sequence[tuple[int, int, str, float]]) -> Found:
    """Times from the start, s."""
    return [((begin - START) / S, (end - START) / S, kind, value) for begin, end, kind, value in found]


@pytest.mark.parametrize(
    ("column", "knots", "found"),
    [
        ("outage", [(0, 0.0), (2, 7.0), (5, 1.0), (8, 0.0)], [(2, 5, "outage", 7.0), (5, 8, "outage", 1.0)]),
        ("outage", [(0, 0.0), (2, 7.0), (4, 7.0), (6, 0.0)], [(2, 6, "outage", 7.0)]),
        ("extra_latency_ms", [(0, 20.0), (3, 0.0), (9, 5.0)], [(0, 3, "latency", 20.0), (9, 10, "latency", 5.0)]),
        ("extra_latency_ms", [(0, 0.0), (10, 5.0), (12, 9.0)], []),
        ("funding_interval_s", [(0, 3600.0)], []),
        (
            "funding_interval_s",
            [(0, 3600.0), (4, 28800.0), (6, 3600.0)],
            [(4, 6, "funding_interval", 28800.0)],
        ),
        ("spread_mult", [(0, 1.0), (4, 5.0)], []),
    ],
)
def test_a_phase_has_a_value_that_is_not_the_usual_one(
    column: str, knots: list[tuple[float, float]], found: Found
) -> None:
    assert seconds(phases(scenario(10, {column: knots}), BTC, None)) == found


def test_phases_of_all_columns_come_in_the_order_of_time() -> None:
    path = scenario(10, {"extra_latency_ms": [(0, 0.0), (4, 9.0)], "outage": [(0, 0.0), (2, 4.0), (4, 0.0)]})
    assert [(begin, kind) for begin, _, kind, _ in seconds(phases(path, BTC, None))] == [(2, "outage"), (4, "latency")]


def test_a_market_without_its_own_takes_those_of_its_proxy() -> None:
    path = scenario(10, {"outage": [(0, 0.0), (2, 7.0), (5, 0.0)]}, "ETH")
    assert not phases(path, BTC, None)
    assert phases(path, BTC, Proxy("BTC", "ETH", 1.0)) == phases(path, ETH, None) != ()


def test_what_has_no_window_has_no_phases() -> None:
    assert phases(neutral(["BTC"]), BTC, None) == ()
    assert phases(replace(scenario(10, {}), series=()), BTC, None) == ()
