"""Codes are stored in arrays and files: their values and ranges are part of the format."""

from __future__ import annotations

import enum
import inspect

import numpy as np
import pytest

from backtester import enums
from backtester.engine.events import EVENT
from backtester.errors import EXIT_OF, ExitCode

CODES = [value for _, value in inspect.getmembers(enums, inspect.isclass) if value.__module__ == enums.__name__]


@pytest.mark.parametrize("code", CODES)
def test_values_are_distinct_and_fit_one_signed_byte(code: type[enum.IntEnum]) -> None:
    values = [int(member) for member in code.__members__.values()]
    assert len(set(values)) == len(values), "an alias: two names of one value"
    assert all(-128 <= value <= 127 for value in values)


@pytest.mark.parametrize("code", [code for code in CODES if code not in (enums.Side, enums.TradingStatus)])
def test_codes_count_from_zero_without_gaps(code: type[enum.IntEnum]) -> None:
    values = sorted(int(member) for member in code)
    if issubclass(code, enum.IntFlag):
        assert values == [1 << bit for bit in range(len(values))]
    else:
        assert values == list(range(len(values)))


def test_kinds_of_the_tape_keep_their_values() -> None:
    kinds = ["snapshot", "delta", "trade", "mark", "index", "funding", "funding_predicted", "open_interest", "status"]
    assert [enums.EventKind[kind.upper()].value for kind in kinds] == list(range(9))


def test_sides_are_signs() -> None:
    assert (enums.Side.SELL, enums.Side.NONE, enums.Side.BUY) == (-1, 0, 1)


def test_verdicts_are_ordered_worst_first() -> None:
    assert [verdict.name for verdict in enums.Verdict] == [
        "INSOLVENT",
        "LIQUIDATED",
        "ADL",
        "REDUCED",
        "ALERTED",
        "SURVIVED",
    ]


def test_event_record_is_aligned_and_compact() -> None:
    assert EVENT.isalignedstruct
    assert EVENT.itemsize == 40
    assert EVENT.names is not None
    for name in ("kind", "side"):
        assert EVENT.fields is not None
        assert EVENT.fields[name][0] == np.dtype("i1")


def test_exit_codes_are_the_documented_ones() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "GATE": 1,
        "USAGE": 2,
        "CONFIG": 3,
        "DATA": 4,
        "ENGINE": 5,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
    assert set(EXIT_OF) == {"gate", "usage", "config", "data", "engine", "disk"}
