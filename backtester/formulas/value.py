"""What a contract is worth in its settlement currency (RULES, notation; 5.1).

`unit` is what one lot is of the base: lot size · contract multiplier. All of cost, notional, PnL, exposure and the
value that funding is paid on are sums and differences of `worth`: it alone knows that contracts are linear, and with
it `walked` and `price_of`, which follow from it.
"""

from __future__ import annotations

from typing import Any


def worth(lots: Any, unit: Any, price: Any) -> Any:
    """Value of `lots` (signed) at `price`: `lots · unit · price`, quote; numbers or columns of them.

    Source: Hyperliquid, contract specifications ("linear perpetual"). Examples: short 3 lots of 0.001 BTC at 100,000:
    -300. Long 3 of them from 90,000: 300 - 270 = 30 of PnL.
    """
    return lots * unit * price


def walked(tick_lots: Any, unit: Any, tick_size: Any) -> Any:
    """Value of all that a walk took, from its `tick_lots` = Σ tick · lots: `Σ tick · lots · unit · tick_size`, quote.

    Only a linear contract has a sum that does without the levels. Example: 1 lot of 0.1 at tick 100 and 2 at tick 103
    of 0.5: 306 · 0.1 · 0.5 = 15.3.
    """
    return tick_lots * unit * tick_size


def price_of(value: float, lots: int, unit: float) -> float:
    """The price at which `lots` (signed, not 0) are worth `value`: `value / (lots · unit)`, quote per unit.

    A position's average entry is that of its cost. Example: 3 lots of 0.001 that cost 270: 90,000.
    """
    return value / (lots * unit)
