"""Phases of a scenario as a reader is told of them: what lasts on with another value is one story."""

from __future__ import annotations

from collections.abc import Sequence

from backtester.report.records import PhaseKind, PhaseReport


def stories(phases: Sequence[PhaseReport]) -> list[list[PhaseReport]]:
    """Latencies of one market that go on from each other are told together; every other phase alone."""
    found: list[list[PhaseReport]] = []
    for each in phases:
        before = next((story for story in found if _goes_on(story[-1], each)), None)
        if before is None:
            found.append([each])
        else:
            before.append(each)
    return found


def _goes_on(before: PhaseReport, each: PhaseReport) -> bool:
    alike = (before.kind, before.symbol, before.end_ts) == (each.kind, each.symbol, each.start_ts)
    return alike and each.kind is PhaseKind.LATENCY


def told(story: Sequence[PhaseReport]) -> str:
    """Example: messages take up to 300 ms longer."""
    if len(story) == 1:
        return story[0].text
    return f"messages take up to {max(each.value for each in story):g} ms longer"
