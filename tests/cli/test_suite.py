"""`backtester suite`: exit codes, what goes where, months listed and thinned out."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from backtester.suite.archive import Archive
from tests.unit.suite_cases import contents, small_suite

pytestmark = pytest.mark.compiled


ROOT = Path(__file__).resolve().parents[2]


class Suite:
    """Calls `backtester suite` and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: object) -> tuple[int, str, str]:
        code = main(["suite", *map(str, args)])
        out, err = self.capsys.readouterr()
        return code, out, err


@pytest.fixture
def suite(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Whenever it is called it is December of 2026."""
    monkeypatch.setattr("backtester.cli.suite.this_month", lambda: "2026-12")
    return Suite(capsys)


def test_a_month_and_again(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    code, out, err = suite("run", path, "--month", "2026-11", "-v")
    assert code == 0 and out.startswith("# small, 2026-11\n") and err == f"{tmp_path}/kept/2026-11 is written\n"
    again = suite("run", path, "--month", "2026-11", "-v")
    assert again == (0, out, f"{tmp_path}/kept/2026-11 is already there: same receipt\n")


def test_what_changed_since_is_named_beside_the_page_as_it_was(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path, '[limits]\nfail = ["accounts[main].pnl_fees < 0"]\n')
    first = suite("run", path, "--month", "2026-11")
    (tmp_path / "books" / "b.toml").write_text((tmp_path / "books" / "b.toml").read_text() + "\n# more\n")
    code, out, err = suite("run", path, "--month", "2026-11")
    assert (code, out) == first[:2] and code == ExitCode.GATE
    said = f"warning[suite] {tmp_path}/kept/2026-11: is told as it was; changed since: portfolio b.toml\n"
    assert err == first[2].replace("error[gate]", said + "error[gate]", 1)


def test_a_month_to_come(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    code, _, err = suite("run", path, "--month", "2027-01")
    assert code == 0 and err.startswith(f"warning[suite] {tmp_path}/kept/2027-01: is a month to come")
    assert suite("run", path, "--month", "2027-01")[2] == suite("run", path, "--month", "2026-12")[2] == ""


def test_the_result_in_other_formats(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    code, out, _ = suite("run", path, "--month", "2026-11", "--format", "json")
    assert code == 0 and out == (tmp_path / "kept" / "2026-11" / "result.json").read_text()
    assert len(suite("run", path, "--month", "2026-11", "--format", "csv")[1].splitlines()) == 1 + 4 * 2


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "11-2026", "../2026-11", "2026-11\n"])
def test_no_month(suite: Suite, tmp_path: Path, month: str) -> None:
    code, _, err = suite("run", tmp_path / "none.toml", "--month", month)
    assert code == ExitCode.USAGE and "is no month" in err


@pytest.mark.parametrize("limits, code", [("warn", 0), ("fail", ExitCode.GATE)])
def test_limits_make_the_exit_code(suite: Suite, tmp_path: Path, limits: str, code: int) -> None:
    path = small_suite(tmp_path, f'[limits]\n{limits} = ["accounts[main].pnl_fees < 0"]\n')
    found = suite("run", path, "--month", "2026-11")
    assert found[0] == code and found[2].count("[gate] a, ") == 2 and (tmp_path / "kept" / "2026-11").is_dir()
    assert suite("run", path, "--month", "2026-11") == found


def test_failures_up_to_a_number(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path, "max_failures = 2\n")
    (tmp_path / "books" / "c.toml").write_text("nonsense")
    code, _, err = suite("run", path, "--month", "2026-10")
    assert code == 0 and "c.toml" in err
    path.write_text(path.read_text().replace("max_failures = 2", "max_failures = 1"))
    code, _, err = suite("run", path, "--month", "2026-11")
    assert code == ExitCode.CONFIG and err.endswith(
        "is not archived: mend this and run it again, what is done is kept\n"
    )


def test_what_could_not_be_judged_is_not_kept(suite: Suite, tmp_path: Path) -> None:
    """Failures are forgiven, the limits of their cells are not."""
    path = small_suite(tmp_path, 'max_failures = 4\n[limits]\nfail = ["loss_pct > 99"]\nwarn = ["loss_pct > 98"]\n')
    assert suite("run", path, "--month", "2026-09")[0] == 0
    book = tmp_path / "books" / "a.toml"
    book.write_text(book.read_text().replace("size = 1.0", "size = -1.0") + '[limits]\nfail = ["loss > 1e9"]\n')
    code, page, err = suite("run", path, "--month", "2026-10")
    assert code == ExitCode.GATE and (tmp_path / "kept" / "2026-10").is_dir()
    told = [line.partition(": limit unknown")[2] for line in err.splitlines() if line.startswith("error[gate] a, ")]
    assert told == [f": {limit} (there is no result)" for limit in ("loss > 1e9", "loss_pct > 99")] * 2
    assert err.count("warning[gate] a, ") == 2 and page.count("- **new** a, ") == 6
    found = [line for line in page.splitlines() if "survived" in line and "→" not in line and "failed: error" in line]
    assert len(found) == 2, "the cells of the month before are those that failed"
    assert suite("run", path, "--month", "2026-10")[:2] == (code, page)


def test_somebody_is_told(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path, f"notify = \"cat > '{tmp_path}/told'; exit 3\"\n")
    code, out, err = suite("run", path, "--month", "2026-11")
    assert code == ExitCode.GATE and "ended with 3" in err
    assert (tmp_path / "told").read_text() == out
    (tmp_path / "told").unlink()
    assert suite("run", path, "--month", "2026-11")[0] == ExitCode.GATE and (tmp_path / "told").read_text() == out
    path.write_text(path.read_text().replace("exit 3", "exit 0"))
    assert suite("run", path, "--month", "2026-11")[0] == 0
    (tmp_path / "told").unlink()
    assert suite("run", path, "--month", "2026-11")[0] == 0 and not (tmp_path / "told").exists()


def test_what_a_notify_prints_is_no_part_of_the_page(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = small_suite(tmp_path, 'notify = "head -n 1; echo done"\n')
    assert main(["suite", "run", str(path), "--month", "2026-11"]) == 0
    out, err = capfd.readouterr()
    assert out == (tmp_path / "kept" / "2026-11" / "summary.md").read_text()
    assert err == "# small, 2026-11\ndone\n"


def test_a_notify_that_does_not_end(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.suite.notify.LONGEST_S", 0.2)
    code, _, err = suite("run", small_suite(tmp_path, 'notify = "exec sleep 20"\n'), "--month", "2026-11")
    assert code == ExitCode.GATE and "did not end within 0.2 s" in err


@pytest.mark.parametrize("words", [
    "run books/a.toml --tape tape.parquet --out kept/2026-11 --force",
    "run books/a.toml --tape tape.parquet --out kept/2026-11/portfolios/new",
    "suite run suite.toml --month 2026-12 --output kept/latest/page.md",
    "suite status suite.toml --output kept/2026-11/summary.md --force",
    "check kept/2026-11 --baseline kept/2026-11/baseline --update",
    "check kept/2026-11 --baseline kept/2026-11 --junit kept/2026-11/junit.xml",
])  # fmt: skip
def test_a_month_is_no_place_to_write_to(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    assert suite("run", small_suite(tmp_path), "--month", "2026-11")[0] == 0
    before = contents(tmp_path / "kept")
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == ExitCode.USAGE
    line, *_ = suite.capsys.readouterr().err.splitlines()
    assert line.endswith("is of 2026-11, an archived month, which is never changed")
    assert contents(tmp_path / "kept") == before


@pytest.mark.parametrize("words", [
    "run books/a.toml --tape tape.parquet --out out", "run books/a.toml --tape tape.parquet --output page.md",
    "suite run suite.toml --month 2026-12", "suite prune suite.toml --keep 1", "init new",
    "check kept/2026-11 --baseline base --update", "check kept/2026-11 --baseline kept/2026-11 --junit junit.xml",
])  # fmt: skip
def test_a_full_disk_is_told_alike_whatever_is_written(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    assert suite("run", small_suite(tmp_path), "--month", "2026-11")[0] == 0
    before = contents(tmp_path)

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "said otherwise")

    monkeypatch.setattr("backtester.files._workshop", full)
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == ExitCode.ENGINE
    line, hint, *_ = suite.capsys.readouterr().err.splitlines()
    assert hint == "  hint: make room on that disk, or name a place on another"
    assert line.startswith("error[disk] ") and line.endswith(": No space left on device")
    assert not (tmp_path / "out").exists()
    assert contents(tmp_path) == before


def test_months_are_listed_and_thinned_out(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    assert suite("status", path, "--format", "json")[1].find('"rows": []') > 0
    for month in ("2026-08", "2026-09", "2026-10"):
        assert suite("run", path, "--month", month)[0] == 0
    rows = json.loads(suite("status", path, "--format", "json")[1])["rows"]
    assert [(row["month"], row["cells"], row["verdicts"]) for row in rows] == [
        (month, 4, "4 survived") for month in ("2026-08", "2026-09", "2026-10")
    ]
    assert suite("prune", path, "--keep", "2m") == (0, "removed\n2026-08\n", "")
    assert Archive(tmp_path / "kept").months() == ("2026-09", "2026-10")
    assert suite("prune", path, "--keep", "0")[0] == suite("prune", path, "--keep", "two")[0] == ExitCode.USAGE
    assert suite("prune", path, "--keep", "24")[0] == 0 and len(Archive(tmp_path / "kept").months()) == 2


@pytest.mark.parametrize("words", [
    "suite status suite.toml", "suite history suite.toml", "suite prune suite.toml --keep 9",
    "report kept/latest --format json", "diff kept/2026-10 kept/2026-11", "check kept/2026-11 --baseline kept/2026-10",
])  # fmt: skip
def test_what_is_stored_is_told_without_loading_the_engine(suite: Suite, tmp_path: Path, words: str) -> None:
    path = small_suite(tmp_path)
    for month in ("2026-10", "2026-11"):
        assert suite("run", path, "--month", month)[0] == 0
    code = "import sys; from backtester.cli.app import main; c = main(sys.argv[1:]); print(c, *sys.modules)"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.check_output([sys.executable, "-c", code, *words.split()], cwd=tmp_path, env=env, text=True)
    exit_code, *loaded = said.splitlines()[-1].split()
    assert exit_code == "0" and ("backtester.results.decode" in loaded or "prune" in words)
    assert not {"numba", "polars", "backtester.engine", "backtester.run", "backtester.market"} & set(loaded)
    assert ("report" in words) == ("pyarrow" in loaded)  # it alone draws charts


def test_hints_are_those_of_the_place(suite: Suite, tmp_path: Path) -> None:
    assert suite("run", small_suite(tmp_path), "--month", "2026-11")[0] == 0
    kept = tmp_path / "kept"
    assert main(["report", str(kept)]) == ExitCode.DATA
    assert suite.capsys.readouterr().err.endswith(f"hint: name one that is in it: {kept}/latest\n")
    (kept / "2026-11" / "path.parquet").write_bytes(b"")
    for words in (["report", str(kept / "latest")], ["suite", "status", str(tmp_path / "suite.toml")]):
        assert main(words) == ExitCode.DATA
        hint = "hint: restore it from a copy, or remove it and run `backtester suite run SUITE --month 2026-11`\n"
        assert suite.capsys.readouterr().err.endswith(hint)
    (kept / "2026-11" / "SHA256SUMS").unlink()
    assert suite("status", tmp_path / "suite.toml")[2].endswith(hint)
    shutil.copytree(kept / "2026-11", tmp_path / "tam")
    assert main(["report", str(tmp_path / "tam")]) == ExitCode.DATA
    assert suite.capsys.readouterr().err.endswith("hint: it is a copy of an archived month: copy it again\n")
    shutil.rmtree(kept / "2026-11")
    (kept / "2026-11").mkdir()
    for words in (["report", str(kept / "2026-11")], ["suite", "status", str(tmp_path / "suite.toml")]):
        assert main(words) == ExitCode.DATA
        assert suite.capsys.readouterr().err.endswith(hint)


def test_a_month_that_was_changed_or_is_under_way_hides_no_other(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    for month in ("2026-09", "2026-10", "2026-11"):
        assert suite("run", path, "--month", month)[0] == 0
    done = tmp_path / "kept" / ".work" / "2026-12-cells" / "a"
    done.mkdir(parents=True)
    (done / "SHA256SUMS").touch()
    assert suite("status", path)[0] == 0
    with (tmp_path / "kept" / "2026-10" / "result.json").open("a") as file:
        file.write(" ")
    code, out, err = suite("status", path, "--format", "json")
    rows = json.loads(out)["rows"]
    assert [(row["month"], row["state"], row["cells"]) for row in rows] == [
        ("2026-09", "archived", 4),
        ("2026-10", "changed: result.json", None),
        ("2026-11", "archived", 4),
        ("2026-12", "unfinished, 1 cell done", None),
    ]
    assert code == ExitCode.DATA and err.startswith(f"error[data] {tmp_path}/kept/2026-10: was changed after")
    loss = rows[0]["worst_loss_pct"]
    assert isinstance(loss, float) and f"  {100 * (loss / 100):.1f} %  ".replace("-", "−") in suite("status", path)[1]
    code, out, again = suite("history", path, "--format", "json")
    assert (code, again) == (ExitCode.DATA, err) and {row["months"] for row in json.loads(out)["rows"]} == {2}


def test_figures_from_month_to_month(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    book = tmp_path / "books" / "a.toml"
    for month, size in (("2026-08", 1.0), ("2026-09", 1.0), ("2026-10", 4.0)):
        book.write_text(book.read_text().replace("size = 1.0", f"size = {size}"))
        assert suite("run", path, "--month", month)[0] == 0
    code, out, _ = suite("history", path, "--figure", "accounts[main].notional", "--format", "json")
    rows = json.loads(out)["rows"]
    assert code == 0 and [row["cell"] for row in rows] == [
        f"{name}, tape as it is on hyperliquid  positions.leverage={leverage}" for name in "ab" for leverage in (5, 20)
    ]
    first, _, other, _ = rows
    assert (first["months"], first["line"], first["first"], first["last"]) == (3, "▁▁█", "50,000.00", "200,000.00")
    assert (first["jump"], first["in"]) == ("50,000.00 → 200,000.00", "2026-10")
    assert re.fullmatch(r"portfolio a\.toml [0-9a-f]{12} → [0-9a-f]{12}", first["inputs_then"])
    assert (other["line"], other["jump"], other["in"]) == ("▄▄▄", None, None)
    assert suite("history", path)[0] == 0


@pytest.mark.parametrize(
    "figure, told", [("los", 'did you mean "loss"'), ("verdict", "is a word"), ("loss >", "the end")]
)
def test_what_is_no_figure(suite: Suite, tmp_path: Path, figure: str, told: str) -> None:
    code, _, err = suite("history", small_suite(tmp_path), "--figure", figure)
    assert (code == ExitCode.USAGE and f"--figure {figure}: column" in err) or told in err


def test_one_writer_at_a_time(suite: Suite, tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    with Archive(tmp_path / "kept").locked():
        code, out, err = suite("run", path, "--month", "2026-11")
    assert (code, out) == (ExitCode.USAGE, "") and "is in use by process" in err
    assert contents(tmp_path / "kept").keys() == {".lock"}
