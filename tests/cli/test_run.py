"""`backtester run` as a shell sees it: one document on stdout, tables in --out, what each option changes."""

from __future__ import annotations

import csv
import errno
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.errors import ExitCode
from backtester.results.places import DOCUMENT
from backtester.results.tables import FILES
from backtester.texts import json_text
from tests.cli.shell import Shell, never
from tests.unit.run_cases import CRASH, DEMO, account, crash, portfolio, position, tape, venue

TABLES = sorted(FILES - {DOCUMENT})


# --- what comes out ------------------------------------------------------------------------------------------------


def test_the_demo(shell: Shell) -> None:
    code, out, err = shell(DEMO, "--scenario", CRASH)
    assert (code, err) == (ExitCode.OK, "")
    for word in ("stop-at-venue", "stop-at-client", "hyperliquid@2026-08-22", "main", "hedge", CRASH):
        assert word in out
    assert max(map(len, out.splitlines())) <= 160 and "\x1b" not in out


def test_json_is_exactly_one_document(shell: Shell, small: list[str]) -> None:
    code, out, err = shell(*small, "--format", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["kind"] == "run" and {"schema_version", "engine_version", "seed", "assumptions"} <= document.keys()
    assert json_text(document) + "\n" == out


@pytest.mark.parametrize("format", ["table", "markdown", "csv"])
def test_other_formats(shell: Shell, small: list[str], format: str) -> None:
    code, out, err = shell(*small, "--format", format)
    assert (code, err) == (0, "")
    if format == "csv":
        header, *rows = csv.reader(io.StringIO(out))
        assert rows and {len(row) for row in rows} == {len(header)}
    else:
        assert "BTC" in out and "main" in out


def test_the_format_of_the_environment(shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTESTER_FORMAT", "json")
    assert json.loads(shell(*small)[1])["kind"] == "run"
    assert not shell(*small, "--format", "table")[1].startswith("{")  # a flag is stronger


def test_the_same_twice(shell: Shell, small: list[str]) -> None:
    assert shell(*small, "--format", "json") == shell(*small, "--format", "json")


def test_output_goes_to_a_file_and_nothing_else_is_said(shell: Shell, small: list[str], tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    assert shell(*small, "--format", "json", "--output", target) == (0, "", "")
    assert target.read_text() == shell(*small, "--format", "json")[1]


@pytest.mark.parametrize("flag", ["-q", "-v"])
def test_talk_is_not_the_result(shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    monkeypatch.setattr("backtester.run.session.is_warm", lambda: False)
    code, out, err = shell(*small, flag, "--format", "json")
    assert code == 0 and json.loads(out)
    assert err.startswith("compiling kernels, once per machine and version") if flag == "-v" else err == ""


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "1e300"])
def test_an_age_that_is_none(shell: Shell, small: list[str], seconds: str) -> None:
    code, out, err = shell(*small, "--stale-after", seconds)
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith("error[usage] backtester run: Invalid value for '--stale-after'")


# --- tables --------------------------------------------------------------------------------------------------------


def test_out_holds_the_document_and_the_tables(shell: Shell, small: list[str], tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    code, text, err = shell(*small, "--out", out, "--format", "json")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [*TABLES, "result.json"]
    assert json.loads((out / "result.json").read_text()) == json.loads(text)
    fills = pq.read_table(out / "fills.parquet").to_pylist()
    assert [(fill["world"], fill["order"], fill["price"], fill["size"]) for fill in fills] == [
        ("actual", "out", 49_999.0, 0.5),
        ("unliquidated", "out", 49_999.0, 0.5),
    ]
    assert pq.read_table(out / "ledger.parquet").num_rows >= 2 * 2  # realised and fee, in both worlds


def test_out_is_the_same_bytes_every_time(shell: Shell, small: list[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert shell(*small, "--out", tmp_path / name, "-q")[0] == 0
    for name in [*TABLES, "result.json"]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("target", ["a file", "below a file", "no place for files"])
def test_a_bad_out_fails_before_the_run(
    shell: Shell, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setattr("backtester.run.session.collect", never)
    if not Path("/proc").is_dir():
        pytest.skip("there is no /proc here")
    file = tmp_path / "file"
    file.write_text("")
    places = {"a file": file, "below a file": file / "out", "no place for files": Path("/proc")}
    code, out, err = shell(*small, "--out", places[target])
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith(f"error[usage] --out: cannot write {places[target]}: ")


def test_a_disk_that_takes_no_more(
    shell: Shell, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of the system, not in those of the library that wrote."""
    full = OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28]")
    monkeypatch.setattr("pyarrow.parquet.write_table", lambda *_, **__: (_ for _ in ()).throw(full))
    code, out, err = shell(*small, "--out", tmp_path / "out")
    assert (code, out) == (ExitCode.ENGINE, "")
    assert err.startswith(f"error[disk] --out: cannot write {tmp_path}/out: No space left on device\n")
    assert not (tmp_path / "out").exists()


def test_an_earlier_result_is_replaced_only_by_force(shell: Shell, small: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert shell(*small, "--out", out, "-q")[0] == 0  # empty: nothing is lost
    before = (out / "result.json").read_bytes()
    code, text, err = shell(*small, "--seed", "7", "--out", out)
    assert (code, text) == (ExitCode.USAGE, "")
    assert err.startswith(f"error[usage] --out: {out} holds an earlier result\n") and "--force" in err
    assert (out / "result.json").read_bytes() == before
    assert shell(*small, "--seed", "7", "--out", out, "-q", "--force")[0] == 0
    assert json.loads((out / "result.json").read_text())["seed"] == 7


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_directory_of_other_files_is_no_place_for_a_result(
    shell: Shell, small: list[str], tmp_path: Path, force: list[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    code, text, err = shell(*small, "--out", out, *force)
    assert (code, text) == (ExitCode.USAGE, "")
    assert err.startswith(f"error[usage] --out: {out} holds no result but other files\n")
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


# --- options -------------------------------------------------------------------------------------------------------


def test_set_reaches_the_portfolio(shell: Shell, small: list[str], tmp_path: Path) -> None:
    assert shell(*small, "--set", "orders[out].size=0.25", "--out", tmp_path / "out", "-q")[0] == 0
    assert pq.read_table(tmp_path / "out" / "fills.parquet")["size"].to_pylist() == [0.25, 0.25]


def test_seed_reaches_the_run(shell: Shell, small: list[str]) -> None:
    assert json.loads(shell(*small, "--seed", "7", "--format", "json")[1])["seed"] == 7


def test_venue_reaches_the_rules(shell: Shell, small: list[str]) -> None:
    document = json.loads(shell(*small, "--venue", "hyperliquid@2024-06-01", "--format", "json")[1])
    assert document["inputs"]["venues"][0]["rules_date"] == "2024-03-11"


def test_scenarios_are_run_once_each_in_order(shell: Shell, small: list[str], tmp_path: Path) -> None:
    calm = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="calm")
    fall = crash(tmp_path, [(0, 1.0), (9, 0.95)], name="fall")
    code, out, err = shell(*small, "--scenario", f"{fall},{calm},{fall}", "--format", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert [each["name"] for each in document["inputs"]["scenarios"]] == ["fall", "calm"]
    assert len(document["cells"]) == 2


def test_proxy_and_assumptions(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, funding_premium=False)))
    stress = crash(tmp_path, [(0, 1.0), (9, 0.99)], bases=["ETH"])
    bare = tape(tmp_path, index=False)
    accepted = ["--tape", bare, "--assume-index-mid", "--assume-funding-zero", "--format", "json"]
    code, out, _ = shell(path, *accepted)
    lines = json.loads(out)["assumptions"]
    assert code == 0
    assert any("(--assume-index-mid)" in line for line in lines)
    assert any("(--assume-funding-zero)" in line for line in lines)
    code, out, _ = shell(path, *accepted, "--proxy", "BTC=ETH*1.5", "--scenario", stress)
    lines = json.loads(out)["assumptions"]
    assert code == 0
    assert "BTC moves like ETH times 1.5 (--proxy)" in lines
    assert not any("(--assume-index-mid)" in line for line in lines)  # the scenario gives BTC its index
    assert "BTC: the base tape has no index, its mid stands for it" in lines


def test_instrument_describes_a_bare_tape(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    bare = tape(tmp_path, described=False)
    code, _, err = shell(path, "--tape", bare)
    assert code == ExitCode.DATA and "says nothing about its instruments" in err
    assert shell(path, "--tape", bare, "--instrument", "BTC:tick=1,lot=0.00001")[0] == ExitCode.OK


def test_paths_laid_over_each_other(shell: Shell, small: list[str], tmp_path: Path) -> None:
    fall = crash(tmp_path, [(0, 1.0), (9, 0.95)], name="fall")
    wide = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="wide", columns={"spread_mult": [(0, 3.0)]})
    changes = ["--shock", "depth=0.5", "--set", "scenario.volume_mult=2", "--set", "*.size=2"]
    code, out, err = shell(*small, "--scenario", f"{fall}+{wide}", *changes, "--format", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["cells"][0]["scenario"] == "fall+wide+depth=0.5"
    assert document["cells"][0]["variant"] == {"scenario.volume_mult": "2", "*.size": "2"}
    assert "volume_mult of the scenario is 2 all the time (--set)" in document["assumptions"]
    assert "--shock depth=0.5 is laid over the whole window" in document["assumptions"]


def test_a_shock_needs_no_scenario(shell: Shell, small: list[str]) -> None:
    document = json.loads(shell(*small, "--shock", "spread=3", "--format", "json")[1])
    assert document["cells"][0]["scenario"] == "neutral+spread=3"
    assert document["inputs"]["scenarios"][0]["assumed_share"] == 1.0


def test_shocks_of_an_array_are_cells(shell: Shell, small: list[str]) -> None:
    """One that makes no sense fails alone, under its own name."""
    shocks = ["--shock", "spread=3;price[WIF]=-10%", "--shock", "depth=0.5"]
    code, out, _ = shell(*small, *shocks, "--format", "json")
    cells = json.loads(out)["cells"]
    assert [cell["scenario"] for cell in cells] == ["neutral+spread=3", "neutral+price[WIF]=-10%", "neutral+depth=0.5"]
    assert [cell["status"] for cell in cells] == ["ok", "failed", "ok"] and code != ExitCode.OK
    assert "nothing here has this price" in cells[1]["error"]


def test_a_rule_set_by_hand_is_in_the_report(shell: Shell, small: list[str]) -> None:
    plain = json.loads(shell(*small, "--format", "json")[1])
    document = json.loads(shell(*small, "--set", "venue.taker_fee=0.001", "--format", "json")[1])
    assert "hyperliquid@2026-08-22: taker_fee is 0.001 (--set)" in document["assumptions"]
    shares = [each["inputs"]["venues"][0]["assumed_share"] for each in (plain, document)]
    assert shares[1] > shares[0]
    assert document["cells"][0]["orders"][0]["slippage"]["fee_bps"] == pytest.approx(9.9998)  # of a mid of 50,000


def test_a_date_without_a_venue(shell: Shell, small: list[str]) -> None:
    document = json.loads(shell(*small, "--venue", "@2024-06-01", "--format", "json")[1])
    assert [each["rules_date"] for each in document["inputs"]["venues"]] == ["2024-03-11"]


def test_scenarios_may_be_named_one_by_one(shell: Shell, small: list[str]) -> None:
    code, _, err = shell(*small, "--scenario", "typo", "--scenario", CRASH)
    assert (code, "scenario typo: is not known" in err) == (ExitCode.CONFIG, True)


def test_a_portfolio_of_another_day_is_no_portfolio_of_this_one(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(entry_price=30_000.0)))
    code, _, err = shell(path, "--tape", str(tape(tmp_path)))
    assert code == ExitCode.CONFIG
    assert "accounts.0.positions.0.entry_price: is 30000 while BTC begins at 50000 here: prices of another day?" in err
    assert "--rebase" in err and "--as-written" in err
    assert shell(path, "--tape", str(tape(tmp_path)), "--as-written")[0] == ExitCode.OK


def test_a_portfolio_of_another_price_level(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(entry_price=100_000.0), collateral="USDC = 10_000.0"))
    base = str(tape(tmp_path))
    assert shell(path, "--tape", base)[0] == ExitCode.CONFIG  # 50,000 under water
    document = json.loads(shell(path, "--tape", base, "--rebase", "--format", "json")[1])
    held = document["cells"][0]["accounts"][0]["positions"][0]
    assert (held["size_start"], held["entry_price"]) == (2.0, 50_000.0)
    (line,) = [line for line in document["assumptions"] if "--rebase" in line]
    assert line.startswith("main BTC: prices × and sizes ÷ 0.5: ")
