"""Guards in the engine (RULES 11): what they look at, whether it holds, when they fire. Tick and lot are 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from backtester.engine import spec
from backtester.enums import GuardDo, GuardEvent, GuardMetric, GuardScope, Hold, OrderReason, Outage, Rearm
from backtester.enums import GuardOp as Op
from backtester.run.drive import Engine
from tests.oracle.examples import (
    BUY,
    FLAT_TIER,
    PLAIN,
    SELL,
    case,
    delta,
    ladder,
    mark,
    market_data,
    market_order,
    outage,
)
from tests.unit.report_runs import Tape, account, cross, isolated

S = 1_000_000_000
CROSS, ISOLATED = (GuardScope.POOL, 0), (GuardScope.POOL, 1)
MARKET = (GuardScope.MARKET, 0)
START = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90})]


def metric(name: GuardMetric, scope: tuple[GuardScope, int] = CROSS, ns: int = 0) -> spec.GuardOp:
    return spec.GuardOp(Op.METRIC, name, *scope, ns=ns)


def number(value: float) -> spec.GuardOp:
    return spec.GuardOp(Op.NUMBER, value=value)


def below(name: GuardMetric, value: float, scope: tuple[GuardScope, int] = CROSS) -> tuple[spec.GuardOp, ...]:
    return metric(name, scope), number(value), spec.GuardOp(Op.BELOW)


def lasting(when: Sequence[spec.GuardOp], seconds: float) -> tuple[spec.GuardOp, ...]:
    return (*when, spec.GuardOp(Op.FOR, ns=round(seconds * S)))


def marks(*prices: float, begin: float = 1.0) -> Tape:
    """A mark a second from `begin` on; the tape ends before another would come."""
    end = begin + len(prices) - 0.5
    return [*START, *(mark(begin + n, price) for n, price in enumerate(prices)), delta(end, BUY, 10, 1)]


def run(given: spec.Account, tape: Tape, rules: spec.Rules = PLAIN) -> Engine:
    data = market_data(rules, tiers=FLAT_TIER)
    inputs = case(data, (spec.World((given,)),), tape)
    engine = Engine(data)
    engine.feed(inputs.events)
    engine.attach(inputs.worlds)
    engine.resume()
    engine.finish()
    return engine


def guarded(*guards: spec.Guard, lots: int = 1, balance: float = 50.0) -> spec.Account:
    return account(balance, [cross(lots)])._replace(guards=guards)


def events(engine: Engine, kind: GuardEvent) -> list[int]:
    """Seconds at which guards did that."""
    rows = engine.guard_events
    return [int(ts) // S for ts in rows[rows["event"] == kind]["ts"]]


def seen(
    name: GuardMetric,
    *prices: float,
    scope: tuple[GuardScope, int] = CROSS,
    given: spec.Account | None = None,
    ns: int = 0,
    rules: spec.Rules = PLAIN,
) -> list[float]:
    """A metric at every second after the start, as guards see it."""
    at_all = (metric(name, scope, ns), number(-1e300), spec.GuardOp(Op.ABOVE))
    guard = spec.Guard("g", at_all, Rearm.ALWAYS)
    one = (account(50.0, [cross(2)]) if given is None else given)._replace(guards=(guard,))
    return [float(value) for value in run(one, marks(100.0, *prices), rules).guard_events["seen"]]


def test_an_alert_comes_at_the_mark_that_makes_it_true() -> None:
    """Long 1 with 50: at 60 the equity is 10, of which 0.50 are needed less than 15."""
    engine = run(guarded(spec.Guard("g", below(GuardMetric.EQUITY, 15.0))), marks(100.0, 80.0, 60.0, 60.0, 90.0))
    assert events(engine, GuardEvent.ALERT) == [3]
    [row] = engine.guard_events
    assert (row["seen"], row["bound"], row["account"], row["guard"]) == (10.0, 15.0, 0, 0)
    assert engine.worlds.guards["first_ts"].tolist() == [3 * S]


def test_pools_and_positions_at_the_marks() -> None:
    """Long 2 from 100 with 50, at 90: equity 30, notional 180, maintenance as the flat tier says."""
    needed = 180.0 * FLAT_TIER[0].maintenance_rate
    for name, value in {
        GuardMetric.EQUITY: 30.0,
        GuardMetric.EQUITY_START: 50.0,
        GuardMetric.MAINTENANCE: needed,
        GuardMetric.BUFFER: 30.0 - needed,
        GuardMetric.LEVERAGE: 6.0,
        GuardMetric.MARGIN_RATIO: needed / 30.0,
        GuardMetric.NOTIONAL: 180.0,
        GuardMetric.NET_NOTIONAL: 180.0,
        GuardMetric.LOSS: 0.4,
        GuardMetric.DRAWDOWN: 0.4,
    }.items():
        assert seen(name, 90.0) == [pytest.approx(value)]


def test_a_drawdown_is_from_the_highest_equity_and_a_loss_from_that_at_the_start() -> None:
    """Long 2 with 50: 110 is 70; at 100 a loss of nothing, and two sevenths below the highest."""
    assert seen(GuardMetric.DRAWDOWN, 110.0, 100.0) == [0.0, pytest.approx(2 / 7)]
    assert seen(GuardMetric.LOSS, 110.0, 100.0) == [pytest.approx(-0.4), 0.0]


def test_an_isolated_position_is_a_pool_and_the_worst_is_that_with_the_highest_ratio() -> None:
    """Cross 1 with 40, isolated 1 with 10: at 95 they have 35 and 5."""
    given = account(50.0, [cross(1), isolated(1, 10.0)])
    assert seen(GuardMetric.EQUITY, 95.0, given=given) == [35.0]
    assert seen(GuardMetric.EQUITY, 95.0, given=given, scope=ISOLATED) == [5.0]
    assert seen(GuardMetric.EQUITY, 95.0, given=given, scope=(GuardScope.WORST, 0)) == [5.0]
    assert seen(GuardMetric.EQUITY, 95.0, given=given, scope=(GuardScope.ACCOUNT, 0)) == [40.0]


def test_what_is_long_and_short_of_one_base_nets() -> None:
    """Long 10 and short 9 at 100: 1,900 gross, 100 net."""
    given = account(200.0, [cross(10), cross(-9)])
    assert seen(GuardMetric.NOTIONAL, 100.0, given=given) == [1900.0]
    assert seen(GuardMetric.NET_NOTIONAL, 100.0, given=given) == [100.0]


def test_the_distance_is_that_of_the_mark_at_which_the_pool_breaches() -> None:
    """Long 2 with 50 at rate r: 100 − (50 − 200 r)/(2 (1 − r)); of the short above the mark."""
    rate = FLAT_TIER[0].maintenance_rate
    down, up = (50.0 - 200.0 * rate) / (2 * (1 - rate)), (50.0 - 200.0 * rate) / (2 * (1 + rate))
    place = (GuardScope.POSITION, 0)
    assert seen(GuardMetric.DISTANCE, 100.0, scope=place) == [pytest.approx(down / 100.0)]
    short = account(50.0, [cross(-2)])
    assert seen(GuardMetric.DISTANCE, 100.0, scope=place, given=short) == [pytest.approx(up / 100.0)]
    rich = account(250.0, [cross(2)])
    assert seen(GuardMetric.DISTANCE, 100.0, scope=place, given=rich) == [math.inf]


def test_a_market_is_seen() -> None:
    assert seen(GuardMetric.MARK, 90.0, scope=MARKET) == [90.0]
    assert seen(GuardMetric.SPREAD, 90.0, scope=MARKET) == [pytest.approx(0.02)]
    assert seen(GuardMetric.FUNDING, 90.0, scope=MARKET) == [0.0]
    assert seen(GuardMetric.TIME_TO_FUNDING, 90.0, scope=MARKET) == [3598.0]
    assert seen(GuardMetric.INDEX, 90.0, scope=MARKET) == []


def test_a_return_is_unknown_until_there_is_a_mark_of_then() -> None:
    """Of 2 s: the mark at the start, 1 s, is the first that can be compared with."""
    rich = account(500.0, [cross(2)])
    assert seen(GuardMetric.RETURN, 90.0, 80.0, 72.0, scope=MARKET, given=rich, ns=2 * S) == pytest.approx([-0.2, -0.2])


def test_a_frozen_feed_shows_what_it_showed_last() -> None:
    """From 2.5 s on marks of 60 come to nobody: 80 is seen, and it grows old."""
    tape = [*START, mark(2.0, 80.0), outage(2.5, Outage.FEED_FROZEN), mark(3.0, 60.0), delta(5.0, BUY, 10, 1)]
    for name, values in ((GuardMetric.MARK, [80.0, 80.0, 80.0, 80.0]), (GuardMetric.AGE, [0.0, 1.0, 2.0, 3.0])):
        at_all = (metric(name, MARKET), number(-1.0), spec.GuardOp(Op.ABOVE))
        assert run(guarded(spec.Guard("g", at_all, Rearm.ALWAYS)), tape).guard_events["seen"].tolist() == values


def test_false_and_unknown_is_false_true_or_unknown_is_true() -> None:
    """There is no index: what compares it is unknown."""
    unknown, true, false = (
        below(GuardMetric.INDEX, 1.0, MARKET),
        below(GuardMetric.EQUITY, 1e9),
        below(GuardMetric.EQUITY, -1e9),
    )
    both, either, opposite = (spec.GuardOp(code) for code in (Op.AND, Op.OR, Op.NOT))
    for when, fires, blind in (
        ((*false, *unknown, both), 0, 0),
        ((*true, *unknown, both), 0, 3),
        ((*true, *unknown, either), 3, 0),
        ((*false, *unknown, either), 0, 3),
        ((*unknown, opposite), 0, 3),
        ((*false, opposite), 3, 0),
    ):
        engine = run(guarded(spec.Guard("g", when, Rearm.ALWAYS)), marks(100.0, 100.0, 100.0, 100.0))
        assert (len(engine.guard_events), engine.worlds.guards["blind"].tolist()) == (fires, [blind])


def test_a_share_is_of_the_figure_behind_it() -> None:
    """Long 1 with 50: equity below 20 % of its notional, from 62.5 on."""
    fifth = (metric(GuardMetric.EQUITY), metric(GuardMetric.NOTIONAL), spec.GuardOp(Op.SHARE, value=0.2))
    engine = run(guarded(spec.Guard("g", (*fifth, spec.GuardOp(Op.BELOW)))), marks(100.0, 63.0, 62.0))
    assert events(engine, GuardEvent.ALERT) == [3]


def test_for_counts_looks_and_begins_anew_where_it_is_not_true() -> None:
    """Below 10 from 2 to 8 s, above it at 9, below at 12 to 18: true for 6 s at 8 and at 18 s only."""
    low, high = 55.0, 90.0
    prices = [100.0, *(low for _ in range(2, 9)), high, high, high, *(low for _ in range(12, 19))]
    engine = run(guarded(spec.Guard("g", lasting(below(GuardMetric.EQUITY, 10.0), 6.0))), marks(*prices))
    assert events(engine, GuardEvent.ALERT) == [8, 18]


def true_at(seconds: Sequence[range]) -> list[float]:
    """Marks of which the equity of a long 1 with 50 is below 10 at these seconds after the start."""
    return [55.0 if any(second in part for part in seconds) else 90.0 for second in range(0, 30)]


def test_a_cool_down_and_what_arms_again() -> None:
    """True at 5 to 8 and 12 to 29 s after the start, 10 s of cool-down."""
    when, tape = below(GuardMetric.EQUITY, 10.0), marks(*true_at([range(5, 9), range(12, 30)]), begin=1.0)
    for rearm, fires, held in ((Rearm.ALWAYS, [5, 15, 25], [6, 12, 16, 26]), (Rearm.WHEN_FALSE, [5, 15], [12])):
        engine = run(guarded(spec.Guard("g", when, rearm, cool_down_ns=10 * S)), tape)
        assert [second - 1 for second in events(engine, GuardEvent.ALERT)] == fires
        assert [second - 1 for second in events(engine, GuardEvent.HELD)] == held
        assert set(engine.guard_events["held"].tolist()) == {Hold.NONE, Hold.COOL_DOWN}


def test_it_is_armed_again_by_a_condition_of_its_own() -> None:
    """Fires at 2 s below 10, again only after an equity above 45."""
    when, again = below(GuardMetric.EQUITY, 10.0), (*below(GuardMetric.EQUITY, 45.0), spec.GuardOp(Op.NOT))
    guard = spec.Guard("g", when, Rearm.WHEN, again)
    engine = run(guarded(guard), marks(100.0, 55.0, 70.0, 55.0, 98.0, 55.0))
    assert events(engine, GuardEvent.ALERT) == [2, 6]


def test_no_more_than_it_may() -> None:
    guard = spec.Guard("g", below(GuardMetric.EQUITY, 10.0), Rearm.ALWAYS, max_fires=2)
    engine = run(guarded(guard), marks(100.0, *(55.0 for _ in range(6))))
    assert (events(engine, GuardEvent.ALERT), events(engine, GuardEvent.HELD)) == ([2, 3], [4])
    assert engine.guard_events["held"].tolist() == [Hold.NONE, Hold.NONE, Hold.MAX_FIRES]


def test_a_fire_waits_for_somebody() -> None:
    """A look every 3 s, 30 s of cool-down and confirmation, true from 6 s on: fires 6, acts 36, fires 39, acts 69."""
    rules = PLAIN._replace(mark_interval_ns=3 * S)
    tape = [mark(3.0, 100.0), ladder(3.0, {99: 90}, {101: 90}), mark(6.0, 55.0), delta(72.0, BUY, 10, 1)]
    guard = spec.Guard("g", below(GuardMetric.EQUITY, 10.0), Rearm.ALWAYS, (), 30 * S, 30 * S)
    engine = run(guarded(guard), tape, rules)
    assert events(engine, GuardEvent.ALERT) == [36, 69]
    assert engine.worlds.guards["fires"].tolist() == [3]


def test_a_fire_that_is_over_by_the_time_somebody_looks_is_passed() -> None:
    guard = spec.Guard("g", below(GuardMetric.EQUITY, 10.0), Rearm.ALWAYS, (), 0, 2 * S)
    engine = run(guarded(guard), marks(100.0, 55.0, 55.0, 90.0))
    assert (events(engine, GuardEvent.ALERT), events(engine, GuardEvent.PASSED)) == ([], [4])


def test_guards_of_an_account_that_holds_nothing_are_not_judged() -> None:
    engine = run(guarded(spec.Guard("g", below(GuardMetric.EQUITY, 1e9)), lots=0), marks(100.0, 100.0))
    assert len(engine.guard_events) == 0


def test_a_liquidated_account_has_no_guards_left() -> None:
    """Long 1 with 10: liquidated at 3 s; the guard alerts at 2 s, and no more though its condition holds."""
    guard = spec.Guard("g", below(GuardMetric.EQUITY, 5.0), Rearm.ALWAYS)
    tape = [*START, mark(2.0, 94.0), mark(3.0, 90.0), mark(4.0, 90.0), delta(6.0, BUY, 10, 1)]
    engine = run(guarded(guard, balance=10.0), tape)
    assert events(engine, GuardEvent.ALERT)[0] == 2
    last = engine.guard_events["ts"].max()
    closed = engine.fills["ts"].max()
    assert last <= closed


def test_guards_that_only_alert_change_nothing_else() -> None:
    guard = spec.Guard("g", below(GuardMetric.EQUITY, 1e9), Rearm.ALWAYS)
    with_them, without = (run(guarded(*guards), marks(100.0, 90.0, 60.0, 90.0)) for guards in ((guard,), ()))
    for name in ("fills", "ledger", "liquidations", "payments"):
        assert getattr(with_them, name).tobytes() == getattr(without, name).tobytes()
    for name in ("pools", "positions"):
        np.testing.assert_array_equal(getattr(with_them.worlds, name), getattr(without.worlds, name))


def test_records_that_are_full_lose_nothing() -> None:
    from backtester.engine.state import Capacities

    guards = tuple(spec.Guard(f"g{n}", below(GuardMetric.EQUITY, 1e9), Rearm.ALWAYS) for n in range(3))
    data = market_data(PLAIN, tiers=FLAT_TIER)
    inputs = case(data, (spec.World((guarded(*guards),)),), marks(100.0, *(99.0 for _ in range(5))))
    found = []
    for rows in (1, 4, 1000):
        engine = Engine(data, Capacities(rows=rows))
        engine.feed(inputs.events)
        engine.attach(inputs.worlds)
        engine.resume()
        engine.finish()
        found.append(engine.guard_events.tobytes())
    assert found[0] == found[1] == found[2] != b""


def reducing(do: spec.GuardAction, when: Sequence[spec.GuardOp] = (), **more: Any) -> spec.Guard:
    """Fires at every look below an equity of 1e9, or `when`."""
    return spec.Guard("g", tuple(when) or below(GuardMetric.EQUITY, 1e9), **more, do=(do,))


def share(part: float, **more: Any) -> spec.GuardAction:
    return spec.GuardAction(GuardDo.REDUCE_SHARE, value=part, **more)


def sold(engine: Engine) -> list[tuple[float, int]]:
    """(second, lots) of every order that guards sent, as it arrived and filled."""
    own = engine.worlds.orders[engine.worlds.orders["guard"] >= 0]
    return [(float(row["arrive_ts"]) / S, int(row["filled"])) for row in own]


def test_a_share_is_sold_through_the_order_book() -> None:
    """Half of 8 at 2 s; reaction and latencies are 0: the bid of 99."""
    engine = run(guarded(reducing(share(0.5)), lots=8, balance=500.0), marks(100.0, 100.0))
    assert sold(engine) == [(2.0, 4)]
    assert engine.worlds.positions["lots"].tolist() == [4]
    assert engine.fills["tick"].tolist() == [99]
    assert events(engine, GuardEvent.ORDER) == [2]
    assert engine.guard_events["order"].tolist() == [0]


def test_seven_per_cent_of_a_hundred_lots_is_seven() -> None:
    engine = run(guarded(reducing(share(0.07)), lots=100, balance=5_000.0), marks(100.0, 100.0))
    assert sold(engine) == [(2.0, 7)]


def test_it_goes_on_while_the_condition_lasts() -> None:
    engine = run(guarded(reducing(share(0.5), rearm=Rearm.ALWAYS), lots=8, balance=500.0), marks(*(100.0,) * 5))
    assert [lots for _, lots in sold(engine)] == [4, 2, 1, 1]
    assert engine.worlds.positions["lots"].tolist() == [0]


def test_the_largest_wish_wins_not_the_sum() -> None:
    """Of 40 a wants a quarter and b half, at one time: 10 are on their way, 10 more are sent. They arrive 2 s later."""
    rules = PLAIN._replace(order_latency_ns=2 * S)
    a, b = (
        spec.Guard(name, below(GuardMetric.EQUITY, 1e9), do=(share(part),)) for name, part in (("a", 0.25), ("b", 0.5))
    )
    engine = run(guarded(a, b, lots=40, balance=2_000.0), marks(*(100.0,) * 5), rules)
    assert sold(engine) == [(4.0, 10), (4.0, 10)]


def test_what_is_on_its_way_is_not_sent_again() -> None:
    rules = PLAIN._replace(order_latency_ns=2 * S)
    engine = run(guarded(reducing(share(1.0), rearm=Rearm.ALWAYS), lots=8, balance=500.0), marks(*(100.0,) * 5), rules)
    assert sold(engine) == [(4.0, 8)]
    assert events(engine, GuardEvent.NOTHING) == [3, 4]


def test_a_reaction_and_a_bound() -> None:
    """Bids of 4 at 99 and 6 at 98; 1 % below a mid of 100 is 99: 4 fill. It arrives half a second later."""
    tape = [mark(1.0, 100.0), ladder(1.0, {99: 4, 98: 6}, {101: 9}), mark(2.0, 100.0), delta(3.5, BUY, 10, 1)]
    guard = reducing(share(1.0, bound=0.01), reaction_ns=S // 2)
    engine = run(guarded(guard, lots=8, balance=500.0), tape)
    assert sold(engine) == [(2.5, 4)]


def test_an_amount_is_the_same_share_of_every_position() -> None:
    """300 of a notional of 1,200: a quarter of 8 and of 4."""
    given = account(500.0, [cross(8), cross(-4)])._replace(
        guards=(reducing(spec.GuardAction(GuardDo.REDUCE_AMOUNT, value=300.0)),)
    )
    assert run(given, marks(100.0, 100.0)).worlds.orders["lots"].tolist() == [2, 1]


def test_to_a_leverage() -> None:
    """Long 10,000 lots of 0.001 BTC at 100,000, equity 50,000, fee 5 bps, to 10x: k is 5,026.

    After it 497,400 of notional on 49,748.70: 9.9983.
    """
    rules = PLAIN._replace(taker_fee=0.0005)
    given = account(5_000_000.0, [cross(1_000_000, leverage=30.0)])
    target = spec.GuardAction(GuardDo.REDUCE_TO, value=10.0, metric=GuardMetric.LEVERAGE)
    engine = run(given._replace(guards=(reducing(target),)), marks(100.0, 100.0), rules)
    assert engine.worlds.orders["lots"].tolist() == [502_600]


def test_to_a_buffer_that_is_a_share_of_what_is_left() -> None:
    """Long 8 at 100 with 60 and 3.125 %: 35 above maintenance, of 800 4.4 %. To 10 % of notional k·800 = …"""
    target = spec.GuardAction(
        GuardDo.REDUCE_TO, value=0.1, metric=GuardMetric.BUFFER, share_of=int(GuardMetric.NOTIONAL)
    )
    engine = run(guarded(reducing(target), lots=8, balance=60.0), marks(100.0, 100.0))
    [lots] = engine.worlds.orders["lots"].tolist()
    rate = FLAT_TIER[0].maintenance_rate
    left = 800.0 * (1 - lots / 8)
    assert 60.0 - left * rate >= 0.1 * left
    assert 60.0 - (left + 100.0) * rate < 0.1 * (left + 100.0)


def test_a_target_that_is_met_sends_nothing() -> None:
    target = spec.GuardAction(GuardDo.REDUCE_TO, value=10.0, metric=GuardMetric.LEVERAGE)
    engine = run(guarded(reducing(target), lots=1, balance=500.0), marks(100.0, 100.0))
    assert (sold(engine), events(engine, GuardEvent.NOTHING)) == ([], [2])


def test_no_more_than_twenty_orders_a_minute() -> None:
    """40 of 4,000 a second: the twentieth at 21 s, then none until the first is a minute old, at 62 s."""
    engine = run(guarded(reducing(share(0.01), rearm=Rearm.ALWAYS), lots=4_000, balance=2e6), marks(*(100.0,) * 63))
    assert [int(second) for second, _ in sold(engine)] == [*range(2, 22), 62, 63]
    held = engine.guard_events[engine.guard_events["event"] == GuardEvent.HELD]
    assert set(held["held"].tolist()) == {Hold.MAX_ORDERS} and len(held) == 40


def test_an_order_of_a_guard_turns_no_position_round() -> None:
    """8 are sold by the portfolio's own order, while the guard's 8 are on their way."""
    rules = PLAIN._replace(order_latency_ns=2 * S)
    own = market_order(SELL, 8, 1.5)
    given = guarded(reducing(share(1.0)), lots=8, balance=500.0)._replace(orders=(own,))
    tape = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90}), mark(2.0, 100.0), delta(6.0, BUY, 10, 1)]
    engine = run(given, tape, rules)
    assert engine.worlds.positions["lots"].tolist() == [0]
    assert engine.worlds.orders["filled"].tolist() == [8, 0]
    assert engine.worlds.orders["reason"].tolist() == [OrderReason.NONE, OrderReason.REDUCE_ONLY_VOID]


def test_an_account_whose_order_of_a_guard_is_under_way_is_looked_at() -> None:
    """The guard's 8 are under way from 2 to 4 s, the portfolio's own order has closed all of it at 3.5 s."""
    rules = PLAIN._replace(order_latency_ns=2 * S)
    alert = spec.Guard("a", below(GuardMetric.EQUITY, 1e9), Rearm.ALWAYS)
    given = guarded(reducing(share(1.0)), alert, lots=8, balance=500.0)._replace(orders=(market_order(SELL, 8, 1.5),))
    tape = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90}), mark(2.0, 100.0), delta(6.0, BUY, 10, 1)]
    engine = run(given, tape, rules)
    assert engine.worlds.positions["lots"].tolist() == [0]
    assert events(engine, GuardEvent.ALERT) == [2, 3, 4]
