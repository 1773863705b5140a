"""`backtester run` as a shell sees it: exit codes, one document on stdout, errors on stderr, tables in --out."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.cli.app import main
from backtester.cli.run import _scenarios
from backtester.errors import ExitCode
from backtester.texts import json_text
from tests.unit.run_cases import CRASH, DEMO, START, S, account, crash, order, portfolio, position, tape, venue

TABLES = ["depth.parquet", "fills.parquet", "ledger.parquet", "path.parquet"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("BACKTESTER_") or name == "COLUMNS":
            monkeypatch.delenv(name)


def never(*args: object) -> None:
    raise AssertionError("the run began")


class Shell:
    """Calls the command line and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: object) -> tuple[int, str, str]:
        code = main(["run", *map(str, args)])
        out, err = self.capsys.readouterr()
        return code, out, err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """Arguments of a run of ten calm seconds, in which half of the position is sold."""
    path = portfolio(tmp_path, account(position(), order("out", at="1s")))
    return [str(path), "--tape", str(tape(tmp_path))]


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
    monkeypatch.setattr("backtester.run.session.run_cells", never)
    if not Path("/proc").is_dir():
        pytest.skip("there is no /proc here")
    file = tmp_path / "file"
    file.write_text("")
    places = {"a file": file, "below a file": file / "out", "no place for files": Path("/proc")}
    code, out, err = shell(*small, "--out", places[target])
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith(f"error[usage] --out: cannot write {places[target]}: ")


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


def test_all_are_those_that_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.scenario.library.ids", lambda: (CRASH, "outage"))
    assert _scenarios("all") == (CRASH,)
    assert _scenarios(f"all+outage,{CRASH}") == (f"{CRASH}+outage", CRASH)
    assert _scenarios(None) == (None,)


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


# --- cells that fail -----------------------------------------------------------------------------------------------


@pytest.fixture
def half(small: list[str], tmp_path: Path) -> list[str]:
    """Two cells, of which the second has no path for BTC."""
    calm = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="calm")
    other = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="other", bases=["ETH"])
    return [*small, "--scenario", f"{calm},{other}"]


def test_a_cell_that_fails_does_not_end_the_others(shell: Shell, half: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = shell(*half, "--format", "json", "--out", out)
    assert code == ExitCode.CONFIG
    good, bad = json.loads(text)["cells"]
    assert (good["status"], good["scenario"], good["verdict"]) == ("ok", "calm", "survived")
    assert (bad["status"], bad["scenario"], bad["exit_code"]) == ("failed", str(tmp_path / "other.parquet"), 3)
    assert bad["error"].startswith("error[config] scenario other: no price path for BTC\n  hint: ")
    assert err == bad["error"] + "\n"
    assert set(pq.read_table(out / "fills.parquet")["cell"].to_pylist()) == {0}


@pytest.mark.parametrize("format", ["table", "markdown", "csv"])
def test_a_cell_that_failed_is_told(shell: Shell, half: list[str], format: str) -> None:
    code, out, _ = shell(*half, "--format", format)
    assert code == ExitCode.CONFIG
    assert "no price path for BTC" in out
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(out)))
        said = [(row["status"], row["verdict"]) for row in rows]
        assert said == [("ok", "survived"), ("ok", "survived"), ("failed", "")]
    else:
        assert out.index("SURVIVED") < out.index("FAILED")


def test_a_single_cell_that_fails_is_an_error(shell: Shell, half: list[str]) -> None:
    both = half[-1].split(",")
    code, out, err = shell(*half[:-1], both[1], "--format", "json")
    assert (code, out) == (ExitCode.CONFIG, "") and "no price path for BTC" in err


