"""`[tolerances]`: one small grammar, and every fault with its line."""

from __future__ import annotations

import pytest

from backtester.config.tolerance import UNITS, Tolerance, parse_tolerance
from backtester.config.tolerance_tables import Tolerances
from backtester.config.toml import parse_document, validate
from backtester.errors import BacktesterError
from backtester.regress.tolerances import check_figures, figures
from backtester.report.measures import KINDS, TOLERANCES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5%, 100", Tolerance(0.005, 100.0, "")),
        ("100", Tolerance(0.0, 100.0, "")),
        ("1_000", Tolerance(0.0, 1000.0, "")),
        ("2%", Tolerance(0.02, 0.0, None)),
        ("10s,1%", Tolerance(0.01, 10.0, "s")),
        ("1 bps", Tolerance(0.0, 1.0, "bps")),
    ],
)
def test_a_share_an_amount_or_both(text: str, expected: Tolerance) -> None:
    assert parse_tolerance(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1%,2%", "1bps,2s", "-1", "1e9", "1%,", "٣%", 5, ["1%"], "9" * 400])
def test_anything_else_is_misread(text: object) -> None:
    with pytest.raises(ValueError, match="expected a share of the old value"):
        parse_tolerance(text)


def test_the_amount_has_the_unit_of_its_kind() -> None:
    with pytest.raises(ValueError, match=r'such as "0[.]5%, 10bps"'):
        parse_tolerance("100", "bps")


def test_every_kind_has_a_default() -> None:
    assert set(TOLERANCES) == set(UNITS) == set(KINDS.values())
    for kind, text in TOLERANCES.items():
        parse_tolerance(text, UNITS[kind])


TEXT = """[tolerances]
moneey = "1%"
bps = "10"
direction = "up"
[tolerances.warn]
time = "1h"
"""


def test_all_faults_at_once() -> None:
    document = parse_document(TEXT.replace("[tolerances]\n", "").replace("tolerances.", "").encode(), "t.toml")
    with pytest.raises(BacktesterError) as raised:
        validate(Tolerances, document)
    assert [(each.where, each.message, each.hint) for each in raised.value.diagnostics] == [
        ("t.toml:1 moneey", "unknown key", 'did you mean "money"?'),
        (
            "t.toml:2 bps",
            'expected a share of the old value, an amount or both, such as "0.5%, 10bps", was "10"',
            "of figures that must not change 0%",
        ),
        ("t.toml:3 direction", 'expected "both" or "worse", was "up"', ""),
        (
            "t.toml:5 warn.time",
            'expected a share of the old value, an amount or both, such as "0.5%, 10s", was "1h"',
            "of figures that must not change 0%",
        ),
    ]


FIGURES = """[tolerances.figures]
"accounts.buffer_min" = "1%, 50"
"accounts.bufer_min" = "1%"
verdict = "1"
"accounts.pools.breach_ts" = "10"
"""


def test_figures_are_those_of_a_result() -> None:
    document = parse_document(FIGURES.encode(), "t.toml")
    stated = Tolerances.model_validate(document.data["tolerances"])
    with pytest.raises(BacktesterError) as raised:
        check_figures(document, stated)
    assert [(each.where, each.message) for each in raised.value.diagnostics] == [
        ("t.toml:3 tolerances.figures.accounts.bufer_min", "is no figure of a result"),
        ("t.toml:4 tolerances.figures.verdict", "is exact"),
        ("t.toml:5 tolerances.figures.accounts.pools.breach_ts", 'expected an amount such as "10s"'),
    ]
    assert raised.value.diagnostics[0].hint == 'did you mean "accounts.buffer_min"?'


def test_figures_are_named_as_a_comparison_names_them() -> None:
    assert {"verdict", "portfolio.loss_pct", "accounts.positions.funding", "orders.law.walk_bps"} <= {*figures()}
