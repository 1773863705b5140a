"""What a perpetual pays to stay near its index: premium, rate and payment (RULES 7)."""

from __future__ import annotations

EIGHT_HOURS_NS = 8 * 3600 * 1_000_000_000


def premium(impact_bid: float, impact_ask: float, index: float) -> float:
    """How far the impact prices lie outside the index: `(max(0, bid - index) - max(0, index - ask)) / index`.

    Sources: Hyperliquid, funding; Binance, introduction to funding rates. Example (Hyperliquid): an impact bid of
    10,100 above an index of 10,000 is 1 %.
    """
    return (max(0.0, impact_bid - index) - max(0.0, index - impact_ask)) / index


def eight_hour_rate(average_premium: float, interest: float, clamp: float) -> float:
    """`average + clamp(interest - average, ±clamp)`: inside the clamp the rate is the interest alone.

    Examples: 1 % with an interest of 0.01 % and a clamp of 0.05 % is 0.95 % (Hyperliquid, funding); 0.0429 % is
    0.0100 % (Binance, introduction to funding rates).
    """
    return average_premium + min(max(interest - average_premium, -clamp), clamp)


def interval_rate(eight_hours: float, interval_ns: int, cap: float) -> float:
    """The rate of one funding interval: its part of 8 h, within ±cap. Example: 0.95 % every hour is 0.11875 %."""
    return min(max(eight_hours * interval_ns / EIGHT_HOURS_NS, -cap), cap)


def payment(value: float, rate: float) -> float:
    """Cash of a position at one funding time, quote; negative when it pays. `value`: its notional, signed.

    A positive rate is paid by longs. Example: long 2 at 50,000 and 0.01 %: -10.
    """
    return -value * rate
