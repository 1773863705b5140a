"""`backtester doctor`: every check tells the good case from the bad one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from backtester import shipped
from backtester.cli import doctor
from backtester.cli.app import main
from backtester.cli.console import Settings


@pytest.fixture
def ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation that ships nothing yet."""
    for name in ("scenarios", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(shipped, "scenarios_dir", lambda: tmp_path / "scenarios")
    monkeypatch.setattr(shipped, "data_dir", lambda: tmp_path / "data")
    return tmp_path


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel directory of these sources, beside two old ones and a stranger."""
    root = tmp_path / "kernels"
    for name in ("0123456789abcdef", "fedcba9876543210", "00000000deadbeef", "notes"):
        (root / name).mkdir(parents=True)
        (root / name / "file.nbc").write_bytes(b"x" * 500_000)
    current = root / "00000000deadbeef"
    monkeypatch.setattr(doctor, "_kernel_dir", lambda: current)
    return current


def statuses() -> dict[str, str]:
    return {check.check: check.status for check in doctor.check_shipped()}


def test_json_is_one_document_of_checks(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--format", "json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    checks = {row["check"]: row for row in rows}
    assert {"python", "numba", "polars", "kernel cache", "kernels", "scenarios", "tapes", "terminal"} <= set(checks)
    assert all(row["hint"] for row in rows if row["status"] != "ok")
    assert code == (1 if any(row["status"] == "fail" for row in rows) else 0)


def test_an_old_python_fails() -> None:
    assert doctor.check_python((3, 11, 0)).status == "ok"
    assert doctor.check_python((3, 10, 14)).status == "fail"


def test_a_missing_package_fails() -> None:
    assert doctor.check_package("numba").status == "ok"
    assert doctor.check_package("surely-not-a-package").status == "fail"


def test_a_cache_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTESTER_CACHE_DIR", str(tmp_path))
    assert doctor.check_writable(tmp_path / "kernels").status == "ok"
    (tmp_path / "file").touch()
    assert doctor.check_writable(tmp_path / "file" / "kernels").status == "fail"


def test_a_cache_in_the_temporary_directory_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKTESTER_CACHE_DIR", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert doctor.check_writable(tmp_path / "kernels").status == "warn"


def test_kernels_that_are_not_compiled_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.engine.jit.is_warm", lambda: False)
    assert doctor.check_kernels().status == "warn"
    monkeypatch.setattr("backtester.engine.jit.is_warm", lambda: True)
    assert doctor.check_kernels().status == "ok"


def test_an_empty_installation_fails(ships: Path) -> None:
    assert statuses()["scenarios"] == "fail"
    assert statuses()["tapes"] == "fail"
    for name in ("scenarios/x.toml", "scenarios/x.parquet", "data/tape.parquet"):
        (ships / name).touch()
    assert statuses() == {"scenarios": "ok", "tapes": "ok", "venue profiles": "ok"}


def test_a_scenario_without_its_path_fails(ships: Path) -> None:
    (ships / "scenarios" / "x.toml").touch()
    found = next(doctor.check_shipped())
    assert (found.status, found.detail) == ("fail", "not compiled: x")


def test_a_failed_check_is_exit_1(ships: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 1
    assert "none found" in capsys.readouterr().out


def test_clean_removes_old_kernels_and_nothing_else(kernels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.check_stale(kernels).detail == "2 sets, 1 MB"
    main(["doctor", "--clean", "-v"])
    assert sorted(path.name for path in kernels.parent.iterdir()) == ["00000000deadbeef", "notes"]
    assert capsys.readouterr().err.count("removed ") == 2
    assert doctor.check_stale(kernels).detail == "none"


def test_warm_compiles_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []
    monkeypatch.setattr("backtester.run.session.warm", lambda: calls.append("warm"))
    main(["doctor"])
    assert calls == []
    main(["doctor", "--warm"])
    assert calls == ["warm"]


def test_a_dumb_encoding_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert doctor.check_terminal(Settings()).status == "warn"
