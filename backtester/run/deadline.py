"""By when: the last moment at which a top-up that saves an account still does, each pool's part at its own.

Money saves a pool that comes before the check at which it falls below maintenance, unless something else wants it
earlier, as an order that is refused without it, or can wait for it longer, as an outage that keeps the venue from
liquidating. So nothing is inferred here either: worlds in which the money comes at the breach, and so many seconds
before and after it, go through the tape.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence

from backtester.engine import spec
from backtester.run.edge import Edge, edge
from backtester.run.result import TopUp
from backtester.run.tries import Payment, Search, Trial, richer, together

_SECOND_NS, _NEVER_NS = 1_000_000_000, sys.maxsize
#: How many more leads are tried between two, once: a pass costs more than an answer to the second is worth.
_STEPS = 16
#: How long after a breach money is tried: 1, 2, 4, … seconds.
_LATE = tuple(2**n for n in range(13))


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
    found = yield from edge(_moments(start_ns, end), lambda ts: paid({pool: ts}), _between)
    return None if found.dies is None else found.lives


def _moments(start_ns: int, end_ns: int) -> list[int]:
    """From the start on, nearer and nearer to a breach, at it, right after it and later and later.

    Example: of a breach 5 s after the start: 0, 1, 3, 4, 5 s, a nanosecond more, 6, 7, 9 s and so on.
    """
    most = (end_ns - start_ns) // _SECOND_NS
    leads = (most, *(2**n for n in reversed(range(most.bit_length())) if 2**n < most))
    before = (end_ns - lead * _SECOND_NS for lead in leads if lead)
    return [*before, end_ns, end_ns + 1, *(end_ns + late * _SECOND_NS for late in _LATE)]


def _between(found: Edge[int]) -> Sequence[int]:
    """At most _STEPS moments that part the span between the neighbours evenly, in whole seconds; else nothing."""
    if found.lives is None or found.dies is None:
        return ()
    span = (found.dies - found.lives) // _SECOND_NS
    steps = min(_STEPS + 1, span)
    return [found.lives + span * step // steps * _SECOND_NS for step in range(1, steps)]


def _paid(
    world: spec.World, account: int, amounts: Sequence[float], moments: Mapping[int, int], start_ns: int
) -> Trial:
    """The world in which pools get their parts at these moments, all others, and those not after it, at the start."""
    later = {pool: ts for pool, ts in moments.items() if ts > start_ns}
    early = tuple(0.0 if pool in later else amount for pool, amount in enumerate(amounts))
    payments = tuple(Payment(ts, pool, amounts[pool]) for pool, ts in later.items() if ts != _NEVER_NS)
    return Trial(richer(world, account, early), payments)
