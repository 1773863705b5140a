"""Marks, references, maintenance tiers and funding rates of one market (RULES 2.1, 5.3, 6.3, 7.2, 7.3)."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING

from backtester.engine import spec
from backtester.enums import FundingWeights, MarkFormula, Outage, PriceReference, Side
from tests.oracle.exact import ZERO, Judge
from tests.oracle.ladder import Tape

if TYPE_CHECKING:
    from tests.oracle.views import View

EIGHT_HOURS_NS = 8 * 3600 * 10**9


class Average:
    """Exponential average of samples one grid interval apart (RULES 5.3)."""

    def __init__(self, tau_s: float, interval_s: float) -> None:
        self.keep = math.exp2(-interval_s * math.log2(math.e) / tau_s)
        self.interval_s = interval_s
        self.numerator = self.denominator = 0.0

    def update(self, sample: float) -> float:
        """Add a sample and return the average."""
        self.numerator = self.numerator * self.keep + sample * self.interval_s
        self.denominator = self.denominator * self.keep + self.interval_s
        return self.numerator / self.denominator


class Market:
    """One instrument under one set of rules."""

    def __init__(self, number: int, data: spec.MarketData, tapes: list[Tape], judge: Judge) -> None:
        self.number = number
        self.spec = data.markets[number]
        self.instrument = self.spec.instrument
        self.rules = data.rules[self.spec.rules]
        self.tape = tapes[self.instrument]
        self.judge = judge
        self.unit = Fraction(self.tape.unit_float)
        self.mark_float: float | None = None
        self.samples: list[Fraction] = []
        self.sampled = False  # once at least
        interval_s = self.rules.mark_interval_ns / 1e9
        self.basis = Average(150.0, interval_s)
        self.middle = Average(30.0, interval_s)
        self.bases: list[Fraction] = []  # samples of mid − index
        self.interval_ns = self.spec.funding_interval_ns or self.rules.funding_interval_ns
        self.funding_ns = self.spec.funding_ns  # a funding time; the others come an interval after each other
        self.said_ns = 0  # the funding time that the last record said
        self.view: View | None = None  # what clients see of it (RULES 11.2)
        self.marks: dict[int, Fraction] = {}  # at its grid times since the start
        self.charged = ZERO  # the rate of the last funding time

    @property
    def mark(self) -> Fraction:
        """The mark, once there is one."""
        assert self.mark_float is not None
        return Fraction(self.mark_float)

    @property
    def mark_is_computed(self) -> bool:
        """Whether it comes out of a formula, whose last bits depend on how doubles take it."""
        return self.rules.mark_formula != MarkFormula.TAPE

    def update_mark(self, t: int) -> None:
        """RULES 5.3, at a grid time. Without what the formula needs, or in an outage, the old mark stays."""
        tape = self.tape
        if tape.takes_away(Outage.MARK_FROZEN):
            return
        if tape.spec.index_from_mid and tape.mid_half_ticks is not None:
            tape.index = tape.mid_price()
        match self.rules.mark_formula:
            case MarkFormula.TAPE:
                made = tape.mark_record
            case MarkFormula.MEDIAN_BASIS_EMA:
                made = self._median_with_ema()
            case MarkFormula.MEDIAN_BASIS_MA:
                made = self._median_with_mean(t)
            case MarkFormula.FUNDING_BASIS:
                made = None if tape.index is None else float(self._funding_basis(t))
        self.mark_float = self.mark_float if made is None else made

    def _median_with_ema(self) -> float | None:
        tape = self.tape
        bid, ask, mid = tape.best(Side.BUY), tape.best(Side.SELL), tape.mid_price()
        if tape.index is None or bid is None or ask is None or mid is None:
            return None
        basis = tape.index + self.basis.update(mid - tape.index)
        now = mid if tape.last_tick is None else median([tape.price(tick) for tick in (bid, ask, tape.last_tick)])
        return median([basis, now, self.middle.update(now)])

    def _median_with_mean(self, t: int) -> float | None:
        tape, mid = self.tape, self.tape.mid_price()
        if tape.index is None or mid is None or not tape.both_sides:
            return None
        index = Fraction(tape.index)
        self.bases.append(Fraction(mid) - index)
        window = self.bases[-(self.rules.mark_basis_window_ns // self.rules.mark_interval_ns) :]
        last = mid if tape.last_tick is None else tape.price(tape.last_tick)
        return float(median([self._funding_basis(t), index + sum(window, ZERO) / len(window), Fraction(last)]))

    def _funding_basis(self, t: int) -> Fraction:
        """The index, and what the last funding rate would still pay until the next funding time."""
        assert self.tape.index is not None
        left = self.next_funding(t) - t
        return Fraction(self.tape.index) * (1 + self.charged * Fraction(left, self.interval_ns))

    def next_funding(self, t: int) -> int:
        """The first funding time after t (RULES 7.2)."""
        return max(self.said_ns, t + self.interval_ns - (t - self.funding_ns) % self.interval_ns)

    def take_funding(self, ts: int, seconds: int) -> None:
        """A funding record says when its market pays (RULES 7.2)."""
        self.funding_ns = self.said_ns = ts
        self.interval_ns = seconds * 10**9

    def bound_tick(self, side: int, bound: float) -> int:
        """Last tick that an IOC bounded `bound` away from mid or mark may reach (RULES 2.1)."""
        assert self.mark_float is not None and self.tape.mid_half_ticks is not None
        from_mark = self.rules.bound_from == PriceReference.MARK
        reference = self.mark_float / self.tape.spec.tick_size if from_mark else self.tape.mid_half_ticks / 2
        return self.inwards(side, reference * (1 + side * bound), from_mark and self.mark_is_computed)

    def inwards(self, side: int, ticks: float, computed: bool = False) -> int:
        """The last tick that an order may reach whose limit lies between two (RULES 2.1)."""
        return self.judge.floor(ticks, computed) if side == Side.BUY else max(1, self.judge.ceil(ticks, computed))

    def tier(self, notional: Fraction) -> int:
        """Number of the tier with the highest floor ≤ notional (RULES 6.3)."""
        found = 0
        for number, row in enumerate(self.spec.tiers):
            if not self.judge.less(notional, Fraction(row.floor_quote)):
                found = number
        return found

    def maintenance(self, notional: Fraction) -> Fraction:
        """N · rate_k − deduction_k (RULES 6.3)."""
        tiers = self.spec.tiers
        number = self.tier(notional)
        deduction = ZERO
        for k in range(1, number + 1):
            step = Fraction(tiers[k].maintenance_rate) - Fraction(tiers[k - 1].maintenance_rate)
            deduction += Fraction(tiers[k].floor_quote) * step
        return notional * Fraction(tiers[number].maintenance_rate) - deduction

    def rate(self, notional: Fraction) -> Fraction:
        """Maintenance rate of the tier of a notional (RULES 6.3)."""
        return Fraction(self.spec.tiers[self.tier(notional)].maintenance_rate)

    def largest_leverage(self, notional: Fraction) -> Fraction:
        """Largest leverage setting for this notional; one on a tier's floor belongs to the tier below (RULES 6.1)."""
        above = [tier for tier in self.spec.tiers[1:] if self.judge.less(Fraction(tier.floor_quote), notional)]
        return Fraction((above or self.spec.tiers)[-1 if above else 0].max_leverage)

    def impact_price(self, side: int) -> Fraction | None:
        """Average price of trading the impact notional against a displayed side (RULES 7.3)."""
        wanted = Fraction(self.spec.impact_notional_quote)
        notional, size = ZERO, ZERO
        for tick, lots in self.tape.from_best(side):
            price = Fraction(self.tape.price(tick))
            part = min(lots * self.unit * price, wanted - notional)
            notional += part
            size += part / price
        return notional / size if size else None

    def miss_samples(self, first: int) -> None:
        """The tape begins at `first`: what came before it since a funding time counts as 0 (RULES 7.3)."""
        sample = self.rules.funding_sample_ns
        t = (first - 1) // sample * sample
        while t > self.next_funding(first - 1) - self.interval_ns:
            self.samples.append(ZERO)
            t -= sample

    def sample_premium(self) -> None:
        """Take one premium sample (RULES 7.3)."""
        bid, ask = self.impact_price(Side.BUY), self.impact_price(Side.SELL)
        if self.tape.index is None or bid is None or ask is None:
            self.samples += [] if self.sampled else [ZERO]
            return
        index = Fraction(self.tape.index)
        self.sampled = True
        self.samples.append((max(ZERO, bid - index) - max(ZERO, index - ask)) / index)

    def funding_rate(self, t: int) -> Fraction | None:
        """The rate charged at the funding time t (RULES 7.2, 7.3), None when there is none."""
        if self.tape.funding is not None and self.tape.funding[0] == t:
            return Fraction(self.tape.funding[1])
        return self.made_rate()

    def made_rate(self) -> Fraction | None:
        """The same without a record."""
        if self.rules.assume_funding_zero:
            return ZERO
        if not self.rules.funding_premium or not self.sampled or not self.samples:
            return None
        equal = self.rules.funding_weights == FundingWeights.EQUAL
        weights = [1 if equal else number for number in range(1, len(self.samples) + 1)]
        total = sum((weight * sample for weight, sample in zip(weights, self.samples, strict=True)), ZERO)
        average = total / sum(weights)
        clamp, cap = Fraction(self.rules.funding_clamp), Fraction(self.spec.funding_cap)
        full = average + max(-clamp, min(clamp, Fraction(self.rules.funding_interest) - average))
        return max(-cap, min(cap, full * Fraction(self.interval_ns, EIGHT_HOURS_NS)))

    def funding_price(self) -> Fraction:
        """The price of the notional that pays funding (RULES 7.1)."""
        if self.rules.funding_price == PriceReference.MARK:
            return self.mark
        assert self.tape.index is not None, "funding on an index that the tape never showed"
        return Fraction(self.tape.index)