def test_without_any_cell_there_is_no_report(shell: Shell, half: list[str]) -> None:
    code, out, err = shell(*half, "--set", "venue.mark_formula=tape")  # and the tape has no marks for the first cell
    assert (code, out) == (ExitCode.DATA, "")
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "error[data] BTC",
        "  hint",
        "error[config] scenario other",
        "  hint",
    ]


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["--scenario", "2025-10-11"], ExitCode.CONFIG, "error[config] scenario 2025-10-11: is not known"),
        (["--scenario", f"{CRASH},typo"], ExitCode.CONFIG, "error[config] scenario typo: is not known"),
        (["--scenario", ","], ExitCode.USAGE, "error[usage] --scenario: names none"),
        (["--venue", "binanze"], ExitCode.CONFIG, "error[config] venue binanze: unknown venue"),
        (["--venue", "hyperliquid@soon"], ExitCode.USAGE, 'error[usage] venue hyperliquid@soon: "soon" is no date'),
        (["--venue", "hyperliquid@scenario"], ExitCode.USAGE, "error[usage] --venue: @scenario needs a scenario"),
        (["--scenario", "outage"], ExitCode.CONFIG, "error[config] scenario outage: has no prices of its own"),
        (["--scenario", f"outage+{CRASH}"], ExitCode.CONFIG, "error[config] scenario outage: has no prices, so it"),
        (["--scenario", f"{CRASH}+"], ExitCode.USAGE, f"error[usage] scenario {CRASH}+: joins nothing"),
        (["--scenario", f"{CRASH}+outag"], ExitCode.CONFIG, "error[config] scenario outag: is not known"),
        (["--shock", "dept=1"], ExitCode.USAGE, "error[usage] --shock dept=1: 'dept' cannot be shocked"),
        (["--shock", "price=-10%"], ExitCode.USAGE, "error[usage] --shock price: the gap comes after a minute"),
        (["--set", "venue.taker_fe=1"], ExitCode.USAGE, "error[usage] --set venue.taker_fe=1: no rule of a venue has"),
        (
            ["--set", "venue.taker_fee=2"],
            ExitCode.CONFIG,
            "error[config] --set venue.taker_fee=2: expected less than 1",
        ),
        (["--set", "scenario.spread=2"], ExitCode.USAGE, "error[usage] --set scenario.spread=2: no column of a"),
        (["--venue", "@soon"], ExitCode.USAGE, 'error[usage] venue @soon: "soon" is no date'),
        (["--venue", "@scenario"], ExitCode.USAGE, "error[usage] --venue: @scenario needs a scenario"),
        (["--venue", ""], ExitCode.USAGE, "error[usage] --venue: names none"),
        (["--set", "size"], ExitCode.USAGE, "error[usage] --set size: expected key=value"),
        (["--proxy", "BTC"], ExitCode.USAGE, "error[usage] --proxy: cannot read 'BTC'"),
        (["--instrument", "BTC"], ExitCode.USAGE, "error[usage] --instrument: expected SYMBOL:key=value"),
        (["--tape", "none.parquet"], ExitCode.DATA, "error[data] none.parquet: no such file"),
        (["--set", "*.size=1e-6"], ExitCode.CONFIG, "error[config] --set *.size=1e-6 accounts.0.positions.0.size"),
        (["--what"], ExitCode.USAGE, "error[usage] backtester run: No such option: --what"),
        (["--format", "xml"], ExitCode.USAGE, "error[usage] backtester:"),
    ],
)
def test_errors_are_lines_on_stderr(shell: Shell, small: list[str], args: list[str], code: ExitCode, line: str) -> None:
    got, out, err = shell(*small, *args)
    assert (got, out) == (code, "")
    assert err.splitlines()[0].startswith(line)
    assert all(each.startswith(("error[", "  hint: ")) for each in err.splitlines())


def test_a_portfolio_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    code, out, err = shell(tmp_path / "none.toml")
    assert (code, out) == (ExitCode.CONFIG, "")
    assert err == f"error[config] {tmp_path / 'none.toml'}: cannot be read: No such file or directory\n"


def test_every_fault_of_a_portfolio_has_its_line(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(size=1.0000001, leverage=90.0), collateral="USDT = 1e5"))
    code, out, err = shell(path, "--tape", tape(tmp_path))
    assert (code, out) == (ExitCode.CONFIG, "")
    assert [line.split(": ")[0] for line in err.splitlines()] == [
        f"error[config] {path}:5 accounts.0.collateral",
        f"error[config] {path}:9 accounts.0.positions.0.size",
        f"error[config] {path}:11 accounts.0.positions.0.leverage",
    ]


def test_no_document_and_no_tables_after_an_error(shell: Shell, small: list[str], tmp_path: Path) -> None:
    target, out = tmp_path / "result.json", tmp_path / "out"
    code, text, _ = shell(*small, "--set", "leverage=99", "--format", "json", "--output", target, "--out", out)
    assert (code, text) == (ExitCode.CONFIG, "")
    assert not target.exists() and not out.exists()


