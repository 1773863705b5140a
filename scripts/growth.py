"""How times and memory grow with sizes: what is measured at which, and what of it grows too fast.

A growth is told per doubling: 2.0 is linear, 4.0 quadratic. What grows faster than n log n (memory that has to stay
flat: at all) is marked with `!`. A tenth more is noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from math import log2
from statistics import median
from typing import NamedTuple

NOISE = 1.1
RUNS, ENOUGH_S = 3, 20.0
SETTLED_S = 0.005  # differences of less are the machine's
KEYS = {
    "kernel_s": "kernels, s",
    "laying_out_s": "laying out, s",
    "process_s": "whole process, s",
    "peak_mb": "peak memory, MB",
}
Rows = dict[str, dict[int, float]]  # key → size → value


class Case(NamedTuple):
    """A part of `bench_parts.py` (or `copies`, `compare` of `bench.py`), and its sizes."""

    name: str
    title: str
    sizes: tuple[int, ...]
    long: tuple[int, ...] = ()  # also, with --long
    is_flat: bool = False  # its memory


CASES = (
    Case("symbols", "symbols", (1, 5, 20, 50)),
    Case("near", "resting orders, near", (10, 100, 1_000, 10_000, 100_000)),
    Case("far", "resting orders, far", (10, 100, 1_000, 10_000, 100_000)),
    Case("market", "market orders, one each 100 ms", (10, 100, 1_000, 10_000, 100_000)),
    Case("positions", "positions in one account", (1, 10, 30, 100)),
    Case("copies", "the tape so many times", (1, 3, 10), (50,), is_flat=True),
    Case("worlds", "worlds", (1, 10, 100, 1_000, 10_000), (100_000,)),
    Case("compare", "values of --compare", (1, 100, 400)),
)


def medians(measure: Callable[[], Mapping[str, float] | None], runs: int) -> dict[str, float] | None:
    """Medians by key of `runs` measurements, of fewer when they take long; None as soon as one fails."""
    found: list[Mapping[str, float]] = []
    begin = time.perf_counter()
    while len(found) < runs and (not found or time.perf_counter() - begin < ENOUGH_S):
        one = measure()
        if one is None:
            return None
        found.append(one)
    return {key: median(one[key] for one in found) for key in found[0]}


def figures_of(result: Mapping[str, float]) -> dict[str, float]:
    """What of a part's result is told."""
    return {key: result[key] for key in KEYS if key in result}


def rows_of(by_size: Mapping[int, Mapping[str, float] | None]) -> Rows:
    """Size → key → value turned to key → size → value; sizes that failed are left out."""
    keys = [key for key in KEYS if any(key in (found or {}) for found in by_size.values())]
    return {key: {size: found[key] for size, found in by_size.items() if found} for key in keys}


def per_doubling(values: Mapping[int, float]) -> list[float]:
    """Growth between neighbouring sizes. Example: {10: 1.0, 40: 4.0} → [2.0]."""
    steps = list(values.items())
    return [(b / a) ** (1 / log2(n / m)) for (m, a), (n, b) in pairwise(steps)]


def allowed(values: Mapping[int, float]) -> list[float]:
    """The same of n log n. Example: sizes 2 and 4 → [4.0]."""
    return per_doubling({size: size * log2(max(size, 2)) for size in values})


def too_fast(case: Case, key: str, values: Mapping[int, float]) -> list[bool]:
    """Of each step, whether it grows too fast."""
    steps = list(values.values())
    grown = [b - a > SETTLED_S for a, b in pairwise(steps)]
    flat = case.is_flat and key == "peak_mb"
    most = [1.0] * len(grown) if flat else allowed(values)
    return [g and rate > NOISE * m for g, rate, m in zip(grown, per_doubling(values), most, strict=True)]


def lines(case: Case, rows: Rows) -> list[str]:
    """A row of values for each key, and below it a row of growths."""
    sizes = list(next(iter(rows.values()), {}))
    told = [[case.title, *(f"{size:,}" for size in sizes)]]
    for key, values in rows.items():
        told.append(
            [f"  {KEYS[key]}", *(f"{value:.0f}" if key == "peak_mb" else f"{value:.4f}" for value in values.values())]
        )
        marks = too_fast(case, key, values)
        told.append(
            [
                "    per doubling",
                "",
                *(f"{rate:.2f}{'!' * bad}" for rate, bad in zip(per_doubling(values), marks, strict=True)),
            ]
        )
    told.append(["    of n log n", "", *(f"{rate:.2f}" for rate in allowed(dict.fromkeys(sizes, 1.0)))])
    widths = [max(len(row[place]) for row in told if place < len(row)) for place in range(len(sizes) + 1)]
    return [
        row[0].ljust(widths[0]) + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in told
    ]


def verdict(found: Mapping[str, Rows]) -> str:
    """The cases that are marked."""
    marked = [
        f"{case.title} ({KEYS[key]})"
        for case in CASES
        for key, values in found.get(case.name, {}).items()
        if any(too_fast(case, key, values))
    ]
    return f"! grows too fast: {'; '.join(marked)}" if marked else "nothing grows faster than n log n"
