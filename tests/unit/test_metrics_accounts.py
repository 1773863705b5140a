"""Accounts, pools and positions of small runs, computed by hand."""

from __future__ import annotations

import pytest

from backtester.config.values import Instant
from backtester.engine import spec
from backtester.enums import Disposal, EventKind, ForcedPrice, Outage, Verdict
from backtester.formulas.distance import DISTANCES_BPS
from backtester.report.flags import Flag
from backtester.report.records import Cell
from backtester.report.text import story
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
    outage,
    record,
    stop_order,
)
from tests.oracle.forced import rows
from tests.unit.report_runs import Tape, account, build_report, cross, finished, isolated

START = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90})]
END = [delta(9.0, BUY, 10, 1)]


def at(second: float) -> Instant:
    return Instant(round(second * SECOND))


def cell(accounts: list[spec.Account], tape: Tape, rules: spec.Rules = PLAIN, insurance: float = 0.0) -> Cell:
    return build_report([finished(accounts, tape, rules, insurance=insurance)]).finished[0]


def test_pnl_is_told_apart_by_cause_and_adds_up() -> None:
    # Long 8 from 100, sells 2 at 99, funding of 1 % on 6 at 100, ends at a mark of 90.
    rules = PLAIN._replace(taker_fee=0.01, funding_interval_ns=4 * SECOND)
    tape = [*START, record(4.0, EventKind.FUNDING, 0.01, 4), mark(5.0, 90.0), *END]
    [found] = cell([account(400.0, [cross(8)], [market_order(SELL, 2, at_s=2.0)])], tape, rules).accounts
    assert found.pnl_price == -2 - 60
    assert found.pnl_fees == pytest.approx(-0.01 * 198)
    assert found.pnl_funding == pytest.approx(-6.0)
    assert found.pnl_total == pytest.approx(-62 - 1.98 - 6)
    assert (found.equity_start, found.equity_end) == pytest.approx((400.0, 400 - 69.98))
    assert found.slippage == 2 * (100 - 99)
    [place] = found.positions
    assert (place.size_start, place.size_end, place.entry_price) == (8.0, 6.0, 100.0)
    assert (place.pnl_price, place.slippage_bps) == (-62.0, 100.0)
    assert (place.funding, place.fees) == (found.pnl_funding, found.pnl_fees)


def test_the_lowest_buffer_and_its_time() -> None:
    # Long 8, 100 of balance: at 96 equity 68, maintenance 24.
    [found] = cell([account(100.0, [cross(8)])], [*START, mark(3.0, 96.0), mark(6.0, 99.0), *END]).accounts
    assert (found.equity_min, found.equity_min_ts) == (68.0, at(3))
    assert (found.buffer_min, found.buffer_min_ts) == (44.0, at(3))
    assert found.margin_ratio_max == pytest.approx(24 / 68)
    assert (found.required_topup, found.required_topup_by) == (0.0, None)


@pytest.mark.parametrize(
    ("bids", "equity_end", "price", "beyond"),
    [
        ([], 140.0, -10.0, 0.0),  # forced at 94, sold at 99
        ([delta(2.0, BUY, 99, 0)], 100.0, -60.0, 10.0),  # nobody buys: still open, 10 below its margin of 50
    ],
)
def test_what_an_isolated_pool_lies_below_0_is_not_the_accounts_loss(
    bids: Tape, equity_end: float, price: float, beyond: float
) -> None:
    found = cell([account(150.0, [isolated(10, 50.0)])], [*START, *bids, mark(3.0, 94.0), *END])
    [books] = found.accounts
    assert (books.equity_min, books.equity_min_ts, books.equity_end) == (100.0, at(3), equity_end)
    assert (books.pnl_price, books.pnl_liquidation, books.pnl_total) == (price, beyond, equity_end - 150.0)
    assert (found.verdict, found.system.deficit, books.reconciliation_error) == (Verdict.LIQUIDATED, beyond, 0.0)


def test_a_loss_that_others_bear_is_no_survival_where_liquidation_is_suspended() -> None:
    tape = [*START, outage(2.0, Outage.LIQUIDATION_SUSPENDED), mark(3.0, 94.0), *END]
    found = cell([account(50.0, [isolated(10, 50.0)])], tape)
    [books] = found.accounts
    assert (found.verdict, books.equity_end, found.system.deficit) == (Verdict.INSOLVENT, 0.0, 10.0)
    assert story(found, "USDC")[0] == "others bear 10.00 USDC of losses beyond the margin"
    assert books.required_topup == pytest.approx(10.0, rel=1e-4)  # nobody liquidates: not to be below 0 is enough


