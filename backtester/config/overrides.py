"""`--set key=value`: other values for a portfolio, put in before it is validated; for its venues; for the scenario.

`venue.RULE` and `scenario.COLUMN` name a rule of the venue profiles and a column of the stress path, a bare `venue` is
what `--venue` says. Any other key is a place of the portfolio: a path such as
`accounts[main].positions[BTC].margin_mode`; `[...]` selects a table by its name, symbol or id, without it every table
of the array is meant. A path may start at any table, so a bare `margin_mode` means every place where it may stand. A
bare key of several kinds of tables, such as `size`, must say which one (`positions.size`) or all (`*.size`). A key that
finds no place is a usage error.

A value may be said by what is there (config.relative): `positions.size=*1.5`, `collateral.USDC=-10%`. It reaches only
the places that have one.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from backtester.config.lines import Place
from backtester.config.relative import Factor, is_share_of_position, multiplied, parse_factor
from backtester.config.toml import Document, Record, did_you_mean, fault_of, shown
from backtester.config.values import Misread
from backtester.config.venue import VenueRules
from backtester.errors import BacktesterError, Diagnostic, usage_error
from backtester.texts import shortened

_STEP = re.compile(r"([A-Za-z0-9_-]+)(?:\[([^\[\]]+)\])?")
_PATH = re.compile(rf"(?:\*\.)?{_STEP.pattern}(?:\.{_STEP.pattern})*")
_QUOTED = r"""\"[^"]*"|'[^']*'"""
_VALUE = re.compile(rf"(?:{_QUOTED}|\[[^\]]*\]|\{{[^}}]*\}}|[^,\[{{\"'])+")
_IDENTITIES = ("name", "id", "symbol")
#: What stands before a bare key that means every kind of table.
EVERY = "*."
#: So many places of an override are named; the others are counted.
MOST_PLACES = 4


class Compared(str):
    """An override that is one of several of `--compare`."""

    __slots__ = ()


class Setting(NamedTuple):
    """An override outside the portfolio: `venue.taker_fee=0.001` has the key `taker_fee` and the value 0.001.

    The value may be a Factor.
    """

    text: str
    key: str
    value: Any


class Overrides(NamedTuple):
    """All of `--set`, by what it changes."""

    portfolio: tuple[str, ...]
    venue: tuple[Setting, ...]
    scenario: tuple[Setting, ...]
    at: str | None  # `venue=binance-usdm`, as `--venue` says it


def sort_overrides(texts: Iterable[str]) -> Overrides:
    """Tell what each `key=value` is for. Raises usage errors for what cannot be read."""
    portfolio: list[str] = []
    settings: dict[str, list[Setting]] = {"venue": [], "scenario": []}
    at = None
    for text in texts:
        steps, value = _parse(text)
        if len(steps) > 1 and steps[0].key in settings:
            key = text.partition("=")[0].strip().partition(".")[2]
            settings[steps[0].key].append(Setting(text, key, value))
        elif [step.key for step in steps] == ["venue"]:
            at = text.partition("=")[2].strip() if isinstance(value, Factor) else str(value)
        else:
            portfolio.append(text)
    return Overrides(tuple(portfolio), tuple(settings["venue"]), tuple(settings["scenario"]), at)


def override_rules(stated: Mapping[str, Any], settings: Iterable[Setting]) -> VenueRules:
    """The rules of a venue with other values. `stated`: every rule as its profile has it, by its key.

    Raises BacktesterError with every key that is no rule and every value that a profile could not have either.
    """
    said = {setting.key: setting for setting in settings}
    problems = [_no_rule(setting) for setting in said.values() if setting.key not in stated]
    known = {key: _ruled(setting, stated[key]) for key, setting in said.items() if key in stated}
    try:
        rules = VenueRules.model_validate({**stated, **known})
    except ValidationError as error:
        faults = [fault_of(details, VenueRules) for details in error.errors()]
        texts = [said[str(fault.place[0])].text if fault.place else "" for fault in faults]
        pairs = zip(texts, faults, strict=True)
        problems += [
            Diagnostic("config", f"{option_of(text)} {text}", fault.message, fault.hint) for text, fault in pairs
        ]
    if problems:
        raise BacktesterError(problems)
    return rules


def _ruled(setting: Setting, stated: Any) -> Any:
    """The value of a rule. Raises a usage error for one that cannot be multiplied."""
    if not isinstance(setting.value, Factor):
        return setting.value
    try:
        return multiplied(stated, setting.value)
    except Misread as misread:
        raise _no_multiple(setting.text, "", stated, misread) from None


