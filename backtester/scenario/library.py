"""Where scenarios are found: those that come with the program, by id, and files of the user, by path.

A name may join several with `+`: `2025-10-10+outage`, `mine.parquet+outage`; `compose` says what that means.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from backtester.config.command import FILES, parts_of
from backtester.errors import BacktesterError, Diagnostic, config_error, usage_error
from backtester.scenario.compose import compose
from backtester.scenario.path import GROUPS, Scenario
from backtester.scenario.stored import PREFIX, load
from backtester.shipped import scenarios_dir

_YEARS = re.compile(r"(\d{4})\.\.(\d{4})")


def ids() -> tuple[str, ...]:
    """Ids of all shipped scenarios, in order."""
    return tuple(sorted(path.stem for path in scenarios_dir().glob("*.parquet")))


def locate(name: str) -> Path:
    """The path table of an id, or of a `.parquet` or `.toml` file. Raises BacktesterError when there is none."""
    if name.endswith(FILES):
        path = Path(name).with_suffix(".parquet")
        if name.endswith(".toml") and Path(name).is_file():
            _check_compiled(Path(name), path)
        elif not path.is_file():
            raise config_error(name, "no such scenario file")
        return path
    path = scenarios_dir() / f"{name}.parquet"
    if name not in ids():
        near = difflib.get_close_matches(name, (*groups(), *ids()), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join((*groups(), *ids()))}"
        raise config_error(f"scenario {name}", "is not known", hint)
    return path


def _check_compiled(facts: Path, path: Path) -> None:
    """Raise where the path of some facts is not there, or was made from others."""
    if not path.is_file():
        raise config_error(str(facts), "is not compiled yet", f"backtester scenarios build {facts}")
    if load(path).facts_sha256 != hashlib.sha256(facts.read_bytes()).hexdigest():
        message = f"is not what {path.name} was compiled from: it was changed since"
        raise config_error(str(facts), message, f"backtester scenarios build {facts} --force")


def locate_parts(name: str) -> tuple[Path, ...]:
    """The path tables that a name joins with `+`. Raises BacktesterError with all that are missing."""
    parts = parts_of(name)
    if "" in parts:
        raise usage_error(f"scenario {name}", "joins nothing", "write it like 2025-10-10+outage")
    paths, problems = [], list[Diagnostic]()
    for part in parts:
        try:
            paths.append(locate(part))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(problems)
    return tuple(paths)


def called(name: str) -> str:
    """A name without the directories and endings of its files, as the scenario itself is called in a result.

    Example: `crashes/mine.parquet+outage` is mine+outage.
    """
    return "+".join(Path(part).stem if part.endswith(FILES) else part for part in parts_of(name))


def find(name: str) -> Scenario:
    """Load a scenario by id or path, or compose several. Raises BacktesterError."""
    return compose([load(path) for path in locate_parts(name)])


def find_runnable(name: str) -> Scenario:
    """The same for a run, which needs prices: an overlay alone is refused."""
    scenario = find(name)
    if scenario.is_overlay:
        hint = f"lay it over another: --scenario 2025-10-10+{name}"
        raise config_error(f"scenario {name}", "has no prices of its own", hint)
    return scenario


class Entry(NamedTuple):
    """What is known of a shipped scenario without its path."""

    id: str
    start_ns: int
    tags: tuple[str, ...]

    @property
    def is_overlay(self) -> bool:
        """Whether its window counts from the low of another path."""
        return self.start_ns <= 0

    @property
    def year(self) -> int:
        """Of its first day, UTC."""
        return datetime.fromtimestamp(self.start_ns // 1_000_000_000, UTC).year


def entries() -> tuple[Entry, ...]:
    """All shipped scenarios, in order, from the metadata of their files."""
    return tuple(_entry(name, locate(name)) for name in ids())


def _entry(name: str, path: Path) -> Entry:
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata

    def said(key: str) -> Any:
        return json.loads(metadata.get(f"{PREFIX}{key}".encode(), b"[]"))

    return Entry(name, said("window")[0], tuple(said("tags")))


def groups() -> tuple[str, ...]:
    """`all` and the groups that shipped scenarios belong to."""
    return ("all", *sorted({tag for entry in entries() for tag in entry.tags}))


def members(word: str) -> tuple[str, ...] | None:
    """The shipped scenarios that run alone and belong to a group, or began in the years; None for another word.

    Examples: `all`, `crashes`, `2020..2022`, `2021..2021`.
    """
    alone = [entry for entry in entries() if not entry.is_overlay]
    if years := _YEARS.fullmatch(word):
        first, last = int(years[1]), int(years[2])
        found = [entry.id for entry in alone if GROUPS["HIST"] in entry.tags and first <= entry.year <= last]
        if not found:
            raise usage_error(f"scenario {word}", "no shipped scenario is of these years", "see scenarios list")
        return tuple(found)
    if word not in groups():
        return None
    return tuple(entry.id for entry in alone if word in ("all", *entry.tags))
