"""What breaks for guards on purpose (RULES 12). Tick and lot are 1, a look is each second, bids of 90 at 99."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from backtester.engine import spec
from backtester.enums import Drill, GuardEvent, GuardMetric, GuardScope, OrderReason, Rearm
from backtester.enums import GuardOp as Op
from backtester.run.drive import Engine
from tests.oracle.examples import FLAT_TIER, PLAIN, SELL, case, market_data, market_order
from tests.unit.report_runs import account, cross
from tests.unit.test_engine_guards import (
    CROSS,
    MARKET,
    S,
    below,
    events,
    guarded,
    marks,
    metric,
    number,
    reducing,
    share,
)

NEVER = 1 << 60


def run(
    given: spec.Account,
    prices: Sequence[float],
    drill: Drill,
    begin: float = 0.0,
    end: float | None = None,
    rules: spec.Rules = PLAIN,
    limits: bool = True,
) -> Engine:
    """A run in which `drill` breaks something in begin ≤ t < end, s. The first of `prices` is that of the start."""
    kind = spec.Drill(drill, round(begin * S), NEVER if end is None else round(end * S))
    inputs = case(
        market_data(rules, tiers=FLAT_TIER), (spec.World((given,), drill=kind, limits=limits),), marks(*prices)
    )
    engine = Engine(inputs.data)
    engine.feed(inputs.events)
    engine.attach(inputs.worlds)
    engine.resume()
    engine.finish()
    return engine


def seen(
    name: GuardMetric, scope: tuple[GuardScope, int], drill: Drill, begin: float, end: float | None = None
) -> list[float]:
    """A metric of a long 2 with 50 at every second from 2 on, at PRICES."""
    at_all = (metric(name, scope, S), number(-1e300), spec.GuardOp(Op.ABOVE))
    given = account(50.0, [cross(2)])._replace(guards=(spec.Guard("g", at_all, Rearm.ALWAYS),))
    return [float(value) for value in run(given, PRICES, drill, begin, end).guard_events["seen"]]


def sells(engine: Engine) -> list[tuple[float, int]]:
    """(second of arrival, lots filled) of each order."""
    return [(float(row["arrive_ts"]) / S, int(row["filled"])) for row in engine.worlds.orders]


QUARTER = reducing(share(0.25), rearm=Rearm.ALWAYS)
PRICES = (100.0, 100.0, 96.0, 92.0, 90.0)


def test_a_bad_tick_halves_marks_and_is_over() -> None:
    assert seen(GuardMetric.MARK, MARKET, Drill.BAD_TICK, 3, 3.1) == [100, 48, 92, 90]
    assert seen(GuardMetric.EQUITY, CROSS, Drill.BAD_TICK, 3, 3.1) == [50, -54, 34, 30]


def test_a_bad_tick_is_a_fall_from_what_marks_were_and_no_rise_after_it() -> None:
    found = seen(GuardMetric.RETURN, MARKET, Drill.BAD_TICK, 3, 3.1)
    assert found == pytest.approx([0.0, 48 / 100 - 1, 92 / 96 - 1, 90 / 92 - 1])


def test_a_stale_view_shows_what_was_there_before_it() -> None:
    assert seen(GuardMetric.MARK, MARKET, Drill.STALE_VIEW, 3, 5) == [100, 100, 100, 90]
    assert seen(GuardMetric.AGE, MARKET, Drill.STALE_VIEW, 3, 5) == [0, 1, 2, 0]


def test_a_frozen_equity_is_that_of_its_begin_and_notional_goes_on() -> None:
    assert seen(GuardMetric.EQUITY, CROSS, Drill.FROZEN_EQUITY, 3) == [50, 42, 42, 42]
    assert seen(GuardMetric.NOTIONAL, CROSS, Drill.FROZEN_EQUITY, 3) == [200, 192, 184, 180]


def test_another_world_sees_what_is_there() -> None:
    given = guarded(spec.Guard("g", below(GuardMetric.EQUITY, 45.0)), lots=2)
    worlds = (
        spec.World((given,), drill=spec.Drill(Drill.STALE_VIEW, 2 * S, NEVER)),
        spec.World((given,)),
        spec.World((given,), drill=spec.Drill(Drill.BAD_TICK, 2 * S, 2 * S + 1)),
    )
    inputs = case(market_data(PLAIN, tiers=FLAT_TIER), worlds, marks(*PRICES))
    engine = Engine(inputs.data)
    engine.feed(inputs.events)
    engine.attach(inputs.worlds)
    engine.resume()
    engine.finish()
    assert [(row["world"], row["ts"] // S) for row in engine.guard_events] == [(2, 2), (1, 3)]


def test_whoever_is_blind_sends_what_was_sent_before() -> None:
    """A quarter of 8 is 2, of the 6 that are left 2 again; blind from 2 s on it is always of 8, down to nothing."""
    calm = run(guarded(QUARTER, lots=8, balance=500.0), (100.0,) * 6, Drill.NONE)
    assert [lots for _, lots in sells(calm)] == [2, 2, 1, 1, 1]
    blind = run(guarded(QUARTER, lots=8, balance=500.0), (100.0,) * 7, Drill.BLIND, 2)
    assert [lots for _, lots in sells(blind)] == [2, 2, 2, 2]


def test_nothing_counts_as_on_its_way_to_the_blind() -> None:
    """Orders take 3 s: all of 8 is sent again at each look meanwhile."""
    rules = PLAIN._replace(order_latency_ns=3 * S)
    all_of_it = guarded(reducing(share(1.0), rearm=Rearm.ALWAYS), lots=8, balance=500.0)
    assert len(sells(run(all_of_it, (100.0,) * 4, Drill.NONE, rules=rules))) == 1
    assert len(sells(run(all_of_it, (100.0,) * 4, Drill.BLIND, 2, rules=rules))) == 3


def test_a_loop_acts_whatever_its_condition() -> None:
    never = spec.Guard("g", below(GuardMetric.EQUITY, -1e9), max_fires=1, cool_down_ns=60 * S, confirm_ns=30 * S)
    assert events(run(guarded(never), (100.0,) * 6, Drill.LOOP, 3, 5), GuardEvent.ALERT) == [3, 4]


def test_nobody_comes_to_confirm() -> None:
    waiting = spec.Guard("g", below(GuardMetric.EQUITY, 1e9), Rearm.ALWAYS, confirm_ns=S)
    assert events(run(guarded(waiting), (100.0,) * 6, Drill.NONE), GuardEvent.ALERT) == [3, 5]
    assert events(run(guarded(waiting), (100.0,) * 6, Drill.NO_HUMAN, 4), GuardEvent.ALERT) == [3]


def test_a_wrong_unit_closes_all() -> None:
    engine = run(guarded(QUARTER, lots=8, balance=500.0), (100.0, 100.0), Drill.UNIT)
    assert sells(engine) == [(2.0, 8)]


def test_a_wrong_unit_asks_for_no_more_than_the_venue_takes() -> None:
    data = market_data(PLAIN, tiers=FLAT_TIER)
    data = data._replace(markets=tuple(each._replace(max_market_lots=5) for each in data.markets))
    world = spec.World((guarded(QUARTER, lots=8, balance=500.0),), drill=spec.Drill(Drill.UNIT, 0, NEVER))
    inputs = case(data, (world,), marks(100.0, 100.0))
    engine = Engine(data)
    engine.feed(inputs.events)
    engine.attach(inputs.worlds)
    engine.resume()
    engine.finish()
    assert sells(engine) == [(2.0, 5)]


def test_every_order_goes_out_three_times() -> None:
    engine = run(guarded(QUARTER, lots=10, balance=500.0), (100.0, 100.0), Drill.TRIPLE)
    assert sells(engine) == [(2.0, 3), (2.0, 3), (2.0, 3)]
    assert len({*engine.worlds.orders["key"].tolist()}) == 3


def test_what_does_not_reduce_turns_a_position_round() -> None:
    """3 of 10 three times, then of the 1 that is left 1 three times."""
    engine = run(guarded(QUARTER, lots=10, balance=5_000.0), (100.0, 100.0, 100.0), Drill.FLIP)
    assert [lots for _, lots in sells(engine)] == [3, 3, 3, 1, 1, 1]
    assert engine.worlds.positions["lots"].tolist() == [-2]


def test_what_is_late_comes_later() -> None:
    engine = run(guarded(reducing(share(1.0)), lots=8, balance=500.0), (100.0,) * 14, Drill.LATE, 2, 3)
    assert sells(engine) == [(12.0, 8)]


def test_what_is_lost_counts_as_on_its_way_for_ten_seconds() -> None:
    engine = run(
        guarded(reducing(share(1.0), rearm=Rearm.ALWAYS), lots=8, balance=500.0), (100.0,) * 14, Drill.LOST, 2, 5
    )
    assert sells(engine) == [(12.0, 0), (13.0, 8)]  # at the look of 12 s it has not ended yet
    assert engine.worlds.orders["reason"].tolist() == [OrderReason.LOST, OrderReason.NONE]


def test_what_arrives_is_refused_meanwhile() -> None:
    engine = run(
        guarded(reducing(share(1.0), rearm=Rearm.ALWAYS), lots=8, balance=500.0), (100.0,) * 6, Drill.REFUSED, 2, 4
    )
    assert sells(engine) == [(2.0, 0), (3.0, 0), (4.0, 8)]
    assert engine.worlds.orders["reason"].tolist()[:2] == [OrderReason.VENUE_REFUSED] * 2


def test_one_order_in_ten_seconds_is_taken() -> None:
    engine = run(guarded(QUARTER, lots=8, balance=500.0), (100.0,) * 14, Drill.RATE_LIMITED, 3)
    assert [int(second) for second, lots in sells(engine) if lots] == [2, 3, 13]
    refused = engine.worlds.orders["reason"][2:-2]
    assert set(refused.tolist()) == {OrderReason.RATE_LIMIT}


def test_the_portfolios_own_orders_are_not_touched() -> None:
    given = guarded(QUARTER, lots=8, balance=500.0)._replace(guards=(), orders=(market_order(SELL, 8, 1.5),))
    engine = run(given, (100.0,) * 3, Drill.REFUSED)
    assert engine.worlds.orders["filled"].tolist() == [8]


def test_without_limits_no_order_is_held_back() -> None:
    given = guarded(reducing(share(0.01), rearm=Rearm.ALWAYS), lots=4_000, balance=2e6)
    assert len(sells(run(given, (100.0,) * 30, Drill.NONE))) == 20
    assert len(sells(run(given, (100.0,) * 30, Drill.NONE, limits=False))) == 29
