"""Limits on the result of a cell: conditions that must not hold, said with the command (`--fail-on`) or in a portfolio.

A limit is breached where its condition holds. Where a figure is missing that it needs, or the whole result, it is
unknown, which is no better: nobody watches. One that names what a portfolio does not have is not applicable to it; what
no portfolio of a command has is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import NamedTuple

from backtester.config.command import Command
from backtester.config.conditions import Condition, Wrong, comparisons, parse
from backtester.config.judging import Table, check, judge
from backtester.config.limits import LEVELS, Limit, stated_limits
from backtester.config.overrides import alternatives, override, sort_overrides
from backtester.config.portfolio import Portfolio, as_portfolio
from backtester.config.toml import Document, read_document
from backtester.errors import BacktesterError, Diagnostic
from backtester.report.figures import figures_of, reader
from backtester.report.naming import AnyCell
from backtester.report.records import Cell, LimitReport

FAIL, WARN = LEVELS
OK, BREACHED, UNKNOWN, NOT_APPLICABLE = "ok", "breached", "unknown", "not_applicable"
_OUTCOMES = {True: BREACHED, False: OK, None: UNKNOWN}


def read_gates(command: Command) -> tuple[Limit, ...]:
    """The limits of a command. Those of its portfolios are looked at as well, by what a result will hold.

    Raises one error with all that is wrong with any of them.
    """
    gates, problems = _parsed(command)
    read = list(_readable(command.portfolios))
    if not gates and not problems and not any("limits" in each.data for each in read):
        return ()
    portfolios = [list(_variants(document, command.set, command.compare)) for document in read]
    own = [figures_of(document.data for document in variants) for variants in portfolios]
    if portfolios:
        whole = figures_of(document.data for variants in portfolios for document in variants)
        problems += (_usage(gate.said, wrong) for gate in gates for wrong in _nowhere(gate.limit, whole, own))
    for variants, table in zip(portfolios, own, strict=True):
        for document in variants:
            try:
                _check_document(document, table)
            except BacktesterError as error:
                problems += error.diagnostics
    if problems:
        raise BacktesterError(dict.fromkeys(problems))
    return tuple(gate.limit for gate in gates)


class Gate(NamedTuple):
    """A limit of the command line, and how it was said there."""

    limit: Limit
    said: str


def _parsed(command: Command) -> tuple[list[Gate], list[Diagnostic]]:
    """Every limit once, and what is wrong with those that cannot be read."""
    gates, problems = [], []
    for level, text in _asked(command):
        said = f"--{level}-on {text}"
        try:
            gates.append(Gate(Limit(text, level, parse(text)), said))
        except Wrong as wrong:
            problems.append(_usage(said, wrong))
    return gates, problems


def _asked(command: Command) -> Iterator[tuple[str, str]]:
    """Level and text of every limit of a command, once."""
    yield from dict.fromkeys([*((FAIL, text) for text in command.fail_on), *((WARN, text) for text in command.warn_on)])


def _readable(portfolios: Sequence[str]) -> Iterator[Document]:
    """Those that can be read; of the others their cells will say why."""
    for name in portfolios:
        with suppress(BacktesterError):
            yield read_document(name)


def _variants(document: Document, overrides: Sequence[str], compare: Sequence[str]) -> Iterator[Document]:
    """The portfolio as it is run, and once for every value that is compared: all names are there that any has."""
    for more in ([], *([each] for text in compare for each in alternatives(text))):
        yield override(document, sort_overrides((*overrides, *more)).portfolio, Portfolio)


def _usage(said: str, wrong: Wrong) -> Diagnostic:
    return Diagnostic("usage", said, str(wrong), wrong.hint)


def _nowhere(limit: Limit, whole: Table, own: Sequence[Table]) -> Iterator[Wrong]:
    """What is wrong with a limit for all portfolios together, else what of it is wrong for each of them alone."""
    if found := list(_faults(limit.condition, whole)):
        yield from found
        return
    for part in comparisons(limit.condition):
        faults = [list(_faults(part, table)) for table in own]
        if all(faults):
            yield max(chain(*faults), key=lambda wrong: wrong.column)  # of the portfolio that has the most of it


def _faults(condition: Condition, table: Table) -> Iterator[Wrong]:
    try:
        check(condition, table)
    except Wrong as wrong:
        yield wrong


def _check_document(document: Document, table: Table) -> None:
    """Raise all that is wrong with a portfolio whose limits say unknown words; any other is judged when it is run."""
    faults = [
        (place, Diagnostic("config", document.said(place), str(wrong), wrong.hint))
        for place, limit in stated_limits(document)
        for wrong in _faults(limit.condition, table)
    ]
    if faults:
        as_portfolio(document, judge=lambda _: faults)


def judged(cell: Cell, limits: Iterable[Limit]) -> tuple[LimitReport, ...]:
    """What became of the limits in a finished cell. Raises a configuration error for one that `read_gates` refuses."""
    return tuple(_judged(limit, cell, _any_names()) for limit in limits)


@cache
def _any_names() -> Table:
    """The fields of a cell, whoever's: names that are not in it are unknown, not wrong."""
    return figures_of(())


def _judged(limit: Limit, cell: Cell, table: Table) -> LimitReport:
    try:
        outcome = judge(check(limit.condition, table), reader(cell, table))
    except Wrong as wrong:
        raise BacktesterError(Diagnostic("config", f"limit {limit.text}", str(wrong), wrong.hint)) from None
    said = NOT_APPLICABLE if outcome.truth is None and outcome.absent else _OUTCOMES[outcome.truth]
    return LimitReport(limit.text, limit.level, said, ", ".join(outcome.said))


def gated(cell: Cell, gates: Sequence[Limit]) -> Cell:
    """A cell, judged by these limits, too."""
    return cell._replace(limits=(*cell.limits, *judged(cell, gates)))


def unjudged(limits: Iterable[Limit], command: Command) -> tuple[LimitReport, ...]:
    """The limits of a cell that came to nothing: those of its portfolio, and those of the command."""
    asked = [*((limit.level, limit.text) for limit in limits), *_asked(command)]
    return tuple(LimitReport(text, level, UNKNOWN, "there is no result") for level, text in asked)


class Breach(NamedTuple):
    """A limit of a cell that is breached; one that is unknown is no better."""

    cell: AnyCell
    limit: LimitReport


def breaches(cells: Iterable[AnyCell | None]) -> Iterator[Breach]:
    """Every limit that is breached, once, cell by cell; of a cell those that fail first."""
    for cell in cells:
        if cell is not None:
            found = dict.fromkeys(limit for limit in cell.limits if limit.outcome in (BREACHED, UNKNOWN))
            yield from (Breach(cell, limit) for limit in sorted(found, key=lambda limit: LEVELS.index(limit.level)))
