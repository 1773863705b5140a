"""Whose rules an account plays by: its venue's, those of `--venue`, and what `--set venue.…` changes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.config.overrides import sort_overrides
from backtester.config.portfolio import load_portfolio
from backtester.errors import BacktesterError, ExitCode
from backtester.run.profiles import changes_by_hand, choice_of, find_profiles, move_collateral
from backtester.run.request import Request
from backtester.run.session import run_cell
from backtester.scenario.path import Scenario, neutral
from backtester.venue.profile import VenueProfile
from tests.unit.run_cases import S, account, portfolio, position, tape, venue

SPRING_2024 = 1_710_500_000 * S  # 2024-03-15


def profiles(path: Path, ref: str | None, *changes: str, scenario: Scenario | None = None) -> tuple[VenueProfile, ...]:
    return find_profiles(load_portfolio(path), choice_of(ref, scenario), sort_overrides(changes).venue)


def faults(path: Path, ref: str | None, *changes: str) -> list[str]:
    with pytest.raises(BacktesterError) as caught:
        profiles(path, ref, *changes)
    return [str(problem) for problem in caught.value.diagnostics]


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two accounts on two venues, of which the second one's rules carry a date."""
    mine = venue(tmp_path, taker_fee=0.01)
    second = account(position(), name="second", venue="hyperliquid@2025-10-10")
    return portfolio(tmp_path, account(position(), venue=mine), second)


def test_each_account_keeps_its_own(two: Path) -> None:
    mine, other = profiles(two, None)
    assert (mine.rules.taker_fee, other.rules.taker_fee) == (0.01, 0.00045)
    assert (mine.rules_date, other.rules_date) == (date(2026, 8, 22), date(2025, 10, 10))


def test_a_date_without_a_venue_leaves_each_its_own(two: Path) -> None:
    on = [profile.rules_date for profile in profiles(two, "@2025-04-01")]
    assert on == [date(2025, 3, 15)] * 2
    mine, other = profiles(two, "@2026-09-01")
    assert (mine.rules.taker_fee, other.rules.taker_fee) == (0.01, 0.00045)


def test_the_scenarios_day_without_a_venue(two: Path) -> None:
    scenario = neutral(["BTC"], (SPRING_2024, SPRING_2024 + S))
    assert [each.rules_date for each in profiles(two, "@scenario", scenario=scenario)] == [date(2024, 3, 11)] * 2
    (fault,) = faults(two, "@scenario")  # once, though both accounts ask
    assert fault.startswith("error[usage] --venue: @scenario needs a scenario with a date")


def test_a_venue_stands_in_for_all(two: Path) -> None:
    assert [each.rules.taker_fee for each in profiles(two, "hyperliquid")] == [0.00045] * 2


def test_all_venues_that_are_not_known_are_named(tmp_path: Path) -> None:
    accounts = [account(position(), name=name, venue=name) for name in ("binanze", "hyperliqid")]
    found = faults(portfolio(tmp_path, *accounts), None)
    assert [line.split(":")[0] for line in found] == ["error[config] venue binanze", "error[config] venue hyperliqid"]


@pytest.mark.compiled
def test_dollars_of_several_kinds_are_said_to_be_added_up(tmp_path: Path) -> None:
    here = account(position(size=0.01), name="here")
    there = account(position(size=0.01), name="there", venue="binance-usdm", collateral="USDT = 1_000.0")
    said = "USDC and USDT are counted as one USD each"
    asked = Request(portfolio(tmp_path, here, there), tapes=(str(tape(tmp_path)),), accept=Acceptances(order_book=True))
    assert said in run_cell(asked).assumptions
    assert said not in run_cell(asked._replace(venue="hyperliquid")).assumptions


# --- rules by hand -------------------------------------------------------------------------------------------------


def test_a_rule_set_by_hand_holds_on_every_venue_and_counts_as_assumed(two: Path) -> None:
    plain = profiles(two, None)
    changed = profiles(two, None, "venue.liquidation_fee=0.005", "venue.order_latency=1.5s", "leverage=3")
    for before, after in zip(plain, changed, strict=True):
        assert (after.rules.liquidation_fee, after.rules.order_latency_ns) == (0.005, 1_500_000_000)
        assert after.rules.taker_fee == before.rules.taker_fee
        stated = {rule.rule: rule for rule in after.provenance}
        assert stated["liquidation_fee"][1:] == (0.005, "--set", True)
        assert stated["order_latency"][1:] == ("1.5s", "--set", True)
        assert after.assumed_share >= before.assumed_share
        assert not any(
            "liquidation_fee" in dict(market.own) for market in after.markets
        )  # no market keeps one of its own
    assert list(changes_by_hand((changed[1], changed[1]))) == [
        "hyperliquid@2025-10-10: order_latency is 1.5s (--set)",
        "hyperliquid@2025-10-10: liquidation_fee is 0.005 (--set)",
    ]
    assert list(changes_by_hand(plain)) == []


def test_the_last_value_of_a_rule_counts(two: Path) -> None:
    assert profiles(two, None, "venue.taker_fee=0.1", "venue.taker_fee=0.2")[0].rules.taker_fee == 0.2


def test_every_wrong_rule_is_named(two: Path) -> None:
    unknown, text, word = faults(two, None, "venue.taker_fe=0.1", "venue.maker_fee=high", "venue.mark_formula=tap")
    assert unknown.startswith(
        "error[usage] --set venue.taker_fe=0.1: no rule of a venue has this name\n  hint: did you"
    )
    assert text == 'error[config] --set venue.maker_fee=high: expected a number, was "high"'
    assert word.startswith("error[config] --set venue.mark_formula=tap: expected ")
    assert word.endswith('hint: did you mean "tape"?')
    with pytest.raises(BacktesterError) as caught:
        profiles(two, None, "venue.maker_fee=high")
    assert caught.value.exit_code == ExitCode.CONFIG


def test_what_each_override_is_for() -> None:
    found = sort_overrides(["leverage=3", "venue=other", "venue.taker_fee = 0.1", "scenario.spread_mult=5"])
    assert (found.portfolio, found.at) == (("leverage=3",), "other")
    assert [(each.key, each.value) for each in (*found.venue, *found.scenario)] == [
        ("taker_fee", 0.1),
        ("spread_mult", 5),
    ]
    with pytest.raises(BacktesterError, match="expected key=value"):
        sort_overrides(["venue.taker_fee"])


def test_dollars_move_with_the_venue_and_nothing_else_does(tmp_path: Path) -> None:
    other = account(position(), name="coins", collateral="BTC = 2.0")
    path = portfolio(tmp_path, account(position(), collateral="USDC = 100_000.0"), other)
    moved, said = move_collateral(load_portfolio(path), profiles(path, "binance-usdm"))
    assert [each.collateral for each in moved.portfolio.accounts] == [("USDT", 100_000.0), ("BTC", 2.0)]
    assert said == ("main: 100,000 USDC count as USDT (--venue)",)


def test_at_home_dollars_stay_what_they_are(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), collateral="USDC = 100_000.0"))
    moved, said = move_collateral(load_portfolio(path), profiles(path, None))
    assert (moved.portfolio, said) == (load_portfolio(path).portfolio, ())