def _no_rule(setting: Setting) -> Diagnostic:
    hint = did_you_mean(setting.key, VenueRules.key_names()) or "`backtester venues show` lists them"
    return Diagnostic("usage", f"{option_of(setting.text)} {setting.text}", "no rule of a venue has this name", hint)


def alternatives(text: str) -> tuple[str, ...]:
    """`key=a,b,c` as the overrides `key=a`, `key=b` and `key=c`. Commas inside quotes and brackets do not part them.

    Raises usage errors for fewer than two values, and for one that is named twice.
    """
    key, equals, values = text.partition("=")
    found = [value.strip() for value in _VALUE.findall(values)] if equals else []
    if len(found) < 2 or len(set(found)) < len(found):
        message = "expected a key and two different values or more"
        raise usage_error(f"--compare {text}", message, "for example --compare margin_mode=isolated,cross")
    return tuple(Compared(f"{key.strip()}={value}") for value in found)


def option_of(text: str) -> str:
    """The option that said an override: what messages blame."""
    return "--compare" if isinstance(text, Compared) else "--set"


class Step(NamedTuple):
    """One part of a key: `positions[BTC]` is ("positions", "BTC")."""

    key: str
    selector: str


class Spot(NamedTuple):
    """A table of the document, with the record type that it will become."""

    place: Place
    table: dict[str, Any]
    record_type: type[Record]


def override(document: Document, overrides: Sequence[str], record_type: type[Record]) -> Document:
    """The document with every `key=value` applied to a copy, in order. Raises usage errors."""
    if not overrides:
        return document
    data = copy.deepcopy(document.data)
    overridden, changes, reached = dict(document.overridden), [*document.changes], [*document.reached]
    root = Spot((), data, record_type)
    for text in overrides:
        steps, value = _parse(text)
        targets = list(_targets(root, steps))
        if not targets:
            raise _no_place(text, steps, root)
        key = steps[-1].key
        _refuse_several_kinds(text, key, targets)
        if isinstance(value, Factor):
            targets = _with_amounts(text, key, targets)
            values = _products(text, key, targets, value, data)
        else:
            values = [copy.deepcopy(value) for _ in targets]
        changes.append(_in_words(text, key, targets, data))
        reached.append((text.partition("=")[0], _in_places(targets, data)))
        for spot, made in zip(targets, values, strict=True):
            spot.table[key] = made
            overridden[*spot.place, key] = f"{option_of(text)} {text}"
    return dataclasses.replace(
        document, data=data, overridden=overridden, changes=tuple(changes), reached=tuple(reached)
    )


def _with_amounts(text: str, key: str, targets: Iterable[Spot]) -> list[Spot]:
    """Those that have something to multiply. Raises a usage error when none has."""
    stated = [spot for spot in targets if key in spot.table]
    found = [spot for spot in stated if not is_share_of_position(key, spot.table[key])]
    if not found:
        why = "shares of positions follow those" if stated else f"no place of it says {key}"
        raise usage_error(f"{option_of(text)} {text}", f"there is nothing to multiply: {why}", "say the value itself")
    return found


def _products(text: str, key: str, targets: Iterable[Spot], factor: Factor, data: Mapping[str, Any]) -> list[Any]:
    """Their values, multiplied. Raises usage errors for all that cannot be."""
    products, problems = [], list[Diagnostic]()
    for spot in targets:
        try:
            products.append(multiplied(spot.table[key], factor))
        except Misread as misread:
            named = f"{_named(data, spot.place)} {key} ".lstrip()
            problems += _no_multiple(text, named, spot.table[key], misread).diagnostics
    if problems:
        raise BacktesterError(problems)
    return products


def _no_multiple(text: str, named: str, value: Any, misread: Misread) -> BacktesterError:
    return usage_error(f"{option_of(text)} {text}", f"{named}{shown(value)} {misread}", misread.hint)


def _refuse_several_kinds(text: str, key: str, targets: Iterable[Spot]) -> None:
    """Raise a usage error when a bare key would change, say, positions and orders alike."""
    arrays = list(dict.fromkeys(str(spot.place[-2]) for spot in targets if len(spot.place) > 1))
    if len(arrays) > 1 and text.partition("=")[0].strip() == key:
        ways = " or ".join(f"{array}.{key}" for array in arrays)
        raise usage_error(
            f"{option_of(text)} {text}", f"{' and '.join(arrays)} have this key", f"say {ways}, or {EVERY}{key}"
        )


