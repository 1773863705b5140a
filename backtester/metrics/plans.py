"""What became of each execution plan: its price against the decision, the arrival and the market (RULES 4.7).

Implementation shortfall (Perold 1988, "The Implementation Shortfall: Paper versus Reality"), with the delay told apart
as Wagner and Edwards did. A plan of Q lots on side s, F of them filled at Σ price · lots = V, with the mids

    P_d  at its first decision       delay        F · s · (P_0 - P_d)
    P_0  when its first child came   trading      s · (V - F · P_0)
         to the venue                opportunity  (Q - F) · s · (P_N - P_d)
    P_N  at its end                  fees

is `s · (V - F · P_d) + (Q - F) · s · (P_N - P_d) + fees` worse than a paper trade of all of it at P_d. In fractions:
the parts are this sum exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from backtester.config.values import Instant
from backtester.enums import Liquidity, OrderReason, OrderStatus, Side
from backtester.formulas.value import walked, worth
from backtester.metrics.impact_law import Course, beside_the_law, tells_volume
from backtester.metrics.names import Grid, Names, Row, moment, rows_of
from backtester.metrics.slippage import OrderFills, fees_of, split, taken_of
from backtester.report.executions import BPS, ImpactLaw, PlanReport, Shortfall
from backtester.run.result import RunResult

#: Why a child that was decided is not sent.
_UNSENT = (OrderReason.NOTHING_DUE, OrderReason.PAUSED)


class Parts(NamedTuple):
    """Implementation shortfall, quote currency, exactly; a cost is positive."""

    delay: Fraction
    trading: Fraction
    opportunity: Fraction
    fees: Fraction

    @property
    def total(self) -> Fraction:
        """All four."""
        return self.delay + self.trading + self.opportunity + self.fees


class Stand(NamedTuple):
    """The mids that a plan is measured against, quote currency."""

    decision: Fraction  # P_d
    arrival: Fraction  # P_0; P_d when nothing arrived
    end: Fraction  # P_N


def shortfall(side: int, size: Fraction, filled: Fraction, value: Fraction, stand: Stand, fees: Fraction) -> Parts:
    """The parts of a plan.

    size, filled   units, `filled` of them for `value` = Σ price · units in quote currency
    Example: to buy 10, decided at 100, arrived at 101, 6 filled for 609 (101.5 each), the rest missed at 103, fees 2:
    delay 6, trading 3, opportunity 12, fees 2: 23.
    """
    return Parts(
        delay=filled * side * (stand.arrival - stand.decision),
        trading=side * (value - filled * stand.arrival),
        opportunity=(size - filled) * side * (stand.end - stand.decision),
        fees=fees,
    )


class _Tape(NamedTuple):
    """A plan's life, its end, and what the tape traded meanwhile; ticks and lots."""

    start_ts: int
    end_ts: int
    mid2: int
    traded: int
    value: int


def plan_reports(result: RunResult, names: Names, traded: Sequence[Course | None]) -> Iterator[PlanReport]:
    """Every plan of the portfolio, in its order. `traded`: the `courses` of the markets."""
    for account in range(len(result.world.accounts)):
        for number in result.index.plans[account]:
            market = int(result.state.positions[result.state.plans[number]["position"]]["market"])
            yield _plan_report(result, names, number, traded[market])


def _plan_report(result: RunResult, names: Names, number: int, course: Course | None) -> PlanReport:
    plan = result.state.plans[number]
    position, side, lots = int(plan["position"]), int(plan["side"]), int(plan["lots"])
    grid = names.grid(position)
    numbers = np.flatnonzero(result.state.orders["plan"] == number)
    children = result.state.orders[numbers]
    fills = result.fills[np.isin(result.fills["order"], numbers)]
    filled, value = sum(children["filled"].tolist()), int(sum(children["fill_value"].tolist()))
    sent = children[(children["decision_ts"] >= 0) & ~np.isin(children["reason"], _UNSENT)]
    tape = _tape_until(result, plan, children) if plan["start_ts"] >= 0 else None
    stand = _stand(plan, children, tape) if tape else None
    vwap = Fraction(value, filled) if filled else None
    market = tape if tape and tells_volume(result, int(children["instrument"][0])) else None
    market_vwap = Fraction(market.value, market.traded) if market and market.traded else None
    paid_for = list(rows_of(fills, "liquidity", "fee"))
    fees = fees_of(paid_for, Liquidity.MAKER), fees_of(paid_for, Liquidity.TAKER)
    arrival = stand.arrival if stand and (children["arrival_mid2"] > 0).any() else None
    walked = _walked(zip(rows_of(children), map(OrderFills(fills).of, numbers.tolist()), strict=True))
    return PlanReport(
        id=names.plan(number),
        account=names.account(int(plan["account"])),
        symbol=names.symbol(position),
        side=Side(side),
        status=_status(plan, children, filled),
        size=grid.size(lots),
        filled_size=grid.size(filled),
        unfilled_size=grid.size(lots - filled),
        vwap=_price(grid, vwap),
        start_ts=moment(plan["start_ts"]),
        end_ts=Instant(tape.end_ts) if tape else None,
        first_fill_ts=Instant(int(fills["ts"][0])) if filled else None,
        last_fill_ts=Instant(int(fills["ts"][-1])) if filled else None,
        decision_price=_price(grid, stand.decision if stand else None),
        arrival_price=_price(grid, arrival),
        end_price=_price(grid, stand.end if stand else None),
        arrival_slippage_bps=_worse_bps(side, vwap, arrival),
        market_vwap=_price(grid, market_vwap),
        vwap_slippage_bps=_worse_bps(side, vwap, market_vwap),
        market_volume=grid.size(market.traded) if market else None,
        participation=filled / market.traded if market and market.traded else None,
        maker_share=sum(children["maker_lots"].tolist()) / filled if filled else None,
        fees=math.fsum(fees),
        fees_maker=fees[0],
        fees_taker=fees[1],
        children=len(sent),
        children_filled=int((sent["filled"] > 0).sum()),
        children_refused=int((sent["status"] == OrderStatus.REJECTED).sum()),
        largest_child=grid.size(int(sent["lots"].max(initial=0))),
        shortfall=_shortfall(plan, grid, (filled, value), stand, math.fsum(fees)) if stand else None,
        law=_law(course, tape, filled, walked / (filled * stand.decision), grid) if tape and stand and filled else None,
        algo=names.algo(number),
    )


