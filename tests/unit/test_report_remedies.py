"""What would have helped, in words: the best end first, and nothing that is worse than doing nothing unmarked."""

from __future__ import annotations

from backtester.report.records import AccountReport
from backtester.report.remedies import _apart, helps, remedies_sheet
from tests.golden.handmade import CRASH

[MAIN, CALM] = CRASH.accounts


def rows(main: AccountReport) -> tuple[tuple[str, ...], ...]:
    return remedies_sheet(CRASH._replace(accounts=(main, CALM)), "USDC").rows


def test_the_best_end_stands_first() -> None:
    assert [row[1] for row in rows(MAIN)] == [
        "3,500.50 more from the start",
        "0.62 of every size",
        "stops up to 3 % from the first mark, beside its orders",
        "all positions isolated",
    ]
    assert rows(MAIN)[0][2:5] == ("6,120.00", "5,826.31", "3,465.50")
    assert rows(MAIN)[1][2:5] == ("4,120.50", "3,826.81", "0.63")
    assert rows(MAIN)[2][2:5] == ("2,100.75", "1,807.06", "4 %")


def test_what_leads_to_a_worse_end_says_so() -> None:
    assert [row[-1] for row in rows(MAIN)] == ["", "", "", "not worth it"]
    worse = MAIN._replace(topup_equity_end=293.5, remedies=())
    assert rows(worse) == (("main", "3,500.50 more from the start", "293.50", "−0.19", "3,465.50", "not worth it"),)


def test_an_account_that_no_money_saves_says_so_last() -> None:
    lost = rows(MAIN._replace(required_topup=None))
    assert lost[-1][1:] == ("no money up to 600,000.00, all that it trades", "–", "–", "", "")


def test_money_for_several_pools_says_where_it_belongs() -> None:
    [pool] = MAIN.pools
    fenced = pool._replace(pool="ETH", required_topup=500.25)
    [first, *_] = helps(MAIN._replace(pools=(pool, fenced), required_topup=4_000.75))
    assert first.words == "4,000.75 more from the start: cross 3,500.50, ETH isolated 500.25"


def test_an_account_that_lives_needs_no_help() -> None:
    assert helps(CALM._replace(topup_limit=None)) == []


def test_amounts_have_as_many_digits_as_tell_them_apart() -> None:
    assert _apart(11_020.8, 11_020.799) == ("11,020.800", "11,020.799")
    assert _apart(2.5, 2.4) == ("2.50", "2.40")
    assert _apart(2.5, 2.5) == ("2.50", "2.50")
