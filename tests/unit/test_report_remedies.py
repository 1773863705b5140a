"""What would have helped, in words: the best end first, and nothing that is worse than doing nothing unmarked."""

from __future__ import annotations

from backtester.report.helped import HeadroomReport
from backtester.report.records import AccountReport
from backtester.report.remedies import _apart, helps, remedies_sheet, run_again_lines, sizing_sheet
from tests.golden.handmade import CRASH

[MAIN, CALM] = CRASH.accounts


def rows(main: AccountReport) -> tuple[tuple[str, ...], ...]:
    return remedies_sheet(CRASH._replace(accounts=(main, CALM)), "USDC").rows


def test_the_best_end_stands_first() -> None:
    assert [row[1] for row in rows(MAIN)] == [
        "3,500.50 more by 21:30:00 +30:00",
        "0.62 of every size",
        "stops up to 3 % from the first mark, beside its orders",
        "everything closed by 21:28:00 +28:00",
        "all positions isolated (not worth it)",
    ]
    assert rows(MAIN)[0][2:4] == ("6,120.00", "5,826.31")
    assert rows(MAIN)[1][2:4] == ("4,120.50", "3,826.81")
    assert [row[-1] for row in rows(MAIN)] == ["3,465.50 from the start", "0.63", "4 %", "21:29:00", "–"]


def test_what_leads_to_a_worse_end_says_so() -> None:
    assert ["not worth it" in row[1] for row in rows(MAIN)] == [False, False, False, False, True]
    worse = MAIN._replace(topup_equity_end=293.5, remedies=(), exit=None)
    words, *figures = (
        "3,500.50 more by 21:30:00 +30:00 (not worth it)",
        "293.50",
        "−0.19",
        "3,500.50 tied up",
        "3,465.50 from the start",
    )
    assert rows(worse) == (("main", words, *figures),)


def test_an_account_that_no_money_saves_says_so_last() -> None:
    lost = rows(MAIN._replace(required_topup=None))
    assert lost[-1][1:] == ("no money up to 600,000.00, all that it trades", "–", "–", "", "")


def test_money_for_several_pools_says_where_it_belongs() -> None:
    [pool] = MAIN.pools
    fenced = pool._replace(pool="ETH", required_topup=500.25)
    [first, *_] = helps(MAIN._replace(pools=(pool, fenced), required_topup=4_000.75), CRASH.start_ts)
    assert first.words == "4,000.75 more: cross 3,500.50 by 21:30:00, ETH isolated 500.25 by 21:30:00"


def test_money_without_a_last_moment_is_there_from_the_start() -> None:
    begun = MAIN._replace(required_topup_by=CRASH.start_ts)
    assert rows(begun)[0][1] == "3,500.50 more from the start"


def test_each_says_what_it_costs_where_no_crash_comes() -> None:
    assert [each.cost for each in helps(MAIN, CRASH.start_ts)] == [
        "3,500.50 tied up",
        "38 % of every gain",
        "sold at −3 %, whatever comes after",
        "flat, whatever comes after",
        "margin set apart",
    ]
    [place, *_] = MAIN.positions
    short = MAIN._replace(positions=(place._replace(size_start=-2.0), place))
    stop, across = MAIN.remedies[1], MAIN.remedies[2]._replace(id="cross")
    turned = helps(short._replace(remedies=(stop, across), exit=None), CRASH.start_ts)
    assert [each.cost for each in turned[1:]] == [
        "sold at −3 %, bought at +3 %, whatever comes after",
        "all 10,000.00 at stake",
    ]


def test_each_says_how_it_is_run_again() -> None:
    assert run_again_lines(CRASH) == (
        "main, 0.62 of every size: --set 'accounts[main].positions.size=*0.62'",
        "main, stops up to 3 % from the first mark, beside its orders: "
        "to every position an order of type=stop_market size=all trigger_price=mark±3%",
        "main, all positions isolated: --set 'accounts[main].positions.margin_mode=isolated'",
        "calm, 3.1 of every size: --set 'accounts[calm].orders.size=*3.1'",
    )


def test_an_account_that_lives_needs_no_help() -> None:
    assert helps(CALM._replace(topup_limit=None), CRASH.start_ts) == []


def test_amounts_have_as_many_digits_as_tell_them_apart() -> None:
    assert _apart(11_020.8, 11_020.799) == ("11,020.800", "11,020.799")
    assert _apart(2.5, 2.4) == ("2.50", "2.40")
    assert _apart(2.5, 2.5) == ("2.50", "2.50")


def test_one_that_lives_says_how_far_it_may_size_up() -> None:
    """To 3.1, or as far as was tried or can be had; in no table of what would have helped."""
    for multiple, dies_at, beyond, told in (
        (3.1, 3.2, "dies", "3.2"),
        (10.0, None, "not tried", "not tried"),
        (8.0, None, "refused", "refused"),
    ):
        found = HeadroomReport(multiple, dies_at, beyond, 5_000.0, f"accounts[calm].positions.size=*{multiple}")
        cell = CRASH._replace(accounts=(MAIN, CALM._replace(headroom=found)))
        assert sizing_sheet(cell, "USDT").rows == ((CALM.name, f"{multiple:g}", told, "5,000.00"),)
        assert all(row[0] == MAIN.name for row in remedies_sheet(cell, "USDT").rows)
