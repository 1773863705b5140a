"""TOML documents that remember where each key stands, and their validation with every fault in one go."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from inspect import isclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from backtester.config.lines import Place, index_lines
from backtester.errors import BacktesterError, Diagnostic, config_error
from backtester.filekinds import TOML, foreign
from backtester.texts import counted, shortened

#: So many faults of a document are said; the others are counted.
MOST_FAULTS = 20
#: Longer than any word that could be misspelt.
_LONGEST_WORD = 64
#: What tickets and venues call what has another word here.
_ALSO_SAID = {
    "buy": ("long",),
    "sell": ("short",),
    "long": ("buy",),
    "short": ("sell",),
    "stop": ("stop_market",),
    "stop_loss": ("stop_market",),
    "stop_loss_limit": ("stop_limit",),
    "take_profit": ("take_profit_market",),
    "trailing": ("trailing_stop",),
    "trailing_stop_market": ("trailing_stop",),
    "gtx": ("post_only",),
    "alo": ("post_only",),
    "crossed": ("cross",),
    "stop_price": ("trigger_price",),
}

RecordT = TypeVar("RecordT", bound="Record")


def _key_of(name: str) -> str:
    """Durations are text in TOML ("200ms") and ns inside: `reaction` becomes `reaction_ns`."""
    return name.removesuffix("_ns")


class Record(BaseModel):
    """A table of a configuration: every key is known, typed and fixed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=_key_of)
    unsupported: ClassVar[Mapping[str, str]] = {}  # unknown keys that deserve a hint of their own

    @classmethod
    def key_names(cls) -> list[str]:
        """The keys as they are written in TOML."""
        return [info.alias or name for name, info in cls.model_fields.items()]

    @classmethod
    def tables(cls) -> dict[str, type[Record]]:
        """The keys that hold tables of another record type."""
        found = {}
        for name, info in cls.model_fields.items():
            for kind in (info.annotation, *get_args(info.annotation)):
                if isclass(kind) and issubclass(kind, Record):
                    found[info.alias or name] = kind
        return found

    @classmethod
    def accepts(cls, table: Mapping[str, Any], key: str) -> bool:
        """Whether `key`, one of `key_names()`, makes sense beside what this table already says."""
        return True


class Fault(NamedTuple):
    """Something wrong at a place of a document."""

    place: Place
    message: str
    hint: str = ""


class Where(NamedTuple):
    """A place of a document on its way to a message: `str` says it, and only then its line is looked for."""

    document: Document
    place: Place

    def __str__(self) -> str:
        return self.document.said(self.place)


@dataclass(frozen=True)
class Document:
    """A TOML file as read, before validation."""

    name: str  # as the user wrote it
    data: dict[str, Any]
    find_lines: Callable[[], Mapping[Place, int]]
    sha256: str  # of the file's bytes
    overridden: Mapping[Place, str] = field(default_factory=dict)  # place -> the `--set key=value` that put it there
    changes: tuple[str, ...] = ()  # what was overridden, in words
    reached: tuple[tuple[str, str], ...] = ()  # (key of an override as typed, the tables in which it was put)

    def where(self, place: Place) -> Where:
        """A place of it for a message."""
        return Where(self, place)

    def said(self, place: Place) -> str:
        """`portfolio.toml:7 accounts.0.margin_mode`, or the override that put the value there."""
        path = ".".join(map(str, place))
        override = next((self.overridden[upper] for upper in _upwards(place) if upper in self.overridden), None)
        origin = f"{self.name}:{self.line(place)}" if override is None else override
        return f"{origin} {path}".rstrip()

    @cached_property
    def lines(self) -> Mapping[Place, int]:
        """Where everything stands; found when something is wrong, not before. Raises a configuration error."""
        try:
            return self.find_lines()
        except RecursionError:
            raise _too_deep(self.name) from None

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest table around it."""
        return next(self.lines[upper] for upper in _upwards(place) if upper in self.lines)


#: A problem at a place of a document, and whoever finds such where the keys alone do not tell.
Placed = tuple[Place, Diagnostic]
Judge = Callable[[Document], Iterable[Placed]]


def read_document(path: str | Path) -> Document:
    """Read a TOML file. Raises a configuration error when it is missing, not UTF-8 or not TOML."""
    if problems := foreign(path, "config", TOML):
        raise BacktesterError(problems)
    try:
        return parse_document(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise config_error(str(path), f"cannot be read: {error.strerror}") from error


def parse_document(raw: bytes, name: str) -> Document:
    """The same for bytes that are already here; `name` stands in messages."""
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        data = tomllib.loads(text)
    except RecursionError:
        raise _too_deep(name) from None
    except UnicodeDecodeError as error:
        raise config_error(name, f"not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        message, line = _syntax_error(str(error), raw.count(b"\n") + 1)
        raise config_error(f"{name}:{line}", message) from error
    return Document(name, data, partial(index_lines, text), hashlib.sha256(raw).hexdigest())


def validate(
    record_type: type[RecordT],
    document: Document,
    rules: Callable[[Mapping[str, Any]], Iterable[Fault]] = lambda _: (),
    judge: Judge = lambda _: (),
) -> RecordT:
    """The document as a record.

    Raises one error with all faults: of single keys, of `rules` between keys, and of what `judge` knows of its words.
    """
    faults: list[Fault] = []
    record, untold = None, 0
    try:
        record = record_type.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults += (fault_of(details, record_type) for details in found[:MOST_FAULTS])
        untold = max(0, len(found) - MOST_FAULTS)
    faults += rules(document.data)
    problems = [*placed(document, faults), *judge(document)]
    if problems or record is None:
        raise _listed(document, problems, untold)
    return record


def placed(document: Document, faults: Iterable[Fault]) -> Iterator[Placed]:
    """Faults with their lines, each once."""
    for fault in dict.fromkeys(faults):
        yield fault.place, Diagnostic("config", document.said(fault.place), fault.message, fault.hint)


def faults_error(document: Document, faults: Iterable[Fault]) -> BacktesterError:
    """The faults of a document, in the order of its lines."""
    return _listed(document, placed(document, faults))


def _listed(document: Document, problems: Iterable[Placed], untold: int = 0) -> BacktesterError:
    """The first MOST_FAULTS in the order of the lines; the others, and those `untold` before, are counted."""
    ordered = [each for _, each in sorted(problems, key=lambda placed: document.line(placed[0]))]
    told, more = ordered[:MOST_FAULTS], len(ordered[MOST_FAULTS:]) + untold
    if more:
        told.append(Diagnostic("config", document.name, f"and {counted(more, 'fault')} more"))
    return BacktesterError(told)


def did_you_mean(word: object, candidates: Iterable[str]) -> str:
    """A hint for a word that is misspelt, in other letters or another venue's, or nothing."""
    if not isinstance(word, str) or len(word) > _LONGEST_WORD:
        return ""
    known = list(candidates)
    folded = word.casefold()
    same = [each for each in known if each.casefold() == folded or each in _ALSO_SAID.get(folded, ())]
    close = same or difflib.get_close_matches(word, known, n=1)
    return f'did you mean "{close[0]}"?' if close else ""


