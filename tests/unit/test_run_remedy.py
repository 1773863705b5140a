"""Less size, another margin mode: what is said to save an account is a run that shows it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from backtester.config.portfolio import Account
from backtester.engine import spec
from backtester.report.reconcile import account_equity
from backtester.run.remedy import ModeSearch, SizeSearch, scaled
from backtester.run.request import Request
from backtester.run.result import RunResult
from backtester.run.session import run_cell
from backtester.run.tries import Fared
from tests.unit.run_cases import CRASH, DEMO, account, demo, order, portfolio, position

GIVEN = Account.model_construct(name="main", positions=(), orders=(), plans=())
WORLD = spec.World(())


class Asked:
    """Hears which shares of sizes a search makes worlds of."""

    def __init__(self) -> None:
        self.shares = list[Decimal]()

    def turn(self, settings: tuple[str, ...]) -> spec.World | None:
        [text] = settings
        self.shares.append(Decimal(text.rpartition("*")[2]))
        return WORLD


def found(lives: set[Decimal]) -> tuple[SizeSearch, list[Decimal]]:
    """A search that is over, and all shares that it tried."""
    asked = Asked()
    given = Account.model_construct(name="main", positions=("any",), orders=(), plans=())
    search, tried = SizeSearch(0, given, asked.turn), list[Decimal]()
    while search.ask():
        search.learn([Fared(share in lives, (), float(1000 * share)) for share in asked.shares])
        tried += asked.shares
        asked.shares.clear()
    return search, tried


def hundredths(last: int) -> set[Decimal]:
    return {Decimal(n) / 100 for n in range(1, last + 1)}


@pytest.mark.parametrize("last", [5, 10, 62, 69, 90, 99])
def test_the_largest_share_that_lives_is_found_to_a_hundredth(last: int) -> None:
    search, tried = found(hundredths(last))
    [answer] = search.answers()
    assert (answer.share, answer.too_much) == (last / 100, (last + 1) / 100)
    assert answer.settings == (f"accounts[main].positions.size=*{Decimal(last) / 100:f}".rstrip("0"),)
    assert answer.equity_end == 10.0 * last
    assert len(tried) == 18


def test_a_share_beyond_one_that_dies_is_no_answer() -> None:
    """It lives with 0.9 of its sizes, but not with 0.4: below that is the edge."""
    search, _ = found(hundredths(100) - {Decimal("0.4")})
    [answer] = search.answers()
    assert (answer.share, answer.too_much) == (0.39, 0.4)


def test_no_share_saves() -> None:
    search, _ = found(set())
    assert list(search.answers()) == []


def test_everything_that_has_a_size_is_scaled() -> None:
    given = Account.model_construct(name="main", positions=("p",), orders=("o",), plans=("q",))
    assert scaled(given, Decimal("0.50")) == (
        "accounts[main].positions.size=*0.5",
        "accounts[main].orders.size=*0.5",
        "accounts[main].plans.size=*0.5",
    )
    assert scaled(GIVEN, Decimal("0.5")) == ()


def test_a_mode_that_everything_is_in_is_not_tried() -> None:
    place = position_of("cross")
    search = ModeSearch(0, Account.model_construct(name="main", positions=(place,)), lambda settings: WORLD)
    assert len(search.ask()) == 1 and search.ask() == []


def position_of(mode: str) -> object:
    return type("Place", (), {"margin_mode": mode})()


# --- by runs -------------------------------------------------------------------------------------------------------


def lives(result: RunResult, number: int = 0) -> bool:
    return result.topups[number] is None


def rerun(*settings: str) -> RunResult:
    return run_cell(Request(DEMO, scenario=CRASH, overrides=settings))


@pytest.mark.compiled
def test_the_demo_lives_with_what_is_said_and_not_with_the_next() -> None:
    [size] = demo().remedies[0]
    assert size.id == "size" and size.too_much is not None
    again = rerun(*size.settings)
    assert lives(again) and account_equity(again, 0) == size.equity_end
    more = tuple(text.replace(f"*{size.share:g}", f"*{size.too_much:g}") for text in size.settings)
    assert not lives(rerun(*more))


@pytest.mark.compiled
def test_a_hedge_that_dies_in_pockets_lives_across(tmp_path: Path) -> None:
    """Long BTC and short BTC's beta in ETH, each with a thin margin of its own: cross nets them."""
    legs = (
        position("BTC", size=1.0, margin_mode="isolated", margin=8_000.0, leverage=None),
        position("ETH", side="short", size=30.0, margin_mode="isolated", margin=30_000.0, leverage=None),
    )
    book = portfolio(tmp_path, account(*legs, collateral="USDC = 60_000.0"))
    result = run_cell(Request(book, scenario=CRASH))
    saved = {each.id: each for each in result.remedies[0]}
    assert not lives(result) and "cross" in saved
    again = run_cell(Request(book, scenario=CRASH, overrides=saved["cross"].settings))
    assert lives(again) and account_equity(again, 0) == saved["cross"].equity_end


@pytest.mark.compiled
def test_an_account_that_lives_has_no_remedies(tmp_path: Path) -> None:
    book = portfolio(tmp_path, account(position(size=0.1), order(size=0.05)))
    assert run_cell(Request(book, scenario=CRASH)).remedies == ((),)
