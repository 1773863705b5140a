"""Text of users and files where it is shown: nothing of it acts on the terminal, the page or the spreadsheet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from backtester.cli.app import main
from backtester.cli.console import Settings, emit_rows
from backtester.errors import Diagnostic
from backtester.texts import csv_cell, json_text, markdown_text, message_line, printable, shortened
from tests.unit.run_cases import DEMO

HOSTILE = [
    "\x1b[31mred",
    "a\nb",
    "bell\x07",
    "\x9b2J",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "line\u2028separator",
    "\x00",
    "tab\there",
    "half \udcff",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_terminal_would_obey_is_escaped(text: str) -> None:
    assert printable(text).isprintable() and markdown_text(text).isprintable()
    assert str(Diagnostic("data", text, text, text)).replace("\n  hint", "").isprintable()
    shown = json_text({text: [text]})
    assert json.loads(shown) == {text: [text]} and shown.replace("\n", "").isprintable()


def test_the_examples() -> None:
    assert printable("\x1b[31m") == r"\x1b[31m"
    assert printable("naïve – ₿ [red]") == "naïve – ₿ [red]"


def test_long_values_lose_their_middle() -> None:
    assert message_line(f'was "{"x" * 9_999}"').count("x") < 200
    assert len(message_line("many words " * 999)) == 1_000
    assert message_line(f"{'folder/' * 50}p.toml:7 accounts").endswith("p.toml:7 accounts")
    assert shortened("short") == "short" and len(shortened("x" * 201)) == 200


def test_markdown_and_spreadsheets() -> None:
    assert markdown_text("a|<script>[x](y)") == "a\\|&lt;script>[x]\\(y)"
    assert markdown_text("</b><!-- <?x") == "&lt;/b>&lt;!-- &lt;?x"
    assert markdown_text("loss < 1, a <2, 3<") == "loss < 1, a <2, 3<"
    assert csv_cell('=HYPERLINK("x")') == '\'=HYPERLINK("x")'
    assert [csv_cell(each) for each in ("@a", "+a", "-a", "-1.5", "+3", -1.5, None)] == [
        "'@a", "'+a", "'-a", "-1.5", "+3", -1.5, None,
    ]  # fmt: skip


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json"])
def test_lists_in_every_format(capsys: pytest.CaptureFixture[str], format: str) -> None:
    settings = Settings(format=format)  # type: ignore[arg-type]
    emit_rows("kind", ("name", "[red]"), [(text, 1) for text in HOSTILE], settings)
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable() and "[red]" in out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_our_signs(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    assert main(["data", "ingest"]) == 2  # sets the streams
    print("−1 → 2 – ₿ ▁⠀", flush=True)
    assert raw.getvalue().splitlines()[-1] == rb"-1 -> 2 - \u20bf # "


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json"])
def test_a_report_with_names_of_a_prankster(tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:
    text = DEMO.read_text()
    name = r"=\u001b[31m<script>\u202e|\nx"
    (tmp_path / "p.toml").write_text(text.replace('name = "main"', f'name = "{name}"'))
    assert name in (tmp_path / "p.toml").read_text()
    main(["run", str(tmp_path / "p.toml"), "--format", format])
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable() and "script" in out
    if format == "markdown":
        assert "<script" not in out
    if format == "csv":
        assert ",'=" in out


def test_a_record_stands_on_one_line_unless_it_has_a_table() -> None:
    document = {"kind": "run", "none": [], "cells": [{"id": 1, "orders": [{"id": "a", "fills": []}, {"id": "b"}]}]}
    assert json_text(document).splitlines() == [
        "{",
        '  "kind": "run",',
        '  "none": [],',
        '  "cells": [',
        "    {",
        '      "id": 1,',
        '      "orders": [',
        '        {"id": "a", "fills": []},',
        '        {"id": "b"}',
        "      ]",
        "    }",
        "  ]",
        "}",
    ]


def test_the_values_of_a_record_with_a_table_have_lines_of_their_own() -> None:
    document = {"id": "a", "n": 1.5, "cost": {"x": 1, "y": [2, 3]}, "side": None, "fills": [{"lots": 1}]}
    assert json_text(document).splitlines() == [
        "{",
        '  "id": "a",',
        '  "n": 1.5,',
        '  "cost": {"x": 1, "y": [2, 3]},',
        '  "side": null,',
        '  "fills": [',
        '    {"lots": 1}',
        "  ]",
        "}",
    ]


def test_json_has_no_word_for_what_is_not_finite() -> None:
    with pytest.raises(ValueError):
        json_text({"rows": [{"x": float("inf")}]})
