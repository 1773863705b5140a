"""Whatever guards want and whatever fills: no window holds more than its budget, and no order more than it may."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.engine import spec
from backtester.enums import GuardDo, GuardEvent, GuardMetric, Limit, OrderStatus, Rearm
from backtester.run.drive import Engine
from tests.oracle.examples import BUY, PLAIN, delta, ladder, mark
from tests.unit.report_runs import account, cross
from tests.unit.test_engine_guards import S, below, run

pytestmark = pytest.mark.compiled
LOTS = 400
PRICES = st.lists(st.integers(90, 110), min_size=20, max_size=40)


@st.composite
def limited(draw: st.DrawFn) -> tuple[Engine, spec.Automation]:
    """A run in which guards sell at every second or so, and levels come and go."""
    limits = spec.Automation(
        window_ns=draw(st.integers(1, 12)) * S,
        max_order=float(draw(st.integers(80, 20_000))),
        max_notional=float(draw(st.integers(80, 20_000))),
        max_orders=draw(st.integers(1, 8)),
    )
    guards = tuple(
        spec.Guard(
            f"g{n}",
            below(GuardMetric.EQUITY, 1e12),
            Rearm.ALWAYS,
            cool_down_ns=draw(st.integers(0, 3)) * S,
            do=(spec.GuardAction(GuardDo.REDUCE_AMOUNT, value=float(draw(st.integers(100, 9_000))), bound=0.05),),
            reaction_ns=draw(st.sampled_from([0, S // 2, 3 * S])),
        )
        for n in range(draw(st.integers(1, 3)))
    )
    prices = draw(PRICES)
    bids = draw(st.lists(st.integers(0, 60), min_size=len(prices), max_size=len(prices)))
    tape = [mark(1.0, 100.0), ladder(1.0, {99: 5}, {120: 90})]
    for n, (price, bid) in enumerate(zip(prices, bids, strict=True)):
        tape += [mark(2.0 + n, float(price)), delta(2.2 + n, BUY, 99, bid)]
    owner = account(1e6, [cross(LOTS)])._replace(guards=guards, automation=limits)
    return run(owner, tape, PLAIN), limits


@given(limited())
def test_no_window_holds_more_than_its_budget(found: tuple[Engine, spec.Automation]) -> None:
    """At every decision what lies within the window, by what it filled once it has ended, and by how many there are."""
    engine, limits = found
    orders = engine.worlds.orders
    worth = orders["guard_mark"] * np.where(orders["status"] >= OrderStatus.FILLED, orders["filled"], orders["lots"])
    for n, t in enumerate(orders["decision_ts"].tolist()):
        within = (orders["decision_ts"] > t - limits.window_ns) & (np.arange(len(orders)) <= n)
        under_way = within & ((orders["done_ts"] < 0) | (orders["done_ts"] > t))
        whole = (orders["guard_mark"] * orders["lots"])[under_way].sum()
        assert whole + worth[within & ~under_way].sum() <= limits.max_notional * (1 + 1e-9)
        assert within.sum() <= limits.max_orders
    assert (orders["guard_mark"] * orders["lots"] <= limits.max_order * (1 + 1e-9)).all()


@given(limited())
def test_every_lot_that_is_missing_has_a_row(found: tuple[Engine, spec.Automation]) -> None:
    """Rows of one order follow one another: what one limit leaves the next one judges, and what all leave is sent."""
    rows = found[0].guard_events
    for row, following in pairwise(rows):
        if row["event"] == GuardEvent.HELD and row["limit"] in (Limit.MAX_ORDER, Limit.MAX_NOTIONAL) and row["lots"]:
            assert (following["ts"], following["guard"]) == (row["ts"], row["guard"])
            assert following["wanted"] == row["lots"]
    assert (rows["lots"] <= rows["wanted"]).all()
    sent = rows[rows["event"] == GuardEvent.ORDER]
    assert sent["lots"].tolist() == found[0].worlds.orders["lots"][sent["order"]].tolist()
