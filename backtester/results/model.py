"""How the one report model (report.records), which every renderer reads, is made from finished runs."""

from __future__ import annotations

from collections.abc import Sequence

from backtester import __version__
from backtester.config.command import Command, from_anywhere, told_from_anywhere
from backtester.errors import BacktesterError, ExitCode
from backtester.metrics.cell import Measured, once, shared_currency
from backtester.report.gates import unjudged
from backtester.report.records import (
    SCHEMA_VERSION,
    ErrorText,
    FailedCell,
    FileInput,
    Inputs,
    Named,
    PortfolioName,
    Receipt,
    ReportModel,
)
from backtester.results.receipt import receipt_of
from backtester.run.result import RunFailure, digest_of


def summarise(made: Sequence[Measured | RunFailure], command: Command) -> ReportModel:
    """The report of what a command asked for, a cell for each run that was measured and each that failed.

    Raises the error of a single cell, and those of all cells, the worst first, when none has a result.
    """
    finished = [each for each in made if isinstance(each, Measured)]
    if not finished:
        raise all_errors([each for each in made if isinstance(each, RunFailure)])
    first = finished[0]
    model = ReportModel(
        kind="run",
        schema_version=SCHEMA_VERSION,
        engine_version=__version__,
        seed=first.seed,
        reporting_currency=shared_currency(each.currency for each in finished),
        command=from_anywhere(command),
        inputs=Inputs(
            portfolios=once(each.portfolio for each in finished),
            tape=_joined(once(each.tape for each in finished)),
            scenarios=once(each.scenario for each in finished if each.scenario),
            venues=once(venue for each in finished for venue in each.venues),
        ),
        assumptions=once(line for each in finished for line in each.assumptions),
        warnings=once(line for each in finished for line in each.warnings),
        cells=tuple(_failed_cell(each, command) if isinstance(each, RunFailure) else each.cell for each in made),
        receipt=Receipt("", ""),
    )
    return model._replace(receipt=receipt_of(model))


def measured(model: ReportModel) -> Measured:
    """The one cell of a model, as it was measured: `summarise` makes this model of it."""
    [cell], inputs = model.finished, model.inputs
    return Measured(
        cell=cell,
        seed=model.seed,
        currency=model.reporting_currency,
        portfolio=inputs.portfolios[0],
        tape=inputs.tape,
        scenario=inputs.scenarios[0] if inputs.scenarios else None,
        venues=inputs.venues,
        assumptions=model.assumptions,
        warnings=model.warnings,
    )


def _joined(files: Sequence[FileInput]) -> FileInput:
    """Several files named as one."""
    return FileInput(" + ".join(each.name for each in files), digest_of([each.sha256 for each in files]))


def _failed_cell(failure: RunFailure, command: Command) -> FailedCell:
    variant, error = Named(failure.variant), failure.error
    text = ErrorText(told_from_anywhere(str(error), command), typed=str(error))
    name = PortfolioName(failure.portfolio, failure.title)
    if not failure.applicable:
        return FailedCell(name, failure.scenario, failure.venue, variant, "not_applicable", text, ExitCode.OK.value)
    limits = unjudged(failure.limits, command)
    code = int(error.exit_code)
    return FailedCell(name, failure.scenario, failure.venue, variant, "failed", text, code, limits)


def all_errors(failures: Sequence[RunFailure]) -> BacktesterError:
    """Every problem once, those of the worst exit code first."""
    worst_first = sorted((failure.error for failure in failures), key=lambda error: -error.exit_code)
    return BacktesterError(once(problem for error in worst_first for problem in error.diagnostics))
