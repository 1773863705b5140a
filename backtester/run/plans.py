"""Execution plans: from one of a portfolio to the plan and the child orders that the engine works off (RULES 4.7).

A child is an order of its own, `<plan>#1` and so on. What it trades is said when it is decided: its target, the part of
the plan that should be done by then, less what the plan has done or has out. So one that found nothing is caught up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from backtester.config.order_rules import CHILD_MARK
from backtester.config.portfolio import Plan
from backtester.config.venue import VenueRules
from backtester.engine import spec
from backtester.enums import After, Held, OrderType, Peg, TimeInForce
from backtester.run.volumes import Slices

#: Between two slices, unless plan or venue say otherwise.
INTERVAL_NS = 30_000_000_000
#: More child orders than this are a slip.
MOST_CHILDREN = 10_000
#: How far the sizes of randomised slices vary where the venue does not say it.
RANDOM_SHARE = 0.2
#: Relative: notionals this close are alike.
_HAIR = 1e-9
#: Algorithms whose children are decided at times of their own.
TIMED = ("twap", "vwap", "pov")


class Misfit(NamedTuple):
    """A key of a plan that cannot be, and why."""

    key: str
    message: str
    hint: str = ""


class Terms(NamedTuple):
    """A plan in the numbers of the run."""

    plan: Plan
    number: int  # of the plan in its account
    first: int  # number of its first child among the orders of the account
    position: int
    lots: int
    notional_quote: float  # at the first mark
    start_ns: int
    reduce_only: bool
    rules: VenueRules
    limit_tick: int  # iceberg
    display_lots: int  # iceberg
    curve: Callable[[Slices], tuple[float, ...]]  # of the trading in the plan's market
    draw: Callable[[int], float]  # random number n of the plan, in [0, 1)

    @property
    def held(self) -> Held:
        """Who sends the children: the venue if it offers the algorithm, unless the plan says it."""
        offered = Held.VENUE if self.plan.algo in self.rules.services else Held.CLIENT
        return offered if self.plan.held is None else self.plan.held

    @property
    def bound(self) -> float:
        """How far a child may go that takes; 0: as far as any market order."""
        if self.plan.bound is not None:
            return self.plan.bound.fraction
        return self.rules.twap_bound if self._is_native_twap else 0.0

    @property
    def interval_ns(self) -> int:
        """Between two slices."""
        least = self.rules.twap_interval_ns if self._is_native_twap else INTERVAL_NS
        return least if self.plan.interval_ns is None else self.plan.interval_ns

    @property
    def slices(self) -> Slices:
        """When the children of a timed plan are decided."""
        duration = self.plan.duration_ns or 0
        if isinstance(self.plan.curve, tuple) and self.plan.algo == "vwap":
            count = len(self.plan.curve)
            return Slices(self.start_ns, duration // count, count)
        slices = Slices(self.start_ns, self.interval_ns, duration // self.interval_ns if self.interval_ns else 0)
        return self._of_the_venue(slices, duration) if self._is_native_twap and slices.parts else slices

    def _of_the_venue(self, slices: Slices, duration_ns: int) -> Slices:
        """The slices of the venue's own TWAP: one more at the end, or fewer so that none is too small.

        Example: an hour of slices 30 s apart are 121; 10,000 over 4 days with slices of at least 10 are 1,000.
        """
        at_end, least = int(self.rules.twap_last_at_end), self.rules.twap_min_slice_quote
        made = slices._replace(parts=slices.parts + at_end)
        if not (self.rules.twap_stretches and least and self.plan.interval_ns is None):
            return made
        most = max(1, int(self.notional_quote / least * (1 + _HAIR)))
        return made if made.parts <= most else Slices(self.start_ns, duration_ns // max(1, most - at_end), most)

    @property
    def variation(self) -> float:
        """How far the sizes of slices lie from their mean at most, as a share of it."""
        if not self.plan.randomize:
            return 0.0
        return self.rules.twap_randomize if self._is_native_twap else RANDOM_SHARE

    @property
    def _is_native_twap(self) -> bool:
        return self.plan.algo == "twap" and self.held is Held.VENUE

    def fault(self) -> Misfit | None:
        """What the plan asks for and cannot have, if anything."""
        algo = self.plan.algo
        if self.plan.held is Held.VENUE and algo not in self.rules.services:
            return Misfit("held", f"the venue has no {algo} orders", 'send them yourself: held = "client"')
        if algo in TIMED and not (0 < self.slices.parts <= MOST_CHILDREN and self.slices.interval_ns):
            return Misfit("duration", f"expected time for 1 to {MOST_CHILDREN:,} slices, was for {self.slices.parts}")
        if algo == "iceberg" and self.display_lots > self.lots:
            return Misfit("display", "expected at most the size of the plan")
        if algo == "iceberg" and self.lots > MOST_CHILDREN * self.display_lots:
            return Misfit("display", f"expected at least a part in {MOST_CHILDREN:,} of the size")
        return self._native_fault() if self._is_native_twap else None

    def _native_fault(self) -> Misfit | None:
        """What the venue does not take of a TWAP of its own."""
        rules, by_oneself = self.rules, 'or send them yourself: held = "client"'
        a_slice = self.notional_quote / self.slices.parts
        if self.interval_ns < rules.twap_interval_ns:
            apart = f"slices of the venue lie at least {rules.twap_interval_ns / 1e9:g} s apart"
            return Misfit("interval", apart, by_oneself)
        if self.notional_quote < rules.twap_min_quote * (1 - _HAIR):
            least = f"the venue's smallest TWAP is {rules.twap_min_quote:,.10g}"
            return Misfit("size", f"{self.notional_quote:,.2f} at the mark, {least}", by_oneself)
        if a_slice < rules.twap_min_slice_quote * (1 - _HAIR):
            least = f"the venue's smallest order is {rules.twap_min_slice_quote:,.10g}"
            hint = f"a longer interval, a shorter duration, {by_oneself}"
            return Misfit("size", f"{self.slices.parts} slices of {a_slice:,.2f}, {least}", hint)
        if self.plan.randomize and not rules.twap_randomize:
            return Misfit("randomize", "the slices of the venue are of one size", by_oneself)
        return None


class Expanded(NamedTuple):
    """What becomes of a plan."""

    plan: spec.Plan
    children: tuple[spec.Order, ...]


def expand(terms: Terms) -> Expanded:
    """The plan and its children. Raises BacktesterError where the curve of a VWAP is not known."""
    children = tuple(_CHILDREN[terms.plan.algo](terms))
    plan = spec.Plan(terms.plan.id, terms.position, int(terms.plan.side), terms.lots)
    if terms.plan.algo == "pov" and terms.plan.participation is not None:
        plan = plan._replace(rate=terms.plan.participation.fraction)
    if terms.plan.algo == "iceberg":
        plan = plan._replace(max_child_lots=terms.display_lots)
    if terms.plan.algo == "twap" and terms.held is Held.VENUE and terms.rules.twap_catch_up:
        most = math.ceil(terms.rules.twap_catch_up * terms.lots / len(children))
        plan = plan._replace(max_child_lots=most)
    return Expanded(plan, children)


def _market(terms: Terms) -> Iterator[spec.Order]:
    """All of it at once."""
    yield _taker(terms, 0, terms.start_ns, 1.0)


def _twap(terms: Terms) -> Iterator[spec.Order]:
    """The same size in every slice, or one that varies. Example: four slices have the targets ¼, ½, ¾ and 1."""
    start_ns, interval_ns, count = terms.slices
    weights = [1.0 + terms.variation * (2.0 * terms.draw(n) - 1.0) for n in range(count)]
    for n, target in enumerate(_targets(weights)):
        yield _taker(terms, n, start_ns + n * interval_ns, target)


def _vwap(terms: Terms) -> Iterator[spec.Order]:
    """In every slice what the curve says. Example: the weights 1, 3 and 4 have the targets ⅛, ½ and 1."""
    start_ns, interval_ns, _ = terms.slices
    weights = terms.plan.curve if isinstance(terms.plan.curve, tuple) else terms.curve(terms.slices)
    for n, target in enumerate(_targets(weights)):
        yield _taker(terms, n, start_ns + n * interval_ns, target)


def _pov(terms: Terms) -> Iterator[spec.Order]:
    """At every interval what is missing to a share of all trading since the plan began."""
    start_ns, interval_ns, count = terms.slices
    for n in range(count):
        yield _taker(terms, n, start_ns + n * interval_ns, 1.0)


def _iceberg(terms: Terms) -> Iterator[spec.Order]:
    """One limit order after the other, each of what may be seen. Example: 10 lots, 4 shown: 4, 4 and 2."""
    for n in range(math.ceil(terms.lots / terms.display_lots)):
        target = min(1.0, (n + 1) * terms.display_lots / terms.lots)
        child = _child(terms, n, OrderType.LIMIT, TimeInForce.GTC)._replace(
            limit_tick=terms.limit_tick, target=target, after=After.ALL
        )
        yield _first_or_next(terms, child, n)


def _passive(terms: Terms) -> Iterator[spec.Order]:
    """Post-only at the best price of its own side, a few times for a while, then what is left at the market."""
    for n in range(terms.plan.attempts):
        child = _child(terms, n, OrderType.LIMIT, TimeInForce.POST_ONLY)._replace(
            peg=Peg.PRIMARY, cancel_after_ns=terms.plan.wait_ns, after=After.END
        )
        yield _first_or_next(terms, child, n)
    last = _taker(terms, terms.plan.attempts, spec.START_NS, 1.0)
    yield _first_or_next(terms, last._replace(after=After.END), terms.plan.attempts)


_CHILDREN: dict[str, Callable[[Terms], Iterator[spec.Order]]] = {
    "market": _market,
    "twap": _twap,
    "vwap": _vwap,
    "pov": _pov,
    "iceberg": _iceberg,
    "passive": _passive,
}


def _targets(weights: Sequence[float]) -> list[float]:
    """The share that should be done with each slice; the last is exactly 1."""
    total = math.fsum(weights)
    return [*(done / total for done in list(accumulate(weights))[:-1]), 1.0]


def _first_or_next(terms: Terms, child: spec.Order, n: int) -> spec.Order:
    """The first child of a chain is timed, every other waits for the one before it."""
    return child._replace(parent=terms.first + n - 1) if n else child._replace(at_ns=terms.start_ns)


def _taker(terms: Terms, n: int, at_ns: int, target: float) -> spec.Order:
    child = _child(terms, n, OrderType.MARKET, TimeInForce.IOC)
    return child._replace(at_ns=at_ns, target=target, bound=terms.bound)


def _child(terms: Terms, n: int, kind: OrderType, tif: TimeInForce) -> spec.Order:
    return spec.Order(
        id=f"{terms.plan.id}{CHILD_MARK}{n + 1}",
        position=terms.position,
        type=kind,
        tif=tif,
        side=int(terms.plan.side),
        lots=0,  # said when it is decided
        reduce_only=terms.reduce_only,
        held=terms.held,
        plan=terms.number,
    )
