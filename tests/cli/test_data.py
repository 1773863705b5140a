"""`backtester data` as a shell sees it: exit codes, one document on stdout, errors on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backtester.cli.app import main
from tests.unit.market_tapes import BTC, Row, write

GOOD = [
    Row(1_000_000_000, side=1, price=100.0, size=2.0),
    Row(1_000_000_000, side=-1, price=100.1, size=1.0),
    Row(3_000_000_000, kind="trade", side=1, price=100.1, size=1.0),
]


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return code, out, err


def test_inspect_table_has_one_instrument_a_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "data", "inspect", write(tmp_path / "t.parquet", GOOD))
    assert (code, err) == (0, "")
    said = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert said["field"] == "BTC" and said["trade_rows"] == "1" and said["median_spread_ticks"] == "1"
    assert said["first_ts"] == "1970-01-01T00:00:01.000000000Z"


def test_inspect_json_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "data", "inspect", write(tmp_path / "t.parquet", GOOD), "--format", "json")
    document = json.loads(out)
    assert (code, err, document["kind"]) == (0, "", "tape")
    (btc,) = document["rows"]
    assert (btc["rows"], btc["messages"], btc["updates_per_s"], btc["trades_per_s"]) == (3, 1, 1.0, 0.5)


def test_check_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "data", "check", write(tmp_path / "t.parquet", GOOD), "--format", "json")
    rows = json.loads(out)["rows"]
    assert (code, err) == (0, "")
    assert [row["level"] for row in rows] == ["warning"] * 4 + ["valid"]
    assert rows[3]["message"] == "begins at 1970-01-01T00:00:01.000000000Z, before 2009"
    assert rows[-1]["message"] == "3 rows, 0 faults"


def test_check_invalid_exits_4_with_one_line_per_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*GOOD, *[Row(3_000_000_000, price=100.05)] * 9, Row(1, price=100.1)]
    code, out, err = call(capsys, "data", "check", write(tmp_path / "t.parquet", rows), "--format", "csv")
    assert (code, err) == (4, "")
    errors = [line for line in out.splitlines() if line.startswith("error,")]
    assert len(errors) == 7 and "row 3," in errors[0] and "row 12," in errors[5] and "4 more: off tick" in errors[6]
    assert "10 faults" in out.splitlines()[-1] and out.splitlines()[-1].startswith("invalid,")


def test_a_repaired_tape_is_checked_in_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = write(tmp_path / "t.parquet", [*GOOD, Row(4_000_000_000, side=1, price=100.1, size=1.0, seq=9)])
    assert call(capsys, "data", "check", locked)[0] == 4
    code, out, _ = call(capsys, "data", "check", locked, "--repair", tmp_path / "out.parquet", "--format", "json")
    document = json.loads(out)
    assert code == 0
    assert document["rows"][0]["message"] == "1 level deleted that left 1 message crossed or locked"
    assert document["rows"][-1]["level"] == "valid"


def test_check_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "t.parquet", [*GOOD, Row(4_000_000_000, size=1.0)])
    assert "no message of BTC" not in call(capsys, "data", "check", path)[1]
    assert "no message of BTC for 3.000 s" in call(capsys, "data", "check", path, "--gap", "2")[1]
    assert call(capsys, "data", "check", path, "--gap", "inf")[0] == 2


@pytest.mark.parametrize("verb", ["inspect", "check"])
def test_tape_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    code, out, err = call(capsys, "data", verb, tmp_path / "none.parquet")
    assert (code, out) == (4, "")
    assert err.startswith("error[data]") and "no such file" in err


def test_instrument_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "t.parquet", GOOD, instruments=())
    assert call(capsys, "data", "check", path)[0] == 4
    assert call(capsys, "data", "check", path, "--instrument", "BTC:tick=0.1,lot=0.001")[0] == 0
    code, _, err = call(capsys, "data", "check", path, "--instrument", "BTC:tik=0.1")
    assert code == 2 and "error[usage] --instrument BTC" in err
    described = write(tmp_path / "d.parquet", GOOD, [BTC])
    code, _, err = call(capsys, "data", "check", described, "--instrument", "BTC:tick=0.5")
    assert code == 4 and "0.1 in the tape but 0.5 in --instrument" in err


def ingest_arguments(folder: Path, bid: str) -> list[object]:
    books = folder / "books.csv"
    books.write_text(f"exchange_timestamp,bid_price_0,bid_size_0,ask_price_0,ask_size_0\n1735689600005,{bid},1,101,1\n")
    instrument = [
        "--symbol",
        "BTC",
        "--instrument",
        "BTC:tick=1,lot=0.001",
        "--venue",
        "hyperliquid",
        "--quote",
        "USDC",
    ]
    return ["data", "ingest", "wide-snapshots", books, folder / "tape.parquet", *instrument]


def test_ingest_then_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *ingest_arguments(tmp_path, "100"), "--format", "json")
    assert (code, err) == (0, "")
    said = {row["what"]: row["count"] for row in json.loads(out)["rows"]}
    assert said["order books written"] == 1 and said["rows of the tape"] == 3
    code, out, _ = call(capsys, "data", "inspect", tmp_path / "tape.parquet", "--format", "json")
    assert code == 0 and json.loads(out)["rows"][0]["venue"] == "hyperliquid"


def test_ingest_trades_by_the_columns_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trades.csv").write_text("when,px,sz,dir\n1735689600006,100,0.5,B\n")
    trades = ["--trades", tmp_path / "trades.csv", "--trade-price", "px", "--trade-size", "sz", "--trade-side", "dir"]
    code, out, _ = call(capsys, *ingest_arguments(tmp_path, "100"), *trades, "--trade-ts", "when", "--format", "csv")
    assert code == 0 and "trades written,1" in out


def test_ingest_of_a_bad_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *ingest_arguments(tmp_path, "99.5"))
    assert (code, out) == (4, "") and "books.csv:2 bid_price_0: price 99.5 is off the tick 1.0" in err
    assert not (tmp_path / "tape.parquet").exists()


def test_synth_writes_a_valid_tape_twice_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "synth", "hyperliquid-btc", tmp_path / "a.parquet", "--minutes", "1", "--seed", "7"]
    code, out, _ = call(capsys, *arguments, "--format", "json")
    assert code == 0
    said = {row["what"]: row["tape"] for row in json.loads(out)["rows"]}
    assert said["seed"] == 7 and said["rows"] > 1_000
    arguments[3] = tmp_path / "b.parquet"
    call(capsys, *arguments)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert call(capsys, "data", "check", tmp_path / "a.parquet")[0] == 0


def test_synth_prints_tape_and_recording_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What --keep writes is a market again: the same tape comes of it."""
    out, kept = tmp_path / "tape.parquet", tmp_path / "kept.toml"
    code, table, _ = call(capsys, "data", "synth", "binance-usdm-btc", out, "--minutes", "1", "--keep", kept)
    assert code == 0
    touch = next(line.split() for line in table.splitlines() if line.startswith("touch_size "))
    assert touch[2] == "3.76" and touch[3].endswith("%") and touch[4:] == ["15%", "yes"]
    _, text, _ = call(capsys, "data", "synth", kept, tmp_path / "b.parquet", "--minutes", "1", "--format", "json")
    rows = {row["what"]: row for row in json.loads(text)["rows"]}
    assert rows["touch_size"]["recorded"] == 3.76 and rows["touch_size"]["held"] is True
    assert rows["same_side_share"]["tolerance"] is None and rows["same_side_share"]["held"] is None
    assert out.read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_synth_of_an_unknown_market(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "data", "synth", "nowhere", tmp_path / "tape.parquet")
    assert code == 2 and "hyperliquid-btc" in err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["synth", "binance-usdm-btc", "HERE"], "OUT"),
        (["synth", "binance-usdm-btc", "new", "--keep", "HERE"], "--keep"),
        (["ingest", "binance-ws", "r.gz", "HERE", "--symbol", "X", "--instrument", "X:tick=1,lot=1"], "OUT"),
        (
            ["ingest", "wide-snapshots", "b.csv", "HERE", "--symbol=X", "--instrument=X:tick=1,lot=1", "--venue=v"],
            "OUT",
        ),
        (["check", "TAPE", "--repair", "HERE"], "--repair"),
    ],
)
def test_no_file_is_replaced_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], option: str
) -> None:
    here, tape = tmp_path / "here", write(tmp_path / "t.parquet", GOOD)
    here.write_text("mine")
    places = {"HERE": here, "TAPE": tape, "new": tmp_path / "new"}
    code, out, err = call(capsys, "data", *(places.get(each, each) for each in arguments))
    assert (code, out) == (2, "")
    assert err == f"error[usage] {option}: {here} exists\n  hint: name another file, or replace it with --force\n"
    assert here.read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


def test_force_replaces_a_tape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape, here = write(tmp_path / "t.parquet", GOOD), tmp_path / "here.parquet"
    here.write_text("old")
    assert call(capsys, "data", "check", tape, "--repair", here, "--force")[0] == 0
    assert here.read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    "arguments", [["data"], ["data", "ingest"], ["data", "inspect"], ["data", "check", "x", "--nix"]]
)
def test_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert call(capsys, *arguments)[0] == 2
