"""What a venue's outage takes away (RULES 1.6, 1.7): its bits as plain integers, which kernels can combine."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.enums import Outage, TradingStatus

ORDERS_REFUSED = int(Outage.ORDERS_REFUSED)
CANCELS_REFUSED = int(Outage.CANCELS_REFUSED)
FEED_FROZEN = int(Outage.FEED_FROZEN)
MATCHING_HALTED = int(Outage.MATCHING_HALTED)
LIQUIDATION_SUSPENDED = int(Outage.LIQUIDATION_SUSPENDED)
MARK_FROZEN = int(Outage.MARK_FROZEN)


@helper
def is_halted(i: np.void) -> bool:
    """Whether nothing trades in an instrument."""
    return i["status"] == TradingStatus.HALTED or i["outage"] & MATCHING_HALTED != 0
