"""How two result documents are compared: integers, words and times exactly, floats within MONEY_TOLERANCE."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

MONEY_TOLERANCE = 1e-6  # absolute


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Every place where two documents differ."""
    if type(expected) is not type(found):
        yield f"{where}: expected {expected!r}, found {found!r}"
    elif isinstance(expected, dict):
        if list(expected) != list(found):
            yield f"{where}: expected keys {list(expected)}, found {list(found)}"
        for key in expected.keys() & found.keys():
            yield from differences(expected[key], found[key], f"{where}.{key}")
    elif isinstance(expected, list):
        if len(expected) != len(found):
            yield f"{where}: expected {len(expected)} items, found {len(found)}"
        for i, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{where}[{i}]")
    elif isinstance(expected, float):
        if not math.isclose(expected, found, rel_tol=0.0, abs_tol=MONEY_TOLERANCE):
            yield f"{where}: expected {expected!r}, found {found!r}"
    elif expected != found:
        yield f"{where}: expected {expected!r}, found {found!r}"
