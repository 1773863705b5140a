"""What two results were made from, where that differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backtester.config.command import Acceptances, Command
from backtester.report.records import Cell, FileInput, ReportModel, ScenarioInput, VenueInput


class InputChange(NamedTuple):
    """An input that differs: what it is and, before and after, its name and digest, None where there is none.

    Of an assumption it is its words: much of what the command line says is told by nothing else.
    """

    input: str
    before: str | None
    after: str | None


def changed_inputs(before: ReportModel, after: ReportModel) -> tuple[InputChange, ...]:
    """Engine, seed and currency, files, scenarios, venues, options and assumptions, in this order."""
    return tuple(_changes(before, after))


def of_cell(model: ReportModel, cell: Cell) -> ReportModel:
    """The result with the inputs of one of its cells alone: what of the rest differs has no part in its figures.

    Assumptions are left out, too: they follow from the inputs.
    """
    inputs = model.inputs
    own = inputs._replace(
        portfolios=tuple(each for each in inputs.portfolios if Path(each.name).stem == cell.portfolio.name),
        scenarios=tuple(each for each in inputs.scenarios if each.name == cell.scenario),
        venues=tuple(each for each in inputs.venues if f"{each.name}@{each.rules_date}" in cell.venue.split(", ")),
    )
    command = model.command._replace(scenarios=(), venues=(), compare=(), fail_on=(), warn_on=())
    return model._replace(inputs=own, command=command, assumptions=())


def _changes(before: ReportModel, after: ReportModel) -> Iterator[InputChange]:
    for name, old, new in (
        ("engine", before.engine_version, after.engine_version),
        ("seed", str(before.seed), str(after.seed)),
        ("currency", before.reporting_currency, after.reporting_currency),
    ):
        if old != new:
            yield InputChange(name, old, new)
    yield from _listed("portfolio", before.inputs.portfolios, after.inputs.portfolios)
    yield from _listed("tape", (before.inputs.tape,), (after.inputs.tape,))
    yield from _listed("scenario", before.inputs.scenarios, after.inputs.scenarios)
    yield from _listed("venue", before.inputs.venues, after.inputs.venues)
    yield from _options(before.command, after.command)
    yield from (InputChange("assumption", line, None) for line in before.assumptions if line not in after.assumptions)
    yield from (InputChange("assumption", None, line) for line in after.assumptions if line not in before.assumptions)


Made = FileInput | ScenarioInput | VenueInput


def _listed(input: str, before: Sequence[Made], after: Sequence[Made]) -> Iterator[InputChange]:
    """Several of a kind: two of one name stand for each other, and two that are left alone."""
    old, new = ({_told(each): each.name for each in made} for made in (before, after))
    gone, come = ([each for each in old if each not in new], [each for each in new if each not in old])
    for told in [*gone]:
        same = [each for each in come if new[each] == old[told]]
        if len(same) == 1:
            yield InputChange(input, told, same[0])
            gone.remove(told)
            come.remove(same[0])
    if len(gone) == len(come) == 1:
        yield InputChange(input, gone[0], come[0])
        return
    yield from (InputChange(input, told, None) for told in gone)
    yield from (InputChange(input, None, told) for told in come)


def _options(before: Command, after: Command) -> Iterator[InputChange]:
    """Those of the command line; the portfolios and tapes that it names are told as files."""
    for name in Command._fields:
        old, new = getattr(before, name), getattr(after, name)
        if old != new and name not in ("portfolios", "tapes"):
            yield InputChange(f"command.{name}", _option(old), _option(new))


def _option(value: Any) -> str | None:
    """An option as words, None where it was not given. Example: of what is accepted `index_mid order_book`."""
    if isinstance(value, Acceptances):
        value = tuple(name for name, is_accepted in value._asdict().items() if is_accepted)
    if value in (None, False, ()):
        return None
    return " ".join(value) if isinstance(value, tuple) else str(value)


_DIGITS = 12  # of a digest: as in the report


def _told(made: Made) -> str:
    """Example: `hyperliquid@2026-08-22 f9a0a6b701b8`."""
    date = f"@{made.rules_date}" if isinstance(made, VenueInput) else ""
    return f"{made.name}{date} {made.sha256[:_DIGITS]}"
