"""What a trade cost: the line adds up with the account, and the break-evens are where it would have been 0."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtester.engine import spec
from backtester.engine.records import FILL
from backtester.enums import Disposal, EventKind
from backtester.metrics.trade_costs import averages
from backtester.report.records import Cell
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
    trade,
)
from tests.oracle.forced import rows
from tests.unit.report_runs import Tape, account, build_report, cross, finished, isolated

START = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90})]
END = [delta(9.0, BUY, 10, 1)]
RULES = PLAIN._replace(taker_fee=0.01, maker_fee=-0.001, funding_interval_ns=4 * SECOND)


def cell(accounts: list[spec.Account], tape: Tape, rules: spec.Rules = RULES, liquidation_fee: float = 0.0) -> Cell:
    return build_report([finished(accounts, tape, rules, liquidation_fee=liquidation_fee)]).finished[0]


def fills(*rows: tuple[int, int, float]) -> np.ndarray:
    table = np.zeros(len(rows), FILL)
    for row, (side, lots, price) in zip(table, rows, strict=True):
        row["side"], row["lots"], row["price"] = side, lots, price
    return table


def test_averages() -> None:
    assert averages(2, 100.0, fills((1, 2, 104.0), (-1, 3, 110.0))) == (1, 4, 102.0, 3, 110.0)
    assert averages(0, 0.0, fills((-1, 2, 104.0))) == (-1, 2, 104.0, 0, None)
    assert averages(2, 100.0, fills((-1, 3, 110.0))) is None
    assert averages(0, 0.0, fills()) is None


def test_a_long_that_is_sold_in_two_ways() -> None:
    # Long 8 from 98 at a mark of 100. It sells 2 at 99 (taking) and 2 at 105 (resting), pays 1 % on 6 at 100 and
    # nothing on 4 at 104, ends with 4 at a mark of 104.
    orders = [market_order(SELL, 2, at_s=2.0), limit_order(SELL, 2, 105)]
    tape = [
        *START,
        record(4.0, EventKind.FUNDING, 0.01, 4),
        trade(5.0, BUY, 106, 9),
        mark(6.0, 104.0),
        *END,
    ]
    found = cell([account(1000.0, [cross(8, entry_price=98.0)], orders)], tape, RULES)
    [line] = found.trades
    taker, maker = -0.01 * 198, 0.001 * 210
    # Since the start: 2 · -1, 2 · 5 and 4 · 4.
    assert line.price_pnl == pytest.approx(-2 + 10 + 16)
    assert (line.fees_maker, line.fees_taker, line.fees_liquidation) == pytest.approx((maker, taker, 0.0))
    assert line.funding == pytest.approx(-6.0)
    assert line.funding_intervals == 2
    assert line.net == pytest.approx(24 + maker + taker - 6)
    assert line.net == pytest.approx(found.accounts[0].pnl_total)
    assert (line.delay, line.spread, line.depth, line.impact) == (0.0, 2.0, 0.0, 0.0)
    assert (line.size, line.closed_size) == (8.0, 4.0)
    assert (line.carried_in, line.entry_price, line.mark_price) == (16.0, 98.0, 104.0)
    assert line.exit_price == pytest.approx((2 * 99 + 2 * 105) / 4)
    assert line.carried_in + line.price_pnl == pytest.approx(4 * (102 - 98) + 4 * (104 - 98))
    # Had it left at the break-even on average, or paid that rate, the trade would have brought nothing since its entry.
    assert line.breakeven_price == pytest.approx(98 + (6 - maker - taker) / 8)
    assert line.breakeven_price is not None
    assert 8 * (line.breakeven_price - 98) + maker + taker - 6 == pytest.approx(0.0)
    assert line.breakeven_funding is not None
    assert line.price_pnl + line.carried_in + maker + taker == pytest.approx((600 + 416) * line.breakeven_funding)


def test_a_short_breaks_even_below_its_entry() -> None:
    found = cell([account(1000.0, [cross(0)], [market_order(SELL, 4, at_s=2.0)])], [*START, *END], RULES)
    [line] = found.trades
    assert line.entry_price == 99.0
    assert line.breakeven_price == pytest.approx(99 - 0.01 * 99)
    # It lost 4 on the price and 3.96 of fees; 1 % of 400 at each of two stamps would have made up for that.
    assert line.breakeven_funding == pytest.approx(7.96 / 800)


def test_a_position_that_turned_has_no_one_entry() -> None:
    [line] = cell([account(1000.0, [cross(2)], [market_order(SELL, 5, at_s=2.0)])], [*START, *END], RULES).trades
    assert (line.size, line.entry_price, line.exit_price, line.mark_price, line.breakeven_price) == (None,) * 5
    assert line.fees_taker == pytest.approx(-0.01 * 5 * 99)


def test_a_place_that_never_held_anything_has_no_line() -> None:
    assert cell([account(1000.0, [cross(0)])], [*START, *END]).trades == ()


@pytest.mark.parametrize("disposal", [Disposal.HOLD, Disposal.WALK])
def test_the_lines_and_what_the_pools_lost_are_the_account_s_whole_result(disposal: Disposal) -> None:
    rules = RULES._replace(liquidation=rows(below=0.9, disposal=disposal, bound=0.01))
    tape = [
        *START,
        ladder(2.5, {89: 1, 80: 9}, {90: 1}),
        mark(3.0, 89.5),
        record(4.0, EventKind.FUNDING, 0.01, 4),
        *END,
    ]
    places = [isolated(8, 100.0), cross(2)]
    found = cell([account(400.0, places)], tape, rules, liquidation_fee=0.005)
    assert found.liquidations
    [books] = found.accounts
    fees_liquidation = math.fsum(line.fees_liquidation for line in found.trades)
    beyond = books.pnl_liquidation - fees_liquidation  # what a backstop took or others paid
    assert fees_liquidation < 0.0
    assert math.fsum(line.net for line in found.trades) + beyond == pytest.approx(books.pnl_total)
    assert math.fsum(line.fees_taker for line in found.trades) == pytest.approx(books.fees_taker)
    assert books.fees_maker + books.fees_taker == pytest.approx(books.pnl_fees)
    for line, place in zip(found.trades, books.positions, strict=True):
        assert math.fsum((line.delay, line.spread, line.depth, line.impact)) == pytest.approx(place.slippage)
