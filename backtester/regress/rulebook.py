"""The tolerances that hold for each portfolio: the defaults, those of a suite, those of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from backtester.config.portfolio import load_portfolio
from backtester.config.tolerance_tables import Tolerances
from backtester.config.toml import Document
from backtester.errors import BacktesterError, Diagnostic
from backtester.regress.tolerances import Rules, check_figures, rules_of


class Rulebook(NamedTuple):
    """Tolerances, and the files of the portfolios that have some of their own, both by the portfolio's name."""

    common: tuple[Tolerances, ...]
    own: Mapping[str, Tolerances]
    documents: Mapping[str, Document]

    def of(self, portfolio: str) -> Rules:
        """The rules of a portfolio; what it says wins."""
        own = self.own.get(portfolio)
        return rules_of((*self.common, own) if own else self.common)


def read_rulebook(portfolios: Iterable[Path], common: Iterable[Tolerances] = ()) -> Rulebook:
    """The rules of these portfolios. Raises a configuration error with all faults of all files."""
    problems: list[Diagnostic] = []
    own, documents = {}, {}
    for path in portfolios:
        try:
            file = load_portfolio(path)
            check_figures(file.document, file.portfolio.tolerances)
            own[path.stem], documents[path.stem] = file.portfolio.tolerances, file.document
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(problems)
    return Rulebook(tuple(common), own, documents)
