"""How a venue liquidates, from the keys of its profile to the rows that the engine tries (RULES 8.2)."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.config.venue import VenueRules
from backtester.engine.spec import Step
from backtester.enums import ForcedAction


def steps(rules: VenueRules) -> tuple[Step, ...]:
    """The rows of a profile: cancel, order, take over; without those that it says the venue does not have.

    Where a takeover waits for what its order may fill, there is one order a breach; where it does not, every round
    orders. Example: liquidation_cancels_orders = false, takeover_threshold = 0 → one row, the orders.
    """
    return tuple(_steps(rules))


def _steps(rules: VenueRules) -> Iterator[Step]:
    if rules.liquidation_cancels_orders:
        yield Step(ForcedAction.CANCEL)
    yield Step(
        ForcedAction.ORDER,
        once=rules.takeover_delay_ns > 0,
        scope=rules.liquidation_close_order,
        share=rules.liquidation_partial_share,
        share_above_quote=rules.liquidation_partial_above_quote,
        full_window_ns=rules.liquidation_full_window_ns,
        price=rules.liquidation_price,
        bound=rules.liquidation_bound,
        taker_fee=rules.liquidation_taker_fee,
    )
    if rules.takeover_threshold > 0.0:
        yield Step(
            ForcedAction.TAKEOVER,
            after_ns=rules.takeover_delay_ns,
            equity_below=rules.takeover_threshold,
            price=rules.takeover_price,
            bound=rules.liquidation_bound,
            disposal=rules.takeover_disposal,
        )
