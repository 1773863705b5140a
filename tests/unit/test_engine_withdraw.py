"""Guards that cancel orders and pause what opens (RULES 11.5). Tick and lot are 1."""

from __future__ import annotations

from typing import Any

import pytest

from backtester.engine import spec
from backtester.enums import (
    After,
    GuardDo,
    GuardEvent,
    GuardMetric,
    GuardScope,
    Held,
    Limit,
    OrderReason,
    OrderStatus,
    Outage,
    Rearm,
    Withdraw,
)
from backtester.run.drive import Engine
from tests.oracle.examples import BUY, PLAIN, SELL, delta, ladder, limit_order, mark, market_order, outage, stop_order
from tests.unit.report_runs import Tape, account, cross
from tests.unit.test_engine_guards import S, below, events, marks, run

AT_ALL = below(GuardMetric.EQUITY, 1e12)
OPENING, RESTING, ALL = (spec.GuardAction(GuardDo.CANCEL, orders=each) for each in Withdraw)
#: Two entries that rest, a stop of the long, and an entry that is decided at 5 s.
ORDERS = (
    limit_order(BUY, 4, 99),
    limit_order(BUY, 4, 98),
    stop_order(SELL, 10, 50, reduce_only=True),
    limit_order(BUY, 4, 97, at_ns=5 * S),
)


def pause(seconds: float) -> spec.GuardAction:
    return spec.GuardAction(GuardDo.PAUSE, ns=round(seconds * S))


def guard(*do: spec.GuardAction, **more: Any) -> spec.Guard:
    """Fires once at the first look, at 2 s, unless told otherwise."""
    return spec.Guard("g", AT_ALL, do=do, **{"max_fires": 1, **more})


def reasons(*guards: spec.Guard, orders: tuple[spec.Order, ...] = ORDERS, lots: int = 10, **more: Any) -> list[str]:
    """Why each order of the portfolio ended; `resting`, `untriggered` … of one that did not."""
    return told(withdrawn(*guards, orders=orders, lots=lots, **more), len(orders))


def told(engine: Engine, count: int) -> list[str]:
    rows = engine.worlds.orders[:count]
    return [
        (OrderReason(row["reason"]) if row["status"] > OrderStatus.FILLED else OrderStatus(row["status"])).name.lower()
        for row in rows
    ]


def withdrawn(
    *guards: spec.Guard,
    orders: tuple[spec.Order, ...] = ORDERS,
    lots: int = 10,
    tape: Tape | None = None,
    rules: spec.Rules = PLAIN,
    limits: spec.Automation | None = None,
) -> Engine:
    given = account(5_000.0, [cross(lots)], orders)._replace(guards=guards, automation=limits or spec.Automation())
    return run(given, marks(*(100.0,) * 8) if tape is None else tape, rules)


def test_which_orders_a_cancel_takes() -> None:
    """The example of RULES 11.5."""
    assert reasons() == ["resting", "resting", "untriggered", "resting"]
    assert reasons(guard(RESTING)) == ["guard", "guard", "untriggered", "resting"]
    assert reasons(guard(OPENING)) == ["guard", "guard", "untriggered", "resting"]
    assert reasons(guard(ALL)) == ["guard", "guard", "guard", "resting"]
    assert reasons(guard(pause(10.0))) == ["guard", "guard", "untriggered", "paused"]
    assert reasons(guard(pause(3.0))) == ["guard", "guard", "untriggered", "resting"]


def test_what_it_did_is_a_row_an_order() -> None:
    engine = withdrawn(guard(RESTING, spec.GuardAction(GuardDo.ALERT)))
    rows = engine.guard_events[["event", "order", "position"]].tolist()
    assert rows == [(GuardEvent.CANCEL, 0, 0), (GuardEvent.CANCEL, 1, 0), (GuardEvent.ALERT, -1, -1)]
    engine = withdrawn(guard(pause(9.0)), orders=())
    assert engine.guard_events["event"].tolist() == [GuardEvent.PAUSE]
    engine = withdrawn(guard(ALL), orders=())
    assert engine.guard_events["event"].tolist() == [GuardEvent.NOTHING]


def test_an_order_against_the_position_opens_nothing() -> None:
    """A sell at 102 that is not reduce-only makes a long smaller; of a short, or of nothing, it is an entry."""
    sell = (limit_order(SELL, 4, 102),)
    assert reasons(guard(OPENING), orders=sell) == ["resting"]
    assert reasons(guard(OPENING), orders=sell, lots=-10) == ["guard"]
    assert reasons(guard(OPENING), orders=sell, lots=0) == ["guard"]


def test_orders_of_one_market() -> None:
    of = spec.GuardAction(GuardDo.CANCEL, GuardScope.MARKET, 0, orders=Withdraw.ALL)
    assert reasons(guard(of))[:3] == ["guard"] * 3
    assert reasons(guard(of._replace(place=1)))[:3] == ["resting", "resting", "untriggered"]


