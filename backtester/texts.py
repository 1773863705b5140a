"""Text of users and files, made harmless for the place where it is shown. Whatever is printed goes through here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

_LONGEST_VALUE, _LONGEST_LINE = 200, 1_000
_MOST_NAMES = 4
_PLAIN = {"−": "-", "–": "-", "…": "...", "→": "->", "·": "-", "▲": "^", "✕": "x", "\u2800": " "}


def printable(text: str) -> str:
    r"""One line that a terminal shows as it is: control and bidi characters, newlines too, become escapes.

    Example: a name of ESC and `[31m` is shown as `\x1b[31m`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, most: int = _LONGEST_VALUE) -> str:
    """Not more than `most` characters: what is too long loses its middle."""
    if len(text) <= most:
        return text
    tail = most // 4
    return f"{text[: most - tail - 1]}…{text[-tail:]}"


def listed(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    """The first of them. Example: of six a, b, c, d and 2 more."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")


def message_line(text: str) -> str:
    """A part of a message: printable, and no value that it echoes is longer than 200 characters."""
    values_cut = re.sub(rf"\S{{{_LONGEST_VALUE + 1},}}", lambda found: shortened(found[0]), printable(text))
    return shortened(values_cut, _LONGEST_LINE)


def markdown_text(text: str) -> str:
    """Text in a Markdown document, that is no cell, no tag and no link of it; whatever can stay is as it is.

    Examples: `a < 1` stays; `<b>` is `&lt;b>`.
    """
    tagless = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", printable(text))
    return tagless.replace("|", "\\|").replace("](", "]\\(")


def csv_cell(value: Any) -> Any:
    """A cell of a CSV file: text that a spreadsheet would take for a formula has an apostrophe before it."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text[:1] in tuple("=+-@") and not _is_number(text) else text


def json_text(document: Any) -> str:
    """A JSON document in which a record stands on one line, unless it has a table of its own.

    Strings are as they are but for the characters that a terminal would obey: those are escaped. Raises ValueError for
    a number that is not finite.
    """
    text = _laid_out(document, "\n")
    return re.sub(
        r"[^\n\x20-\x7e]", lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text
    )


def _encoder(between: str) -> Callable[[Any], str]:
    """JSON with `between` between any two members."""
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(between, ": ")).encode


_ON_ONE_LINE = _encoder(", ")
_NESTED = (dict, list)


def _laid_out(value: Any, line: str) -> str:
    """JSON, the members of a document or of a table on lines of their own; `line` begins one, with its indent."""
    deeper = line + "  "
    if isinstance(value, dict):
        members = _members(value, deeper)
        left, right = "{}"
    else:
        members = (_member(each, deeper) for each in value)
        left, right = "[]"
    return f"{left}{deeper}{f',{deeper}'.join(members)}{line}{right}"


def _members(record: dict[str, Any], line: str) -> Iterator[str]:
    """Those of a record. Single values that follow each other are encoded at once: a document is mostly of them."""
    on_lines = _encoder(f",{line}")
    for is_nested, run in groupby(record.items(), lambda member: isinstance(member[1], _NESTED)):
        if is_nested:
            yield from (f"{_ON_ONE_LINE(key)}: {_member(each, line)}" for key, each in run)
        else:
            yield on_lines(dict(run))[1:-1]


def _member(value: Any, line: str) -> str:
    return _laid_out(value, line) if _has_table(value) else _ON_ONE_LINE(value)


def _has_table(value: Any) -> bool:
    """Whether there are records in it, one below the other."""
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) and any(_has_table(each) for each in value.values() if isinstance(each, _NESTED))


def replace_unencodable(error: UnicodeError) -> tuple[str, int]:
    """An error handler of `codecs`: what a stream of ASCII or Latin-1 prints for signs that it does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(map(_plain_sign, signs)), error.end


def _plain_sign(sign: str) -> str:
    if sign in _PLAIN:
        return _PLAIN[sign]
    is_drawn = "\u2500" <= sign <= "\u28ff"  # blocks and dots of a chart
    return "#" if is_drawn else sign.encode("ascii", "backslashreplace").decode()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def counted(number: int, one: str, many: str = "") -> str:
    """A number and its noun. Examples: 1 row; 2,000 rows; `counted(0, "child", "children")` is 0 children."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def iso_time(ts_ns: int) -> str:
    """ISO-8601 UTC with nanoseconds. 1760130900000000000 → 2025-10-10T21:15:00.000000000Z."""
    seconds, nanos = divmod(ts_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{nanos:09d}Z"
