"""Where the shipped scenarios, tapes and venues are: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def scenarios_dir() -> Path:
    """The directory of `<id>.toml` and `<id>.parquet`, one pair per scenario."""
    return _shipped("scenarios")


def data_dir() -> Path:
    """The directory of the small base tapes and the demo portfolio."""
    return _shipped("data")


def venues_dir() -> Path:
    """The directory of `<id>.toml`, one per venue, with their tier tables."""
    return _PACKAGE / "venue"


def templates_dir() -> Path:
    """The directory of the files that `init` writes."""
    return _PACKAGE / "templates"


def _shipped(name: str) -> Path:
    checkout = _PACKAGE.parent
    return checkout / name if (checkout / "pyproject.toml").is_file() else _PACKAGE / f"_{name}"
