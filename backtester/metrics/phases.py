"""Outages, extra latency and changed funding intervals of a cell's markets, in words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from backtester.config.values import Instant
from backtester.enums import Outage
from backtester.metrics.names import Names
from backtester.report.records import PhaseKind, PhaseReport
from backtester.run.result import RunResult

#: What the venue does not do, or does not move, while a bit of an outage holds.
_REFUSED = {Outage.ORDERS_REFUSED: "orders", Outage.CANCELS_REFUSED: "cancels"}
_STILL = {
    Outage.FEED_FROZEN: "the feed is frozen",
    Outage.MATCHING_HALTED: "nothing trades",
    Outage.LIQUIDATION_SUSPENDED: "liquidation is suspended",
    Outage.MARK_FROZEN: "the mark is frozen",
}
_HOUR_S, _MINUTE_S = 3_600, 60


def phase_reports(result: RunResult, names: Names) -> Iterator[PhaseReport]:
    """The phases of all markets of the cell within the run, in the order of time; one that all of them have is one."""
    if result.scenario is None:
        return
    numbers = {int(result.market.markets[market]["instrument"]) for market in names.markets()}
    found = [(phase, number) for number in numbers for phase in result.scenario.phases[number]]
    for phase, rows in groupby(sorted(found), key=lambda row: row[0]):
        of = [result.instruments[number].tape.symbol for _, number in rows]
        begin, end = max(phase.begin_ns, result.start_ts), min(phase.end_ns, result.end_ts)
        if begin < end:
            kind = PhaseKind(phase.kind)
            text = in_words(kind, phase.value)
            for symbol in [""] if len(of) == len(numbers) else dict.fromkeys(of):
                yield PhaseReport(Instant(begin), Instant(end), kind, symbol, phase.value, text)


def in_words(kind: PhaseKind, value: float) -> str:
    """Example: an outage of 7 is `the venue refuses orders and cancels, the feed is frozen`."""
    match kind:
        case PhaseKind.OUTAGE:
            return _outage(Outage(int(value)))
        case PhaseKind.LATENCY:
            return f"messages take {value:g} ms longer"
        case PhaseKind.FUNDING_INTERVAL:
            return f"funding every {_interval(value)}"


def _outage(bits: Outage) -> str:
    refused = [word for bit, word in _REFUSED.items() if bit in bits]
    told = [f"the venue refuses {' and '.join(refused)}"] if refused else []
    return ", ".join((*told, *(words for bit, words in _STILL.items() if bit in bits)))


def _interval(seconds: float) -> str:
    """Examples: 1 h, 90 min, 45 s."""
    for unit, name in ((_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds % unit == 0.0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
