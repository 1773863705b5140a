"""`backtester scenarios`: list, show, build, check."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from backtester.cli.app import main
from backtester.cli.scenario_list import in_percent, lasting
from backtester.errors import ExitCode
from backtester.scenario.library import ids
from backtester.shipped import scenarios_dir


def rows_of(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, Any]]:
    assert main(["scenarios", *args, "--format", "json"]) == ExitCode.OK
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    return rows


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    row = next(row for row in rows_of(capsys, "list") if row["id"] == "2025-10-10")
    assert (
        row["symbols"] == "AVAX BTC DOGE ETH LINK SOL XRP"
        and row["minutes"] == 120.0
        and row["start"] == "2025-10-10T20:30:00Z"
    )
    assert row["grade"] == "B B B C B B B" and row["worst_fall"] == pytest.approx(-0.6829, abs=1e-3)  # AVAX
    assert 0.0 < row["assumed_share"] < 1.0
    assert row["best_rise"] is None  # of squeezes alone
    (squeeze,) = [row for row in rows_of(capsys, "list") if row["id"] == "up-squeeze"]
    assert squeeze["best_rise"] == pytest.approx(0.2513, abs=1e-3)


def test_list_takes_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """The words of --scenario: groups, years and ids, each scenario once."""
    told = [row["id"] for row in rows_of(capsys, "list", "2020..2020,squeezes", "2020-03-12")]
    assert told[0] == "2020-03-12" and "up-squeeze" in told and len(set(told)) == len(told) < len(ids())
    assert "outage" not in [row["id"] for row in rows_of(capsys, "list", "all")]  # no overlay runs alone
    assert main(["scenarios", "list", "crahses"]) == ExitCode.CONFIG
    assert "did you mean 'crashes'?" in capsys.readouterr().err


def lines_at(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["scenarios", *args]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    return lines


def test_list_has_a_line_a_scenario(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    narrow, wide = (lines_at(width, monkeypatch, capsys, "list") for width in (80, 160))
    assert len(narrow) == len(wide) == 1 + len(ids())
    told = {line.split()[0]: line for line in narrow}
    assert told["2025-10-10"] == "2025-10-10     HIST 2025-10-10 20:30    2 h  −68.3            76% BTC:B ETH:C +5"
    assert told["up-squeeze"].split()[4:] == ["1:30", "h", "−9.0", "+25.1", "100%", "BTC", "ETH", "SOL"]
    assert told["outage"].split() == ["outage", "HYPT", "low-02:00", "10", "min", "100%"]
    told = {line.split()[0]: line for line in wide}
    assert (
        "BTC:B ETH:C AVAX:B DOGE:B LINK:B SOL:B XRP:B  10 October 2025: tariff post, 40-minute…" in told["2025-10-10"]
    )


@pytest.mark.parametrize(
    ("minutes", "said"), [(10, "10 min"), (60, "1 h"), (110, "1:50 h"), (125, "2:05 h"), (1560, "26 h")]
)
def test_how_long_a_window_lasts(minutes: int, said: str) -> None:
    assert lasting(minutes * 60_000_000_000) == said


@pytest.mark.parametrize(("share", "said"), [(-0.5152, "−51.5"), (0.12, "+12.0"), (-0.0002, "0.0"), (0.0, "0.0")])
def test_a_share_with_its_sign(share: float, said: str) -> None:
    assert in_percent(share) == said


def test_show_draws_the_path(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = {line[:22].strip(): line[23:] for line in lines_at(80, monkeypatch, capsys, "show", "2025-10-10")}
    assert drawn["BTC mark"].startswith("█") and "▁" in drawn["BTC mark"] and drawn["BTC mark"].endswith("21:20:18")
    assert drawn["bid depth"].startswith("█") and drawn["bid depth"].endswith("×0.0016 21:19:30")
    assert drawn["BTC spread"].startswith("▁") and drawn["BTC spread"].endswith("×1,322 21:19:30")
    assert drawn["UTC"].split() == ["20:30:00", "22:30:00"]
    funding = lines_at(80, monkeypatch, capsys, "show", "funding-spike")
    assert any(line.strip().startswith("funding ▄") and line.endswith("+0.3000 %") for line in funding)
    outage = lines_at(80, monkeypatch, capsys, "show", "outage")
    assert any(line.startswith("outage █") and line.endswith("· from low-02:00") for line in outage)


def test_show_names_the_sources(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told = {
        (row["symbol"], row["venue"], row["column"]): row["source"] for row in rows_of(capsys, "show", "2025-10-10")
    }
    assert told["*", "*", "bid_depth_near"] == "BD assumed AMB KAI"
    assert told["BTC", "*", "price_ratio"] == "BN-1M" and told["AVAX", "*", "price_ratio"] == "BN-1M assumed"
    assert all(told.values())
    lines = lines_at(80, monkeypatch, capsys, "show", "2025-10-10")
    assert any(line.startswith("AMB      Amberdata") for line in lines)
    traded = {
        row["symbol"]: row["source"]
        for row in rows_of(capsys, "show", "2021-05-19")
        if row["column"] == "trade_intensity"
    }
    assert traded["DOGE"] == "BINANCE_SPOT-INDEX-60S" and traded["BTC"] == "BINANCE_USDM-PERP-60S"


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, "show", "2025-10-10")
    price = next(row for row in rows if (row["symbol"], row["column"]) == ("BTC", "price_ratio"))
    assert price["low_at"] == "21:19:52" and price["low"] == pytest.approx(102_000 / 117_066, rel=1e-3)  # of spot


def test_show_tells_how_near_a_path_is(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, "show", "2025-10-10", "--fidelity")
    sol = next(row for row in rows if (row["symbol"], row["price"]) == ("SOL", "perp"))
    assert (sol["worst_1m"], sol["worst_1m_path"]) == pytest.approx((-0.1135, -0.1135), abs=1e-4)
    assert main(["scenarios", "show", "2025-10-10"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["SOL", "perp"] and "-11.3/-11.3" in line for line in lines)
    assert any("grade AVAX B, BTC B, DOGE B, ETH C" in line for line in lines)
    assert lines[-1].startswith("assumed 76%, the mean of prices 5%, basis 68%, spread 93%")
    assert main(["scenarios", "show", "2025-10-10+outage"]) == ExitCode.OK
    assert "grade" not in capsys.readouterr().out


def test_a_hypothetical_path_claims_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Its candles are its own: to be near to them says nothing."""
    assert main(["scenarios", "show", "up-squeeze"]) == ExitCode.OK
    told = capsys.readouterr().out
    assert "hypothetical: none of it is claimed to have happened" in " ".join(told.split())
    assert "rebound" not in told and "after 10m" not in told and "grade" not in told
    assert rows_of(capsys, "show", "up-squeeze", "--fidelity") == []


