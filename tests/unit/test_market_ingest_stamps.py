"""Time stamps: the range they lie in, and the unit that would fit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from backtester.market.ingest.stamps import UNITS, StampError, stamp_ns, wrong_stamp


def test_the_examples() -> None:
    assert stamp_ns(1_760_000_400_000, "ms") == 1_760_000_400_000_000_000
    assert wrong_stamp(Decimal(1_760_000_400_000_000), "ms", "--ts-unit") == (
        "1760000400000000 as ms is the year 57741; did you mean --ts-unit us?"
    )


@pytest.mark.parametrize("unit", UNITS)
def test_the_range_is_the_same_in_every_unit(unit: str) -> None:
    first, end = (seconds * 10**9 // 10 ** UNITS[unit] for seconds in (1_230_768_000, 4_102_444_800))
    assert stamp_ns(first, unit) == 1_230_768_000 * 10**9
    assert stamp_ns(end - 1, unit) < 4_102_444_800 * 10**9
    for value in (first - 1, end, -first, 0, 10**40):
        with pytest.raises(StampError, match=f"{value} as {unit} is the year "):
            stamp_ns(value, unit)


@pytest.mark.parametrize("meant", UNITS)
@pytest.mark.parametrize("read", UNITS)
def test_the_unit_that_fits_is_named(meant: str, read: str) -> None:
    if meant != read:
        stamp = Decimal(1_760_000_400) * 10 ** (9 - UNITS[meant])
        assert wrong_stamp(stamp, read, "--ts-unit").endswith(f"did you mean --ts-unit {meant}?")
