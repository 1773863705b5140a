"""Order books too old to believe: flagged with their age, or refused where the feed stood still under its trades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtester.config.command import Acceptances
from backtester.engine.book.feed import GAPS
from backtester.market.feed import bound_ns
from backtester.report.records import ReportModel
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.market_tapes import Row
from tests.unit.report_runs import build_report
from tests.unit.run_cases import START, S, account, ladder, order, portfolio, position, problems, tape

ACCEPT = Acceptances(funding_zero=True)


def request(directory: Path, rows: list[Row], *orders: str, accept: Acceptances = ACCEPT) -> Request:
    """Long 1 BTC on a tape of five order books one second apart, then `rows`, and an index to the 300th second."""
    index = [Row(START + s * S, "BTC", "index", 0, 50_000.0, 0.0) for s in range(5, 300)]
    made = tape(directory, [50_000] * 5, more=[*rows, *index])
    return Request(portfolio(directory, account(position(), *orders)), tapes=(str(made),), accept=accept)


def trades(prices: dict[int, float], side: int = -1) -> list[Row]:
    """A trade of 0.1 at each second."""
    return [Row(START + second * S, "BTC", "trade", side, price, 0.1) for second, price in prices.items()]


def report(asked: Request) -> ReportModel:
    return build_report([run_cell(asked)])


def test_a_fill_in_a_gap_says_how_old_its_order_book_is(tmp_path: Path) -> None:
    back = ladder(START + 290 * S, 49_000)
    made = report(request(tmp_path, back, order("late", at="200s"), order("soon", at="4.5s")))
    (cell,) = made.finished
    late, soon = cell.orders
    assert late.fills[0].age_ns == pytest.approx(196 * S, rel=0.01) and soon.fills[0].age_ns < S
    (notice,) = [each for each in cell.notices if each.flag == "filled_on_stale_order_book"]
    assert (notice.ids, notice.size) == (("late",), 0.5) and "196." in notice.text
    assert cell.flags[0] == "filled_on_stale_order_book"
    assert any("1 fill on an order book older than" in line for line in made.warnings)
    assert not any("held" in line for line in made.warnings), "closed by both orders before the gap ends"


def test_a_gap_while_something_is_held_is_said(tmp_path: Path) -> None:
    made = report(request(tmp_path, ladder(START + 290 * S, 49_000), order("late", at="200s")))
    assert [line.partition(" from ")[0] for line in made.warnings if "held" in line] == [
        "BTC: no order book for 286.000 s"
    ]
    assert [line for line in made.warnings if "1 fill on an order book older than" in line]
    made = report(request(tmp_path, []))
    assert [line for line in made.warnings if "held" in line], "up to the end of the run, too"


def test_an_age_of_one_s_own(tmp_path: Path) -> None:
    asked = request(tmp_path, ladder(START + 290 * S, 49_000), order("late", at="200s"))
    assert report(asked._replace(stale_after_ns=300 * S)).warnings == ()


def test_a_feed_that_stands_still_under_its_trades_is_refused(tmp_path: Path) -> None:
    fall = trades({s: 49_990.0 - 10 * s for s in range(6, 200)})
    (found,) = problems(request(tmp_path, fall))
    assert (found.code, found.where) == ("data", "BTC") and "--assume-order-book-frozen" in found.hint
    assert "for 193.000 s from 2025-10-10T21:00:06" in found.message and "its best bid stays 49999" in found.message
    accepted = request(tmp_path, fall, order("late", at="150s"), accept=ACCEPT._replace(frozen_order_book=True))
    made = report(accepted)
    assert "taken as it is (--assume-order-book-frozen)" in made.warnings[0]
    assert "filled_on_stale_order_book" in made.finished[0].flags


def test_far_levels_that_move_do_not_answer(tmp_path: Path) -> None:
    fall = trades({s: 49_990.0 - 10 * s for s in range(6, 200)})
    far = [Row(START + s * S + 1, "BTC", "delta", 1, 49_009.0, 50.0 + s) for s in range(6, 200)]
    asked = request(tmp_path, [*fall, *far], order("late", at="150s"))
    assert "trades contradict the order book" in problems(asked)[0].message
    made = report(asked._replace(accept=ACCEPT._replace(frozen_order_book=True)))
    assert made.finished[0].orders[0].fills[0].age_ns == pytest.approx(144 * S, rel=0.01)


def test_one_side_that_stands_still_is_refused(tmp_path: Path) -> None:
    bids = [Row(START + s * S, "BTC", "delta", 1, 49_999.0 - 10 * (s - 6), 0.0) for s in range(6, 90)]
    below = trades({s: 49_990.0 - 10 * s for s in range(6, 90)}, side=1)
    (found,) = problems(request(tmp_path, [*bids, *below]))
    assert "its best ask stays 50001" in found.message


def test_a_touch_that_answers_is_believed(tmp_path: Path) -> None:
    rows = [row for s in range(6, 290) for row in ladder(START + s * S, 50_000 - 10 * s)]
    swept = trades({s: 49_900.0 - 10 * s for s in range(6, 290)})
    assert report(request(tmp_path, [*rows, *swept], order("late", at="150s"))).warnings == ()


@pytest.mark.parametrize(
    ("tenths", "seconds"),
    [([0] * 9, 10.0), ([5] * 5 + [60] * 4, 12.0), ([10] * 5, 22.0), ([60] * 5, 120.0), ([], 10.0)],
)
def test_the_bound_follows_the_rate_of_the_messages(tenths: list[int], seconds: float) -> None:
    assert bound_ns(np.bincount(np.array(tenths, np.int64), minlength=GAPS)) == seconds * 1e9