def test_a_cancel_takes_its_time_and_is_sent_once() -> None:
    """Reaction 0.5 s, latency 1 s: decided at 2 s it arrives at 3.5 s; at 3 s one is under way."""
    rules = PLAIN._replace(order_latency_ns=S)
    engine = withdrawn(guard(RESTING, rearm=Rearm.ALWAYS, max_fires=0, reaction_ns=S // 2), rules=rules)
    assert engine.worlds.orders["done_ts"].tolist()[:2] == [3.5 * S] * 2
    assert events(engine, GuardEvent.CANCEL)[:2] == [2, 2]
    assert events(engine, GuardEvent.NOTHING)[0] == 3


def test_one_that_the_user_has_cancelled_is_left_alone() -> None:
    """Decided at 1.5 s, it arrives at 2.5 s."""
    rules = PLAIN._replace(order_latency_ns=S)
    order = limit_order(BUY, 4, 99, cancel_at_ns=round(1.5 * S))
    engine = withdrawn(guard(ALL), orders=(order,), rules=rules)
    assert told(engine, 1) == ["cancel_request"]
    assert events(engine, GuardEvent.NOTHING) == [2]


def test_a_cancel_that_an_outage_refuses_is_sent_again() -> None:
    tape = [
        *(mark(1.0, 100.0), ladder(1.0, {90: 90}, {110: 90}), outage(1.5, Outage.CANCELS_REFUSED), mark(2.0, 100.0)),
        *(outage(3.5, Outage(0)), mark(4.0, 100.0), delta(5.5, BUY, 10, 1)),
    ]
    engine = withdrawn(guard(ALL, rearm=Rearm.ALWAYS, max_fires=0), orders=ORDERS[:1], tape=tape)
    assert events(engine, GuardEvent.CANCEL) == [2, 3, 4]
    assert told(engine, 1) == ["guard"]


def test_a_bracket_keeps_its_stop() -> None:
    """The entry of 4 fills at 2.5 s, before the cancel of 2 s arrives; the stop behind it was not decided by then."""
    rules = PLAIN._replace(order_latency_ns=S)
    stop = stop_order(SELL, 4, 50, parent=0, after=After.ALL)
    tape = [
        *(mark(1.0, 100.0), ladder(1.0, {90: 90}, {110: 90}), mark(2.0, 100.0), delta(2.5, SELL, 99, 90)),
        *(mark(3.0, 100.0), mark(4.0, 100.0), delta(5.5, BUY, 10, 1)),
    ]
    engine = withdrawn(guard(ALL), orders=(limit_order(BUY, 4, 99), stop), tape=tape, rules=rules)
    assert told(engine, 2) == ["filled", "untriggered"]


def test_a_child_of_what_it_cancelled_ends_with_it() -> None:
    children = (stop_order(SELL, 4, 50, parent=0, after=After.ALL), limit_order(BUY, 4, 97, parent=0, after=After.END))
    assert reasons(guard(RESTING), orders=(ORDERS[0], *children)) == ["guard", "parent_ended", "resting"]


def test_what_the_client_watches_is_paused_as_it_fires() -> None:
    """A stop to buy at 105, decided at 3.2 s, in a pause from 2 s on: the venue's ends then, the client's firing."""
    tape = [
        *(mark(1.0, 100.0), ladder(1.0, {90: 90}, {110: 90}), mark(2.0, 100.0), mark(4.0, 106.0)),
        delta(5.5, BUY, 10, 1),
    ]
    entry = stop_order(BUY, 4, 105, at_ns=round(3.2 * S))
    for held, ended_s in ((Held.CLIENT, 4.0), (Held.VENUE, 3.2)):
        engine = withdrawn(guard(pause(10.0)), orders=(entry._replace(held=held),), tape=tape)
        assert told(engine, 1) == ["paused"]
        assert engine.worlds.orders["done_ts"][0] == round(ended_s * S)
    closing = entry._replace(reduce_only=True, held=Held.CLIENT)
    assert told(withdrawn(guard(pause(10.0)), orders=(closing,), lots=-4, tape=tape), 1) == ["filled"]


def test_what_the_venue_sends_is_not_paused() -> None:
    """An entry behind one that the cancel ends: held by the venue it is sent, by the client it is not."""
    for held, reason in ((Held.VENUE, "resting"), (Held.CLIENT, "paused")):
        child = limit_order(BUY, 4, 97, parent=0, after=After.END, held=held)
        assert reasons(guard(pause(10.0)), orders=(ORDERS[0], child)) == ["guard", reason]


def test_a_later_pause_does_not_shorten_an_earlier_one() -> None:
    long, short = guard(pause(10.0)), guard(pause(1.0))._replace(id="h")
    assert reasons(long, short, orders=ORDERS[3:]) == ["paused"]


def test_while_all_are_halted_nothing_is_withdrawn() -> None:
    """A sale of a lot of 100 at 99 loses 1, more than the half that may be lost: halted from 3 s on."""
    selling = spec.Guard("s", AT_ALL, max_fires=1, do=(spec.GuardAction(GuardDo.REDUCE_AMOUNT, value=100.0),))
    cancelling = guard(ALL, rearm=Rearm.ALWAYS, confirm_ns=S)
    engine = withdrawn(selling, cancelling, orders=ORDERS[1:3], limits=spec.Automation(kill_loss=0.5))
    assert told(engine, 2) == ["resting", "untriggered"]
    held = engine.guard_events[engine.guard_events["limit"] == Limit.HALTED]
    assert held[["event", "order", "wanted"]].tolist()[0] == (GuardEvent.HELD, -1, 0)


@pytest.mark.parametrize("do", [OPENING, RESTING, ALL, pause(3.0)])
def test_what_is_decided_behind_it_goes_out(do: spec.GuardAction) -> None:
    order = market_order(BUY, 4, 6.5)
    assert withdrawn(guard(do), orders=(order,)).worlds.positions["lots"].tolist() == [14]
