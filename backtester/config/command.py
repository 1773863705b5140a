"""What `backtester run` is told, in its own words: kept with a result, so that anybody can make it again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

#: Endings of the files that an option may name by a path, where it may also name something that is shipped.
_PATH = re.compile(r"[^,+@]*\.(?:toml|parquet)")


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
    accept: Acceptances = Acceptances()


def words(command: Command) -> list[str]:
    """The command as it is typed behind `backtester`.

    Example: a portfolio with one --set is run p.toml --set positions.size=2.
    """
    named = {
        "--scenario": command.scenarios,
        "--venue": command.venues,
        "--shock": () if command.shock is None else (command.shock,),
        "--tape": command.tapes,
        "--instrument": command.instruments,
        "--set": command.set,
        "--compare": command.compare,
        "--price": command.prices,
        "--proxy": command.proxies,
        "--fail-on": command.fail_on,
        "--warn-on": command.warn_on,
        "--stale-after": () if command.stale_after is None else (repr(command.stale_after),),
    }
    flags = {
        "--rebase": command.rebase,
        "--as-written": command.accept.as_written,
        "--assume-funding-zero": command.accept.funding_zero,
        "--assume-index-mid": command.accept.index_mid,
        "--assume-order-book": command.accept.order_book,
        "--assume-order-book-frozen": command.accept.frozen_order_book,
    }
    options = [word for option, values in named.items() for value in values for word in (option, value)]
    return ["run", *command.portfolios, *options, *(flag for flag, is_said in flags.items() if is_said)]


def with_files(command: Command, change: Callable[[str], str]) -> Command:
    """The command with another word for every file that it names by a path."""

    def changed(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_PATH.sub(lambda path: change(path[0]), text) for text in texts)

    return command._replace(
        portfolios=tuple(map(change, command.portfolios)),
        scenarios=changed(command.scenarios),
        venues=changed(command.venues),
        tapes=changed(command.tapes),
    )


def from_anywhere(command: Command) -> Command:
    """The command with files by their names alone: a result is the same from any directory.

    Example: `data/mine.toml` in `scenarios/a.parquet+outage` is `mine.toml` in `a.parquet+outage`.
    """
    return with_files(command, lambda path: Path(path).name)
