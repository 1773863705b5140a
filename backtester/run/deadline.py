"""By when: the last moment at which a top-up that saves an account still does, each pool's part at its own.

Money saves a pool that comes before the check at which it falls below maintenance, unless something else wants it
earlier, as an order that is refused without it, or can wait for it longer, as an outage that keeps the venue from
liquidating. So nothing is inferred here either: worlds in which the money comes at the breach, and so many seconds
before and after it, go through the tape.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from backtester.engine import spec
from backtester.run.result import TopUp
from backtester.run.tries import Fared, Payment, Search, Trial, richer, together

_SECOND_NS, _NEVER_NS = 1_000_000_000, sys.maxsize
#: How many more leads are tried between two, once: a pass costs more than an answer to the second is worth.
_STEPS = 16
#: How long after a breach money is tried: 1, 2, 4, … seconds.
_LATE = tuple(-(2**n) for n in range(13))


def last_moments(world: spec.World, account: int, found: TopUp, start_ns: int) -> Search[TopUp]:
    """The top-up that was found with the last moment of each pool's part, with which it survives when all are used.

    As it is where none could be shown.

    world     as it was run, without any top-up
    start_ns  of the run: no part can come before it

    Example: a pool that without its part is below maintenance at the check of 21:13:39: paid at 21:13:39, ahead of the
    check, it is saved; a nanosecond later it is not.
    """
    if found.amounts is None:
        return found
    amounts, pools = found.amounts, [pool for pool, amount in enumerate(found.amounts) if amount > 0.0]

    def paid(moments: Mapping[int, int]) -> Trial:
        return _paid(world, account, amounts, moments, start_ns)

    times = yield from together([_last(paid, pool, start_ns) for pool in pools])
    by = {pool: ts for pool, ts in zip(pools, times, strict=True) if ts is not None}
    if len(by) < len(pools):
        return found
    [fared] = yield [paid(by)]
    if not fared.survived:
        return found
    moments = tuple(map(by.get, range(len(amounts))))
    return found._replace(by=moments, equity_end=fared.equity_end - math.fsum(amounts))


def _last(paid: Callable[[Mapping[int, int]], Trial], pool: int, start_ns: int) -> Search[int | None]:
    """The last moment for the part of one pool, the others there from the start; None where none could be shown.

    It saves at that moment, as at all earlier ones tried, and not at the next later one that was tried: a nanosecond
    after the breach if it is that of the breach, otherwise later by a seventeenth of what doubling leads left between.
    """
    [without] = yield [paid({pool: _NEVER_NS})]
    end = without.breach_ts[pool]
    if without.survived or end is None:
        return None

    def earlier(leads: Iterable[int]) -> list[Trial]:
        return [paid({pool: end - lead * _SECOND_NS}) for lead in leads]

    leads = _doubling((end - start_ns) // _SECOND_NS)
    behind, *tried = yield [paid({pool: end + 1}), *earlier(leads)]
    saved, failed = _edge(leads, tried)
    if saved is not None and failed is not None and saved - failed > 1 and saved != 0:
        leads = _between(failed, saved)
        closer, nearer = _edge(leads, (yield earlier(leads)))
        saved, failed = saved if closer is None else closer, failed if nearer is None else nearer
    if saved is None or failed is None or (saved == 0 and behind.survived):
        return None
    return max(start_ns, end - saved * _SECOND_NS)


def _edge(leads: Sequence[int], tried: Sequence[Fared]) -> tuple[int | None, int | None]:
    """The shortest lead with which it survives, as with all longer ones; the longest with which it does not."""
    saved = None
    for lead, each in sorted(zip(leads, tried, strict=True), key=lambda pair: -pair[0]):
        if not each.survived:
            return saved, lead
        saved = lead
    return saved, None


def _doubling(most: int) -> list[int]:
    """Leads up to all of the time there is, s. Example: of 5: …, −2, −1, 0, 1, 2, 4, 5."""
    return [*_LATE, 0, *(2**n for n in range(most.bit_length()) if 2**n < most), *([most] if most else ())]


def _between(less: int, more: int) -> list[int]:
    """At most _STEPS leads that part a span evenly. Example: between 4 and 8: 5, 6, 7."""
    steps = min(_STEPS + 1, more - less)
    return [less + (more - less) * step // steps for step in range(1, steps)]


def _paid(
    world: spec.World, account: int, amounts: Sequence[float], moments: Mapping[int, int], start_ns: int
) -> Trial:
    """The world in which pools get their parts at these moments, all others, and those not after it, at the start."""
    later = {pool: ts for pool, ts in moments.items() if ts > start_ns}
    early = tuple(0.0 if pool in later else amount for pool, amount in enumerate(amounts))
    payments = tuple(Payment(ts, pool, amounts[pool]) for pool, ts in later.items() if ts != _NEVER_NS)
    return Trial(richer(world, account, early), payments)