def test_an_isolated_pool_below_0_from_the_start_carries_in_no_more_than_its_margin() -> None:
    [books] = cell([account(150.0, [isolated(10, 50.0, entry_price=106.0)])], [*START, *END]).accounts
    assert (books.collateral, books.carried_in, books.equity_start) == (150.0, -50.0, 100.0)


def test_break_prices_at_start_and_end() -> None:
    # 31/32 of the price is left after maintenance: (800 - 100) / (8 · 31/32), at the end with 4 and 90 of balance.
    orders = [limit_order(SELL, 4, 99)]
    [found] = cell([account(100.0, [cross(8)], orders)], [*START, *END]).accounts
    [place] = found.positions
    assert place.liquidation_price == pytest.approx(700 / 7.75)
    assert place.bankruptcy_price == 87.5
    assert place.liquidation_price_end == pytest.approx((400 - 96) / 3.875)
    assert place.bankruptcy_price_end == 76.0
    assert place.liquidation_distance_min == pytest.approx(1 - 700 / 775)


def test_a_long_with_more_equity_than_notional_never_comes_near() -> None:
    [found] = cell([account(1_057.0, [cross(8)])], [*START, mark(3.0, 60.0), *END]).accounts
    [place] = found.positions
    assert (place.liquidation_price, place.liquidation_price_end, place.liquidation_distance_min) == (None, None, None)


def test_a_flat_place_breaks_nowhere() -> None:
    [found] = cell([account(100.0, [cross(0)])], [*START, *END]).accounts
    [place] = found.positions
    assert (place.entry_price, place.liquidation_price, place.bankruptcy_price) == (None, None, None)
    assert (found.buffer_min, found.margin_ratio_max) == (None, None)


def test_the_top_up_is_what_each_pool_lacked_until_it_broke() -> None:
    # Fenced 8 with 50: at 95 equity 10, maintenance 23.75; at 90 equity -30, maintenance 22.5 → 52.5 lacking.
    # Cross 8 with 100: at 90 equity 20, maintenance 22.5 → 2.5 lacking.
    places = [cross(8), isolated(8, 50.0)]
    tape = [*START, ladder(2.5, {95: 90}, {97: 90}), mark(3.0, 95.0), mark(6.0, 90.0), *END]
    [found] = cell([account(150.0, places)], tape).accounts
    assert [(pool.pool, pool.required_topup, pool.required_topup_by) for pool in found.pools] == [
        ("cross", 2.5, at(6)),
        ("X", 52.5, at(3)),
    ]
    assert (found.required_topup, found.required_topup_by) == (55.0, at(3))
    assert (found.topup_equity_end, found.topup_limit) == (150 - 160, 1_600.0)
    assert found.equity_end_unliquidated == 150 - 160


def test_equity_below_zero_has_no_margin_ratio() -> None:
    tape = [*START, ladder(2.5, {60: 9}, {62: 9}), mark(3.0, 61.0), *END]
    [found] = cell([account(100.0, [cross(8)])], tape).accounts
    assert found.margin_ratio_max is None


def test_portfolio_of_two_accounts() -> None:
    accounts = [account(400.0, [cross(8)]), account(100.0, [cross(-3)], name="hedge")]
    found = cell(accounts, [*START, mark(3.0, 90.0), mark(5.0, 97.0), *END]).portfolio
    assert (found.equity_start, found.equity_end) == (500.0, 500 - 24 + 9)
    assert found.equity_min == 500 - 80 + 30
    assert (found.loss, found.loss_pct) == (15.0, 3.0)
    assert found.net_delta.items == (("X", 5.0),)
    # At a mark of 97 the long sells at 99, the short buys at 101.
    assert found.equity_end_exit == 485 + 8 * 2 - 3 * 4


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([], Verdict.SURVIVED),
        ([market_order(SELL, 2, at_s=2.0)], Verdict.SURVIVED),
        ([market_order(SELL, 2, at_s=2.0, reduce_only=True)], Verdict.REDUCED),
        ([stop_order(SELL, 2, 98)], Verdict.REDUCED),
        ([stop_order(SELL, 2, 90)], Verdict.SURVIVED),
    ],
)
def test_verdict_by_orders(orders: list[spec.Order], expected: Verdict) -> None:
    assert cell([account(400.0, [cross(8)], orders)], [*START, mark(3.0, 97.0), *END]).verdict is expected


def test_a_stop_that_opens_a_position_reduces_nothing() -> None:
    found = cell([account(400.0, [cross(0)], [stop_order(SELL, 2, 98)])], [*START, mark(3.0, 97.0), *END])
    assert found.accounts[0].positions[0].size_end == -2.0
    assert found.verdict is Verdict.SURVIVED