def _status(plan: Any, children: np.ndarray, filled: int) -> str:
    if filled >= plan["lots"]:
        return "done"
    if plan["start_ts"] < 0:
        return "not_started"
    return "working" if _is_working(children) else "ended"


def _is_working(children: np.ndarray) -> bool:
    return bool((children["status"] < OrderStatus.FILLED).any())


def _tape_until(result: RunResult, plan: Any, children: np.ndarray) -> _Tape:
    """Up to when its last child ended; of a plan that still works, up to the end of the run."""
    if not _is_working(children):
        traded, value = int(plan["end_traded"]), int(plan["end_value"])
        end_ts, mid2 = int(plan["end_ts"]), int(plan["end_mid2"])
    else:
        instrument = result.market.instruments[int(children["instrument"][0])]
        traded, value = int(instrument["traded"]), int(instrument["traded_value"])
        end_ts, mid2 = result.end_ts, int(instrument["mid2"])
    meanwhile = traded - int(plan["start_traded"]), value - int(plan["start_value"])
    return _Tape(int(plan["start_ts"]), end_ts, mid2, *meanwhile)


def _stand(plan: Any, children: np.ndarray, tape: _Tape) -> Stand:
    """In ticks."""
    arrived = children[children["arrival_mid2"] > 0]
    decision = Fraction(int(plan["start_mid2"]), 2)
    first = arrived[np.argmin(arrived["arrive_ts"])] if len(arrived) else None
    return Stand(
        decision=decision,
        arrival=Fraction(int(first["arrival_mid2"]), 2) if first is not None else decision,
        end=Fraction(tape.mid2, 2),
    )


def _shortfall(plan: Any, grid: Grid, done: tuple[int, int], stand: Stand, fees: float) -> Shortfall:
    """In quote currency and bps of the paper trade; `done`: (lots, Σ tick · lots), `stand` in ticks."""
    unit = grid.lot * grid.multiplier
    side, lots = int(plan["side"]), int(plan["lots"])
    prices = Stand(*(ticks * grid.tick for ticks in stand))
    parts = shortfall(side, lots * unit, done[0] * unit, walked(done[1], unit, grid.tick), prices, -Fraction(fees))
    amounts = (*parts, parts.total)
    paper = worth(lots, unit, prices.decision)
    return Shortfall(*map(float, amounts), *(float(BPS * amount / paper) for amount in amounts))


def _walked(children: Iterable[tuple[Any, Sequence[Row]]]) -> Fraction:
    """Σ tick · lots that children (ORDER record, FILL rows) paid beyond the best prices: depth and impact."""
    cost = Fraction(0)
    for child, fills in children:
        took = taken_of(fills)
        if parts := split(child, took):
            cost += (parts.depth + parts.impact) * took.lots
    return cost


def _law(course: Course | None, tape: _Tape, lots: int, walk: Fraction, grid: Grid) -> ImpactLaw | None:
    """What all that a plan filled, made and taken, cost beyond the best prices (`walk`: fraction of the price), beside
    the law of the time in which it ran."""
    return beside_the_law(course.between(tape.start_ts, tape.end_ts), grid, lots, walk) if course else None


def _price(grid: Grid, ticks: Fraction | None) -> float | None:
    return None if ticks is None else grid.price(ticks)


def _worse_bps(side: int, got: Fraction | None, wanted: Fraction | None) -> float | None:
    """How much worse `got` is than `wanted`, bps of `wanted`."""
    return None if got is None or wanted is None else float(BPS * side * (got - wanted) / wanted)
