"""`backtester data scan` and `backtester scenarios draft`."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from tests.unit.candle_cases import fall, flat, minutes, write


@pytest.fixture
def candles(tmp_path: Path) -> str:
    return str(write(tmp_path / "a.csv", minutes(*flat(30), *fall(100, 99, 96, 92, 88, 90, 93), *flat(24, 93))))


def draft(candles: str, out: Path, *more: str) -> int:
    window = ("--from", "2024-01-01T10:00", "--to", "2024-01-01T11:00Z")
    return main(["scenarios", "draft", candles, *window, "--out", str(out), *more])


def test_scan_lists_the_crash(candles: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "scan", candles, "--within", "5", "--at-least", "5%", "--format", "json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out)["rows"] if row["size"] < 0]
    assert (row["symbol"], row["within_m"], row["price_there"], row["rank"]) == ("BTC", 5, 88.0, 1)
    assert (row["start"], row["at"]) == ("2024-01-01T10:29:00Z", "2024-01-01T10:33:00Z")
    assert row["a_year"] is None
    assert row["files"].startswith("a.csv (sha256 ")
    assert main(["data", "scan", candles]) == 0
    out = capsys.readouterr().out
    assert "1 in 60 minutes" in out
    assert out.splitlines()[-1] == f"candles of {row['files']}: perp"


def test_a_draft_is_a_scenario(candles: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.toml"
    assert draft(candles, out, "--title", 'My "own"', "--source", "our recorder", "--format", "csv") == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (row["id"], row["minutes"], row["symbols"], row["title"]) == ("mine", "60.0", "BTC", 'My "own"')
    assert main(["scenarios", "check", str(out)]) == 0
    assert main(["scenarios", "show", str(out), "--sources"]) == 0
    assert "our recorder, a.csv (sha256 " in capsys.readouterr().out


def test_a_draft_without_btc_says_that_other_names_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (*flat(30), *fall(100, 99, 96, 92, 88, 90, 93), *flat(24, 93))
    candles = str(write(tmp_path / "a.csv", minutes(*rows, symbol="AVAX")))
    out = tmp_path / "mine.toml"
    assert draft(candles, out, "-v") == 0
    assert "how other names move: a portfolio that holds one of them is refused" in capsys.readouterr().err
    text = out.read_text("utf-8")
    assert "# Nothing here tells how other names move" in text and "[others]\n# of" in text
    assert "candles of ETH or BTC" in text
    said = (
        text.replace("# [others]\n# of", "[others]\nof").replace("# beta", "beta").replace('# why = "ass', 'why = "ass')
    )
    out.write_text(said, "utf-8")
    assert main(["scenarios", "build", str(out), "--force"]) == 0
    assert main(["scenarios", "show", str(out)]) == 0
    assert "any other name moves like AVAX times 1 (assumed)" in capsys.readouterr().out


def test_crash_hours_are_no_years(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hours = [minutes(*fall(100, 98, 95), *flat(58, 95), at=at) for at in (0, 30 * 86_400)]
    path = str(write(tmp_path / "a.csv", *hours))
    assert main(["data", "scan", path]) == 0
    *rows, caution = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[1:4] for row in rows[:-1]] == [["5", "min", "-5.0%"]] * 2 and " in 2.0 hours of " in rows[0]
    assert caution.startswith("CAUTION: candles of BTC cover less than half of their span: how often")
    assert main(["data", "scan", path, "--format", "json"]) == 0
    assert {row["span_days"] for row in json.loads(capsys.readouterr().out)["rows"]} == {30 + 1 / 24}


def test_scan_names_the_files_that_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "a.csv.gz"
    text = write(tmp_path / "a.csv", minutes(*fall(100, 98, 95))).read_bytes()
    packed.write_bytes(gzip.compress(text))
    assert main(["data", "scan", str(packed)]) == 0
    assert main(["data", "scan", str(tmp_path)]) == ExitCode.DATA
    assert f"like {tmp_path}/*.csv: CSV, CSV.GZ or Parquet" in capsys.readouterr().err


def test_nothing_is_replaced_without_force(candles: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.toml"
    assert draft(candles, out) == 0
    first = out.read_bytes(), out.with_suffix(".parquet").read_bytes()
    assert draft(candles, out) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"error[usage] --out: {out} exists\n")
    assert draft(candles, out, "--force") == 0
    assert first == (out.read_bytes(), out.with_suffix(".parquet").read_bytes())
    out.unlink()
    assert draft(candles, out) == ExitCode.USAGE


def test_what_does_not_compile_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody traded in the first hour: the facts have no baseline. The next try needs no --force."""
    silent = minutes(*flat(30), *fall(100, 99, 96, 92, 88, 90, 93), *flat(24, 93)).replace(",10\n", ",0\n")
    path, out = str(write(tmp_path / "a.csv", silent)), tmp_path / "mine.toml"
    assert draft(path, out) == ExitCode.CONFIG
    assert "mine.toml: BTC has no volume in the baseline" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]
    write(tmp_path / "a.csv", silent.replace(",0\n", ",10\n"))
    assert draft(path, out) == 0


def test_what_does_not_compile_leaves_what_was_there(candles: str, tmp_path: Path) -> None:
    out = tmp_path / "mine.toml"
    assert draft(candles, out) == 0
    first = out.read_bytes(), out.with_suffix(".parquet").read_bytes()
    Path(candles).write_text(Path(candles).read_text("utf-8").replace(",10\n", ",0\n"), "utf-8")
    assert draft(candles, out, "--force") == ExitCode.CONFIG
    assert first == (out.read_bytes(), out.with_suffix(".parquet").read_bytes())


def test_a_price_that_never_moves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = str(write(tmp_path / "a.csv", minutes(*fall(100, *[100] * 60)))), tmp_path / "mine.toml"
    assert main(["data", "scan", path, "--at-least", "0%", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []
    assert draft(path, out, "--format", "csv") == 0
    assert "2024-01-01: BTC calm" in capsys.readouterr().out


@pytest.mark.parametrize(
    "args, said",
    [
        (("--from", "noon"), "--from: 'noon' is no time"),
        (("--to", "2024-01-01T10:00"), "--to: 2024-01-01T10:00 is not after"),
        (("--symbol", "DOGE"), "no candles of symbol DOGE"),
        (("--to", "2024-01-01T12:00"), "BTC: no candles from 2024-01-01T11:00:00Z to 2024-01-01T12:00:00Z"),
        (("--venue", "elsewhere"), "--venue elsewhere: has no candles"),
        (("--out", "mine.parquet"), "--out: mine.parquet is no name of a facts file"),
    ],
)
def test_what_cannot_be_drafted(
    candles: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "mine.toml"
    assert draft(candles, out, *args) in (ExitCode.USAGE, ExitCode.DATA)
    assert said in capsys.readouterr().err and not out.exists()


@pytest.mark.parametrize("args", [("--within", "0"), ("--within", "x"), ("--at-least", "much"), ("--at-least", "-1")])
def test_scan_refuses_what_is_no_number(
    candles: str, capsys: pytest.CaptureFixture[str], args: tuple[str, str]
) -> None:
    assert main(["data", "scan", candles, *args]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"error[usage] {args[0]}: ")


def test_a_tape_is_no_candles(capsys: pytest.CaptureFixture[str]) -> None:
    tape = next((Path(__file__).parents[2] / "data").glob("*.parquet"))
    assert main(["data", "scan", str(tape)]) == ExitCode.DATA
    assert "is a tape, not candles" in capsys.readouterr().err