def test_check_says_whose_grade_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = rows_of(capsys, "check", "2025-10-10")
    assert row["grade"] == "BTC:B ETH:C AVAX:B DOGE:B LINK:B SOL:B XRP:B"
    measured = rows_of(capsys, "check", "2025-10-10", "2020-03-12", "up-squeeze", "--fidelity")
    assert {(row["id"], row["symbol"]) for row in measured} >= {("2025-10-10", "SOL"), ("2020-03-12", "BTC")}
    assert {row["id"] for row in measured} == {"2025-10-10", "2020-03-12"}
    assert main(["scenarios", "check", "2020-03-12", "--fidelity"]) == ExitCode.OK
    head, first, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["id", "symbol", "candles", "low"] and first.startswith("2020-03-12  BTC")


def test_show_a_composition(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, "show", "2025-10-10+outage")
    (outage,) = [row for row in rows if row["column"] == "outage"]
    assert (outage["high"], outage["high_at"], outage["symbol"]) == (7.0, "21:19:04", "*")
    assert len(rows) == len(rows_of(capsys, "show", "2025-10-10")) + 1
    figures = rows_of(capsys, "show", "2025-10-10+outage", "--figures")
    assert [row["time"] for row in figures if row["column"] == "outage"] == ["low-02:00", "low+08:00"]
    keys = {row["key"] for row in rows_of(capsys, "show", "2025-10-10+outage", "--sources")}
    assert {"AMB", "CSL"} <= keys


