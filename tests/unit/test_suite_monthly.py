"""A month of a suite: archived whole, told again as it was, compared with the month before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backtester import __version__
from backtester.config.suite import load_suite
from backtester.errors import BacktesterError
from backtester.results.sums import write_sums
from backtester.run.session import Done
from backtester.suite.monthly import Month, run_month
from tests.unit.run_cases import account, portfolio, position, tape
from tests.unit.suite_cases import contents, small_suite

pytestmark = pytest.mark.compiled


def month(path: Path, name: str = "2026-11", seed: int = 0) -> Month:
    return run_month(load_suite(path), name, seed)


def refused(path: Path, name: str = "2026-11", seed: int = 0) -> str:
    with pytest.raises(BacktesterError) as caught:
        month(path, name, seed)
    return str(caught.value)


def test_all_of_it_is_kept(tmp_path: Path) -> None:
    found = month(small_suite(tmp_path))
    assert found.is_new and found.directory == tmp_path / "kept" / "2026-11"
    assert [(cell.portfolio.name, dict(cell.variant.items)) for cell in found.model.cells] == [
        (name, {"positions.leverage": leverage}) for name in "ab" for leverage in ("5", "20")
    ]
    there = contents(found.directory)
    assert {"suite.toml", "summary.md", "made_from.json", "portfolios/a.toml", "portfolios/b.toml"} <= there.keys()
    assert there["portfolios/a.toml"] == (tmp_path / "books" / "a.toml").read_bytes()
    named = [line.split("  ")[1] for line in there["SHA256SUMS"].decode().splitlines()]
    assert set(named) == there.keys() - {"SHA256SUMS"}
    origin = json.loads(there["made_from.json"])
    assert (origin["month"], origin["earlier"]) == ("2026-11", {})
    assert [(each["kind"], each["name"]) for each in origin["sources"]] == [
        ("backtester", __version__), ("options", "small"), ("portfolio", "a.toml"), ("portfolio", "b.toml"),
        ("seed", "0"), ("tape", "tape.parquet"), ("venue", "hyperliquid@2026-08-22"),
    ]  # fmt: skip
    assert not (tmp_path / "kept" / ".work").exists()


def test_again_it_is_told_as_it_was(tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    first, again = month(path), month(path)
    assert not again.is_new and (again.summary, again.model.receipt) == (first.summary, first.model.receipt)


def test_elsewhere_it_is_the_same(tmp_path: Path) -> None:
    found = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        found.append(contents(month(small_suite(tmp_path / name)).directory))
    assert found[0] == found[1]


def test_what_is_archived_is_never_replaced(tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    first = month(path)
    before = contents(first.directory)
    book = tmp_path / "books" / "b.toml"
    book.write_text(book.read_text().replace("size = 2.0", "size = 3.0"))
    again = month(path)
    assert again.changed == ("portfolio b.toml",)
    assert (again.summary, again.page, again.model.receipt) == (first.summary, first.page, first.model.receipt)
    assert month(path, seed=7).changed == ("portfolio b.toml", "seed 0", "seed 7")
    path.write_text(path.read_text() + 'set = ["severe_loss=10%"]\n')
    assert month(path).changed == ("options small", "portfolio b.toml")
    assert contents(tmp_path / "kept" / "2026-11") == before


def test_one_that_was_changed_is_named(tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    directory = month(path).directory
    (directory / "summary.md").write_text("all is well")
    assert "2026-11: was changed after it was archived: summary.md" in refused(path)
    assert "2026-11: was changed after it was archived: summary.md" in refused(path, "2026-12")


def test_the_page_tells_what_is_new_and_what_is_cured(tmp_path: Path) -> None:
    path = small_suite(tmp_path, '[limits]\nwarn = ["accounts[main].notional > 60_000"]\n')
    first = month(path, "2026-09")
    assert "Limits: 2 breaches\n- b, tape as it is" in first.summary and "Since" not in first.summary
    a, b = (tmp_path / "books" / f"{name}.toml" for name in "ab")
    a.write_text(a.read_text().replace("size = 1.0", "size = 2.0"))
    b.write_text(b.read_text().replace("size = 2.0", "size = 1.0"))
    page = month(path).summary
    assert "Limits: 2 breaches; in 2026-09 2 breaches\n- **new** a, tape as it is" in page
    assert "- **cured** b, tape as it is" in page and "## Since 2026-09" in page


def test_nothing_is_cured_but_by_being_kept(tmp_path: Path) -> None:
    """Not by another limit, nor by a portfolio that fails or is no longer run."""
    path = small_suite(tmp_path, 'max_failures = 9\n[limits]\nwarn = ["accounts[main].notional > 1"]\n')
    assert month(path, "2026-08").summary.count("limit breached") == 4
    path.write_text(path.read_text().replace("> 1", "> 2"))
    page = month(path, "2026-09").summary
    assert "**cured**" not in page and page.count("**no limit now**") == page.count("**new**") == 4
    (tmp_path / "books" / "a.toml").write_text("nonsense")
    (tmp_path / "books" / "b.toml").unlink()
    portfolio(tmp_path, account(position(size=3.0))).rename(tmp_path / "books" / "c.toml")
    page = month(path, "2026-10").summary
    assert "**cured**" not in page and page.count("**not known now**") == 2 and page.count("**new**") == 2
    assert page.count("- a, tape as it is  positions.leverage") == page.count("limit unknown, a warning") == 2
    assert page.splitlines()[3:5] == [f"- **failed** a, tape as it is  positions.leverage={each}" for each in (5, 20)]


def test_a_month_under_another_name_is_refused(tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    directory = month(path).directory
    directory.rename(directory.with_name("2026-10"))
    assert "2026-10: is 2026-11, whatever it is called" in refused(path, "2026-10")
    assert "2026-10: is 2026-11, whatever it is called" in refused(path, "2026-12")


def test_a_page_is_short_whatever_changed(tmp_path: Path) -> None:
    """The worst first, the rest by number and command; nothing of what is not material."""
    path = small_suite(tmp_path)
    month(path, "2026-10")
    other = tape(tmp_path, [50_000] * 4 + [30_000] * 6)
    assert other == tmp_path / "tape.parquet"
    lines = month(path).summary.splitlines()
    rows = [line for line in lines if line.startswith("| ~ | ") and line.split("|")[2] != " tape "]
    assert len(rows) == 40 and "portfolio.equity_end" in rows[0]
    assert any(
        line.startswith("and ") and line.endswith(" more: backtester diff kept/2026-10 kept/2026-11") for line in lines
    )
    tape(tmp_path, [50_000] * 4 + [30_001] * 6)
    path.write_text(path.read_text() + 'material = "1%,50"\n')
    assert " within 1%,50\n" in month(path, "2026-12").summary


@pytest.mark.parametrize("text", ["", "0.5", "half", "1%,1%"])
def test_no_material(tmp_path: Path, text: str) -> None:
    path = small_suite(tmp_path, f'material = "{text}"\n')
    if text == "0.5":
        assert load_suite(path).suite.material == text
        return
    with pytest.raises(BacktesterError, match=r"suite.toml:7 material: "):
        load_suite(path)


def test_a_suite_with_a_wrong_limit_leaves_no_archive(tmp_path: Path) -> None:
    path = small_suite(tmp_path, '[limits]\nfail = ["los_pct > 1"]\n')
    assert "los_pct" in refused(path)
    assert not (tmp_path / "kept").exists()


def test_a_month_of_another_version(tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    directory = month(path).directory
    (directory / "made_from.json").write_text('{"seed": "0"}')
    write_sums(directory, contents(directory).keys() - {"SHA256SUMS"})
    assert "made_from.json: was written by another version of this program" in refused(path)


def test_a_cell_that_fails_ends_no_other(tmp_path: Path) -> None:
    path = small_suite(tmp_path, "max_failures = 2\n")
    (tmp_path / "books" / "c.toml").write_text("nonsense")
    found = month(path)
    assert found.is_kept
    assert [cell.status for cell in found.model.cells] == ["ok"] * 4 + ["failed"] * 2
    assert "c.toml" in found.model.failed[0].error


def test_of_which_too_many_cells_fail_is_not_archived(tmp_path: Path) -> None:
    """What is done is kept: once the fault is mended the month is whole."""
    path = small_suite(tmp_path)
    bad = tmp_path / "books" / "c.toml"
    bad.write_text("nonsense")
    found = month(path)
    assert not found.is_kept and "2 failed" in found.summary
    assert [each.name for each in (tmp_path / "kept").iterdir() if not each.name.startswith(".")] == []
    bad.unlink()
    assert month(path, "2026-10").is_kept
    assert len([*(tmp_path / "kept" / ".work" / "2026-11-cells").iterdir()]) == 4, "those of another month stay"
    again = month(path)
    assert again.is_kept and [cell.status for cell in again.model.cells] == ["ok"] * 4
    assert not (tmp_path / "kept" / ".work").exists()


@pytest.mark.parametrize("name", ["books/a.toml", "tape.parquet"])
def test_a_file_that_changes_meanwhile(tmp_path: Path, name: str) -> None:
    path, file = small_suite(tmp_path), tmp_path / name
    sound = file.read_bytes()

    def change(done: Done) -> None:
        file.write_bytes(sound + b"\n# more" if name.endswith("toml") else (tmp_path / "other.parquet").read_bytes())

    other = tape(tmp_path, [50_000] * 4 + [40_000] * 6)
    other.rename(tmp_path / "other.parquet")
    (tmp_path / "tape.parquet").write_bytes(sound if name.startswith("tape") else tape(tmp_path).read_bytes())
    with pytest.raises(BacktesterError, match="changed while it was run"):
        run_month(load_suite(path), "2026-11", listener=change)
    assert not (tmp_path / "kept" / "2026-11").exists()


def test_nothing_that_can_be_run(tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    path.write_text(path.read_text().replace("leverage=5,20", "leverage=98,99"))
    assert "98x" in refused(path) and "99x" in refused(path)
    assert not (tmp_path / "kept" / "2026-11").exists()
