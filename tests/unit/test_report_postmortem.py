"""One page on the worst cell: the same in every format, and nothing of the others."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from backtester.report.postmortem import render_postmortem, worst
from backtester.report.remedies import helps
from backtester.report.sentence import sentence
from backtester.report.timeline import timeline
from tests.golden.handmade import CRASH, MODEL


def rendered(format: str) -> str:
    return render_postmortem(MODEL, format, Console(width=120, markup=False))


def test_it_tells_of_the_worst_cell() -> None:
    assert worst(MODEL) is CRASH
    assert worst(MODEL._replace(cells=tuple(reversed(MODEL.cells)))) is CRASH


@pytest.mark.parametrize("format", ["table", "markdown", "html"])
def test_a_reader_gets_sentence_events_and_remedies(format: str) -> None:
    text = " ".join(rendered(format).replace("&#x27;", "'").split())
    assert " ".join(sentence(CRASH, "USDC").split()) in text
    assert "stop-limit fires at 97,950.50" in text
    assert "3,500.50 more by 21:30:00 +30:00" in text
    assert MODEL.receipt.results in text


def test_a_program_gets_them_as_data() -> None:
    found = json.loads(rendered("json"))
    assert found["kind"] == "postmortem" and found["sentence"] == sentence(CRASH, "USDC")
    assert [event["text"] for event in found["events"]] == [event.text for event in timeline(CRASH)]
    assert [each["words"] for each in found["helps"]] == [
        each.words for each in helps(CRASH.accounts[0], CRASH.start_ts)
    ]


def test_a_spreadsheet_gets_a_row_an_event() -> None:
    head, *rows = rendered("csv").splitlines()
    assert head == "ts,kind,event" and len(rows) == len(timeline(CRASH))