def test_an_overlay_counts_from_the_low(capsys: pytest.CaptureFixture[str]) -> None:
    row = next(row for row in rows_of(capsys, "list") if row["id"] == "outage")
    assert (row["start"], row["minutes"], row["symbols"], row["type"]) == ("low-02:00", 10.0, "", "HYPT")
    (shown,) = rows_of(capsys, "show", "outage")
    assert (shown["high_at"], shown["low_at"]) == ("low-02:00", "low+08:00")


def test_figures_name_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    figures = rows_of(capsys, "show", "2025-10-10", "--figures")
    keys = {row["key"] for row in rows_of(capsys, "show", "2025-10-10", "--sources")}
    assert all(key in keys | {"assumed"} for row in figures for key in row["source"].split("+"))
    worst = next(row for row in figures if row["column"] == "bid_depth_near" and row["time"] == "21:19:30")
    left_out = [row for row in figures if row["column"] == "not applied"]
    assert len(left_out) == 5 and "count twice" in "".join(row["note"] for row in left_out)
    assert worst["value"] == 0.0016 and worst["source"].startswith("AMB")


def test_build_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = tmp_path / "2025-10-10.toml"
    shutil.copy(scenarios_dir() / facts.name, facts)
    assert main(["scenarios", "check", str(facts)]) == ExitCode.CONFIG
    assert "scenarios build" in capsys.readouterr().err
    (built,) = rows_of(capsys, "build", str(facts))
    assert built["file"] == str(facts.with_suffix(".parquet"))
    assert [row["status"] for row in rows_of(capsys, "check", str(facts), "2025-10-10")] == ["ok", "ok"]


def test_build_replaces_its_own_work_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = tmp_path / "2025-10-10.toml"
    shutil.copy(scenarios_dir() / facts.name, facts)
    target = facts.with_suffix(".parquet")
    target.write_text("mine")
    assert main(["scenarios", "build", str(facts)]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"error[usage] build: {target} exists\n")
    assert target.read_text() == "mine"
    assert main(["scenarios", "build", str(facts), "--force"]) == 0
    assert main(["scenarios", "build", str(facts)]) == 0


def test_check_tells_a_stale_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in (".toml", ".parquet"):
        shutil.copy(scenarios_dir() / f"2025-10-10{suffix}", tmp_path)
    facts = tmp_path / "2025-10-10.toml"
    facts.write_text(facts.read_text("utf-8").replace('"21:00:00", 114200.4', '"21:00:00", 114200.5'), "utf-8")
    assert main(["scenarios", "check", str(facts)]) == ExitCode.CONFIG
    assert "is not what 2025-10-10.parquet was compiled from" in capsys.readouterr().err


def test_check_fails_where_a_bar_is_missed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("backtester.scenario.fidelity.EXTREME", -1.0)
    assert main(["scenarios", "check", "2025-10-10"]) == ExitCode.DATA
    assert "error[data] 2025-10-10: BTC perp: the low is +0.00% off" in capsys.readouterr().err


SECOND = """open_time,open,high,low,close
1760130000000,117000,117020,116980,117000
1760130060000,117000,117020,{low},117000
"""


def test_check_against_a_second_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candles = tmp_path / "c.csv"
    candles.write_text(SECOND.format(low=110_000))
    args = ["2025-10-10", "--against", str(candles), "--symbol", "BTC"]
    assert main(["scenarios", "check", *args]) == ExitCode.DATA
    told = capsys.readouterr()
    assert told.out.splitlines()[1].startswith("BTC     2 perp")
    assert "error[data] 2025-10-10: BTC perp: the low is +" in told.err
    assert main(["scenarios", "check", *args[:3]]) == ExitCode.DATA
    assert 'no column "symbol"' in capsys.readouterr().err
    assert main(["scenarios", "check", "--against", str(candles)]) == ExitCode.USAGE
    assert "measures one scenario" in capsys.readouterr().err


def test_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "show", "2025-10-1"]) == ExitCode.CONFIG
    assert "did you mean '2025-10-10'?" in capsys.readouterr().err
    assert main(["scenarios", "check", "2025-10-1", "absent.toml"]) == ExitCode.CONFIG
    assert capsys.readouterr().err.count("error[config]") == 2
