"""The tolerances that hold for each portfolio: the defaults, those of a suite, those of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from backtester.config.tolerance_tables import Tolerances, stated_tolerances
from backtester.config.toml import Document, read_document
from backtester.errors import BacktesterError, Diagnostic
from backtester.regress.tolerances import Rules, check_figures, rules_of


class Ruled(NamedTuple):
    """A file that may state tolerances, and those that it states."""

    document: Document
    tolerances: Tolerances


class Rulebook(NamedTuple):
    """A suite, if one was run, and the portfolios by their names, as far as their files are known."""

    suite: Ruled | None
    portfolios: Mapping[str, Ruled]

    def of(self, portfolio: str) -> Rules:
        """The rules of a portfolio: what it states wins over its suite."""
        ruled = (self.suite, self.portfolios.get(portfolio))
        return rules_of([each.tolerances for each in ruled if each is not None])


def read_rulebook(portfolios: Iterable[str | Path], suite: Document | None = None) -> Rulebook:
    """The rules of these files.

    Raises a configuration error with all faults of all of them, a usage error for two of one name: results tell
    portfolios apart by the names of their files.
    """
    problems: list[Diagnostic] = []
    found: dict[str, Ruled] = {}
    common = None
    try:
        common = None if suite is None else _ruled(suite)
    except BacktesterError as error:
        problems += error.diagnostics
    for path in dict.fromkeys(map(Path, portfolios)):
        if path.stem in found:
            problems.append(Diagnostic("usage", str(path), f"is a second {path.stem}", "give them different names"))
            continue
        try:
            found[path.stem] = _ruled(read_document(path))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(problems)
    return Rulebook(common, found)


def _ruled(document: Document) -> Ruled:
    stated = stated_tolerances(document)
    check_figures(document, stated)
    return Ruled(document, stated)
