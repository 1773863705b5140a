"""Every outcome of a stop, each in a run that leads to it."""

from __future__ import annotations

from typing import Any

import pytest

from backtester.config.values import Instant
from backtester.enums import (
    CONDITIONAL,
    EventKind,
    Held,
    OrderStatus,
    OrderType,
    Outage,
    SelfTrade,
    TimeInForce,
    TradingStatus,
    Verdict,
)
from backtester.report.executions import OrderReport
from tests.oracle.examples import (
    BUY,
    PLAIN,
    SECOND,
    SELL,
    delta,
    ladder,
    limit_order,
    mark,
    market_order,
    record,
    stop_order,
    trade,
)
from tests.unit.report_runs import account, build_report, cross, finished

CALM = [mark(1.0, 100.0), ladder(1.0, {99: 9}, {101: 9})]
DEEP_FALL = [ladder(2.5, {90: 3, 89: 9}, {92: 9}), mark(3.0, 90.0)]
END = [delta(6.0, BUY, 10, 1)]


def audit(tape: list[Any], rules: Any = PLAIN, lots: int = 4, others: tuple[Any, ...] = (), **more: Any) -> OrderReport:
    """The stop to sell 4 at 95 of a long, over a tape."""
    stop = stop_order(SELL, 4, 95, **more)
    result = finished([account(1000.0, [cross(lots)], [stop, *others])], tape, rules)
    return build_report([result]).finished[0].orders[0]


def test_filled_with_gap_and_levels() -> None:
    stop = audit([*CALM, *DEEP_FALL, *END])
    assert (stop.result, stop.filled_size, stop.levels) == ("filled", 4.0, 2)
    assert (stop.stop_price, stop.trigger_price) == (95.0, 90.0)
    # Mid 91 when it fired, 4 below 95. It sold 3 at 90 and 1 at 89.
    assert stop.gap_bps == pytest.approx(1e4 * 4 / 95)
    assert [(fill.price, fill.size) for fill in stop.fills] == [(90.0, 3.0), (89.0, 1.0)]
    # Gap and slippage are the whole way from the stop price to the price it got.
    slippage = (stop.slippage.total_bps or 0.0) * 91 / 1e4
    assert 95 - (stop.vwap or 0.0) == pytest.approx((stop.gap_bps or 0.0) * 95 / 1e4 + slippage)


def test_partial() -> None:
    # At most 2 % below the mid of 91: the level 90 is in, 89 is not.
    stop = audit([*CALM, *DEEP_FALL, *END], PLAIN._replace(stop_bound=0.02))
    assert (stop.result, stop.filled_size, stop.unfilled_size) == ("partial", 3.0, 1.0)


def test_gapped() -> None:
    stop = audit([*CALM, *DEEP_FALL, *END], PLAIN._replace(stop_bound=0.001))
    assert (stop.result, stop.filled_size, stop.vwap) == ("gapped", 0.0, None)
    assert stop.slippage.total_bps is None
    assert stop.gap_bps is not None


def test_beyond_depth() -> None:
    stop = audit([*CALM, ladder(2.5, {90: 3}, {92: 9}), mark(3.0, 90.0), *END])
    assert (stop.result, stop.filled_size) == ("beyond_depth", 3.0)


def test_not_triggered() -> None:
    stop = audit([*CALM, mark(3.0, 98.0), *END])
    assert (stop.result, stop.trigger_ts, stop.gap_bps) == ("not_triggered", None, None)


def test_cancelled_by_liquidation() -> None:
    stop = audit([*CALM, ladder(2.5, {30: 9}, {32: 9}), mark(3.0, 30.0), *END], lots=15)
    assert stop.result == "cancelled_by_liquidation"
    assert stop.status is OrderStatus.CANCELLED


def test_in_flight_at_end() -> None:
    slow = PLAIN._replace(order_latency_ns=60 * SECOND)
    assert audit([*CALM, *DEEP_FALL, *END], slow, held=Held.CLIENT).result == "in_flight_at_end"


def test_reduce_only_void() -> None:
    sold_before = market_order(SELL, 4, at_s=2.0)
    stop = audit([*CALM, *DEEP_FALL, *END], others=(sold_before,), reduce_only=True)
    assert stop.result == "reduce_only_void"


def test_refused() -> None:
    halt = record(2.7, EventKind.STATUS, lots=TradingStatus.CANCEL_ONLY)
    tape = [*CALM, ladder(2.5, {90: 3, 89: 9}, {92: 9}), halt, mark(3.0, 90.0), *END]
    assert audit(tape).result == "refused"


