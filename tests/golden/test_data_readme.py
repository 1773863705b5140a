"""data/README.md shows the figures of the recordings, of the model and of the shipped tapes: they are measured anew.

`pytest tests/golden -m slow --update-golden` writes what is measured today into it. Words and order are the file's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.market.synth.compare import Compared
from backtester.market.synth.generate import synth_events
from backtester.market.synth.profile import Flow, Profile, stored_profile
from backtester.market.synth.shipped import SHIPPED, shipped_profile
from backtester.market.synth.tape import DEFAULT_SEED, compared
from backtester.shipped import data_dir

pytestmark = [pytest.mark.slow, pytest.mark.compiled]

README = data_dir() / "README.md"
#: Profile, and how many minutes of its model are measured.
MODELS = (("hyperliquid-btc", 240.0), ("binance-usdm-btc", 40.0))
#: In the table's order; bands of these are summed up in a sentence.
SUMMED_UP = ("levels ", "renewed ")

Rows = Mapping[str, tuple[str, ...]]


def figures(profile: Profile, seed: int, minutes: float) -> dict[str, Compared]:
    return {row.figure: row for row in compared(profile, synth_events(profile, seed, minutes))}


def shown(value: float | None) -> str:
    """Three digits, – for what is not known."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def figure_rows() -> Rows:
    """Per recording: recorded, model, shipped tape; then the tolerance."""
    models = [figures(stored_profile(name), DEFAULT_SEED, minutes) for name, minutes in MODELS]
    tapes = {
        each.name: figures(shipped_profile(each), each.seed, each.minutes)
        for each in SHIPPED
        if each.name in dict(MODELS)
    }
    rows: dict[str, tuple[str, ...]] = {}
    for name in [*models[0], *models[1]]:
        either = [model[name] for model in models if name in model and model[name].recorded is not None]
        if name.startswith(SUMMED_UP) or not either:
            continue
        numbers: list[str] = []
        for (market, _), model in zip(MODELS, models, strict=True):
            row, tape = model.get(name), tapes[market].get(name)
            known = row is not None and row.recorded is not None
            numbers += [shown(row.recorded), shown(row.made)] if known and row else ["–", "–"]
            numbers.append(shown(tape.made if tape else None))
        tolerance = either[0].tolerance
        rows[f"`{name}`"] = (*numbers, "not held" if tolerance is None else f"{tolerance:.0%}")
    return rows


def parameter_rows() -> Rows:
    flows = [stored_profile(name).flow for name, _ in MODELS]
    return {f"`{name}`": tuple(f"{getattr(flow, name):g}" for flow in flows) for name in Flow._fields}


def file_rows() -> Rows:
    return {
        f"`{each.name}.parquet`": (
            f"{each.minutes:g} min",
            f"{pq.ParquetFile(data_dir() / f'{each.name}.parquet').metadata.num_rows:,}",
            f"`backtester --seed {each.seed} data synth {each.name} OUT`",
        )
        for each in SHIPPED
    }


def with_numbers(text: str, heading: str, expected: Rows) -> str:
    """The text with the last cells of each row of one table replaced; the table must have just these rows."""
    found = re.search(rf"^\| {heading} \|.*\n\|[-|]+\n(?P<rows>(?:\|.*\n)+)", text, re.MULTILINE)
    assert found, f"no table that begins with {heading}"
    lines, names = [], []
    for line in found["rows"].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names.append(cells[0])
        numbers = expected.get(cells[0], ())
        lines.append(f"| {' | '.join([*cells[: len(cells) - len(numbers)], *numbers])} |\n")
    assert sorted(names) == sorted(expected)
    return text[: found.start("rows")] + "".join(lines) + text[found.end("rows") :]


@pytest.mark.parametrize(
    ("heading", "rows"), [("file", file_rows), ("parameter", parameter_rows), ("figure", figure_rows)]
)
def test_readme_tells_what_is_measured(heading: str, rows: Callable[[], Rows], request: pytest.FixtureRequest) -> None:
    said = Path(README).read_text("utf-8")
    measured = with_numbers(said, heading, rows())
    if request.config.getoption("--update-golden", default=False):
        README.write_text(measured, "utf-8")
        said = measured
    assert said == measured
