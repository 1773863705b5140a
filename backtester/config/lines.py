"""Where each key of a TOML text stands: tomllib reads values but forgets their lines."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable

#: A place in a document, as pydantic writes it: ("accounts", 0, "margin_mode").
Place = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")


def index_lines(text: str) -> dict[Place, int]:
    """Line number (from 1) of every table, key and array item of a TOML text that tomllib has accepted."""
    indexer = _Indexer(text)
    indexer.document()
    return indexer.lines


class _Indexer:
    """One walk over the text. Values are skipped, not read; validity is not checked again."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.lines: dict[Place, int] = {(): 1}
        self.items_of: dict[Place, int] = {}  # arrays of tables: how many so far

    def document(self) -> None:
        table: Place = ()
        self.skip_blank()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip_blank()

    def header(self) -> Place:
        is_item = self.text.startswith("[[", self.at)
        line = self.line()
        self.at += 2 if is_item else 1
        keys = self.keys("]")
        self.at += 2 if is_item else 1
        place: Place = ()
        for key in keys[:-1]:
            place = self.last_item((*place, key))
        place = (*place, keys[-1])
        if is_item:
            self.lines.setdefault(place, line)
            self.items_of[place] = self.items_of.get(place, 0) + 1
        place = self.last_item(place)
        self.lines[place] = line
        return place

    def last_item(self, place: Place) -> Place:
        count = self.items_of.get(place)
        return place if count is None else (*place, count - 1)

    def pair(self, table: Place) -> None:
        line = self.line()
        place = table
        for key in self.keys("="):
            place = (*place, key)
            self.lines.setdefault(place, line)
        self.at += 1
        self.skip_blank()
        self.value(place)

    def keys(self, end: str) -> list[str]:
        """A dotted key up to `end`, which is left unread."""
        found: list[str] = []
        while True:
            self.skip_blank()
            if self.text[self.at] == end:
                return found
            if self.text[self.at] == ".":
                self.at += 1
                continue
            quoted = _STRING.match(self.text, self.at)
            token = quoted or _BARE_KEY.match(self.text, self.at)
            assert token is not None, "tomllib accepted the text"
            found.append(tomllib.loads(f"key = {token[0]}")["key"] if quoted else token[0])
            self.at = token.end()

    def value(self, place: Place) -> None:
        if self.text[self.at] == "{":
            self.members("}", lambda _: self.pair(place))
        elif self.text[self.at] == "[":
            self.members("]", lambda number: self.item((*place, number)))
        else:
            token = _STRING.match(self.text, self.at) or _BARE_VALUE.match(self.text, self.at)
            assert token is not None, "tomllib accepted the text"
            self.at = token.end()

    def item(self, place: Place) -> None:
        self.lines[place] = self.line()
        self.value(place)

    def members(self, end: str, read: Callable[[int], None]) -> None:
        """The parts of an inline table or array, between commas."""
        self.at += 1
        number = 0
        while True:
            self.skip_blank()
            if self.text[self.at] == end:
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
                continue
            read(number)
            number += 1

    def skip_blank(self) -> None:
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at

    def line(self) -> int:
        return bisect_right(self.line_starts, self.at)
