"""How old is what the order book shows? The time since its last message, and trades that contradict it (RULES 2.6)."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.state import NO_ASK, NO_BID, NONE

#: Times between two messages are counted in bins of GAP_NS, the last one open.
GAP_NS, GAPS = 100_000_000, 61
#: A shorter time without a message is never worth a word: the least bound of age (market.feed).
SHORTEST_NS = 10_000_000_000
#: So many trades contradict a touch.
WITNESSES = 3


@helper
def _side_hit(sides: np.ndarray, n: int, aggressor: int, tick: int) -> int:
    """The side of instrument `n` that a trade hits, without an aggressor the one that it lies beyond; -1 of neither.

    -1, too, while one side is empty: there is no touch.
    """
    bid, ask = sides[2 * n]["best"], sides[2 * n + 1]["best"]
    if bid == NO_BID or ask == NO_ASK:
        return -1
    if aggressor < 0 or (aggressor == 0 and tick < bid):
        return 2 * n
    return 2 * n + 1 if aggressor > 0 or tick > ask else -1


@helper
def contradicted_ns(feed: np.void) -> int:
    """How long the touch of a side has been contradicted, from the first to the last of the trades; 0 with too few."""
    return feed["last_ts"] - feed["first_ts"] if feed["trades"] >= WITNESSES else 0


@helper
def weigh_trade(feeds: np.ndarray, sides: np.ndarray, n: int, aggressor: int, tick: int, ts: int) -> None:
    """Hold a trade against the touch that it hits."""
    k = _side_hit(sides, n, aggressor, tick)
    if k < 0:
        return
    feed, touch = feeds[k], sides[k]["best"]
    if tick == touch:
        feed["trades"] = 0
        return
    if feed["trades"] == 0:
        feed["first_ts"] = ts
        feed["touch"] = touch - sides[k]["shift"]
    feed["trades"] += 1
    feed["last_ts"] = ts
    if contradicted_ns(feed) > feed["longest_ns"]:
        feed["longest_ns"] = contradicted_ns(feed)
        feed["longest_ts"] = feed["first_ts"]
        feed["longest_touch"] = touch
        feed["longest_tick"] = tick


@helper
def hear_answer(feeds: np.ndarray, sides: np.ndarray, n: int, is_step: int) -> None:
    """After a message of instrument `n`: a touch that moved, or that a path step shows, is not contradicted."""
    for k in (2 * n, 2 * n + 1):
        if is_step != 0 or sides[k]["best"] - sides[k]["shift"] != feeds[k]["touch"]:
            feeds[k]["trades"] = 0


@helper
def note_message(m, w, n: int, ts: int, is_step: int, start_ts: int) -> None:
    """Take the time of a complete message; what a path step shows does not age."""
    row = m.instruments[n]
    book_ts = row["book_ts"]
    if book_ts >= 0:
        m.gaps[n, min((ts - book_ts) // GAP_NS, GAPS - 1)] += 1
        if ts - book_ts > SHORTEST_NS:
            _note_unseen(m, w, n, max(book_ts, start_ts), ts)
    row["book_ts"] = NONE if is_step != 0 else ts
    hear_answer(m.feeds, m.sides, n, is_step)


@helper
def _note_unseen(m, w, n: int, since: int, ts: int) -> None:
    """Keep the longest time that each open position in instrument `n` went unseen."""
    for x in w.positions:
        if x["lots"] != 0 and m.markets[x["market"]]["instrument"] == n and ts - since > x["unseen_ns"]:
            x["unseen_ns"] = ts - since
            x["unseen_ts"] = since


@helper
def book_age(m, k: int, ts: int) -> int:
    """Age of what side `k` shows at `ts`, ns."""
    book_ts = m.instruments[k >> 1]["book_ts"]
    return max(ts - book_ts if book_ts >= 0 else 0, contradicted_ns(m.feeds[k]))