def _in_words(text: str, key: str, targets: Sequence[Spot], data: Mapping[str, Any]) -> str:
    """Example: `--set positions.size=8: main BTC size was 17`."""
    named = [
        f"{_named(data, spot.place)} {key} was {shown(spot.table[key]) if key in spot.table else 'not said'}".lstrip()
        for spot in targets
    ]
    return f"{option_of(text)} {shortened(text)}: {_some(named)}"


def _in_places(targets: Iterable[Spot], data: Mapping[str, Any]) -> str:
    """The tables by what they are called, each once, without the portfolio. Example: `main BTC, main cut`."""
    return _some(list(filter(None, dict.fromkeys(_named(data, spot.place) for spot in targets))))


def _some(words: Sequence[str]) -> str:
    """The first of them, and how many more there are. Example of two: `main BTC, hedge ETH`."""
    more = [f"and {len(words) - MOST_PLACES} more"] if len(words) > MOST_PLACES else []
    return ", ".join([*words[:MOST_PLACES], *more])


def _named(data: Any, place: Place) -> str:
    """The tables on the way to a place by what they are called: `main BTC`."""
    names = []
    for step in place:
        data = data[step]
        if isinstance(data, dict):
            names += [str(next((data[key] for key in _IDENTITIES if key in data), ""))]
    return shortened(" ".join(filter(None, names)))


def _parse(text: str) -> tuple[list[Step], Any]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not _PATH.fullmatch(key):
        raise usage_error(f"{option_of(text)} {text}", "expected key=value", "for example --set leverage=10")
    steps = [Step(*found.groups(default="")) for found in _STEP.finditer(key.removeprefix(EVERY))]
    if steps[-1].selector:
        raise usage_error(f"{option_of(text)} {text}", "the key ends at a table", f"add a key of it: {key}.size=1")
    try:
        return steps, _parse_value(value.strip())
    except Misread as misread:
        raise usage_error(f"{option_of(text)} {text}", str(misread), misread.hint) from None


def _parse_value(text: str) -> Any:
    """A factor or a TOML value; what is neither is a text, so that quotes are not needed. Raises Misread."""
    if (factor := parse_factor(text)) is not None:
        return factor
    try:
        data = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return data["value"] if len(data) == 1 else text


def _targets(root: Spot, steps: list[Step]) -> Iterator[Spot]:
    """The tables in which the last step of the key is to be set."""
    for spot in _spots(root):
        if len(steps) == 1:
            if steps[0].key in spot.record_type.key_names() and spot.record_type.accepts(spot.table, steps[0].key):
                yield spot
        else:
            yield from _follow(spot, steps)


def _follow(spot: Spot, steps: list[Step]) -> Iterator[Spot]:
    step, rest = steps[0], steps[1:]
    if not rest:
        if step.key in spot.record_type.key_names() or spot.record_type is Record:
            yield spot
        return
    for child in _children(spot):
        if child.place[len(spot.place)] == step.key and _selects(step, child):
            yield from _follow(child, rest)


def _spots(spot: Spot) -> Iterator[Spot]:
    """The table itself and all tables below it, in document order."""
    yield spot
    for child in _children(spot):
        yield from _spots(child)


def _children(spot: Spot) -> Iterator[Spot]:
    tables = spot.record_type.tables()
    for key, value in spot.table.items():
        place = (*spot.place, key)
        if isinstance(value, dict):  # a free table such as collateral
            yield Spot(place, value, tables.get(key, Record))
        elif isinstance(value, list) and key in tables:
            numbered = enumerate(value)
            yield from (Spot((*place, n), item, tables[key]) for n, item in numbered if isinstance(item, dict))


def _selects(step: Step, spot: Spot) -> bool:
    return not step.selector or step.selector in (spot.table.get(key) for key in _IDENTITIES)


def _no_place(text: str, steps: list[Step], root: Spot) -> BacktesterError:
    """What is wrong with a key that reaches nothing: a selector, a name, or how they stand together."""
    spots = list(_spots(root))
    for step in steps:
        tables = [spot for spot in spots if spot.place[-2:-1] == (step.key,)]
        if step.selector and not any(_selects(step, spot) for spot in tables):
            names = [str(next((spot.table[key] for key in _IDENTITIES if key in spot.table), "?")) for spot in tables]
            known = f"known: {', '.join(dict.fromkeys(names))}" if names else ""
            hint = did_you_mean(step.selector, names) or known
            return usage_error(f"{option_of(text)} {text}", f"there is no {step.key}[{step.selector}]", hint)
    known_keys = dict.fromkeys(key for spot in spots for key in spot.record_type.key_names())
    unknown = next((step.key for step in steps if step.key not in known_keys), "")
    return usage_error(f"{option_of(text)} {text}", "no place takes this key", did_you_mean(unknown, known_keys))
