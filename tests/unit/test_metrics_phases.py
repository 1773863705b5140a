"""Phases of a cell: what they are called, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.metrics.phases import in_words
from backtester.report.records import PhaseKind, PhaseReport
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.report_runs import build_report
from tests.unit.run_cases import START, S, crash, plain


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("outage", 7.0, "the venue refuses orders and cancels, the feed is frozen"),
        ("outage", 2.0, "the venue refuses cancels"),
        ("outage", 24.0, "nothing trades, liquidation is suspended"),
        ("outage", 33.0, "the venue refuses orders, the mark is frozen"),
        ("latency", 150.0, "messages take 150 ms longer"),
        ("funding_interval", 28800.0, "funding every 8 h"),
        ("funding_interval", 5400.0, "funding every 90 min"),
        ("funding_interval", 45.0, "funding every 45 s"),
    ],
)
def test_a_phase_in_words(kind: str, value: float, words: str) -> None:
    assert in_words(PhaseKind(kind), value) == words


def of(request: Request) -> tuple[PhaseReport, ...]:
    return build_report([run_cell(request)]).finished[0].phases


@pytest.mark.compiled
def test_what_all_markets_have_is_told_once_and_ends_with_the_run(tmp_path: Path) -> None:
    columns = {"outage": [(0, 0.0), (3, 1.0), (5, 0.0)], "extra_latency_ms": [(0, 0.0), (6, 20.0)]}
    path = crash(tmp_path, [(0, 1.0), (9, 1.0)], columns=columns)
    found = of(plain(tmp_path)._replace(scenario=str(path)))
    told = [((each.start_ts.ts_ns - START) / S, each.kind, each.symbol, each.value) for each in found]
    assert told == [(3, "outage", "", 1.0), (6, "latency", "", 20.0)]
    assert (found[0].end_ts.ts_ns, found[1].end_ts.ts_ns) == (START + 5 * S, START + 9 * S)
    assert not of(plain(tmp_path))
