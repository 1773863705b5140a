"""Where scenarios are found: those that come with the program, by id, and files of the user, by path."""

from __future__ import annotations

import difflib
from pathlib import Path

from backtester.errors import config_error
from backtester.scenario.path import Scenario, load
from backtester.shipped import scenarios_dir


def ids() -> tuple[str, ...]:
    """Ids of all shipped scenarios, in order."""
    return tuple(sorted(path.stem for path in scenarios_dir().glob("*.parquet")))


def locate(name: str) -> Path:
    """The path table of an id, or of a `.parquet` or `.toml` file. Raises BacktesterError when there is none."""
    if name.endswith((".parquet", ".toml")):
        path = Path(name).with_suffix(".parquet")
        if not path.is_file():
            hint = f"backtester scenarios build {path.with_suffix('.toml')}" if name.endswith(".toml") else ""
            raise config_error(name, "no such scenario file", hint)
        return path
    path = scenarios_dir() / f"{name}.parquet"
    if name not in ids():
        near = difflib.get_close_matches(name, ids(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(ids())}"
        raise config_error(f"scenario {name}", "is not known", hint)
    return path


def find(name: str) -> Scenario:
    """Load a scenario by id or path."""
    return load(locate(name))
