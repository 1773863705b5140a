"""Elements of a page. Text and attributes are escaped as the tree is written: no name of a user's becomes a tag."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree

from backtester.texts import printable

Element = ElementTree.Element
Child = Element | str


def node(tag: str, *children: Child | Iterable[Child], **attributes: str | float) -> Element:
    """An element; attributes as HTML names them, `_` for `-`, a last one dropped (`class_`).

    Example: `node("td", "1 < 2", class_="number")` is written `<td class="number">1 &lt; 2</td>`.
    """
    made = Element(tag, {name.rstrip("_").replace("_", "-"): said(value) for name, value in attributes.items()})
    for child in children:
        add(made, *([child] if isinstance(child, Element | str) else child))
    return made


def add(parent: Element, *children: Child) -> None:
    """Append to what is in an element."""
    for child in children:
        if isinstance(child, Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + printable(child)
        else:
            parent.text = (parent.text or "") + printable(child)


def verbatim(tag: str, text: str) -> Element:
    """A style or a script of our own: what it holds is not escaped."""
    made = Element(tag)
    made.text = text
    return made


def said(value: str | float) -> str:
    """An attribute; of a number as many digits as a picture shows. Examples: 12.5 is 12.5, 1/3 is 0.33, 40.0 is 40."""
    if isinstance(value, str):
        return printable(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def written(root: Element) -> str:
    """A whole document."""
    return f"<!doctype html>\n{ElementTree.tostring(root, encoding='unicode', method='html')}\n"
