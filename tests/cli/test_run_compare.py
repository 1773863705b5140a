"""`backtester run --compare` as a shell sees it: variants side by side, how many, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.errors import ExitCode
from tests.cli.shell import Shell, never
from tests.unit.run_cases import account, crash, order, portfolio, position, tape


def tables(text: str) -> list[str]:
    """What stands below what all cells come to together."""
    lines = text.splitlines()
    return lines[lines.index("") + 1 :]


def test_compare_shows_its_variants_side_by_side(shell: Shell, small: list[str], tmp_path: Path) -> None:
    code, text, _ = shell(*small, "--compare", "orders[out].size=0.25,0.5", "--out", tmp_path / "out")
    assert code == ExitCode.OK
    together, buffer, _, first, head, *rows = text.splitlines()[:7]
    assert together.startswith("Nothing is liquidated in any of 2 variants; the lowest PnL: size=0.5, ")
    assert buffer.startswith("lowest buffer, USDC ")
    assert first.startswith("2 cells: 2 survived; USDC") and head.split()[:3] == ["variant", "verdict", "PnL"]
    assert [row.split()[0] for row in rows] == ["size=0.25", "size=0.5"]
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [cell["variant"] for cell in document["cells"]] == [
        {"orders[out].size": "0.25"},
        {"orders[out].size": "0.5"},
    ]
    assert [cell["orders"][0]["filled_size"] for cell in document["cells"]] == [0.25, 0.5]
    fills = pq.read_table(tmp_path / "out" / "fills.parquet")
    assert sorted(set(fills["cell"].to_pylist())) == [0, 1]
    assert (
        "## 2 cells: 2 survived; USDC"
        in shell(*small, "--compare", "orders[out].size=0.25,0.5", "--format", "markdown")[1]
    )


def test_compare_says_what_its_keys_were_set_of(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, *(account(position(), order(), name=name) for name in ("main", "hedge")))
    base = ["--tape", tape(tmp_path)]
    title = "2 cells: 2 survived; USDC"
    heads = {
        "positions.size": f"{title}; size of main BTC, hedge BTC",
        "accounts[hedge].positions.size": f"{title}; size of hedge BTC",
        "*.size": f"{title}; size of main BTC, main o, hedge BTC, hedge o",
        "severe_loss": title,
    }
    for key, head in heads.items():
        values = "25%,50%" if key == "severe_loss" else "0.25,0.5"
        code, text, _ = shell(path, *base, "--compare", f"{key}={values}")
        assert (code, tables(text)[0].partition("  (")[0]) == (0, head)


def test_compare_says_its_size_and_has_a_bound(shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["--compare", "leverage=" + ",".join(map(str, range(1, 12))), "--compare", "name=a,b,c,d,e,f,g,h,i,j"]
    refused = (
        "error[usage] --compare: makes 110 combinations, more than 100\n"
        "  hint: name fewer values, or run them all with --max 110\n"
    )
    assert shell(*small, *keys) == (2, "", refused)
    both = shell(*small, *keys[:2], "--scenario", "2020-03-12,2024-08-05,2025-10-10", "--max", 22)
    assert both[0] == 2 and "combinations, those of portfolios, scenarios and venues counted, more than 22" in both[2]
    monkeypatch.setattr("backtester.results.produce.collect", never)
    code, _, err = shell(*small, *keys, "--max", 110, "-v")
    assert code == ExitCode.ENGINE and err.startswith("110 combinations\n")


def test_compare_over_scenarios(shell: Shell, small: list[str], tmp_path: Path) -> None:
    files = [crash(tmp_path, ((0, 1.0), (9, low)), name=name) for name, low in (("mild", 0.99), ("hard", 0.98))]
    chosen = ",".join(map(str, files))
    document = json.loads(shell(*small, "--scenario", chosen, "--compare", "*.size=0.25,0.5", "--format", "json")[1])
    assert [(cell["scenario"], cell["variant"]["*.size"]) for cell in document["cells"]] == [
        ("mild", "0.25"), ("mild", "0.5"), ("hard", "0.25"), ("hard", "0.5"),
    ]  # fmt: skip


def test_compare_a_scenario_with_itself_changed(shell: Shell, small: list[str], tmp_path: Path) -> None:
    """Each value has a tape of its own: a wider spread costs the same order more."""
    fall = crash(tmp_path, ((0, 1.0), (9, 0.99)), name="fall")
    words = ["--scenario", fall, "--compare", "scenario.spread_mult=1,50", "--format", "json"]
    narrow, wide = json.loads(shell(*small, *words)[1])["cells"]
    assert [each["variant"] for each in (narrow, wide)] == [
        {"scenario.spread_mult": "1"}, {"scenario.spread_mult": "50"},
    ]  # fmt: skip
    assert wide["orders"][0]["vwap"] != narrow["orders"][0]["vwap"]


def test_a_variant_that_fails_decides_the_exit_code(shell: Shell, small: list[str]) -> None:
    code, text, err = shell(*small, "--compare", "leverage=10,99")
    assert code == ExitCode.CONFIG and "1 survived, 1 failed" in text
    assert err.startswith("error[config] --compare leverage=99")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("leverage=10", "error[usage] --compare leverage=10: expected a key and two different values or more"),
        ("levrage=1,2", "error[usage] --compare levrage=1: no place takes this key"),
        ("size=1,2", "error[usage] --compare size=1: positions and orders have this key"),
        ("scenario.spread=2,3", "error[usage] --compare scenario.spread=2: no column of a scenario has this name"),
        ("venue.taker_fe=0,1", "error[usage] --compare venue.taker_fe=0: no rule of a venue has this name"),
    ],
)
def test_what_cannot_be_compared(shell: Shell, small: list[str], words: str, line: str) -> None:
    code, text, err = shell(*small, "--compare", words)
    assert (code, text, err.splitlines()[0]) == (ExitCode.USAGE, "", line)


@pytest.mark.compiled
def test_a_scenario_that_says_nothing_of_a_market_is_no_fault_of_who_asked_for_all(
    shell: Shell, tmp_path: Path, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One crash has a path for BTC, the other for ETH alone: named, it fails; as one of all it does not apply."""
    fall = crash(tmp_path, ((0, 1.0), (9, 0.99)), name="fall")
    other = crash(tmp_path, ((0, 1.0), (9, 0.99)), name="other", bases=("ETH",))
    monkeypatch.setattr("backtester.scenario.library.ids", lambda: (str(fall), str(other)))
    code, text, err = shell(*small, "--scenario", "all", "--details", "none")
    assert (code, err) == (0, "")
    assert "2 cells: 1 survived, 1 not applicable" in text and "no price path for BTC" in text
    code, _, err = shell(*small, "--scenario", "all", "--details", "none", "--fail-on", "loss_pct > 50")
    assert (code, err) == (0, "warning[gate] 1 of 2 cells are not applicable: no limit was judged there\n")
    code, text, err = shell(*small, "--scenario", f"{fall},{other}")
    assert code == ExitCode.CONFIG and "1 failed" in text and err.startswith("error[config] scenario other")


@pytest.mark.compiled
def test_venues_side_by_side(shell: Shell, small: list[str]) -> None:
    """Rules of two dates: a row each, and the worst of them told whole."""
    words = ["--venue", "hyperliquid@2025-10-10,hyperliquid@2025-05-05"]
    document = json.loads(shell(*small, *words, "--format", "json")[1])
    assert [cell["venue"] for cell in document["cells"]] == ["hyperliquid@2025-10-10", "hyperliquid@2025-05-05"]
    text = shell(*small, *words)[1]
    assert tables(text)[0].startswith("2 cells: ") and "1 more cell: --details all tells them whole" in text
    assert text.count("SURVIVED  p, tape as it is") == 1
    assert shell(*small, *words, "--details", "all")[1].count("SURVIVED  p, tape as it is") == 2
