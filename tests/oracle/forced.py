"""Rows of a liquidation in few words: cancel, order, take over (RULES 8.2)."""

from __future__ import annotations

from backtester.engine.spec import Step
from backtester.enums import CloseOrder, Disposal, ForcedAction, ForcedPrice


def rows(
    *,
    cancels: bool = True,
    scope: CloseOrder = CloseOrder.ALL,
    above_quote: float = 1e12,
    share: float = 0.2,
    full_window_ns: int = 30_000_000_000,
    price: ForcedPrice = ForcedPrice.BOUND,
    bound: float = 0.5,
    taker_fee: bool = True,
    below: float = 0.0,
    delay_ns: int = 0,
    takeover_price: ForcedPrice = ForcedPrice.MARK,
    disposal: Disposal = Disposal.HOLD,
) -> tuple[Step, ...]:
    """At `below` 0 nothing is taken over; with a delay there is one order a breach."""
    cancel = Step(ForcedAction.CANCEL)
    order = Step(
        ForcedAction.ORDER,
        once=delay_ns > 0,
        scope=scope,
        share=share,
        share_above_quote=above_quote,
        full_window_ns=full_window_ns,
        price=price,
        bound=bound,
        taker_fee=taker_fee,
    )
    takeover = Step(
        ForcedAction.TAKEOVER,
        after_ns=delay_ns,
        equity_below=below,
        price=takeover_price,
        bound=bound,
        disposal=disposal,
    )
    return (*((cancel,) if cancels else ()), order, *((takeover,) if below > 0.0 else ()))
