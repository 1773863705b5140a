"""What the engine writes down: a row per fill, change of a balance, payment and liquidation, and the way of
accounts, margin pools and markets in buckets of time. Units as in `state`."""

from __future__ import annotations

import numpy as np

from backtester.formulas.distance import DISTANCES_BPS

PATH_BUCKETS = 2000
#: Of so many neighbouring buckets the order book is walked in the first with a mark: far distances are long ways.
DEPTH_EVERY = 4
#: Depth of a bucket in which it was not; greater than any.
UNSEEN = 2**63 - 1

#: One fill of a position.
FILL = np.dtype(
    [
        ("ts", "i8"),
        ("world", "i8"),
        ("account", "i8"),
        ("position", "i8"),
        ("order", "i8"),  # -1: not an order of the user
        ("side", "i8"),
        ("reason", "i8"),
        ("liquidity", "i8"),
        ("lots", "i8"),
        ("tick", "i8"),  # -1: not on a tick (takeover at the mark)
        ("price", "f8"),
        ("fee", "f8"),
        ("realised", "f8"),
        ("age_ns", "i8"),  # of the order book that it was made on (RULES 2.6)
    ],
    align=True,
)

#: A change of a pool's balance. pool = -1: of the insurance fund's.
LEDGER = np.dtype(
    [
        ("ts", "i8"),
        ("world", "i8"),
        ("account", "i8"),
        ("pool", "i8"),
        ("position", "i8"),
        ("kind", "i8"),
        ("venue", "i8"),  # number of the venue whose party it is
        ("party", "i8"),
        ("amount", "f8"),
        ("balance", "f8"),
    ],
    align=True,
)

#: What one position paid at one funding time: amount = -lots · unit · price · rate.
PAYMENT = np.dtype(
    [
        ("ts", "i8"),
        ("world", "i8"),
        ("account", "i8"),
        ("position", "i8"),
        ("lots", "i8"),
        ("rate", "f8"),
        ("price", "f8"),
        ("amount", "f8"),
    ],
    align=True,
)

#: One liquidation order or one position taken over.
LIQUIDATION = np.dtype(
    [
        ("ts", "i8"),
        ("world", "i8"),
        ("account", "i8"),
        ("pool", "i8"),
        ("position", "i8"),
        ("stage", "i8"),
        ("side", "i8"),
        ("lots", "i8"),
        ("filled", "i8"),
        ("value", "f8"),  # Σ tick · lots filled
        ("levels", "i8"),
        ("mid2", "i8"),
        ("mark", "f8"),
        ("bankruptcy", "f8"),
        ("takeover_price", "f8"),  # quote; 0 of an order
        ("equity", "f8"),
        ("maintenance", "f8"),
        ("fee", "f8"),
    ],
    align=True,
)

#: What a guard did, or that it was held back.
GUARD_EVENT = np.dtype(
    [
        ("ts", "i8"),
        ("world", "i8"),
        ("account", "i8"),
        ("guard", "i8"),
        ("event", "i8"),
        ("held", "i8"),  # what holds the guard back
        ("limit", "i8"),  # what holds an order of it back, or makes it smaller
        ("order", "i8"),  # that it sent, -1 = none
        ("position", "i8"),  # that the order is for, -1 = none
        ("wanted", "i8"),  # lots of it, and those that what the limit leaves
        ("lots", "i8"),
        ("seen", "f8"),  # both sides of the first comparison of its condition that held
        ("bound", "f8"),
    ],
    align=True,
)

#: One time bucket of the margin path of an account, or of a pool. No buffer, infinite: it held nothing.
PATH = np.dtype(
    [
        ("count", "i8"),
        ("equity_min", "f8"),
        ("equity_max", "f8"),
        ("maintenance_max", "f8"),
        ("buffer_min", "f8"),
    ],
    align=True,
)

#: One time bucket of a market. Depth: lots of bids and asks within each of DISTANCES_BPS of mid, smallest seen at the
#: samples, or UNSEEN. `traded`: that of the instrument when last looked at.
MARKET_PATH = np.dtype(
    [
        ("count", "i8"),
        ("mark_min", "f8"),
        ("mark_max", "f8"),
        ("depth_min", "i8", (2, len(DISTANCES_BPS))),
        ("traded", "i8"),
    ],
    align=True,
)
