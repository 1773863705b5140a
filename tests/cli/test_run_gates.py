"""`run --fail-on` and `[limits]` of a portfolio: exit codes, a line for every breach, limits in every format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backtester.errors import ExitCode
from tests.cli.shell import Shell, never
from tests.unit.run_cases import account, crash, order, portfolio, position, tape

WHERE = "p, tape as it is on hyperliquid@2026-08-22"
KEPT, BREACHED, UNKNOWN = "loss_pct > 40", "verdict == survived", "orders[out].gap_bps > 3"


@pytest.fixture
def limited(tmp_path: Path) -> Path:
    """A portfolio like `small`, with limits."""
    path = portfolio(tmp_path, account(position(), order("out", at="1s")))
    path.write_text(path.read_text() + f'[limits]\nfail = ["{KEPT}"]\nwarn = [\n  "{BREACHED}",\n  "{UNKNOWN}",\n]\n')
    tape(tmp_path)
    return path


def run_limited(shell: Shell, limited: Path, *args: object) -> tuple[int, str, str]:
    return shell(limited, "--tape", limited.parent / "tape.parquet", *args)


@pytest.mark.parametrize(
    ("gates", "code", "lines"),
    [
        ([KEPT], ExitCode.OK, []),
        ([BREACHED], ExitCode.GATE, [f"limit breached: {BREACHED} (verdict is survived)"]),
        ([UNKNOWN], ExitCode.GATE, [f"limit unknown: {UNKNOWN} (orders[out].gap_bps is not known)"]),
        ([KEPT, BREACHED, "liquidations > 0 or loss > 0"], ExitCode.GATE, [BREACHED, "loss > 0"]),
    ],
)
def test_gates(shell: Shell, small: list[str], gates: list[str], code: int, lines: list[str]) -> None:
    found, out, err = shell(*small, *(each for gate in gates for each in ("--fail-on", gate)), "--format", "json")
    told = err.splitlines()
    assert (found, len(told)) == (code, len(lines))
    assert all(line.startswith(f"error[gate] {WHERE}: limit ") for line in told)
    assert all(said in line for line, said in zip(told, lines, strict=True))
    assert [each["text"] for each in json.loads(out)["cells"][0]["limits"]] == gates


def test_a_wrong_gate_is_told_before_anything_runs(
    shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtester.run.session.collect", never)
    code, out, err = shell(*small, "--fail-on", "verdict in [liquidatd]")
    assert (code, out) == (ExitCode.USAGE, "")
    assert err == (
        'error[usage] --fail-on verdict in [liquidatd]: column 13: "liquidatd" is none of its words\n'
        '  hint: did you mean "liquidated"?\n'
    )


def test_a_cell_that_failed_weighs_more_than_a_gate(shell: Shell, small: list[str], tmp_path: Path) -> None:
    calm = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="calm")
    other = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="other", bases=["ETH"])
    code, _, err = shell(*small, "--scenario", f"{calm},{other}", "--fail-on", BREACHED)
    assert code == ExitCode.CONFIG
    assert "no price path for BTC" in err and "error[gate] p, calm on " in err


# --- limits of a portfolio -----------------------------------------------------------------------------------------


def test_limits_are_told_and_warnings_do_not_fail(shell: Shell, limited: Path) -> None:
    code, out, err = run_limited(shell, limited)
    assert code == ExitCode.OK
    assert err.splitlines() == [
        f"warning[gate] {WHERE}: limit breached, a warning: {BREACHED} (verdict is survived)",
        f"warning[gate] {WHERE}: limit unknown, a warning: {UNKNOWN} (orders[out].gap_bps is not known)",
    ]
    assert "limit kept: loss_pct > 40 (loss_pct is " in out and f"limit breached, a warning: {BREACHED}" in out
    assert "- limit kept: loss_pct > 40" in run_limited(shell, limited, "--format", "markdown")[1]


def test_limits_in_the_document_and_those_of_the_command_behind_them(shell: Shell, limited: Path) -> None:
    code, out, _ = run_limited(shell, limited, "--fail-on", BREACHED, "--format", "json")
    assert code == ExitCode.GATE
    limits = json.loads(out)["cells"][0]["limits"]
    assert [(each["level"], each["outcome"]) for each in limits] == [
        ("fail", "ok"),
        ("warn", "breached"),
        ("warn", "unknown"),
        ("fail", "breached"),
    ]


def test_a_limit_that_fails(shell: Shell, limited: Path) -> None:
    limited.write_text(limited.read_text().replace(KEPT, "loss_pct > 0 or verdict == survived"))
    assert run_limited(shell, limited)[0] == ExitCode.GATE


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (KEPT, "loss_pct > 40 and", "17 limits.fail.0: column 18: expected a field, a number or a word, found the end"),
        (KEPT, "los_pct > 40", "17 limits.fail.0: column 1: there is no los_pct"),
        (UNKNOWN, "orders[ot].gap_bps > 3", "20 limits.warn.1: column 7: there is no orders[ot]"),
        ("warn =", "wran =", "18 limits.wran: unknown key"),
        (f'["{KEPT}"]', f'"{KEPT}"', "17 limits.fail: expected an array, was"),
        (f'["{KEPT}"]', "[3]", '17 limits.fail.0: expected a condition such as "loss_pct > 40", was 3'),
    ],
)
def test_a_wrong_limit_has_its_line_and_column(
    shell: Shell, limited: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    lines = limited.read_text().splitlines()
    begin = lines.index("[limits]") + 1
    said = f"{begin + int(said[:2]) - 16}{said[2:]}"
    monkeypatch.setattr("backtester.run.session.ride", never)
    limited.write_text(limited.read_text().replace(old, new))
    code, out, err = run_limited(shell, limited)
    assert (code, out) == (ExitCode.CONFIG, "")
    assert err.startswith(f"error[config] {limited}:{said}")


def test_all_that_is_wrong_with_limits_is_told_at_once(shell: Shell, limited: Path) -> None:
    """Words of which a result knows nothing, what cannot be read, and what else is wrong with the portfolio."""
    text = limited.read_text().replace(KEPT, "los_pct > 40").replace(UNKNOWN, "loss >").replace("10.0", "0.5")
    limited.write_text(text)
    code, _, err = run_limited(shell, limited)
    told = [line.partition(" ")[2].partition(": ")[0] for line in err.splitlines() if line.startswith("error")]
    lines = text.splitlines()
    limits = lines.index("[limits]") + 1
    assert code == ExitCode.CONFIG
    assert told == [
        f"{limited}:{lines.index('leverage = 0.5') + 1} accounts.0.positions.0.leverage",
        f"{limited}:{limits + 1} limits.fail.0",
        f"{limited}:{limits + 4} limits.warn.1",
    ]


def test_a_stored_result_has_its_limits(shell: Shell, limited: Path, tmp_path: Path) -> None:
    from backtester.results.stored import read_result

    assert run_limited(shell, limited, "--out", tmp_path / "out", "--fail-on", BREACHED)[0] == ExitCode.GATE
    (cell,) = read_result(tmp_path / "out").finished
    assert [limit.text for limit in cell.limits] == [KEPT, BREACHED, UNKNOWN, BREACHED]
