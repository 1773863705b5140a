"""What lots are worth (`formulas.value`), for kernels."""

from __future__ import annotations

from backtester.engine.jit import inlined
from backtester.formulas import value

worth = inlined(value.worth)
walked = inlined(value.walked)