def test_orders_that_are_no_stops_have_no_audit() -> None:
    result = finished([account(1000.0, [cross(4)], [market_order(SELL, 1)])], [*CALM, *END])
    [plain] = build_report([result]).finished[0].orders
    assert (plain.result, plain.gap_bps, plain.stop_price) == (None, None, None)


APART = [mark(1.0, 100.0), *[ladder(1.0, {99: 9}, {101: 9}), trade(1.0, BUY, 101, 1)]]


def test_protected() -> None:
    # The mark falls through the stop, the last trade stays at 101: 11 apart, more than 5 % of 90.
    rules = PLAIN._replace(trigger_protect=0.05)
    stop = audit([*APART, *DEEP_FALL, *END], rules, price_protect=True)
    assert (stop.result, stop.trigger_ts, stop.filled_size) == ("protected", None, 0.0)
    assert audit([*APART, *DEEP_FALL, *END], rules).result == "filled", "only an order that asks for it is protected"


def test_protection_ends_with_the_first_mark_at_which_last_has_followed() -> None:
    rules = PLAIN._replace(trigger_protect=0.05)
    stop = audit([*APART, *DEEP_FALL, trade(4.5, SELL, 90, 1), *END], rules, price_protect=True)
    assert (stop.result, stop.trigger_ts) == ("filled", Instant(5 * SECOND))


def test_an_outage_of_matching_holds_a_stop_at_the_venue() -> None:
    halted = record(2.6, EventKind.OUTAGE, Outage.MATCHING_HALTED)
    stop = audit([*CALM, DEEP_FALL[0], halted, DEEP_FALL[1], *END])
    assert (stop.result, stop.trigger_ts) == ("held_by_outage", None)
    open_again = record(4.5, EventKind.OUTAGE, Outage.NONE)
    stop = audit([*CALM, DEEP_FALL[0], halted, DEEP_FALL[1], open_again, *END])
    assert (stop.result, stop.trigger_ts) == ("filled", Instant(5 * SECOND))


@pytest.mark.parametrize(
    ("held", "outage", "result"),
    [
        (Held.VENUE, Outage.ORDERS_REFUSED, "filled"),
        (Held.CLIENT, Outage.ORDERS_REFUSED, "refused"),
        (Held.VENUE, Outage.FEED_FROZEN, "filled"),
        (Held.CLIENT, Outage.FEED_FROZEN, "held_by_outage"),
        (Held.VENUE, Outage.MARK_FROZEN, "not_triggered"),
    ],
)
def test_what_an_outage_does_to_a_stop_depends_on_who_holds_it(held: Held, outage: Outage, result: str) -> None:
    stop = audit([*CALM, DEEP_FALL[0], record(2.6, EventKind.OUTAGE, outage), DEEP_FALL[1], *END], held=held)
    assert stop.result == result


def test_cancelled() -> None:
    stop = audit([*CALM, mark(3.0, 98.0), *END], cancel_at_ns=2 * SECOND)
    assert (stop.result, stop.trigger_ts) == ("cancelled", None)


# --- other types -----------------------------------------------------------------------------------------------------


def test_a_stop_limit_that_the_market_jumped_over_rests_and_says_how_far() -> None:
    # Stop 95, limit 94; the mid is 91 when it fires, the best bid 90 when it arrives.
    stop = audit([*CALM, *DEEP_FALL, *END], type=OrderType.STOP_LIMIT, tif=TimeInForce.GTC, limit_tick=94)
    assert (stop.result, stop.status, stop.filled_size) == ("gapped", OrderStatus.RESTING, 0.0)
    assert (stop.stop_price, stop.limit_price) == (95.0, 94.0)
    assert stop.gap_bps == pytest.approx(1e4 * 4 / 95)
    assert stop.limit_gap_bps == pytest.approx(1e4 * 4 / 94)


def test_a_stop_limit_that_is_filled_when_the_market_comes_back() -> None:
    back = [ladder(4.0, {95: 9}, {97: 9}), *END]
    stop = audit([*CALM, *DEEP_FALL, *back], type=OrderType.STOP_LIMIT, tif=TimeInForce.GTC, limit_tick=94)
    assert (stop.result, stop.maker_share, stop.vwap) == ("filled", 1.0, 94.0)


def test_a_stop_limit_that_takes_in_part_and_rests() -> None:
    stop = audit([*CALM, *DEEP_FALL, *END], type=OrderType.STOP_LIMIT, tif=TimeInForce.GTC, limit_tick=90)
    assert (stop.result, stop.status, stop.filled_size, stop.limit_gap_bps) == (
        "partial",
        OrderStatus.RESTING,
        3.0,
        None,
    )


