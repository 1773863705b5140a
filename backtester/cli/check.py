"""`backtester check`: a result against its baseline, for a pull request."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from backtester.cli.console import STDOUT, Settings, check_file, emit, make_console, settings, written_for
from backtester.cli.running import JobsOption, announce_compiling, jobs_of, progress_of, tell_failures
from backtester.errors import BacktesterError, Diagnostic, ExitCode, usage_error
from backtester.files import write_text

if TYPE_CHECKING:
    from backtester.regress.rulebook import Rulebook
    from backtester.report.records import ReportModel


def check(
    ctx: typer.Context,
    checked: Annotated[
        Path,
        typer.Argument(
            help="A suite (TOML), which is run, or a result that `run --out` stored.", metavar="SUITE|RESULT"
        ),
    ],
    baseline: Annotated[
        Path,
        typer.Option("--baseline", metavar="DIR", help="What was accepted: result.json, and SHA256SUMS beside it."),
    ],
    portfolio: Annotated[
        list[Path] | None,
        typer.Option(
            "--portfolio",
            metavar="FILE",
            help="A portfolio of a stored RESULT: its [tolerances] hold, annotations point into it. May be given more "
            "than once.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Show what differs, then make this result the baseline.")
    ] = False,
    across: Annotated[
        bool,
        typer.Option(
            "--across",
            help="Compare also with a baseline of other rules, another tape, scenario, engine or other options.",
        ),
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML, too: a test case per cell.")
    ] = None,
    annotate: Annotated[
        bool,
        typer.Option("--annotations", help="Print commands of GitHub Actions, too: errors at lines of the portfolios."),
    ] = False,
    jobs: JobsOption = None,
) -> int:
    """Fail when a result went further from its baseline than its tolerances allow, or does not keep its limits.

    Exit code 0: kept; 1: failed, no baseline, or one that is not comparable.

    Examples: backtester check stress/suite.toml --baseline stress/baseline
    backtester check results/new --baseline stress/baseline --format markdown --output summary.md --annotations
    """
    chosen = settings(ctx)
    _check_options(chosen, junit, annotate)
    from backtester.regress.annotations import annotation_lines
    from backtester.regress.baseline import prove_baseline, read_baseline, write_baseline
    from backtester.regress.check import check
    from backtester.regress.check_report import failure, render_check
    from backtester.regress.junit import render_junit
    from backtester.regress.tolerances import FAIL

    if update:
        prove_baseline(baseline)
    before = read_baseline(baseline)
    made = _made(checked, portfolio or [], jobs, chosen)
    found = check(made.model, before, made.rulebook.of, across or update, made.max_failures)
    if junit is not None:
        with written_for("--junit", junit):
            write_text(junit, render_junit(found))
    emit(render_check(found, chosen.format, make_console(chosen), update), chosen)
    if annotate:
        repository = Path(os.environ.get("GITHUB_WORKSPACE") or os.curdir)
        for line in annotation_lines(found, made.rulebook, str(baseline), repository):
            print(line, flush=True)
    failed = tell_failures(made.model)
    if not found.failures:
        failed = 0
    if update:
        write_baseline(made.model, baseline)
        return max(failed, ExitCode.GATE if found.limits(FAIL) else ExitCode.OK)
    reason = failure(found, str(baseline))
    if reason is not None:
        print(reason, file=sys.stderr)
    return max(failed, ExitCode.OK if reason is None else ExitCode.GATE)


def _check_options(chosen: Settings, junit: Path | None, annotate: bool) -> None:
    """Prove before a long run that all of them can be meant."""
    if junit is not None:
        check_file("--junit", junit, chosen.force)
    if annotate and chosen.output == STDOUT and chosen.format in ("json", "csv"):
        message = f"are lines for GitHub, which {chosen.format} on the same stdout has no room for"
        raise usage_error("--annotations", message, "write the result to a file with --output")


class _Made(NamedTuple):
    """A result, the tolerances that hold for it, and how many of its cells may have come to nothing."""

    model: ReportModel
    rulebook: Rulebook
    max_failures: int


def _made(path: Path, portfolios: list[Path], jobs: int | None, chosen: Settings) -> _Made:
    """The result of a suite, run now, or the one that a directory has."""
    from backtester.regress.rulebook import read_rulebook

    if os.path.isdir(path):  # of a path that nothing can be said of the reader of suites tells why
        return _Made(_stored(path, portfolios), read_rulebook(portfolios), 0)
    if portfolios:
        raise usage_error("--portfolio", "is for a stored result", "a suite names its portfolios itself")
    from backtester.config.suite import load_suite
    from backtester.results.produce import produce

    file = load_suite(path)
    rulebook = read_rulebook(file.command.portfolios, file.document)
    announce_compiling(chosen)
    with file.blamed(), progress_of(chosen, file.suite.name) as listener:
        model = produce(file.command, chosen.seed, listener=listener, jobs=jobs_of(jobs)).model
    return _Made(model, rulebook, file.suite.max_failures)


def _stored(directory: Path, portfolios: list[Path]) -> ReportModel:
    """A result that is stored. Raises a usage error for portfolios that it is not of."""
    from backtester.regress.baseline import read_untouched

    model = read_untouched(directory)
    known = sorted({cell.portfolio.name for cell in model.cells})
    others = [path for path in portfolios if path.stem not in known]
    if others:
        hint = f"its portfolios: {', '.join(known)}"
        raise BacktesterError(
            [Diagnostic("usage", "--portfolio", f"{path} is in no cell of it", hint) for path in others]
        )
    return model
