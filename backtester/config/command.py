"""What `backtester run` is told, in its own words: kept with a result, so that anybody can make it again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from backtester.options import ACCEPTANCES, OPTIONS

#: Endings of the files that an option may name by a path, where it may also name something that is shipped.
FILES = (".parquet", ".toml")


class Acceptances(NamedTuple):
    """What the user agreed to do without (--assume-…)."""

    funding_zero: bool = False
    index_mid: bool = False
    order_book: bool = False  # of another venue, where the tape has none of an account's own
    as_written: bool = False  # entry prices far from the prices of the tape
    frozen_order_book: bool = False


class Command(NamedTuple):
    """The options of `run` that decide its result, as they were written; lists keep their order."""

    portfolios: tuple[str, ...]
    scenarios: tuple[str, ...] = ()  # each ID[+ID…],…
    venues: tuple[str, ...] = ()  # each [ID][@DATE|@scenario],…
    shock: str | None = None
    tapes: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    fail_on: tuple[str, ...] = ()
    warn_on: tuple[str, ...] = ()
    stale_after: float | None = None  # seconds
    rebase: bool = False
    drills: tuple[str, ...] = ()
    accept: Acceptances = Acceptances()


def words(command: Command) -> list[str]:
    """The command as it is typed behind `backtester`.

    Example: a portfolio with one --set is run p.toml --set positions.size=2.
    """
    said = [(option, getattr(command, field)) for field, option in OPTIONS.items()]
    said += [(option, getattr(command.accept, field)) for field, option in ACCEPTANCES.items()]
    return ["run", *command.portfolios, *(word for option, value in said for word in _typed(option, value))]


def _typed(option: str, value: tuple[str, ...] | str | float | bool | None) -> list[str]:
    """An option with each of its values; alone if it is a flag; not at all without a value."""
    match value:
        case None | False:
            return []
        case True:
            return [option]
        case tuple():
            return [word for each in value for word in (option, each)]
        case str():
            return [option, value]
        case _:
            return [option, repr(value)]


def is_scenario_file(path: Path) -> bool:
    """Whether there is a path table, by its name or that of the TOML file that it is built from."""
    return path.name.endswith(FILES) and path.with_suffix(".parquet").is_file()


def parts_of(scenario: str, is_file: Callable[[Path], bool] = is_scenario_file) -> tuple[str, ...]:
    """The ids and files that a scenario joins with `+`, which the path of a file may hold as well.

    Example: `c++/mine.parquet+outage` is `c++/mine.parquet` and `outage` where there is such a file.
    """
    return _split(scenario, "+", lambda text: is_file(Path(text)))


def scenarios_of(text: str, is_file: Callable[[Path], bool] = is_scenario_file) -> tuple[str, ...]:
    """The scenarios that a text names with `,` between them, which the path of a file may hold as well.

    Example: `a,b/mine.parquet+outage,all` is `a,b/mine.parquet+outage` and `all` where there is such a file.
    """
    return _split(text, ",", lambda name: all(is_file(Path(part)) for part in parts_of(name, is_file) if "," in part))


def venues_of(text: str, is_file: Callable[[Path], bool] = Path.is_file) -> tuple[str, ...]:
    """The same of venues, each [ID or path][@DATE|@scenario]."""

    def is_one(venue: str) -> bool:
        name, _, day = venue_and_day(venue)
        return "," not in day and is_file(Path(name))

    return _split(text, ",", is_one)


def _split(text: str, mark: str, is_one: Callable[[str], bool]) -> tuple[str, ...]:
    """What stands between marks; as much of the text as there is a file of stays one, with the marks in it."""
    words = text.split(mark)
    parts = []
    while words:
        lengths = range(len(words), 1, -1)
        length = next((each for each in lengths if is_one(mark.join(words[:each]))), 1)
        parts.append(mark.join(words[:length]))
        words = words[length:]
    return tuple(parts)


def venue_and_day(text: str) -> tuple[str, str, str]:
    """A venue's id or path, `@` and what stands behind it; a path may hold an `@` as well.

    Example: `job@2/own.toml@2025-10-10` is `job@2/own.toml`, `@` and `2025-10-10`.
    """
    if text.endswith(".toml") or "@" not in text:
        return text, "", ""
    return text.rpartition("@")


def with_files(command: Command, change: Callable[[str], str], places: Sequence[Path] = (Path(),)) -> Command:
    """The command with another word for every file that it names by a path, from one of these directories."""

    def is_path_table(path: Path) -> bool:
        return any(is_scenario_file(place / path) for place in places)

    def is_file(path: Path) -> bool:
        return any((place / path).is_file() for place in places)

    def changed(word: str) -> str:
        return change(word) if word.endswith(FILES) else word

    def scenario(name: str) -> str:
        return "+".join(map(changed, parts_of(name, is_path_table)))

    def venue(text: str) -> str:
        name, at, day = venue_and_day(text)
        return f"{changed(name)}{at}{day}"

    return command._replace(
        portfolios=tuple(map(change, command.portfolios)),
        scenarios=tuple(",".join(map(scenario, scenarios_of(text, is_path_table))) for text in command.scenarios),
        venues=tuple(",".join(map(venue, venues_of(text, is_file))) for text in command.venues),
        tapes=tuple(map(changed, command.tapes)),
    )


def from_anywhere(command: Command) -> Command:
    """The command with files by their names alone: a result is the same from any directory.

    Example: `data/mine.toml` in `scenarios/a.parquet+outage` is `mine.toml` in `a.parquet+outage`.
    """
    named = with_files(command, lambda path: Path(path).name)
    return named._replace(tapes=tuple(Path(tape).name for tape in command.tapes))  # whatever their endings


def told_from_anywhere(text: str, command: Command) -> str:
    """What is said of a command without the directories of its files, nor of those that lie beside them.

    Example: `error[config] books/mine.toml:7 name: missing key` names `mine.toml:7`.
    """
    directories = {tape.removesuffix(Path(tape).name) for tape in command.tapes}

    def seen(path: str) -> str:
        directories.add(path.removesuffix(Path(path).name))
        return path

    with_files(command, seen)
    directories.discard("")
    if not directories:
        return text
    longest_first = "|".join(map(re.escape, sorted(directories, key=lambda each: (-len(each), each))))
    return re.sub(rf"(?<![^\s\"'(=+,])(?:{longest_first})(?=\S)", "", text)
