"""Less size, stops, another margin mode: what is said to save an account is a run that shows it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backtester.config.portfolio import Account
from backtester.config.values import Collateral, PositionShare
from backtester.engine import spec
from backtester.metrics.reconcile import account_equity
from backtester.run.remedy import larger, other_modes, scaled, smaller, stopped
from backtester.run.request import Request
from backtester.run.result import Remedy, RunResult
from backtester.run.session import run_cell
from backtester.run.tries import Fared
from backtester.run.variants import Change
from tests.unit.run_cases import CRASH, DEMO, account, demo, order, portfolio, position

GIVEN = Account.model_construct(name="main", positions=(), orders=(), plans=())
WORLD = spec.World(())
SIZED = type("Sized", (), {"size": 1.0})


SIZED_ACCOUNT = Account.model_construct(name="main", positions=(SIZED,), orders=(), plans=())


class Asked:
    """Hears which shares of sizes a search makes worlds of."""

    def __init__(self, can_be_had: float) -> None:
        self.shares, self.can_be_had = list[Decimal](), can_be_had

    def turn(self, change: Change) -> spec.World | None:
        [text] = change.settings
        share = Decimal(text.rpartition("*")[2])
        if share > self.can_be_had:
            return None
        self.shares.append(share)
        return WORLD


def found(
    lives: Callable[[Decimal], bool], searched: Any = smaller, can_be_had: float = 100.0
) -> tuple[Any, list[Decimal]]:
    """What a search finds, and all shares that it tried."""
    asked = Asked(can_be_had)
    search, tried = searched(SIZED_ACCOUNT, 0.0, asked.turn), list[Decimal]()
    next(search)
    while True:
        shares, asked.shares = asked.shares, []
        tried += shares
        try:
            search.send([Fared(lives(share), (), float(1000 * share)) for share in shares])
        except StopIteration as over:
            return over.value, tried


def hundredths(last: int) -> set[Decimal]:
    return {Decimal(n) / 100 for n in range(1, last + 1)}


@pytest.mark.parametrize("last", [5, 10, 62, 69, 90, 99])
def test_the_largest_share_that_lives_is_found_to_a_hundredth(last: int) -> None:
    [answer], tried = found(hundredths(last).__contains__)
    assert (answer.value, answer.not_enough) == (last / 100, (last + 1) / 100)
    assert answer.settings == (f"accounts[main].positions.size=*{Decimal(last) / 100:f}".rstrip("0"),)
    assert answer.equity_end == 10.0 * last
    assert len(tried) == 18


def test_a_share_beyond_one_that_dies_is_no_answer() -> None:
    """It lives with 0.9 of its sizes, but not with 0.4: below that is the edge."""
    [answer], _ = found((hundredths(100) - {Decimal("0.4")}).__contains__)
    assert (answer.value, answer.not_enough) == (0.39, 0.4)


def test_no_share_saves() -> None:
    assert found(set[Decimal]().__contains__)[0] == []


@pytest.mark.parametrize(
    ("edge", "can_be_had", "lives_at", "not_at"),
    [
        (3.14, 100.0, 3.1, 3.2),
        (1.1, 100.0, 1.1, 1.125),
        (12.0, 100.0, 10.0, None),
        (12.0, 8.5, 8.4, None),  # 8.6 times it is refused
        (8.3, 8.5, 8.2, 8.4),  # 10 times it is refused, 8.4 times it dies
        (9.0, 100.0, 8.8, 9.0),
    ],
)
def test_the_largest_multiple_with_which_one_that_lives_still_does(
    edge: float, can_be_had: float, lives_at: float, not_at: float | None
) -> None:
    answer, tried = found(lambda multiple: multiple <= edge and multiple != 9, larger, can_be_had)
    assert (answer.multiple, answer.dies_at) == (lives_at, not_at)
    assert answer.beyond == ("dies" if not_at else "refused" if can_be_had < 10.0 else "not tried")
    assert answer.settings == (f"accounts[main].positions.size=*{lives_at:g}",)
    assert len(tried) <= 17


def test_one_that_bears_no_more_or_has_nothing_has_no_answer() -> None:
    assert found(lambda multiple: False, larger)[0] is None
    with pytest.raises(StopIteration) as over:
        next(larger(GIVEN, 0.0, lambda change: WORLD))
    assert over.value.value is None
    with pytest.raises(StopIteration) as over:
        next(larger(SIZED_ACCOUNT, 0.0, lambda change: None))
    assert over.value.value is None


def test_everything_that_has_a_size_is_scaled() -> None:
    given = Account.model_construct(name="main", positions=(SIZED,), orders=(SIZED,), plans=(SIZED,))
    assert scaled(given, 0.0, Decimal("0.50")) == (
        "accounts[main].positions.size=*0.5",
        "accounts[main].orders.size=*0.5",
        "accounts[main].plans.size=*0.5",
    )
    assert scaled(GIVEN, 0.0, Decimal("0.5")) == ()


def test_orders_that_are_shares_of_a_position_follow_it() -> None:
    of_it, own = (type("Order", (), {"size": size}) for size in (PositionShare(0.4), 2.0))
    place = type("Place", (), {"size": 4.0})
    given = Account.model_construct(name="main", positions=(place,), orders=(of_it,), plans=())
    assert scaled(given, 0.0, Decimal("0.5")) == ("accounts[main].positions.size=*0.5",)
    both = given.model_copy(update={"orders": (of_it, own)})
    assert scaled(both, 0.0, Decimal("0.5"))[1:] == ("accounts[main].orders.size=*0.5",)


def stops_that(lives: set[int]) -> list[Remedy]:
    """What a search of stops finds where an account lives with stops at these per cents."""
    given = Account.model_construct(name="main", positions=(), orders=(), plans=())
    search = stopped(0, given, lambda change: WORLD)
    asked = next(search)
    with pytest.raises(StopIteration) as over:
        search.send([Fared(percent in lives, (), 100.0 + percent) for percent in range(1, len(asked) + 1)])
    answer: list[Remedy] = over.value.value
    return answer


def test_the_loosest_stops_that_live_as_all_tighter_ones_do() -> None:
    [answer] = stops_that({1, 2, 3, 7})
    assert (answer.value, answer.not_enough, answer.equity_end) == (0.03, 0.04, 103.0)
    [widest] = stops_that({*range(1, 16)})
    assert (widest.value, widest.not_enough) == (0.15, None)
    assert stops_that({2, 3}) == []


def test_what_the_part_that_is_given_up_came_with_is_booked() -> None:
    """Of 10,000 with −1,000 carried in, 0.6 of the size carry −600: 9,600 are left, and 9,000 are its equity."""
    collateral = Collateral("USDC", 10_000.0)
    given = Account.model_construct(name="main", positions=(SIZED,), orders=(), plans=(), collateral=collateral)
    assert scaled(given, -1_000.0, Decimal("0.6"))[1:] == ("accounts[main].collateral.USDC=9600.0",)


def test_a_mode_that_everything_is_in_is_not_tried() -> None:
    place = position_of("cross")
    given = Account.model_construct(name="main", positions=(place,))
    assert len(next(other_modes(given, lambda change: WORLD))) == 1


def position_of(mode: str) -> object:
    return type("Place", (), {"margin_mode": mode})()


# --- by runs -------------------------------------------------------------------------------------------------------


def lives(result: RunResult, number: int = 0) -> bool:
    return result.saved[number].topup is None


def rerun(*settings: str) -> RunResult:
    return run_cell(Request(DEMO, scenario=CRASH, overrides=settings))


@pytest.mark.compiled
def test_the_demo_lives_with_what_is_said_and_not_with_the_next() -> None:
    [size] = [each for each in demo().saved[0].remedies if each.id == "size"]
    assert size.id == "size" and size.not_enough is not None
    again = rerun(*size.settings)
    assert lives(again) and account_equity(again, 0) == size.equity_end
    more = tuple(text.replace(f"*{size.value:g}", f"*{size.not_enough:g}") for text in size.settings)
    assert not lives(rerun(*more))


STOPS = """
[[accounts.orders]]
id = "by hand {symbol}"
symbol = "{symbol}"
type = "stop_market"
side = "sell"
size = "all"
trigger_price = "mark-{percent}%"
reduce_only = true
"""


def with_stops(directory: Path, percent: int) -> RunResult:
    """The demo with stops on both positions of its first account, written by hand."""
    written = "".join(STOPS.format(symbol=symbol, percent=percent) for symbol in ("BTC", "ETH"))
    first, mark, rest = DEMO.read_text("utf-8").partition('[[accounts]]\nname = "hedge"')
    assert mark, "the demo's second account begins elsewhere"
    book = directory / "book.toml"
    book.write_text(first + written + mark + rest, "utf-8")
    return run_cell(Request(book, scenario=CRASH))


@pytest.mark.compiled
def test_the_stops_that_save_the_demo_are_orders_like_others(tmp_path: Path) -> None:
    [stop] = [each for each in demo().saved[0].remedies if each.id == "stop"]
    assert stop.value is not None and stop.not_enough is not None
    again = with_stops(tmp_path, round(100 * stop.value))
    assert lives(again) and account_equity(again, 0) == stop.equity_end
    assert not lives(with_stops(tmp_path, round(100 * stop.not_enough)))


@pytest.mark.compiled
def test_a_hedge_that_dies_in_pockets_lives_across(tmp_path: Path) -> None:
    """Long BTC and short BTC's beta in ETH, each with a thin margin of its own: cross nets them."""
    legs = (
        position("BTC", size=1.0, margin_mode="isolated", margin=8_000.0, leverage=None),
        position("ETH", side="short", size=30.0, margin_mode="isolated", margin=30_000.0, leverage=None),
    )
    book = portfolio(tmp_path, account(*legs, collateral="USDC = 60_000.0"))
    result = run_cell(Request(book, scenario=CRASH))
    saved = {each.id: each for each in result.saved[0].remedies}
    assert not lives(result) and "cross" in saved
    again = run_cell(Request(book, scenario=CRASH, overrides=saved["cross"].settings))
    assert lives(again) and account_equity(again, 0) == saved["cross"].equity_end


