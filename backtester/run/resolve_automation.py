"""The limits on what the guards of one account send, as the engine takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backtester.config.portfolio import Account
from backtester.config.values import Percent
from backtester.engine import spec
from backtester.enums import PriceSeries
from backtester.run.resolve_values import Values


def resolve_automation(account: Account, values: Values, positions: Sequence[spec.Position]) -> spec.Automation:
    """Limits in quote currency, fractions and ns; what is not said is none."""
    stated = account.automation
    for key, most in (("max_order", stated.max_order), ("max_notional", stated.max_notional)):
        if isinstance(most, float):
            _check_budget(key, most, values, positions)
    kill, collar, notional = stated.kill, stated.collar, stated.max_notional
    return spec.Automation(
        window_ns=stated.window_ns,
        kill_empty=(kill.empty or 0) if kill else 0,
        kill_loss=(kill.loss or math.inf) if kill else math.inf,
        resume_ns=(kill.resume_after_ns or 0) if kill else 0,
        stale_ns=stated.stale_ns or 0,
        collar=collar.bound.fraction if collar else math.inf,
        collar_by=collar.against if collar else PriceSeries.INDEX,
        max_order=stated.max_order or math.inf,
        max_notional=notional if isinstance(notional, float) else math.inf,
        max_share=notional.fraction if isinstance(notional, Percent) else math.inf,
        max_orders=stated.max_orders,
    )


def _check_budget(key: str, most: float, values: Values, positions: Sequence[spec.Position]) -> None:
    """A budget in which no order of a market fits holds all of them back."""
    for market in dict.fromkeys(position.market for position in positions):
        instrument = values.instrument(market)
        lot = values.worth(1, market, values.mark(market))
        least = max(lot, values.resolved.data.markets[market].min_close_quote)
        if most < least:
            message = f"{most:,.10g} is less than the smallest order of {instrument.symbol}, {least:,.10g}"
            values.fault(message, "automation", key, hint="no order of a guard would go out")
