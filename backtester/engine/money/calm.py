"""Which accounts need no look: those of which nothing that is kept can change yet (RULES 6.4).

What a look keeps of an account are a breach and its worst moments so far: lowest equity, buffer and distance, highest
margin ratio. Between what they are now and those lies a room; as long as no mark has moved by more than that, a look
would change nothing. Accounts are looked at in groups, whose calm ends with that of any of them.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.money.margin import exposure, tier_room
from backtester.engine.value import worth

#: Part of a room that is used, and the least move of a mark that is worth a sleep: rounding must not matter.
SHARE, LEAST = 0.999, 1e-12


@helper
def disturb(w, c: np.void, account: int) -> None:
    """Something of the account has changed: its group is looked at when the next mark comes."""
    w.calm[account // c["group"], 0]["low"] = np.inf


@helper
def is_calm(m, w, group: int) -> bool:
    """Whether every mark lies where the group needs no look."""
    for i in range(len(m.markets)):
        mark, between = m.markets[i]["mark"], w.calm[group, i]
        if not (between["low"] <= mark <= between["high"]):
            return False
    return True


@helper
def begin_look(w, group: int) -> None:
    """All of the group is looked at: what follows narrows its calm."""
    for between in w.calm[group]:
        between["low"] = -np.inf
        between["high"] = np.inf


@helper
def pool_room(m, w, row: np.void, equity: float, needed: float) -> tuple[float, float]:
    """(room, Σ|notional|) of a pool that was just measured: a fraction of every mark, and quote.

    Nothing changes by more than its notional when a mark changes, and a requirement by at most as much (no rate is
    above 1): a move of x changes the buffer by at most 2·x·Σ|N|. Above the ratio R, needed + x·Σ|N| > R · (equity −
    x·Σ|N|); below the distance d of a position with slope s, buffer − 2·x·Σ|N| < d · (|s| + 2·x·Σ|N|).
    Example: long 1 at 100, equity 10, needed 1, lowest buffer 5, highest ratio 0.2: (9 − 5) / 200 = 2 %;
    ratio: (0.2 · 10 − 1) / (100 · 1.2) = 0.83 %, which is the less.
    """
    gross, room, buffer = 0.0, np.inf, equity - needed
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        if x["lots"] != 0:
            k = m.markets[x["market"]]
            notional = abs(worth(x["lots"], k["unit"], k["mark"]))
            gross += notional
            room = min(room, tier_room(m.tiers, k, notional))
    if gross == 0.0:
        return np.inf, 0.0
    if buffer < 0.0:
        return 0.0, gross
    # What was worst in a breach before hides no new one: the room ends where the buffer does.
    ratio = row["margin_ratio_max"]
    room = min(room, (buffer - max(0.0, row["buffer_min"])) / (2.0 * gross))
    if ratio < np.inf:
        room = min(room, (ratio * equity - needed) / (gross * (1.0 + ratio)))
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        if x["lots"] != 0:
            slope, d = exposure(m, w, i), max(0.0, x["distance_min"])
            if d < np.inf:
                room = min(room, (buffer - d * abs(slope)) / (2.0 * gross * (1.0 + d)))
            else:  # none so far: it lay below a price of 0
                room = min(room, (buffer - slope) / (4.0 * gross))
    return room, gross


@helper
def narrow(m, w, c: np.void, account: int, room: float) -> None:
    """End the look at an account: its group is calm while no mark moves by more than `room`, a fraction of it."""
    room *= SHARE
    if not room >= LEAST:
        disturb(w, c, account)
        return
    a = w.accounts[account]
    first, last = w.pools[a["pool_first"]], w.pools[a["pool_first"] + a["pool_count"] - 1]
    for i in range(first["position_first"], last["position_first"] + last["position_count"]):
        x = w.positions[i]
        if x["lots"] != 0:
            mark, between = m.markets[x["market"]]["mark"], w.calm[account // c["group"], x["market"]]
            between["low"] = max(between["low"], mark * (1.0 - room))
            between["high"] = min(between["high"], mark * (1.0 + room))
