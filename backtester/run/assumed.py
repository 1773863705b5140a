"""What a reader of a result should know of how it was made: assumptions, and what the command line changed."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.engine import spec
from backtester.run.prices import moves_of
from backtester.run.profiles import changes_by_hand
from backtester.run.resolve import assumptions_of, derived_leverages
from backtester.run.resolve_values import Resolved
from backtester.run.stage import Stage
from backtester.run.stress import stress_assumptions
from backtester.run.tapes import additions_of
from backtester.run.variants import Variant


def assumptions(stage: Stage, variant: Variant, resolved: Resolved, world: spec.World) -> Iterator[str]:
    """Of the tape, the stress, the rules and the portfolio, in this order."""
    yield from _of_the_market(stage, variant, resolved)
    yield from variant.portfolio.document.changes
    yield from variant.moved
    yield from _at_par(variant)
    yield from derived_leverages(variant.portfolio, world)


def _of_the_market(stage: Stage, variant: Variant, resolved: Resolved) -> Iterator[str]:
    """Example: BTC: btc.parquet, a recording."""
    for file in stage.tape.files:
        if file.metadata.source:
            symbols = ", ".join(each.symbol for each in file.instruments)
            yield f"{symbols}: {file.path.name}, {file.metadata.source}"
    yield from additions_of(stage.tape)
    yield from moves_of(stage.tape)
    if stage.stressed is not None:
        yield from stress_assumptions(stage.request.scenario, stage.tape, stage.stressed, stage.proxies)
    yield from assumptions_of(resolved, stage.request.accept)
    yield from changes_by_hand(variant.profiles)


def _at_par(variant: Variant) -> Iterator[str]:
    """What accounts that are kept in different dollars come to together."""
    *others, last = dict.fromkeys(account.collateral.asset for account in variant.portfolio.portfolio.accounts)
    if others:
        yield f"{', '.join(others)} and {last} are counted as one USD each"


def foresight(variant: Variant) -> Iterator[str]:
    """What its plans know that nobody could have known."""
    for account in variant.portfolio.portfolio.accounts:
        for plan in account.plans:
            if plan.algo == "vwap" and plan.curve == "tape":
                yield f"{account.name} {plan.id}: its curve is the trading of this run, known beforehand"
