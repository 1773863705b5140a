"""The figures behind the pictures of the page: what each band, mark and step stands for, not how it looks."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from backtester.report.html.page import render_html
from tests.golden.handmade import MODEL


class Figures(HTMLParser):
    """Pictures by their captions: the figures of their bands where they change, and what their marks say."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[dict[str, Any]] = []
        self.in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        if tag == "svg" and has.get("aria-label"):
            self.pictures.append(
                {"label": has["aria-label"], "bands": {}, "rows": {}, "sweeps": [], "marks": [], "steps": []}
            )
        elif "data-name" in has:
            ends = [_turns(has[f"data-{end}"] or "") for end in ("low", "high")]
            self.pictures[-1]["bands"][has["data-name"]] = ends
        elif "data-row" in has:
            self.pictures[-1]["rows"][has["data-row"]] = [has["data-usual"], _turns(has["data-shares"] or "")]
        elif "data-bps" in has:
            self.pictures[-1]["sweeps"].append(float(has["data-bps"] or ""))
        elif "data-value" in has:
            self.pictures[-1]["steps"].append(float(has["data-value"] or ""))
        self.in_title = tag == "title" and bool(self.pictures)

    def handle_data(self, data: str) -> None:
        if self.in_title:
            self.pictures[-1]["marks"].append(data)
            self.in_title = False


def _turns(series: str) -> str:
    """`place: figure` wherever a series begins to be another one."""
    values = series.split(",")
    pairs = enumerate(zip(values, ["", *values], strict=False))
    return ", ".join(f"{place}: {value}" for place, (value, before) in pairs if value != before)


def test_the_figures_behind_the_pictures(same_document: Callable[[str, Any], None]) -> None:
    found = Figures()
    found.feed(render_html(MODEL, "all"))
    same_document("report-html.json", found.pictures)
