"""`backtester report`: a stored result told as the run told it, and directories that hold none."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from backtester.report.json import plain
from backtester.report.records import FailedCell, Named, PortfolioName
from backtester.results.decode import model_of
from tests.cli.shell import Shell
from tests.golden.handmade import MODEL
from tests.unit.run_cases import account, crash, order, plan, portfolio, position, tape

FORMATS = ["table", "json", "csv", "markdown", "html"]
Case = Callable[[Path], list[object]]


def lost(directory: Path) -> list[object]:
    """The second of two crashes has no path for BTC."""
    calm = crash(directory, [(0, 1.0), (9, 1.0)], name="calm")
    other = crash(directory, [(0, 1.0), (9, 1.0)], name="other", bases=["ETH"])
    return [portfolio(directory, account(position())), "--scenario", f"{calm},{other}"]


CASES: dict[str, Case] = {
    "no scenario": lambda directory: [portfolio(directory, account(position(), order("out", at="1s")))],
    "a crash": lambda directory: [
        portfolio(
            directory,
            account(position(size=15.0, leverage=20.0), order("stop", type="stop_market", trigger_price="mark-2%")),
        ),
        "--scenario",
        crash(directory, [(0, 1.0), (5, 0.9), (9, 0.9)], name="deep"),
    ],
    "a cell that failed": lost,
    "a plan": lambda directory: [
        portfolio(
            directory,
            account(
                position(),
                plan("exit", algo="twap", side="sell", size=0.5, duration="5s", interval="1s", held="client"),
            ),
        ),
    ],
    "variants": lambda directory: [
        portfolio(directory, *(account(position(), order(), name=name) for name in ("main", "=hedge|"))),
        "--compare",
        "orders[o].size=0.25,0.5",
    ],
}


@pytest.fixture
def stored(shell: Shell, small: list[str], tmp_path: Path) -> Path:
    """A result of one calm cell."""
    shell(*small, "--out", tmp_path / "stored")
    return tmp_path / "stored"


def told(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main(["report", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("case", CASES)
def test_a_stored_result_is_told_as_its_run_told_it(
    shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    out = tmp_path / "out"
    args = [*CASES[case](tmp_path), "--tape", tape(tmp_path), "--out", out, "--force"]
    for format in FORMATS:
        _, text, err = shell(*args, "--format", format)
        assert text, err
        assert told(capsys, out, "--format", format) == (0, text, "")


def test_every_kind_of_record_comes_back() -> None:
    without_series = MODEL._replace(
        cells=tuple(each._replace(margin_paths=(), market_paths=()) for each in MODEL.finished)
    )
    assert model_of(json.loads(json.dumps(plain(MODEL))), "result.json", "") == without_series


@pytest.mark.parametrize(("status", "code"), [("failed", 4), ("not_applicable", 0)])
def test_a_cell_that_came_to_nothing_comes_back(status: str, code: int) -> None:
    nothing = FailedCell(PortfolioName("book", ""), "crash", "paper", Named((("size", "2"),)), status, "no path", code)
    model = MODEL._replace(cells=(nothing,))
    assert model_of(json.loads(json.dumps(plain(model))), "result.json", "") == model


# --- no result -----------------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], directory: Path) -> str:
    """The line that says what is wrong with a stored result."""
    code, out, err = told(capsys, directory)
    assert (code, out) == (ExitCode.DATA, "")
    first, hint = err.splitlines()
    assert first.startswith(f"error[data] {directory}") and hint.startswith("  hint: ")
    return first.removeprefix(f"error[data] {directory}/")


NO_RUN = 'result.json: is no result of `backtester run`: its "kind" is not "run"'
WRONG = {
    "": "result.json: is not JSON: line 1, column 1",
    '{"kind": "run"': "result.json: is not JSON: line 1, column 15",
    "[" * 100_000: "result.json: is not JSON",
    "[]": NO_RUN,
    '{"kind": "scenarios", "schema_version": 1}': NO_RUN,
    '{"kind": "run", "schema_version": 1}': "result.json: has schema_version 1; this program reads 4",
    '{"kind": "run", "schema_version": 5}': "result.json: has schema_version 5; this program reads 4",
    '{"kind": "run", "schema_version": "1"}': 'result.json, schema_version: expected a whole number, found "1"',
    '{"kind": "run", "schema_version": 4}': "result.json, engine_version: is missing",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:40])
def test_what_is_no_document(stored: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (stored / "result.json").write_text(text)
    assert refused(capsys, stored) == WRONG[text]


def test_bytes_that_are_no_text(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stored / "result.json").write_bytes(b'{"kind": "\xff"}')
    assert refused(capsys, stored) == "result.json: is not JSON"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", "7", 'seed: expected a number, found "7"'),
        ("seed", 7.5, "seed: expected a whole number, found 7.5"),
        ("cells.0.portfolio.loss", None, "cells[0].portfolio.loss: expected a number, found null"),
        ("cells.0.portfolio.loss", float("inf"), "cells[0].portfolio.loss: expected a number, found inf"),
        ("cells.0.portfolio.loss", 10**400, "cells[0].portfolio.loss: expected a number, found a larger one"),
        ("cells.0.verdict", "fine", "cells[0].verdict: expected one of insolvent, liquidated, "),
        ("cells.0.start_ts", "noon", "cells[0].start_ts: expected a time such as 2025-10-10T21:15:00"),
        ("cells.0.accounts.0", 3, "cells[0].accounts[0]: expected an object, found 3"),
        ("cells.0.orders.0.side", True, "cells[0].orders[0].side: expected one of sell, none, buy, found true"),
        ("cells.0.more", 1, "cells[0].more: is a key that this program does not know"),
        ("cells.0.flags", "x", 'cells[0].flags: expected a list, found "x"'),
        ("warnings", ["\ud800"], "warnings[0]: half a character is no text"),
    ],
)
def test_a_value_of_another_type(
    stored: Path, capsys: pytest.CaptureFixture[str], path: str, value: object, message: str
) -> None:
    document = json.loads((stored / "result.json").read_text())
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    record = document
    for step in way:
        record = record[step]
    record[last] = value
    (stored / "result.json").write_text(json.dumps(document))
    assert refused(capsys, stored).startswith(f"result.json, {message}")


@pytest.mark.parametrize("name", ["result.json", "path.parquet", "depth.parquet"])
def test_a_file_that_is_not_there_or_damaged(stored: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    whole = (stored / name).read_bytes()
    (stored / name).write_bytes(whole[: len(whole) // 2])
    assert refused(capsys, stored).startswith(f"{name}: ")
    (stored / name).unlink()
    assert refused(capsys, stored) == f"{name}: is not there"
    (stored / name).mkdir()
    assert refused(capsys, stored).startswith(f"{name}: cannot be read")


def test_a_table_of_something_else(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pq.read_table(stored / "path.parquet")
    pq.write_table(table.drop_columns(["account"]), stored / "path.parquet")
    assert refused(capsys, stored).startswith("path.parquet: has no column account of type dictionary")
    number = table.column_names.index("equity_min")
    unknown = table.set_column(number, "equity_min", pa.nulls(table.num_rows, pa.float64()))
    pq.write_table(unknown, stored / "path.parquet")
    assert refused(capsys, stored) == "path.parquet: a value of equity_min is missing or no number"


def test_no_directory(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert refused(capsys, tmp_path / "nowhere") == "result.json: is not there"
    (tmp_path / "file").write_text("x")
    assert refused(capsys, tmp_path / "file") == "result.json: cannot be read: Not a directory"


def test_no_damage_is_a_traceback(stored: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Values of the document swapped for others at random: the report is told, or refused in two lines."""
    source = random.Random(5)
    document = (stored / "result.json").read_text()
    copy = shutil.copytree(stored, tmp_path / "copy")
    for _ in range(100):
        mutant = json.loads(document)
        for _ in range(source.choice((1, 1, 3))):
            _swap(mutant, source)
        (copy / "result.json").write_text(json.dumps(mutant))
        code, out, err = told(capsys, copy, "--format", source.choice(FORMATS))
        assert (code == 0 and out and not err) or (code == ExitCode.DATA and len(err.splitlines()) == 2), err


ODD: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    1e308,
    2**62,
    "",
    "x",
    "\x1b[31m",
    "failed",
    [],
    {},
    [[]],
    {"a": 1},
    "2025-10-10T00:00:00Z",
)


def _swap(value: Any, source: random.Random) -> None:
    """Put something odd in a random place of a document, or take it away."""
    while True:
        steps = list(value) if isinstance(value, dict) else range(len(value))
        step = source.choice(steps)
        within = value[step]
        if not (isinstance(within, dict | list) and within) or source.random() < 0.1:
            break
        value = within
    if source.random() < 0.2:
        del value[step]
    else:
        value[step] = source.choice(ODD)
