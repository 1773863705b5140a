"""The page in a real browser: it fits a phone, pictures answer a pointer, nothing is asked for, paper has few pages."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from backtester.report.html.page import render_html
from tests.golden.handmade import MODEL
from tests.unit.test_report_html import hostile

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt install chromium)"),
]
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Tells the page around it every error of the page, and what it looks like once it is there.
WATCH = """<script>
window.errors = [];
addEventListener("error", (event) => errors.push(event.message));
for (const word of ["error", "warn"]) console[word] = (...all) => errors.push(all.join(" "));
</script>"""
PROBE = """<script>
document.querySelector("iframe").addEventListener("load", ({target}) => {
  const {contentDocument: page, contentWindow: world} = target;
  const outputs = [...page.querySelectorAll(".plot")].map((picture) => {
    const box = picture.getBoundingClientRect();
    const at = {clientX: box.left + box.width / 2, clientY: box.top + 50, bubbles: true};
    picture.dispatchEvent(new world.PointerEvent("pointermove", at));
    return picture.parentElement.querySelector("output").textContent;
  });
  const asked = world.performance.getEntriesByType("resource").map((each) => each.name);
  const width = page.documentElement.scrollWidth;
  const moving = [...page.querySelectorAll(".wide")].filter((each) => each.scrollWidth > each.clientWidth).length;
  document.querySelector("pre").textContent = JSON.stringify({outputs, width, moving, asked, errors: world.errors});
});
</script>"""


def browse(directory: Path, *arguments: str) -> str:
    """What the browser prints."""
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={directory / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def seen(directory: Path, page: str, width: int) -> Any:
    """What a window of this width comes to: its own width, errors, and what pictures say of their middle."""
    inside = html.escape(page.replace("<head>", f"<head>{WATCH}", 1))
    frame = f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{inside}"></iframe>'
    around = directory / "around.html"
    around.write_text(f"<!doctype html><body>{frame}<pre></pre>{PROBE}</body>", "utf-8")
    printed = browse(directory, "--virtual-time-budget=5000", "--dump-dom", around.as_uri())
    return json.loads(html.unescape(re.findall(r"<pre>(.*?)</pre>", printed, re.DOTALL)[-1]))


@pytest.mark.parametrize("width", [390, 1440])
def test_it_fits_and_answers(tmp_path: Path, width: int) -> None:
    found = seen(tmp_path, render_html(MODEL, "all"), width)
    assert (found["errors"], found["asked"]) == ([], [])
    assert found["width"] <= width
    assert found["outputs"] and all(re.match(r"\d\d:\d\d:\d\d  \w+", each) for each in found["outputs"])


def test_no_table_moves_on_a_phone(tmp_path: Path) -> None:
    assert seen(tmp_path, render_html(MODEL, "all"), 390)["moving"] == 0


def test_hostile_text_breaks_nothing(tmp_path: Path) -> None:
    found = seen(tmp_path, render_html(hostile(MODEL), "all"), 390)
    assert (found["errors"], found["asked"]) == ([], [])
    assert found["width"] <= 390


def test_a_cell_on_paper(tmp_path: Path) -> None:
    page, paper = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(render_html(MODEL, "worst"), "utf-8")
    browse(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", paper.read_bytes()))
    assert 2 <= pages <= 4