def test_a_limit_on_the_better_side_of_its_stop_was_never_meant_to_take() -> None:
    stop = audit([*CALM, *DEEP_FALL, *END], type=OrderType.STOP_LIMIT, tif=TimeInForce.GTC, limit_tick=97)
    assert stop.result == "resting"


RISE = [ladder(2.5, {109: 9}, {111: 9}), mark(3.0, 110.0)]


def test_a_take_profit_fires_on_the_other_side() -> None:
    taken = audit([*CALM, *RISE, *END], type=OrderType.TAKE_PROFIT_MARKET, trigger_tick=105)
    assert (taken.result, taken.stop_price, taken.vwap) == ("filled", 105.0, 109.0)
    assert taken.gap_bps == pytest.approx(-1e4 * 5 / 105)
    waits = audit([*CALM, *RISE, *END], type=OrderType.TAKE_PROFIT_LIMIT, trigger_tick=105, limit_tick=112)
    assert (waits.result, waits.limit_price) == ("resting", 112.0)
    assert audit([*CALM, *END], type=OrderType.TAKE_PROFIT_MARKET, trigger_tick=105).result == "not_triggered"


def test_a_trailing_stop_keeps_its_peak_and_its_trigger() -> None:
    trail: dict[str, Any] = {"type": OrderType.TRAILING_STOP, "trigger_tick": 0, "callback_ticks": 5}
    up_and_down = [*CALM, mark(2.0, 108.0), mark(3.0, 104.0)]
    waits = audit([*up_and_down, *END], **trail)
    assert (waits.result, waits.peak_price, waits.stop_price) == ("not_triggered", 108.0, 103.0)
    fired = audit([*up_and_down, mark(4.0, 103.0), *END], **trail)
    assert (fired.result, fired.peak_price, fired.stop_price, fired.trigger_price) == ("filled", 108.0, 103.0, 103.0)
    asleep = audit([*up_and_down, mark(4.0, 103.0), *END], **trail, activation_tick=110)
    assert (asleep.result, asleep.activation_price) == ("not_activated", 110.0)
    assert (asleep.peak_price, asleep.stop_price) == (None, None)


def test_the_other_of_two() -> None:
    profit = stop_order(SELL, 4, 105, id="tp", type=OrderType.TAKE_PROFIT_MARKET, oco=1)
    assert audit([*CALM, *RISE, *END], others=(profit,), oco=1).result == "oco"


def test_a_parent_that_ended_or_has_not() -> None:
    killed = limit_order(BUY, 99, 100, TimeInForce.FOK)
    assert audit([*CALM, *DEEP_FALL, *END], others=(killed,), parent=1).result == "parent_ended"
    resting = limit_order(BUY, 1, 80)
    assert audit([*CALM, *DEEP_FALL, *END], others=(resting,), parent=1).result == "not_sent"


def test_fill_or_kill_and_self_trade() -> None:
    killed = audit([*CALM, *DEEP_FALL, *END], type=OrderType.STOP_LIMIT, tif=TimeInForce.FOK, limit_tick=90)
    assert killed.result == "fok_killed"
    own_bid = limit_order(BUY, 1, 90)
    rules = PLAIN._replace(self_trade=SelfTrade.CANCEL_TAKER)
    tape = [*CALM, ladder(2.5, {89: 9}, {92: 9}), mark(3.0, 90.0), *END]
    assert audit(tape, rules, others=(own_bid,)).result == "self_trade"


def test_every_conditional_order_makes_a_reduced_portfolio() -> None:
    assert [kind.name for kind in OrderType if kind not in CONDITIONAL] == ["MARKET", "LIMIT"]
    stop = stop_order(SELL, 4, 95, type=OrderType.STOP_LIMIT, limit_tick=80, tif=TimeInForce.GTC)
    result = finished([account(1000.0, [cross(8)], [stop])], [*CALM, *DEEP_FALL, *END])
    assert build_report([result]).finished[0].verdict is Verdict.REDUCED


def test_a_take_profit_whose_price_only_the_mark_saw_rests_without_a_gap() -> None:
    tape = [*CALM, mark(3.0, 110.0), *END]
    waits = audit(tape, type=OrderType.TAKE_PROFIT_LIMIT, tif=TimeInForce.GTC, trigger_tick=105, limit_tick=105)
    assert (waits.result, waits.status) == ("resting", OrderStatus.RESTING)