def test_liquidated_while_there_was_something_left() -> None:
    found = cell([account(100.0, [cross(8)])], [*START, ladder(2.5, {90: 90}, {92: 90}), mark(3.0, 90.0), *END])
    assert found.verdict is Verdict.LIQUIDATED
    assert found.system.deficit == 0.0
    [forced] = found.liquidations
    assert (forced.ts, forced.stage.name, forced.margin_mode, forced.cause) == (
        at(3),
        "FULL",
        "cross",
        "below_maintenance",
    )
    assert (forced.trigger_mark, forced.vwap, forced.worst_price, forced.bankruptcy_price) == (90.0, 90.0, 90.0, 87.5)
    assert forced.slippage_bps == pytest.approx(1e4 / 91)


def test_a_takeover_is_shown_at_its_price() -> None:
    """Long 8 at 100 with 40, nobody bids: bankrupt at 95, and taken over there while the mark is at 96."""
    bankrupt = ForcedPrice.BANKRUPTCY
    rules = PLAIN._replace(liquidation=rows(price=bankrupt, below=1.0, takeover_price=bankrupt))
    tape = [*START, ladder(2.5, {60: 9}, {99: 9}), mark(3.0, 96.0), *END]
    order, takeover = cell([account(40.0, [cross(8)])], tape, rules).liquidations
    assert (order.filled_size, order.vwap) == (0.0, None)
    assert (takeover.trigger_mark, takeover.vwap, takeover.worst_price, takeover.bankruptcy_price) == (
        96.0,
        95.0,
        None,
        95.0,
    )
    assert takeover.slippage_bps is None


def test_insolvent_when_others_paid() -> None:
    tape = [*START, ladder(2.5, {60: 90}, {62: 90}), mark(3.0, 61.0), *END]
    found = cell([account(100.0, [cross(8)])], tape, insurance=50.0)
    assert found.verdict is Verdict.INSOLVENT
    assert found.system == (50.0, 0.0, 220.0)
    assert found.accounts[0].pnl_liquidation == 220.0
    assert Flag.DEFICIT in found.flags


def test_a_takeover_passes_the_margin_on() -> None:
    # At 89.5 equity 16, maintenance 22.375, and the ladder has one lot: the backstop takes 7 with what is left.
    rules = PLAIN._replace(liquidation=rows(below=0.9, disposal=Disposal.HOLD))
    tape = [*START, ladder(2.5, {89: 1}, {90: 1}), mark(3.0, 89.5), *END]
    found = cell([account(100.0, [cross(8)])], tape, rules)
    assert [(each.stage.name, each.size, each.vwap, each.cause) for each in found.liquidations] == [
        ("FULL", 8.0, 89.0, "below_maintenance"),
        ("TAKEOVER", 7.0, 89.5, "below_takeover_threshold"),
    ]
    assert found.verdict is Verdict.LIQUIDATED
    assert found.accounts[0].pnl_liquidation == -15.5
    assert (found.system.insurance_end, found.system.deficit) == (15.5, 0.0)
    assert Flag.TAKEN_OVER in found.flags


def test_nothing_to_trade_with_is_flagged() -> None:
    tape = [*START, ladder(2.5, {40: 1}, {41: 1}), mark(3.0, 90.0), *END]
    found = cell([account(100.0, [cross(8)])], tape)
    assert Flag.LIQUIDATION_STUCK in found.flags
    [told] = [each for each in found.notices if each.flag is Flag.LIQUIDATION_STUCK]
    assert (told.ts, told.account, told.symbol, told.size) == (at(4.0), "main", "X", 7.0)
    assert told.text.endswith("the market halted; 7 stayed open to the end")


def test_the_paths_cover_the_run() -> None:
    found = cell([account(100.0, [cross(8)])], [*START, mark(3.0, 96.0), *END])
    [margin], [marks] = found.margin_paths, found.market_paths
    assert margin.equity_min[:4].tolist() == [100.0, 100.0, 68.0, 68.0]
    assert marks.ts_ns[:2].tolist() == [at(2).ts_ns, at(3).ts_ns]
    assert marks.lowest[:2].tolist() == [100.0, 96.0]
    assert marks.walked_ns[0] == marks.ts_ns[0]
    assert [len(each) for each in (*marks.bids, *marks.asks)] == [len(marks.walked_ns)] * 2 * len(DISTANCES_BPS)


