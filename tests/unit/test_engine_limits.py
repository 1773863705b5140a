"""Limits on what guards send (RULES 11.6). Tick and lot are 1, a lot is worth 100."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from backtester.engine import spec
from backtester.enums import EventKind, GuardDo, GuardEvent, GuardMetric, Limit, OrderReason, Outage, PriceSeries, Rearm
from backtester.enums import GuardOp as Op
from backtester.run.drive import Engine
from tests.oracle.examples import BUY, PLAIN, delta, ladder, mark, outage, record, trade
from tests.unit.report_runs import Tape, account, cross
from tests.unit.test_engine_guards import MARKET, S, below, marks, metric, number, run, sold

AT_ALL = below(GuardMetric.EQUITY, 1e12)


def amount(quote: float) -> spec.GuardAction:
    return spec.GuardAction(GuardDo.REDUCE_AMOUNT, value=quote)


def limited(do: spec.GuardAction, lots: int, limits: spec.Automation, **more: Any) -> spec.Account:
    """Long `lots`, not near a breach, whose guard does that at every look unless `more` says otherwise."""
    guard = spec.Guard("g", more.pop("when", AT_ALL), more.pop("rearm", Rearm.ALWAYS), **more, do=(do,))
    return account(80.0 * lots, [cross(lots)])._replace(guards=(guard,), automation=limits)


def held(engine: Engine) -> list[tuple[int, Limit, int, int]]:
    """(second, limit, lots wanted, lots left) of every order that was held back or made smaller."""
    rows = engine.guard_events[engine.guard_events["event"] == GuardEvent.HELD]
    names = ("ts", "limit", "wanted", "lots")
    return [(ts // S, Limit(limit), wanted, left) for ts, limit, wanted, left in rows[list(names)].tolist()]


def book(bid: int = 1_000_000) -> Tape:
    return [mark(1.0, 100.0), ladder(1.0, {100: bid}, {101: 9})]


def at(*seconds: float, price: float = 100.0, end: float | None = None, bid: int = 1_000_000) -> Tape:
    """Marks at these seconds, the last one a little before the end."""
    last = delta((seconds[-1] if end is None else end) + 0.5, BUY, 10, 1)
    return [*book(bid), *(mark(second, price) for second in seconds), last]


def looks(*seconds: float) -> tuple[spec.GuardOp, ...]:
    """True at these seconds alone, by the time to the next funding, an hour after the epoch."""
    ops: list[spec.GuardOp] = []
    for second in seconds:
        left = metric(GuardMetric.TIME_TO_FUNDING, MARKET)
        above = (left, number(3600.0 - second - 0.5), spec.GuardOp(Op.ABOVE))
        under = (left, number(3600.0 - second + 0.5), spec.GuardOp(Op.BELOW))
        ops += [*above, *under, spec.GuardOp(Op.AND), *((spec.GuardOp(Op.OR),) if ops else ())]
    return tuple(ops)


def test_half_a_million_a_minute() -> None:
    """300,000 at 2 s; at 22 s 200,000 of 300,000; at 62 s the first is out of the window: 300,000 are left."""
    limits = spec.Automation(max_notional=500_000.0)
    given = limited(amount(300_000.0), 20_000, limits, when=looks(2, 22, 62))
    engine = run(given, at(*range(2, 63)))
    assert sold(engine) == [(2.0, 3_000), (22.0, 2_000), (62.0, 3_000)]
    assert held(engine) == [(22, Limit.MAX_NOTIONAL, 3_000, 2_000)]


def test_what_ended_without_a_fill_is_budget_again() -> None:
    """Of 100,000 sent at 22 s 50,000 fill: with the 400,000 of 62 s 50,000 are left at 63 s."""
    limits = spec.Automation(max_notional=500_000.0)
    given = limited(amount(400_000.0), 20_000, limits, when=looks(2, 22, 62, 63))
    tape = [
        *book(),
        *(mark(second, 100.0) for second in range(2, 22)),
        delta(21.5, BUY, 100, 4_500),  # 4,000 of them were taken
        *(mark(second, 100.0) for second in range(22, 61)),
        delta(60.5, BUY, 100, 1_000_000),
        *(mark(second, 100.0) for second in range(61, 64)),
        delta(63.5, BUY, 10, 1),
    ]
    engine = run(given, tape)
    assert sold(engine) == [(2.0, 4_000), (22.0, 500), (62.0, 4_000), (63.0, 500)]
    assert held(engine) == [(22, Limit.MAX_NOTIONAL, 4_000, 1_000), (63, Limit.MAX_NOTIONAL, 4_000, 500)]


def test_a_share_of_what_was_there() -> None:
    """40 % of 1,000,000: after 300,000 that have filled 100,000 are left, of 400,000 that are wanted."""
    limits = spec.Automation(max_share=0.4)
    engine = run(limited(amount(300_000.0), 10_000, limits, when=looks(2, 4)), at(2, 3, 4))
    assert sold(engine) == [(2.0, 3_000), (4.0, 1_000)]
    assert held(engine) == [(4, Limit.MAX_NOTIONAL, 3_000, 1_000)]


def test_an_order_is_cut_to_so_many_lots() -> None:
    """250 of 800 are 2 lots of 100, of 99.9 none; two limits that cut one order are two rows."""
    for most, lots in ((250.0, [2]), (100.0, [1]), (99.9, [])):
        engine = run(limited(amount(800.0), 10, spec.Automation(max_order=most), max_fires=1), at(2))
        assert [each for _, each in sold(engine)] == lots
        assert held(engine) == [(2, Limit.MAX_ORDER, 8, sum(lots))]
    both = spec.Automation(max_order=500.0, max_notional=300.0)
    engine = run(limited(amount(800.0), 10, both, max_fires=1), at(2))
    assert held(engine) == [(2, Limit.MAX_ORDER, 8, 5), (2, Limit.MAX_NOTIONAL, 5, 3)]
    assert engine.guard_events["event"].tolist() == [GuardEvent.HELD, GuardEvent.HELD, GuardEvent.ORDER]
    assert engine.guard_events[["wanted", "lots", "position", "order"]].tolist()[-1] == (3, 3, 0, 0)


def test_as_many_orders_as_are_said_within_a_window_of_its_own() -> None:
    engine = run(limited(amount(100.0), 10, spec.Automation(window_ns=3 * S, max_orders=2)), at(*range(2, 9)))
    assert [second for second, _ in sold(engine)] == [2.0, 3.0, 5.0, 6.0, 8.0]
    assert {limit for _, limit, _, _ in held(engine)} == {Limit.MAX_ORDERS}


def test_nothing_is_sent_on_what_is_old() -> None:
    """The feed is frozen from 2.5 s on: at 5 s the view of 2 s is 3 s old, which may be; at 6 s it is 4 s."""
    frozen = [*book(), mark(2.0, 100.0), outage(2.5, Outage.FEED_FROZEN), delta(7.5, BUY, 10, 1)]
    engine = run(limited(amount(100.0), 10, spec.Automation(stale_ns=3 * S)), frozen)
    assert [second for second, _ in sold(engine)] == [2.0, 3.0, 4.0, 5.0]
    assert held(engine) == [(6, Limit.STALE, 1, 0), (7, Limit.STALE, 1, 0)]


def test_without_a_mark_nothing_goes_out_if_there_are_limits() -> None:
    """The feed is frozen from the start on; half of 10 lots are known without."""
    tape = [outage(0.5, Outage.FEED_FROZEN), *book(), mark(2.0, 100.0), delta(2.5, BUY, 10, 1)]
    when = (metric(GuardMetric.TIME_TO_FUNDING, MARKET), number(1e9), spec.GuardOp(Op.BELOW))
    half = spec.GuardAction(GuardDo.REDUCE_SHARE, value=0.5)
    for limits, rows in (
        (spec.Automation(), []),
        (spec.Automation(max_order=1e6), [(2, Limit.STALE, 5, 0)]),
        (spec.Automation(kill_loss=1e6), [(2, Limit.STALE, 5, 0)]),
    ):
        engine = run(limited(half, 10, limits, when=when), tape)
        assert held(engine) == rows
        assert len(sold(engine)) == (0 if rows else 1)


def test_a_mark_that_is_off_its_collar() -> None:
    """2 % of an index of 100: a mark of 98.5 passes, 97 does not; without an index nothing passes."""
    limits = spec.Automation(collar=0.02)
    tape = [
        *book(),
        record(1.5, EventKind.INDEX, 100.0),
        mark(2.0, 98.5),
        mark(3.0, 97.0),
        mark(4.0, 101.5),
        delta(4.5, BUY, 10, 1),
    ]
    engine = run(limited(amount(90.0), 10, limits), tape)
    assert [second for second, _ in sold(engine)] == [2.0, 4.0]
    assert held(engine) == [(3, Limit.COLLAR, 1, 0)]
    assert held(run(limited(amount(90.0), 10, limits), at(2))) == [(2, Limit.COLLAR, 1, 0)]
    last = limits._replace(collar_by=PriceSeries.LAST)
    tape = [*book(), trade(1.5, BUY, 101, 1), mark(2.0, 100.0), mark(3.0, 97.0), delta(3.5, BUY, 10, 1)]
    assert held(run(limited(amount(90.0), 10, last), tape)) == [(3, Limit.COLLAR, 1, 0)]


def empty_handed(limits: spec.Automation, seconds: Sequence[int], **more: Any) -> Engine:
    """Bids lie 20 % below, orders go 1 % far: nothing fills."""
    do = spec.GuardAction(GuardDo.REDUCE_SHARE, value=0.1, bound=0.01)
    tape = [mark(1.0, 100.0), ladder(1.0, {80: 90}, {120: 90}), *(mark(n, 100.0) for n in seconds)]
    return run(limited(do, 10, limits, **more), [*tape, delta(seconds[-1] + 0.5, BUY, 10, 1)])


def test_orders_that_do_not_fill_halt_it() -> None:
    """Two in a row, sent at 2 and 3 s: halted at 4 s for 3 s; at 7 and 8 s it tries again, and again is halted."""
    engine = empty_handed(spec.Automation(kill_empty=2, resume_ns=3 * S), range(2, 11))
    assert [second for second, _ in sold(engine)] == [2.0, 3.0, 7.0, 8.0]
    assert [second for second, *_ in held(engine)] == [4, 5, 6, 9, 10]
    assert {limit for _, limit, *_ in held(engine)} == {Limit.HALTED}
    engine = empty_handed(spec.Automation(kill_empty=2), range(2, 30))
    assert [second for second, _ in sold(engine)] == [2.0, 3.0]


def test_a_fill_begins_a_new_row_and_what_the_venue_refuses_is_none() -> None:
    tape = [
        *([mark(1.0, 100.0), ladder(1.0, {80: 90}, {102: 90}), mark(2.0, 100.0), delta(2.5, BUY, 101, 1)]),
        *(mark(float(n), 100.0) for n in range(3, 9)),
        delta(8.5, BUY, 10, 1),
    ]
    do = spec.GuardAction(GuardDo.REDUCE_SHARE, value=0.1, bound=0.01)
    engine = run(limited(do, 10, spec.Automation(kill_empty=2)), tape)
    assert sold(engine) == [(2.0, 0), (3.0, 1), (4.0, 0), (5.0, 0)]
    refusing = [*book(), outage(1.5, Outage.ORDERS_REFUSED), *(mark(float(n), 100.0) for n in range(2, 7))]
    engine = run(limited(amount(100.0), 10, spec.Automation(kill_empty=2)), [*refusing, delta(6.5, BUY, 10, 1)])
    assert set(engine.worlds.orders["reason"].tolist()) == {OrderReason.VENUE_REFUSED}
    assert len(sold(engine)) == 5 and held(engine) == []


def test_what_is_lost_against_the_marks_halts_it_and_alerts_go_on() -> None:
    """A lot of a mark of 100 sells at 90, with a fee of 1 %: 10.90 a time, more than 20 after two."""
    rules = PLAIN._replace(taker_fee=0.01)
    tape = [mark(1.0, 100.0), ladder(1.0, {90: 90}, {110: 90}), *(mark(float(n), 100.0) for n in range(2, 7))]
    given = limited(amount(100.0), 10, spec.Automation(kill_loss=20.0))
    alert = spec.Guard("a", AT_ALL, Rearm.ALWAYS)
    engine = run(given._replace(guards=(*given.guards, alert)), [*tape, delta(6.5, BUY, 10, 1)], rules)
    assert [second for second, _ in sold(engine)] == [2.0, 3.0]
    assert held(engine)[0] == (4, Limit.HALTED, 1, 0)
    assert engine.worlds.automations["loss"].tolist() == [pytest.approx(21.8)]
    assert (engine.guard_events["event"] == GuardEvent.ALERT).sum() == 5


def test_limits_that_hold_nothing_back_change_nothing() -> None:
    """Apart from what is kept of them."""
    wide = spec.Automation(60 * S, 99, 1e12, 0, 3600 * S, math.inf, PriceSeries.INDEX, 1e12, 1e12, 1e12, 20)
    tape = marks(*(100.0,) * 30)
    with_them, without = (run(limited(amount(100.0), 40, each), tape) for each in (wide, spec.Automation()))
    for name in ("fills", "ledger", "liquidations", "payments", "guard_events"):
        assert getattr(with_them, name).tobytes() == getattr(without, name).tobytes()