def test_a_misspelt_scenario_is_found_before_the_first_run(
    shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtester.run.session.run_cells", never)
    code, _, err = shell(*small, "--scenario", f"{CRASH},typo")
    assert code == ExitCode.CONFIG and err.startswith("error[config] scenario typo: is not known")


def test_missing_data_names_its_flag(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    code, out, err = shell(path, "--tape", tape(tmp_path, index=False), "--format", "json")
    assert (code, out) == (ExitCode.DATA, "")
    assert err.splitlines()[-1] == "  hint: accept the mid in its place with --assume-index-mid"
    assert shell(path, "--tape", tape(tmp_path, index=False), "--assume-index-mid")[0] == ExitCode.OK


def test_missing_funding_names_its_flag(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, funding_premium=False)))
    over_the_hour = ("--tape", tape(tmp_path, start=START - 5 * S))
    code, out, err = shell(path, *over_the_hour)
    assert (code, out) == (ExitCode.DATA, "")
    assert err.splitlines()[-1] == "  hint: add `funding` rows, or accept none with --assume-funding-zero"
    assert shell(path, *over_the_hour, "--assume-funding-zero")[0] == ExitCode.OK


# --- --compare -----------------------------------------------------------------------------------------------------


def test_compare_shows_its_variants_side_by_side(shell: Shell, small: list[str], tmp_path: Path) -> None:
    code, text, _ = shell(*small, "--compare", "orders[out].size=0.25,0.5", "--out", tmp_path / "out")
    assert code == ExitCode.OK
    first, head, *rows = text.splitlines()[:4]
    assert first.startswith("Variants, USDC") and head.split()[:3] == ["variant", "verdict", "equity"]
    assert [row.split()[0] for row in rows] == ["size=0.25", "size=0.5"]
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [cell["variant"] for cell in document["cells"]] == [
        {"orders[out].size": "0.25"},
        {"orders[out].size": "0.5"},
    ]
    assert [cell["orders"][0]["filled_size"] for cell in document["cells"]] == [0.25, 0.5]
    fills = pq.read_table(tmp_path / "out" / "fills.parquet")
    assert sorted(set(fills["cell"].to_pylist())) == [0, 1]
    assert "## Variants, USDC" in shell(*small, "--compare", "orders[out].size=0.25,0.5", "--format", "markdown")[1]


def test_compare_says_its_size_and_has_a_bound(shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["--compare", "leverage=" + ",".join(map(str, range(1, 12))), "--compare", "name=a,b,c,d,e,f,g,h,i,j"]
    refused = (
        "error[usage] --compare: makes 110 combinations, more than 100\n"
        "  hint: name fewer values, or run them all with --max 110\n"
    )
    assert shell(*small, *keys) == (2, "", refused)
    both = shell(*small, *keys[:2], "--scenario", "all", "--max", 22)
    assert both[0] == 2 and "combinations, those of the scenarios counted, more than 22" in both[2]
    monkeypatch.setattr("backtester.run.session.run_cells", never)
    code, _, err = shell(*small, *keys, "--max", 110, "-v")
    assert code == ExitCode.ENGINE and err.startswith("110 combinations\n")


def test_compare_over_scenarios(shell: Shell, small: list[str], tmp_path: Path) -> None:
    files = [crash(tmp_path, ((0, 1.0), (9, low)), name=name) for name, low in (("mild", 0.99), ("hard", 0.98))]
    chosen = ",".join(map(str, files))
    document = json.loads(shell(*small, "--scenario", chosen, "--compare", "*.size=0.25,0.5", "--format", "json")[1])
    assert [(cell["scenario"], cell["variant"]["*.size"]) for cell in document["cells"]] == [
        ("mild", "0.25"), ("mild", "0.5"), ("hard", "0.25"), ("hard", "0.5"),
    ]  # fmt: skip


def test_a_variant_that_fails_decides_the_exit_code(shell: Shell, small: list[str]) -> None:
    code, text, err = shell(*small, "--compare", "leverage=10,99")
    assert code == ExitCode.CONFIG and "FAILED" in text
    assert err.startswith("error[config] --set leverage=99")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("leverage=10", "error[usage] --compare leverage=10: expected a key and two different values or more"),
        ("scenario.spread_mult=1,2", "error[usage] --compare scenario.spread_mult=1,2: all variants share one tape"),
        ("levrage=1,2", "error[usage] --set levrage=1: no place takes this key"),
    ],
)
def test_what_cannot_be_compared(shell: Shell, small: list[str], words: str, line: str) -> None:
    code, text, err = shell(*small, "--compare", words)
    assert (code, text, err.splitlines()[0]) == (ExitCode.USAGE, "", line)