def test_pools_of_an_account_with_several_have_paths_of_their_own() -> None:
    """200 in cross behind long 8, 50 behind an isolated 4, both from 100: at 96 168 and 34, maintenance 24 and 12.

    At 86 the isolated one lies 6 below 0: the loss of whoever pays its deficit, not of the account.
    """
    tape = [*START, mark(3.0, 96.0), mark(5.0, 86.0), *END]
    paths = cell([account(250.0, [cross(8), isolated(4, 50.0)])], tape).margin_paths
    assert [each.pool for each in paths] == [None, "cross", "X"]
    whole, shared, fenced = ([each.equity_min[n] for n in (0, 2, 4)] for each in paths)
    assert (whole, shared, fenced) == ([250.0, 202.0, 88.0], [200.0, 168.0, 88.0], [50.0, 34.0, -6.0])
    assert [[each.buffer_min[n] for n in (0, 2)] for each in paths] == [[37.5, 22.0], [175.0, 144.0], [37.5, 22.0]]
    assert [each.maintenance_max[2] for each in paths] == [36.0, 24.0, 12.0]


def test_one_pool_alone_is_the_account() -> None:
    [path] = cell([account(100.0, [cross(8)])], [*START, *END]).margin_paths
    assert path.pool is None


def test_a_pool_that_held_nothing_has_no_path() -> None:
    paths = cell([account(100.0, [isolated(4, 50.0)])], [*START, *END]).margin_paths
    assert [each.pool for each in paths] == [None, "X"]
    assert paths[0].equity_min[0] == 100.0


def test_who_dragged_a_pool_below_maintenance() -> None:
    """Long 8 from 104, short 2 from 100, 100 behind both: 68 at a mark of 100.

    2 are sold at 99: 10 lost, a fee of 1.98. At 4 s 1 % of 100: 6 paid, 2 received. At 90 the 6 left lie 84 below their
    entry, the short has won 20: equity 100 − 101.98 + 22 = 20.02, maintenance 8 · 90 / 32 = 22.5.
    """
    rules = PLAIN._replace(taker_fee=0.01, funding_interval_ns=4 * SECOND)
    tape = [*START, record(4.0, EventKind.FUNDING, 0.01, 4), mark(5.0, 90.0), *END]
    places = [cross(8, entry_price=104.0), cross(-2)]
    result = finished([account(100.0, places, [market_order(SELL, 2, at_s=2.0)])], tape, rules)
    [pool] = build_report([result]).finished[0].accounts[0].pools
    assert pool.breach_ts == at(5.0)
    long, short = pool.drags
    assert (long.since_entry, long.since_start, long.share) == pytest.approx((-101.98, -69.98, 1.0))
    assert (short.since_entry, short.since_start, short.share) == (22.0, 22.0, None)
    assert 68.0 + long.since_start + short.since_start == pytest.approx(float(result.liquidations["equity"][0]))


def test_the_loss_is_shared_among_those_that_lost() -> None:
    """At 90 long 6 from 100 have lost 60, long 2 from 110 40: equity 15, maintenance 22.5."""
    tape = [*START, mark(3.0, 90.0), *END]
    [pool] = cell([account(115.0, [cross(6), cross(2, entry_price=110.0)])], tape).accounts[0].pools
    assert [(each.since_entry, each.since_start, each.share) for each in pool.drags] == [
        (-60.0, -60.0, 0.6),
        (-40.0, -20.0, 0.4),
    ]


def test_a_pool_that_never_fell_was_drags_nobody() -> None:
    assert cell([account(100.0, [cross(8)])], [*START, *END]).accounts[0].pools[0].drags == ()


@pytest.mark.parametrize(("price", "flagged"), [(76.0, False), (75.0, True)])
def test_half_of_the_equity_gone_is_a_severe_loss(price: float, flagged: bool) -> None:
    """Long 8 from 100 with 400: at 75 half of it is gone; the portfolio's threshold is 50 %."""
    found = cell([account(400.0, [cross(8)])], [*START, mark(3.0, price), *END])
    assert (Flag.SEVERE_LOSS in found.flags) is flagged


def test_a_fenced_position_that_others_paid_for_is_no_insolvency() -> None:
    """Fenced 8 with 50 lose 312 at 61, of which others pay 262; 150 lie in the cross pool, and stay there."""
    tape = [*START, ladder(2.5, {60: 90}, {62: 90}), mark(3.0, 61.0), *END]
    found = cell([account(200.0, [isolated(8, 50.0)])], tape, insurance=500.0)
    assert (found.verdict, found.accounts[0].equity_end) == (Verdict.LIQUIDATED, 150.0)
    assert Flag.DEFICIT in found.flags
