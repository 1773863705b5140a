"""Exact numbers, and a record of the decisions that doubles may take the other way.

The oracle adds money as fractions, the kernels as doubles. Where a number only adds up, the two differ in the last
bits; where it decides something (breached or not, which tick), they may differ altogether. Such a **close call** is
counted, so that a comparison knows from which step on a difference proves nothing. A tie of numbers that doubles
hold exactly (dyadic ones, as tiny universes use them) is no close call: it must come out the same.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

#: Two amounts closer than this (relative, at least absolute) may compare differently in doubles.
CLOSE = Fraction(1, 10**10)

ZERO = Fraction(0)


def held_exactly(value: Fraction) -> bool:
    """Whether sums and products on the way to `value` may be taken to be exact in doubles: few binary digits."""
    denominator = value.denominator
    return denominator & (denominator - 1) == 0 and denominator <= 2**30 and abs(value.numerator) < 2**52


class Judge:
    """Takes the decisions of one run exactly and counts the close calls among them."""

    def __init__(self) -> None:
        self.close_calls = 0
        self.ties = (
            0  # of what is computed, in this step: most come out alike, and a difference right after proves nothing
        )

    def less(self, a: Fraction, b: Fraction, computed: bool = False) -> bool:
        """Whether a < b. What is `computed` in doubles on the way is held exactly by luck only."""
        x, y = float(a), float(b)
        if abs(x - y) > 1e-9 * max(1.0, abs(x), abs(y)):
            return x < y  # by far: spare the fractions
        if a == b:
            self.close_calls += computed or not (held_exactly(a) and held_exactly(b))
        elif abs(a - b) <= CLOSE * max(Fraction(1), abs(a), abs(b)):
            self.close_calls += 1
        return a < b

    def floor(self, value: float, computed: bool = False) -> int:
        """Largest integer ≤ value, a formula evaluated in doubles as it is written; an input may be `computed` in
        doubles itself."""
        self._near_integer(value, computed)
        return math.floor(value)

    def ceil(self, value: float, computed: bool = False) -> int:
        """Smallest integer ≥ value."""
        self._near_integer(value, computed)
        return math.ceil(value)

    def rounded(self, value: float) -> int:
        """Nearest integer, halves up, of a value that two ways to compute it may miss by 1e-15 of it."""
        self.close_calls += abs(value % 1.0 - 0.5) <= 4e-15 * value
        return math.floor(value + 0.5)

    def decayed(self, lots: int, elapsed_ns: int, half_life_ns: int) -> int:
        """ceil(lots · 2^(−elapsed/half-life)), and 0 after more than 1,000 half-lives (RULES 2.2).

        The power is an integer only after whole half-lives (2^(p/q) is irrational otherwise): those are counted in
        integers, all others with 40 digits, so the rounding is that of the true number.
        Example: 5 lots after two half-lives → ceil(5/4) = 2; 4 lots after two half-lives → 1.
        """
        if elapsed_ns > 1000 * half_life_ns:
            return 0
        whole, rest = divmod(elapsed_ns, half_life_ns)
        if rest == 0:
            return -(-lots // (1 << whole))
        with localcontext() as context:
            context.prec = 40
            value = lots * Decimal(2) ** (-Decimal(elapsed_ns) / Decimal(half_life_ns))
            nearest = value.to_integral_value()
            if nearest > 0 and abs(value - nearest) < Decimal("1e-12") * nearest:
                self.close_calls += 1
            return math.ceil(value)

    def _near_integer(self, value: float, computed: bool) -> None:
        nearest = round(value)
        if value != nearest and abs(value - nearest) <= 1e-9 * max(1.0, abs(value)):
            self.close_calls += 1
        self.ties += computed and value == nearest
