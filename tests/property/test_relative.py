"""Values times factors: exact as decimals, the unit kept, and undone by the factor's inverse."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.config.relative import Factor, multiplied, parse_factor
from backtester.config.values import Misread, Notional, Percent, Scaled, parse_amount, parse_duration_ns, parse_percent

AMOUNTS = st.decimals(Decimal("0.00001"), Decimal(1_000_000), places=5)
FACTORS = st.decimals(Decimal("0.0001"), Decimal(1_000), places=4)


@given(AMOUNTS, FACTORS)
def test_a_number_is_multiplied_as_a_decimal(amount: Decimal, number: Decimal) -> None:
    made = multiplied(float(amount), Factor(number))
    assert isinstance(made, Scaled)
    assert made == float(amount * number)


@given(st.integers(-1_000_000, 1_000_000), st.integers(1, 1_000))
def test_whole_numbers_stay_whole_where_the_product_is(amount: int, number: int) -> None:
    made = multiplied(amount, Factor(Decimal(number)))
    assert made == amount * number and isinstance(made, int)


@given(AMOUNTS, FACTORS)
def test_a_notional_keeps_its_asset(amount: Decimal, number: Decimal) -> None:
    made = parse_amount(multiplied(f"{amount:f} USDC", Factor(number)))
    assert made == Notional(float(amount * number), "USDC")


@given(st.integers(1, 10_000), st.sampled_from((2, 4, 5, 10)))
def test_a_duration_and_a_share_keep_their_units(amount: int, number: int) -> None:
    factor = Factor(Decimal(number))
    assert parse_duration_ns(multiplied(f"{amount}ms", factor)) == number * amount * 10**6
    share = multiplied(f"{Decimal(amount) / 100_000}%", factor)
    assert parse_percent(share) == Percent(float(Decimal(amount * number) / 10_000_000))


@given(FACTORS)
def test_a_factor_is_read_as_it_is_written(number: Decimal) -> None:
    assert parse_factor(f"*{number:f}") == Factor(number)
    assert parse_factor(f"+{number:f}%") == Factor(1 + number / 100)


@given(st.text(max_size=8))
def test_any_text_is_a_factor_or_none_or_said_to_be_wrong(text: str) -> None:
    try:
        found = parse_factor(text)
    except Misread as misread:
        assert misread.hint
    else:
        assert found is None or found.number > 0


@pytest.mark.parametrize("value", [True, "mark-6%", "long", [1, 2], {"a": 1}, "2025-10-10T21:15:00Z"])
def test_what_is_no_number_is_not_multiplied(value: object) -> None:
    with pytest.raises(Misread):
        multiplied(value, Factor(Decimal(2)))
