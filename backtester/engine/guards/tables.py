"""What guards keep: views of markets, the guards themselves, what they judge and do (RULES 11)."""

from __future__ import annotations

import numpy as np

#: What a client sees of a market: as it was at the last mark time at which its feed came (RULES 11.2). NaN: unknown.
VIEW = np.dtype(
    [
        ("ts", "i8"),  # -1 = nothing yet
        ("count", "i8"),  # marks so far; the last ones are in Market.shared_marks
        ("seen", "i8"),  # marks when it was seen, in Market.seen_marks
        ("mark", "f8"),
        ("index", "f8"),
        ("last", "f8"),
        ("bid", "f8"),
        ("ask", "f8"),
        ("funding", "f8"),
    ],
    align=True,
)

#: Who sees, and what breaks of that between two times (RULES 12.2).
VIEWER = np.dtype([("drill", "i8"), ("from_ts", "i8"), ("to_ts", "i8")], align=True)

#: A guard of an account, and how it stands (RULES 11.4).
GUARD = np.dtype(
    [
        ("account", "i8"),
        ("op_first", "i8"),
        ("op_count", "i8"),
        ("rearm", "i8"),
        ("rearm_first", "i8"),
        ("rearm_count", "i8"),
        ("cool_down_ns", "i8"),
        ("confirm_ns", "i8"),
        ("max_fires", "i8"),  # 0 = any
        ("action_first", "i8"),
        ("action_count", "i8"),
        ("reaction_ns", "i8"),
        ("key", "i8"),
        ("armed", "i8"),
        ("fires", "i8"),
        ("first_ts", "i8"),  # of the first fire, -1 = none
        ("ready_ts", "i8"),  # end of the cool-down
        ("confirm_ts", "i8"),  # when it acts on the fire that waits for somebody, NEVER_NS = none does
        ("held", "i8"),  # what holds it back, as at its last look
        ("blind", "i8"),  # looks at which its condition was unknown, the first and the last of them
        ("blind_first", "i8"),
        ("blind_last", "i8"),
        ("seen", "f8"),  # both sides of the first comparison that was true at the last look
        ("bound", "f8"),
        ("empty", "i8"),  # its orders in a row that ended without a fill
    ],
    align=True,
)

#: What sends the orders of an account's guards: its limits (`spec.Automation`), and how it stands (RULES 11.6).
AUTOMATION = np.dtype(
    [
        ("window_ns", "i8"),
        ("kill_empty", "i8"),
        ("kill_loss", "f8"),
        ("resume_ns", "i8"),
        ("stale_ns", "i8"),  # 0: nobody asks; NEVER_NS: any age, but something must be seen
        ("collar", "f8"),
        ("collar_by", "i8"),
        ("max_order", "f8"),
        ("max_notional", "f8"),
        ("max_share", "f8"),
        ("max_orders", "i8"),
        ("recent_first", "i8"),  # the first of its `max_orders` slots
        ("count", "i8"),  # orders sent so far
        ("sent", "i8"),  # order number + 1 of the first one sent that lives, 0 = none; by `account_next`
        ("loss", "f8"),  # by orders that have ended, quote
        ("halted_until", "i8"),  # 0 = it is not
        ("paused_until", "i8"),
    ],
    align=True,
)

#: One step of a condition, in the order in which it is worked (RULES 11.3).
GUARD_OP = np.dtype(
    [
        ("code", "i8"),
        ("metric", "i8"),
        ("scope", "i8"),
        ("place", "i8"),  # number of the pool, position or market
        ("value", "f8"),
        ("ns", "i8"),
        ("since_ts", "i8"),  # FOR: since when its inside has been true, NEVER_NS = it is not
    ],
    align=True,
)

#: What a guard does, in order (RULES 11.5). Scope and place say which positions.
GUARD_ACTION = np.dtype(
    [
        ("do", "i8"),
        ("scope", "i8"),
        ("place", "i8"),
        ("value", "f8"),  # a share, quote, or what `metric` shall be
        ("metric", "i8"),
        ("share_of", "i8"),  # metric that `value` is a share of, -1 = none
        ("bound", "f8"),  # of its orders, 0 = the venue's
        ("orders", "i8"),
        ("ns", "i8"),
    ],
    align=True,
)