@pytest.mark.compiled
def test_in_hedge_mode_stops_close_their_own_side(tmp_path: Path) -> None:
    legs = (position("BTCUSDT", size=5.0), position("BTCUSDT", side="short", size=0.1))
    book = portfolio(
        tmp_path,
        account(*legs, collateral="USDT = 50_000.0", venue="binance-usdm").replace(
            'venue = "binance-usdm"', 'venue = "binance-usdm"\nposition_mode = "hedge"'
        ),
    )
    found = {each.id for each in run_cell(Request(book, scenario=CRASH)).saved[0].remedies}
    assert "stop" in found


@pytest.mark.compiled
def test_an_account_that_lives_says_how_much_more_it_would_have_borne(tmp_path: Path) -> None:
    book = portfolio(tmp_path, account(position(size=0.1), order(size=0.05)))
    [saved] = run_cell(Request(book, scenario=CRASH)).saved
    more = saved.headroom
    assert more is not None
    assert (more.multiple, more.dies_at, more.beyond) == (10.0, None, "not tried")
    shown = run_cell(Request(book, overrides=more.settings, scenario=CRASH))
    assert account_equity(shown, 0) == more.equity_end


@pytest.mark.compiled
def test_less_size_begins_with_the_same_equity(tmp_path: Path) -> None:
    """Long 10 from 122,000 with 130,000: a loss of some 50,000 is carried in, which no smaller size would undo."""
    held = position(size=10.0, entry_price=122_000.0)
    book = portfolio(tmp_path, account(held, collateral="USDC = 130_000.0"))
    result = run_cell(Request(book, scenario=CRASH))
    for each in result.saved[0].remedies:
        if each.id == "size":
            again = run_cell(Request(book, scenario=CRASH, overrides=each.settings))
            start = account_equity(again, 0, at_start=True)
            assert start == pytest.approx(account_equity(result, 0, at_start=True))
            assert lives(again) and account_equity(again, 0) == each.equity_end
            return
    pytest.fail("no size saves it")
