"""Durations, times and relative prices as users write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backtester.config.values import (
    Collateral,
    Instant,
    Notional,
    Offset,
    PositionShare,
    RelativePrice,
    name_in,
    parse_amount,
    parse_collateral,
    parse_duration_ns,
    parse_instant,
    parse_moment,
    parse_price,
    parse_size,
)
from backtester.enums import TimeInForce

CRASH_NS = 1_760_130_900_000_000_000  # 2025-10-10T21:15:00Z


@pytest.mark.parametrize(
    ("text", "ns"),
    [("0s", 0), ("7ns", 7), ("2us", 2_000), ("200ms", 200_000_000), ("90s", 90 * 10**9), ("10m", 600 * 10**9),
     ("1.5h", 5_400 * 10**9), ("1d", 86_400 * 10**9), ("0.1s", 100_000_000)],
)  # fmt: skip
def test_durations(text: str, ns: int) -> None:
    assert parse_duration_ns(text) == ns


@pytest.mark.parametrize("value", ["", "90", "90 s", "-1s", "1.5ns", "s", "1h30m", 90, None, "999999999d"])
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration_ns(value)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("90s", Offset(90 * 10**9)),
        ("2025-10-10T21:15:00Z", Instant(CRASH_NS)),
        ("2025-10-10 23:15:00+02:00", Instant(CRASH_NS)),
        ("2025-10-10T21:15:00.000000001Z", Instant(CRASH_NS + 1)),
        ("2025-10-10T21:15:00.5+00:00", Instant(CRASH_NS + 500_000_000)),
        (datetime(2025, 10, 10, 21, 15, tzinfo=UTC), Instant(CRASH_NS)),
    ],
)
def test_moments(value: Any, moment: Offset | Instant) -> None:
    assert parse_moment(value) == moment


@pytest.mark.parametrize(
    "value", ["2025-10-10T21:15:00", datetime(2025, 10, 10), "noon", 90, True, "2025-13-01T00:00Z"]
)
def test_a_time_without_a_zone_or_sense_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected an offset"):
        parse_moment(value)


def test_a_tenth_digit_of_a_second_is_refused() -> None:
    with pytest.raises(ValueError, match="nine digits"):
        parse_instant("2025-10-10T21:15:00.0000000001Z")


@pytest.mark.parametrize(
    ("value", "price"),
    [
        (50_000, 50_000.0),
        (0.1, 0.1),
        ("mark", RelativePrice("mark", 0.0)),
        ("mark-6%", RelativePrice("mark", -0.06)),
        ("mark+0.1%", RelativePrice("mark", 0.001)),
    ],
)
def test_prices(value: Any, price: float | RelativePrice) -> None:
    assert parse_price(value) == price


@pytest.mark.parametrize(
    "value", [0, -1, True, "50000", "mark-6", "mark - 6%", "last-6%", "mark-100%", float("nan"), 10**400]
)
def test_what_is_no_price(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a price above 0"):
        parse_price(value)


def test_a_relative_price_follows_its_mark() -> None:
    assert RelativePrice("mark", -0.06).at(50_000.0) == 47_000.0


def test_collateral_is_one_asset() -> None:
    assert parse_collateral({"USDC": 250_000}) == Collateral("USDC", 250_000.0)
    with pytest.raises(ValueError, match="one collateral asset is supported, found USDC, BTC"):
        parse_collateral({"USDC": 1.0, "BTC": 1.0})
    for amount in (0, -1.0, "1", True, float("inf")):
        with pytest.raises(ValueError, match="the amount of USDC must be a number above 0"):
            parse_collateral({"USDC": amount})


def test_enum_names_are_words_in_lower_case() -> None:
    parse = name_in(TimeInForce)
    assert parse("post_only") is TimeInForce.POST_ONLY
    with pytest.raises(ValueError, match='expected "gtc", "ioc", "post_only" or "fok"'):
        parse("GTC")


@pytest.mark.parametrize(
    ("value", "size"),
    [(5, 5.0), (0.25, 0.25), ("50_000 USD", Notional(50_000.0, "USD")), ("50,000.5usdc", Notional(50_000.5, "USDC")),
     ("1000 USDT", Notional(1_000.0, "USDT")), ("25%", PositionShare(0.25)), ("12.5 %", PositionShare(0.125)),
     ("100%", PositionShare(1.0)), ("all", PositionShare(1.0))],
)  # fmt: skip
def test_sizes_as_tickets_have_them(value: Any, size: float | Notional | PositionShare) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize(
    ("value", "message"),
    [("0 USD", "a notional above 0"), ("1e5 USD", "a number, a notional"), ("1,00 USD", "a number, a notional"),
     ("USD", "a number, a notional"), ("0%", "a share of the position"), ("101%", "a share of the position"),
     ("-5 USD", "a number, a notional"), (True, "a number, a notional"), (None, "a number, a notional"),
     (0, "more than 0"), (-1, "more than 0"), (float("nan"), r"a number below 1e\+18"),
     (1e18, r"a number below 1e\+18"), (10**400, r"a number below 1e\+18")],
)  # fmt: skip
def test_what_is_no_size(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"expected {message}"):
        parse_size(value)


@pytest.mark.parametrize("value", ["25%", "all"])
def test_a_position_is_no_share_of_itself(value: Any) -> None:
    assert parse_amount(0) == 0.0
    with pytest.raises(ValueError, match="a number or a notional"):
        parse_amount(value)
