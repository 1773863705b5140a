"""Shipped files are found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester import shipped

ROOT = Path(__file__).resolve().parents[2]


def test_in_a_checkout_they_are_beside_the_package() -> None:
    assert shipped.scenarios_dir() == ROOT / "scenarios"
    assert shipped.data_dir() == ROOT / "data"


def test_in_an_installation_they_are_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "site-packages" / "backtester")
    assert shipped.scenarios_dir() == tmp_path / "site-packages" / "backtester" / "_scenarios"
    assert shipped.data_dir() == tmp_path / "site-packages" / "backtester" / "_data"


def test_the_wheel_puts_them_where_an_installation_looks() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for name in ("scenarios", "data"):
        assert f'"{name}" = "backtester/_{name}"' in text