def shown(value: Any) -> str:
    """A TOML value as a user would write it."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(shortened(value) if isinstance(value, str) else value, ensure_ascii=False, default=str)


_EXPECTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text",
    "finite_number": "a finite number",
    "date_type": "a date such as 2025-10-10",
    "model_type": "a table",
    "dict_type": "a table",
    "tuple_type": "an array",
    "string_too_short": "a text that is not empty",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


def fault_of(details: ErrorDetails, root: type[Record], inside: Place = ()) -> Fault:
    """One of pydantic's findings about a record that stands at `inside`, in plain words."""
    message, hint = _plain_words(details, root)
    return Fault((*inside, *details["loc"]), message, hint)


def _plain_words(details: ErrorDetails, root: type[Record]) -> tuple[str, str]:
    place, kind, value = details["loc"], details["type"], details["input"]
    if kind == "extra_forbidden":
        record_type, key = _record_at(root, place[:-1]), str(place[-1])
        hint = record_type.unsupported.get(key) or did_you_mean(key, record_type.key_names())
        return "unknown key", hint
    if kind == "missing":
        return "missing key", ""
    if kind == "tuple_type" and isinstance(value, dict):
        return "expected an array of tables, was a table", f"write [[{place[-1]}]]"
    if kind == "too_short":
        return "expected at least one, was none", ""
    context = details.get("ctx", {})
    if kind == "literal_error":
        expected = "expected " + str(context["expected"]).replace("'", '"')
    elif kind in _EXPECTED:
        expected = "expected " + _EXPECTED[kind].format(**context)
    else:  # a ValueError of config.values
        expected = str(context.get("error", details["msg"]))
    if not expected.startswith("expected"):
        return expected, getattr(context.get("error"), "hint", "")
    hint = getattr(context.get("error"), "hint", "") or did_you_mean(value, re.findall(r'"([^"]+)"', expected))
    return f"{expected}, was {shown(value)}", hint


def _record_at(root: type[Record], place: Place) -> type[Record]:
    record_type = root
    for key in place:
        if isinstance(key, str):
            record_type = record_type.tables().get(key, record_type)
    return record_type


def _syntax_error(message: str, last_line: int) -> tuple[str, int]:
    """tomllib says "Expected '=' after a key (at line 3, column 5)"."""
    text, _, position = message.partition(" (at ")
    found = re.match(r"line (\d+)", position)
    return f"not TOML: {text[:1].lower()}{text[1:]}", int(found[1]) if found else last_line


def _too_deep(name: str) -> BacktesterError:
    return config_error(name, "tables or arrays are nested too deeply")


def _upwards(place: Place) -> Iterator[Place]:
    return (place[:length] for length in range(len(place), -1, -1))
