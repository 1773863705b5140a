"""What a result rests on: many like lines as one, and a word of caution under the verdict."""

from __future__ import annotations

import pytest

from backtester.report.assumed import caution, folded_assumptions
from backtester.report.outline import Opening, Whole, outline
from backtester.report.records import ScenarioInput
from tests.golden.handmade import CRASH, MODEL
from tests.unit.run_cases import CRASH as DAY
from tests.unit.run_cases import demo

SYNTHETIC = "BTC: hyperliquid-btc.parquet, synthetic: profile hyperliquid-btc, seed 18, 25 minutes; no recording"
LENT = (
    "WIF has no order book of its own, that of BTC stands for it: it begins at 1 instead of 2, its prices × (--proxy)"
)
SCALED = "SOL order book: ETH's, scaled: 0.284 of its depth and trades, spread 1 bps, tick 0.01, lot 0.1 (assumed); it"


def share(scenario: str, percent: int) -> str:
    """The line of a scenario, as run.stress writes it."""
    return f"scenario {scenario}: {percent}% of its figures are assumed, each quantity counted alike (`scenarios show`)"


def laid(times: int) -> str:
    """The line of a short tape."""
    return f"the base tape is shorter than the scenario and was laid end to end {times} times"


def scenarios(*tiles: int) -> tuple[ScenarioInput, ...]:
    """Inputs that laid the tape so often."""
    return tuple(MODEL.inputs.scenarios[0]._replace(name=f"s{place}", tiles=each) for place, each in enumerate(tiles))


def test_lines_of_many_scenarios_are_folded_where_the_first_stands() -> None:
    lines = ("first", share("a", 70), laid(7), share("b", 67), laid(5), "a line", share("c", 76), laid(18))
    inputs = MODEL.inputs._replace(scenarios=scenarios(7, 5, 18, 7, 1))
    assert folded_assumptions(MODEL._replace(assumptions=lines, inputs=inputs)) == (
        "first",
        "3 scenarios: from 67% (b) to 76% (c) of the figures are assumed, "
        "each quantity counted alike (`scenarios show`)",
        "the base tape is shorter than 4 of the scenarios and was laid end to end 5 to 18 times",
        "a line",
    )


def test_like_shares_have_no_range_and_few_lines_stay() -> None:
    alike = MODEL._replace(assumptions=(share("a", 67), share("b", 67), share("c", 67)))
    [line] = folded_assumptions(alike)
    assert line.startswith("3 scenarios: 67% of the figures are assumed, ")
    few = (share("a", 67), laid(7), share("b", 70), laid(5))
    assert folded_assumptions(MODEL._replace(assumptions=few)) == few


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), ""),
        (("hyperliquid@2026-08-22: 34% of the rules are assumed",), ""),
        ((SYNTHETIC,), "CAUTION: BTC order book synthetic"),
        ((LENT, SCALED), "CAUTION: order books lent: WIF from BTC, SOL from ETH"),
        (("XRP moves like ETH times 1.5 (--proxy)",), "CAUTION: XRP moves like ETH times 1.5"),
        (
            ("XRP moves like ETH times 1.7 (assumed)", "SOL moves like BTC times 2 (--proxy)"),
            "CAUTION: XRP moves like ETH times 1.7 (assumed), SOL moves like BTC times 2",
        ),
        (
            tuple(SYNTHETIC.replace("BTC:", f"{names}:") for names in ("A, B", "B, C", "D", "E", "F")),
            "CAUTION: A, B, C, D and 2 more order books synthetic",
        ),
    ],
)
def test_caution_names_what_is_not_the_markets_own(lines: tuple[str, ...], said: str) -> None:
    assert caution(lines) == said


def test_factors_that_scenarios_assume_are_told_as_one() -> None:
    lines = [
        f"{name} moves like ETH times {beta} (assumed)" for beta in ("1.7", "4.62", "1") for name in ("XRP", "SOL")
    ]
    told = ("XRP moves like ETH times 1 to 4.62 (assumed)", "SOL moves like ETH times 1 to 4.62 (assumed)")
    assert folded_assumptions(MODEL._replace(assumptions=tuple(lines))) == told
    assert caution(lines) == f"CAUTION: {', '.join(told)}"


@pytest.mark.compiled
def test_the_lines_of_a_run_are_known() -> None:
    lines = demo().assumptions
    others = [line.replace(DAY, f"day {n}").replace("5 times", f"{n} times") for n in (6, 7) for line in lines]
    made = MODEL._replace(
        assumptions=tuple(dict.fromkeys((*lines, *others))), inputs=MODEL.inputs._replace(scenarios=scenarios(5, 6, 7))
    )
    assert len(made.assumptions) == len(lines) + 4 and len(folded_assumptions(made)) == len(lines)
    assert caution(lines).startswith("CAUTION: BTC, ETH order books synthetic")


def test_caution_stands_once_under_the_first_verdict() -> None:
    model = MODEL._replace(assumptions=(SYNTHETIC,))
    cautions = [each.caution for each in outline(model, "all", whole=False) if isinstance(each, Whole | Opening)]
    assert cautions == [caution(model.assumptions), "", ""]
    alone = outline(model._replace(cells=(CRASH,)), "brief", whole=False)
    assert [each.caution for each in alone if isinstance(each, Opening)] == [caution(model.assumptions)]
