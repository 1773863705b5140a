"""What came of drills: whether the policy held, which limit caught it, what it cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from backtester.config.values import Instant
from backtester.engine.state import Market
from backtester.enums import DrillVerdict, Limit
from backtester.formulas.value import worth
from backtester.metrics.names import Names
from backtester.report.drilled import DrillReport
from backtester.run.equity import account_equity
from backtester.run.outcome import Piece
from backtester.run.result import Rehearsed, RunResult

#: So much of the equity at the start may be lost to a drill that is passed.
TOLERANCE = 0.01
#: What guards close is summed up over so long.
WINDOW_NS = 60 * 10**9
_RECORDS = ("fills", "ledger", "liquidations", "payments", "guard_events")
_HELD = ["ts", "guard", "position", "limit", "wanted", "lots"]
_FATES = ["status", "reason", "filled", "arrive_ts", "done_ts"]


def drill_reports(result: RunResult, names: Names) -> Iterator[DrillReport]:
    """A row for each drill of a run, in the order in which they were asked for."""
    for each in result.rehearsed:
        yield _report(each, names)


def _report(each: Rehearsed, names: Names) -> DrillReport:
    held = _first_limit(each)
    lost = _liquidated(each.drilled)
    end = _equity(each.drilled, each.market)
    return DrillReport(
        id=each.drill,
        ts=Instant(each.at_ns),
        verdict=_verdict(each),
        limit=Limit.NONE if held is None else Limit(held["limit"]),
        limit_ts=None if held is None else Instant(int(held["ts"])),
        equity_end=end,
        loss=_equity(each.reference, each.market) - end,
        harm=_equity(each.unguarded, each.market) - end,
        share_60s=_most_in_a_window(each.drilled, each.market),
        false_notional=_closed_for_nothing(each),
        liquidated=", ".join(names.account(account) for account in lost),
    )


def _verdict(each: Rehearsed) -> DrillVerdict:
    """The first of these that holds: nothing differs; the drill fails; it would without limits; it does no harm."""
    if _is_same(each.reference, each.drilled):
        return DrillVerdict.NOT_REACHED
    if not _passes(each.drilled, each.reference, each.market):
        return DrillVerdict.MISSED
    holds = _passes(each.drilled_unlimited, each.reference_unlimited, each.market)
    return DrillVerdict.HARMLESS if holds else DrillVerdict.CAUGHT


def _passes(piece: Piece, reference: Piece, market: Market) -> bool:
    """Whether it ends with what the reference ends with, to TOLERANCE, and nobody is liquidated who is not there.

    Example: 250,000 at the start, 240,000 in the end: 237,500 passes, 237,499 does not.
    """
    start = math.fsum(account_equity(piece.state, market, n, at_start=True) for n in _accounts(piece))
    least = _equity(reference, market) - TOLERANCE * start
    return _equity(piece, market) >= least and {*_liquidated(piece)} <= {*_liquidated(reference)}


def _is_same(one: Piece, other: Piece) -> bool:
    """Whether nothing of two worlds differs but what was to break."""
    records = all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in _RECORDS)
    return records and one.state.orders[_FATES].tolist() == other.state.orders[_FATES].tolist()


def _accounts(piece: Piece) -> range:
    return range(len(piece.state.accounts))


def _equity(piece: Piece, market: Market) -> float:
    return math.fsum(account_equity(piece.state, market, account) for account in _accounts(piece))


def _liquidated(piece: Piece) -> list[int]:
    """Accounts of which the venue closed something, in order."""
    return sorted({*piece.state.pools["account"][piece.state.pools["rounds"] > 0].tolist()})


def _first_limit(each: Rehearsed) -> np.void | None:
    """The first order that a limit held back, and would not have without the drill."""
    known = {tuple(row) for row in each.reference.guard_events[_HELD].tolist()}
    rows = each.drilled.guard_events[each.drilled.guard_events["limit"] != Limit.NONE]
    return next((row for row in rows if tuple(row[_HELD].tolist()) not in known), None)


def _of_guards(piece: Piece, market: Market) -> tuple[np.ndarray, Sequence[float], np.ndarray]:
    """(time, notional, account) of every fill of an order that a guard sent, in order."""
    fills, state = piece.fills, piece.state
    fills = fills[fills["order"] >= 0]
    fills = fills[state.orders["guard"][fills["order"]] >= 0]
    position = state.positions[fills["position"]]
    traded = market.markets[position["market"]]
    notionals = [
        worth(abs(int(fill["lots"])), float(row["unit"]), float(fill["price"]))
        for fill, row in zip(fills, traded, strict=True)
    ]
    return fills["ts"], notionals, position["account"]


def _most_in_a_window(piece: Piece, market: Market) -> float | None:
    """The most that guards closed within WINDOW_NS, of all that is held at the start; None where that is nothing."""
    times, notionals, _ = _of_guards(piece, market)
    held = math.fsum(
        abs(worth(int(row["lots_start"]), float(market.markets[row["market"]]["unit"]), float(row["mark_start"])))
        for row in piece.state.positions
    )
    if held == 0.0:
        return None
    begins = np.searchsorted(times, times - WINDOW_NS, side="right").tolist()
    sums = (math.fsum(notionals[begin : end + 1]) for end, begin in enumerate(begins))
    return max(sums, default=0.0) / held


def _closed_for_nothing(each: Rehearsed) -> float:
    """Notional that guards closed of accounts that nobody liquidates without them."""
    _, notionals, accounts = _of_guards(each.drilled, each.market)
    lost = {*_liquidated(each.unguarded)}
    return math.fsum(n for n, account in zip(notionals, accounts.tolist(), strict=True) if account not in lost)
