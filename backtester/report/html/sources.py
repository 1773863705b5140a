"""Where figures and rules come from: closed until a reader opens it, addresses as links."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backtester.report.html.tree import Child, Element, node
from backtester.report.outline import Sources

#: An address as people write it: of the web, or a host with a path, as `github.com/owner/name` is.
_ADDRESS = re.compile(
    r"(?<![\w./@:-])(?:https?://[\w-]+(?:\.[\w-]+)+|(?:[a-z0-9-]+\.)+[a-z]{2,}(?=/\w))(?:/[\w.~%+=&?#-]+)*/?",
    re.ASCII,
)
_STOPS = ".,;:?"  # that end a sentence, not an address


def sources(block: Sources) -> Element:
    """A list of keys and what they stand for."""
    rows = (node("li", node("b", each.key), " ", linked(each.text)) for each in block.sources)
    return node("details", node("summary", block.title), node("ul", rows), class_="sources")


def linked(text: str) -> Iterator[Child]:
    """A text with its addresses as links, `https` where none is said. Example: `of github.com/a/b, 2025` has one."""
    end = 0
    for found in _ADDRESS.finditer(text):
        address = found[0].rstrip(_STOPS)
        yield text[end : found.start()]
        where = address if "://" in address else f"https://{address}"
        yield node("a", address, href=where, rel="noreferrer")
        end = found.start() + len(address)
    yield text[end:]
