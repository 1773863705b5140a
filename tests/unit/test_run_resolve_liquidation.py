"""The liquidation of a venue, from the flat keys of its profile to rows: those of RULES 8.2."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from backtester.engine.spec import Step
from backtester.enums import CloseOrder, Disposal, ForcedAction, ForcedPrice
from backtester.market.funding import SECOND_NS
from backtester.run.resolve import rules_of
from backtester.run.resolve_liquidation import steps
from backtester.venue.loader import load_profile


def test_hyperliquid_sends_a_fifth_of_what_is_large_and_takes_over_at_once() -> None:
    assert rules_of(load_profile("hyperliquid"), assume_funding_zero=False).liquidation == (
        Step(ForcedAction.CANCEL),
        Step(
            ForcedAction.ORDER,
            scope=CloseOrder.ALL,
            share=0.2,
            share_above_quote=100_000.0,
            full_window_ns=30 * SECOND_NS,
            price=ForcedPrice.BOUND,
            bound=0.1,
            taker_fee=True,
        ),
        Step(
            ForcedAction.TAKEOVER, equity_below=2 / 3, price=ForcedPrice.MARK, bound=0.1, disposal=Disposal.WALK
        ),
    )  # fmt: skip


def test_binance_sends_once_and_takes_over_a_minute_later() -> None:
    assert rules_of(load_profile("binance-usdm"), assume_funding_zero=False).liquidation == (
        Step(ForcedAction.CANCEL),
        Step(ForcedAction.ORDER, once=True, price=ForcedPrice.BANKRUPTCY, bound=0.05, taker_fee=False),
        Step(
            ForcedAction.TAKEOVER,
            after_ns=60 * SECOND_NS,
            equity_below=1.0,
            price=ForcedPrice.BANKRUPTCY,
            bound=0.05,
            disposal=Disposal.HOLD,
        ),
    )


@pytest.mark.parametrize("on", [date(2020, 3, 12), date(2024, 11, 1)])
def test_older_rules_have_rows_of_their_own(on: date) -> None:
    rules = load_profile("binance-usdm", on).rules
    assert [step.disposal for step in steps(rules)][-1] == rules.takeover_disposal


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"liquidation_cancels_orders": False}, ["ORDER", "TAKEOVER"]),
        ({"takeover_threshold": 0.0}, ["CANCEL", "ORDER"]),
    ],
)
def test_what_a_venue_does_not_have_is_no_row(change: dict[str, Any], left: list[str]) -> None:
    rules = load_profile("hyperliquid").rules.model_copy(update=change)
    assert [step.do.name for step in steps(rules)] == left


def test_a_takeover_that_waits_leaves_one_order_a_breach() -> None:
    rules = load_profile("hyperliquid").rules.model_copy(update={"takeover_delay_ns": SECOND_NS})
    assert [(step.once, step.after_ns) for step in steps(rules)] == [(False, 0), (True, 0), (False, SECOND_NS)]
