"""`pytest tests/golden --update-golden` writes the expected files anew; look at the diff before you commit it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.golden.differences import differences

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected files of tests/golden anew")


@pytest.fixture
def same_text(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name, byte for byte."""

    def compare(name: str, found: str) -> None:
        path = HERE / name
        if request.config.getoption("--update-golden", default=False):
            path.write_text(found, "utf-8")
        assert path.is_file(), f"{name} is missing: pytest tests/golden --update-golden"
        assert found == path.read_text("utf-8")

    return compare


@pytest.fixture
def same_document(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Compare a JSON document with the file of that name: floats nearly, all else exactly."""

    def compare(name: str, found: Any) -> None:
        path = HERE / name
        if request.config.getoption("--update-golden", default=False):
            path.write_text(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
        assert path.is_file(), f"{name} is missing: pytest tests/golden --update-golden"
        wrong = list(differences(json.loads(path.read_text("utf-8")), found))
        assert not wrong, "\n".join(wrong[:20])

    return compare
