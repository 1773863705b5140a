"""What is made of a drill: missed, caught by a limit, harmless, not reached. Tick and lot are 1."""

from __future__ import annotations

from typing import Any

from backtester.engine import spec
from backtester.enums import Drill, DrillVerdict, Limit, Rearm
from backtester.metrics.drills import _first_limit, _passes, _verdict
from backtester.run.drive import Engine
from backtester.run.outcome import Outcome
from backtester.run.result import Rehearsed
from tests.oracle.examples import FLAT_TIER, PLAIN, case, market_data
from tests.unit.test_engine_guards import S, guarded, marks, reducing, share

#: The mark ends at 130, far above the bids of 99: whatever was sold costs 31 a lot.
PRICES = (100.0, 100.0, 100.0, 130.0)


def rehearsed(part: float, drill: Drill, **automation: Any) -> Rehearsed:
    """A long 8 of which a guard sells `part` at 2 s, once; broken from 2 s on."""
    given = guarded(reducing(share(part), rearm=Rearm.ALWAYS, max_fires=1), lots=8, balance=500.0)
    given = given._replace(automation=spec.Automation(**automation))
    alone, whole = spec.World((given._replace(guards=()),)), spec.World((given,))
    broken = whole._replace(drill=spec.Drill(drill, 2 * S, 1 << 60))
    worlds = (alone, whole, broken, whole._replace(limits=False), broken._replace(limits=False))
    inputs = case(market_data(PLAIN, tiers=FLAT_TIER), worlds, marks(*PRICES))
    engine = Engine(inputs.data)
    engine.feed(inputs.events)
    engine.attach(inputs.worlds)
    engine.resume()
    engine.finish()
    outcome = Outcome(engine)
    return Rehearsed("drill", 2 * S, engine.market, *(outcome.cut(n, 1) for n in range(len(worlds))))


def test_what_ends_with_less_is_missed() -> None:
    """All 8 are sold instead of 2: 186 less of 500."""
    found = rehearsed(0.25, Drill.UNIT)
    assert _verdict(found) is DrillVerdict.MISSED
    assert _first_limit(found) is None


def test_what_a_limit_kept_from_it_is_caught() -> None:
    """No order of more than 250 at 100: 2 of the 8 that are asked for go out, as they should."""
    found = rehearsed(0.25, Drill.UNIT, max_order=250.0)
    assert _verdict(found) is DrillVerdict.CAUGHT
    held = _first_limit(found)
    assert held is not None and (held["limit"], held["wanted"], held["lots"]) == (Limit.MAX_ORDER, 2_000, 2)


def test_a_limit_that_binds_anyway_has_caught_nothing() -> None:
    """All 8 are wanted and 2 go out, with the drill and without it; without limits all 8, with it and without it."""
    found = rehearsed(1.0, Drill.UNIT, max_order=250.0)
    assert _verdict(found) is DrillVerdict.HARMLESS
    assert not _passes(found.drilled_unlimited, found.reference, found.market)  # what it must not be compared with
    same = rehearsed(1.0, Drill.RATE_LIMITED, max_order=250.0)
    assert (_verdict(same), _first_limit(same)) == (DrillVerdict.NOT_REACHED, None)


def test_what_does_not_matter_is_harmless_and_what_is_the_same_is_not_reached() -> None:
    assert _verdict(rehearsed(0.25, Drill.TRIPLE, max_orders=1)) is DrillVerdict.CAUGHT
    assert _verdict(rehearsed(0.25, Drill.STALE_VIEW)) is DrillVerdict.NOT_REACHED
    assert _verdict(rehearsed(1.0, Drill.UNIT)) is DrillVerdict.HARMLESS
