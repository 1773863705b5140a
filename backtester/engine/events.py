"""The event record: what the engine reads, in integers."""

from __future__ import annotations

import numpy as np

#: ts     exchange time, ns since the epoch, UTC
#: tick   price in ticks (depth, trades); bid translation in ticks (PATH_STEP)
#: lots   size in lots: of the level after the change (depth), traded (trades); code (STATUS); interval in s
#:        (FUNDING); ask translation in ticks (PATH_STEP)
#: value  price of MARK and INDEX, rate of FUNDING, and what enums.EventKind says of control events
#: instrument  rank of the symbol in sorted (venue, symbol)
#: kind, side  enums.EventKind, Side
EVENT = np.dtype(
    [
        ("ts", "i8"),
        ("tick", "i8"),
        ("lots", "i8"),
        ("value", "f8"),
        ("instrument", "i4"),
        ("kind", "i1"),
        ("side", "i1"),
    ],
    align=True,
)
