"""A suite: what is run every month, and where its results are kept, from TOML."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from backtester.config.command import Acceptances, Command, with_files
from backtester.config.limits import Limits
from backtester.config.lines import Place
from backtester.config.tolerance import parse_parts
from backtester.config.tolerance_tables import Tolerances
from backtester.config.toml import Document, Fault, Record, faults_error, read_document, validate
from backtester.config.values import Misread
from backtester.errors import BacktesterError, Diagnostic
from backtester.options import OPTIONS

Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Assumed = Literal["funding_zero", "index_mid", "order_book", "as_written", "frozen_order_book"]
Extra = Literal["markdown", "csv"]
_LIMITS: dict[str, Place] = {"fail_on": ("limits", "fail"), "warn_on": ("limits", "warn")}
#: Where a suite states what an option of `run` says.
_STATED: dict[str, Place] = {option: _LIMITS.get(field, (field,)) for field, option in OPTIONS.items()}


def _material(text: str) -> str:
    """What a change must exceed to be told, if it can be read. Raises ValueError."""
    try:
        parse_parts(text)
    except ValueError:
        raise Misread("expected a share and amounts such as 0.5%,100,10bps,60s", "each unit once") from None
    return text


class Suite(Record):
    """The keys of `suite.toml`. Files and patterns are meant from where it lies."""

    name: Text
    portfolios: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]  # also as books/*.toml
    scenarios: Texts = ("all",)  # as --scenario; an empty list: the tape as it is
    venues: Texts = ()  # as --venue
    shock: Text | None = None
    tapes: Texts = ()
    instruments: Texts = ()
    set: Texts = ()
    compare: Texts = ()
    prices: Texts = ()
    proxies: Texts = ()
    stale_after: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None  # seconds
    rebase: bool = False
    drills: Texts = ()  # as --drill
    assume: Annotated[tuple[Assumed, ...], Field(strict=False)] = ()
    archive: Text = "archive"  # a directory
    max_failures: Annotated[int, Field(ge=0)] = 0  # cells that may come to nothing before the job counts as failed
    material: Annotated[Text, AfterValidator(_material)] = "0.5%,100,10bps,60s"  # of the page, as `diff --material`
    notify: Text | None = None  # a command of the shell, which gets the summary on its standard input
    limits: Limits = Limits()
    tolerances: Tolerances = Tolerances()  # of a check against a baseline


@dataclass(frozen=True)
class SuiteFile:
    """A suite and where it came from."""

    suite: Suite
    document: Document
    command: Command

    @property
    def archive(self) -> Path:
        """Where the months are."""
        return Path(self.document.name).parent / self.suite.archive

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """What is wrong with an option of its command is raised as a fault of its line: nobody typed the option."""
        try:
            yield
        except BacktesterError as error:
            raise BacktesterError(_blamed(self.document, each) for each in error.diagnostics) from None


def _blamed(document: Document, problem: Diagnostic) -> Diagnostic:
    """Example: `--fail-on los > 1` is `suite.toml:7 limits.fail.0`."""
    option, _, words = str(problem.where).partition(" ")
    if option not in _STATED:
        return problem
    place = _STATED[option]
    stated: Any = document.data
    for key in place:
        stated = stated.get(key, {})
    texts: list[str] = stated if isinstance(stated, list) else []
    if option == "--compare":  # a problem may be of one of its values
        texts = [text.partition("=")[0] for text in texts]
    longest = max((text for text in texts if words.startswith(text)), key=len, default=None)
    where = document.said(place if longest is None else (*place, texts.index(longest)))
    return dataclasses.replace(problem, code="config", where=where)


def load_suite(path: Path) -> SuiteFile:
    """Read a suite. Raises a configuration error with all its faults, a pattern that nothing matches among them."""
    document = read_document(path)
    suite = validate(Suite, document)
    here = path.parent
    found = [_matching(here, pattern) for pattern in suite.portfolios]
    if faults := [
        Fault(("portfolios", number), "matches no file", f"it is looked for in {here.resolve()}")
        for number, files in enumerate(found)
        if not files
    ]:
        raise faults_error(document, faults)
    if faults := list(_named_alike(found)):
        raise faults_error(document, faults)
    portfolios = tuple(dict.fromkeys(str(file) for files in found for file in files))
    return SuiteFile(suite, document, _command(suite, here, portfolios))


def _matching(here: Path, pattern: str) -> list[Path]:
    """The file of this very name, whatever signs of a pattern are in it; else those of the pattern, in order."""
    literal = here / pattern
    return [literal] if os.path.isfile(literal) else sorted(_files(here, pattern))


def _files(here: Path, pattern: str) -> Iterator[Path]:
    path = Path(pattern)
    base = Path(path.anchor) if path.is_absolute() else here
    inside = path.relative_to(path.anchor) if path.is_absolute() else path
    return (file for file in base.glob(str(inside)) if file.is_file())


def _named_alike(found: Sequence[Sequence[Path]]) -> Iterator[Fault]:
    """Portfolios that would be called the same in a report."""
    first: dict[str, Path] = {}
    for number, files in enumerate(found):
        for file in files:
            other = first.setdefault(file.stem, file)
            if other != file:
                message = f"{file} would be called {file.stem}, as {other} is"
                yield Fault(("portfolios", number), message, "give them different names")


def _command(suite: Suite, here: Path, portfolios: tuple[str, ...]) -> Command:
    """What `run` would be told; the limits that fail are those of --fail-on."""
    command = Command(
        portfolios=(),
        fail_on=tuple(each.text for each in suite.limits.fail),
        warn_on=tuple(each.text for each in suite.limits.warn),
        accept=Acceptances(**dict.fromkeys(suite.assume, True)),
        **{field: getattr(suite, field) for field in OPTIONS if field not in _LIMITS},
    )
    there = with_files(command, lambda name: str(here / name), [here])
    return there._replace(portfolios=portfolios)
