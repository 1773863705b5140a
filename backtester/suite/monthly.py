"""One month of a suite: run, archived whole or not at all, compared with the month before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from backtester.config.suite import SuiteFile
from backtester.errors import config_error, data_error
from backtester.files import reason
from backtester.report.gates import read_gates
from backtester.report.records import ReportModel
from backtester.results.parts import Parts
from backtester.results.places import MADE_FROM, PORTFOLIOS, SUITE
from backtester.results.produce import Produced, produce
from backtester.results.sums import write_sums
from backtester.results.tables import CONTENTS
from backtester.run.session import Listener, nobody
from backtester.suite.archive import Archive
from backtester.suite.made_from import differing, made_from
from backtester.suite.origin import Origin, Source, read_origin, receipts
from backtester.suite.stored import months_before, read_month
from backtester.suite.summary import PAGE, SUMMARY, summary


class Month(NamedTuple):
    """A month of a suite, and its page in Markdown and HTML.

    `is_new`: this call made it. `is_kept`: it is in the archive; one of which too many cells failed is not.
    `changed`: what it was made from, and would not be any more. Example: `portfolio a.toml`.
    """

    name: str
    directory: Path
    model: ReportModel
    summary: str
    page: str
    is_new: bool = True
    is_kept: bool = True
    changed: tuple[str, ...] = ()


def run_month(
    file: SuiteFile,
    month: str,
    seed: int = 0,
    *,
    listener: Listener = nobody,
    jobs: int = 1,
) -> Month:
    """Run a suite and archive it as a month. One that is there is looked at, never replaced.

    What was killed goes on with the cells that were done; so does one of which too many cells failed, which is not
    archived. Raises BacktesterError; the archive is then as before.
    """
    archive = Archive(file.archive)
    inputs = _inputs(file)
    sources = made_from(file, seed)
    read_gates(file.command)  # what is wrong with limits is told before anything is written
    with archive.locked():
        if month in archive.months():
            archive.settle()
            return _as_it_was(archive, month, sources)
        earlier = months_before(archive, month)
        parts = Parts(archive.parts(month), file.command, seed)
        made = produce(file.command, seed, with_tables=True, listener=listener, jobs=jobs, parts=parts)
        if made_from(file, seed) != sources:
            raise data_error(f"{file.suite.name} {month}", "a file was changed while it was run", "run it again")
        told = summary(file.suite, month, made.model, earlier)
        found = Month(month, archive.of(month), made.model, told.markdown(), told.html())
        if len([cell for cell in made.model.failed if cell.exit_code]) > file.suite.max_failures:
            return found._replace(is_kept=False)
        with archive.adding(month) as directory:
            pages = {SUMMARY: found.summary.encode(), PAGE: found.page.encode()}
            origin = Origin(month, sources, receipts(earlier))
            _write(directory, made, {**inputs, **pages, MADE_FROM: origin.written()})
        return found


def _inputs(file: SuiteFile) -> dict[str, bytes]:
    """The suite and its portfolios as they are, by where they are kept. Raises a configuration error."""
    places = {f"{PORTFOLIOS}/{Path(name).name}": Path(name) for name in file.command.portfolios}
    try:
        return {name: path.read_bytes() for name, path in {SUITE: Path(file.document.name), **places}.items()}
    except OSError as error:
        raise config_error(str(error.filename), f"cannot be read: {reason(error)}") from None


def _as_it_was(archive: Archive, month: str, sources: tuple[Source, ...]) -> Month:
    """The month that is there, and what it would be made from otherwise now."""
    model, directory = read_month(archive, month), archive.of(month)
    told, drawn = ((directory / name).read_text("utf-8") for name in (SUMMARY, PAGE))
    changed = tuple(differing(read_origin(directory).sources, sources))
    return Month(month, directory, model, told, drawn, is_new=False, changed=changed)


def _write(directory: Path, made: Produced, more: Mapping[str, bytes]) -> None:
    """All files of a month: the result, and what lies beside it."""
    made.write(directory)
    (directory / PORTFOLIOS).mkdir()
    for name, content in more.items():
        (directory / name).write_bytes(content)
    write_sums(directory, (*CONTENTS, *more))
