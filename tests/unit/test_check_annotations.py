"""A check as commands of GitHub Actions: the right line of the right file, escaped as GitHub reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.toml import read_document
from backtester.errors import BacktesterError, ExitCode
from backtester.regress.annotations import annotation_lines, place_of
from backtester.regress.check import check
from backtester.regress.rulebook import Rulebook, read_rulebook
from backtester.report.records import LimitReport, ReportModel
from tests.golden.handmade import MAIN
from tests.unit.check_cases import CLEARLY, CRASH, result

TEXT = """\
name = "p"
[limits]
fail = [
  "loss_pct > 40",
]
[[accounts]]
name = "main"
[[accounts.positions]]
symbol = "ETH"
[[accounts.positions]]
symbol = "BTC"
[[accounts.orders]]
id = "stop"
[[accounts.plans]]
id = "exit"
[[accounts]]
name = "main two"
[[accounts.positions]]
symbol = "BTC"
"""


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rulebook:
    """The rules of the portfolio that the cells by hand are of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{CRASH.portfolio.name}.toml").write_text(TEXT)
    (tmp_path / "stress").mkdir()
    return read_rulebook([tmp_path / f"stress/../{CRASH.portfolio.name}.toml"])


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("verdict", 1),
        ("portfolio.loss", 1),
        ("accounts[main].buffer_min", 6),
        ("accounts[main].positions[BTC].funding", 10),
        ("accounts[main].positions[BTC 2].funding", 10),
        ("accounts[main].pools[cross].buffer_min", 6),
        ("accounts[main].pools[ETH].buffer_min", 8),
        ("accounts[main two].positions[BTC].fees", 18),
        ("orders[main stop].gap_bps", 12),
        ("orders[main exit/3].gap_bps", 14),
        ("plans[main exit].shortfall.fees", 14),
        ("liquidations[main BTC 2]", 10),
        ("trades[main two BTC].net", 18),
        ("orders[nobody stop].fee", 1),
        ("flags[deficit]", 1),
    ],
)
def test_a_figure_is_about_a_line_of_the_portfolio(tmp_path: Path, place: str, line: int) -> None:
    path = tmp_path / "p.toml"
    path.write_text(TEXT)
    document = read_document(path)
    assert document.line(place_of(place, document.data)) == line


def lines(model: ReportModel, baseline: ReportModel | None, book: Rulebook) -> list[str]:
    return [*annotation_lines(check(model, baseline, book.of), book, "base", Path())]


def test_what_fails_is_an_error_where_it_stands(book: Rulebook) -> None:
    worse = CLEARLY._replace(accounts=(MAIN._replace(buffer_min=-580.0, slippage=200.0), CRASH.accounts[1]))
    name = CRASH.portfolio.name
    assert lines(result(worse), result(CRASH), book) == [
        f"::error file={name}.toml,line=6,title={name}%2C 2025-10-10 on hyperliquid@2026-08-22::"
        "accounts[main].buffer_min: −480.00 → −580.00 (−100.00, worse)%0A"
        "accounts[main].slippage: 140.00 → 200.00 (+60.00, worse)"
    ]


def test_a_limit_is_an_error_at_its_own_line(book: Rulebook) -> None:
    limited = result(CRASH._replace(limits=(LimitReport("loss_pct > 40", "fail", "breached", "loss_pct is 64.63 %"),)))
    [line] = lines(limited, limited, book)
    assert line.startswith(f"::error file={CRASH.portfolio.name}.toml,line=4,")
    assert line.endswith("::limit breached: loss_pct > 40 (loss_pct is 64.63 %25)")


def test_files_are_named_from_the_root_of_the_repository(book: Rulebook, tmp_path: Path) -> None:
    checked, file = check(result(CLEARLY), result(CRASH), book.of), f"{CRASH.portfolio.name}.toml"
    for root, name in ((tmp_path.parent, f"{tmp_path.name}/{file}"), (tmp_path / "stress", f"{tmp_path}/{file}")):
        [line] = annotation_lines(checked, book, "base", root)
        assert line.startswith(f"::error file={name},line=6,")


def test_two_files_of_one_name_are_refused(book: Rulebook, tmp_path: Path) -> None:
    name = f"{CRASH.portfolio.name}.toml"
    (tmp_path / "stress" / name).write_text(TEXT)
    assert read_rulebook([tmp_path / name, tmp_path / name]).portfolios.keys() == book.portfolios.keys()
    with pytest.raises(BacktesterError, match=f"stress/{name}: is a second {CRASH.portfolio.name}") as caught:
        read_rulebook([tmp_path / name, tmp_path / "stress" / name])
    assert caught.value.exit_code == ExitCode.USAGE


def test_no_baseline_is_an_error_of_no_file(book: Rulebook) -> None:
    assert lines(result(CRASH), None, book) == [
        "::error title=base::there is no baseline; make one of this result with --update"
    ]
    assert lines(result(CRASH), result(CRASH), book) == []


def test_a_portfolio_that_is_not_known_has_no_line() -> None:
    [line] = lines(result(CLEARLY), result(CRASH), Rulebook(None, {}))
    assert line.startswith(f"::error title={CRASH.portfolio.name}%2C 2025-10-10 on")
