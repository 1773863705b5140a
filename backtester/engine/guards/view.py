"""What a client sees of the markets (RULES 11.2)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.outage import FEED_FROZEN
from backtester.engine.guards.drills import BAD_TICK, broken_view
from backtester.engine.jit import helper
from backtester.engine.prices.funding import premium_rate
from backtester.engine.state import NO_ASK, NO_BID
from backtester.engine.time.clocks import strikes
from backtester.enums import Drill


@helper
def take_views(m, ts: int) -> None:
    """See every market whose mark was made at `ts`, unless its feed is frozen; keep its mark for returns."""
    for market in range(len(m.markets)):
        k = m.markets[market]
        if strikes(m, m.rules[k["rules"]]["mark_clock"], ts):
            m.shared_marks[market, m.views[0, market]["count"] % m.shared_marks.shape[1]] = k["mark"]
            for viewer in range(len(m.viewers)):
                v = m.views[viewer, market]
                v["count"] += 1
                broken = broken_view(m, viewer, ts)
                if m.instruments[k["instrument"]]["outage"] & FEED_FROZEN == 0 and broken != Drill.STALE_VIEW:
                    _see(m, k, v, ts)
                    _see_marks(m, viewer, market, v)
                    if broken == Drill.BAD_TICK:
                        v["mark"] *= BAD_TICK


@helper
def view_of(m, w, x: np.void) -> np.void:
    """What the guards of an account see of the market of its position `x`."""
    return m.views[w.worlds[x["world"]]["viewer"], x["market"]]


@helper
def _see(m, k: np.void, v: np.void, ts: int) -> None:
    i = m.instruments[k["instrument"]]
    bid, ask = m.sides[2 * k["instrument"]]["best"], m.sides[2 * k["instrument"] + 1]["best"]
    v["ts"] = ts
    v["mark"] = k["mark"]
    v["index"] = i["index"] if i["has_index"] != 0 else np.nan
    v["last"] = i["last_tick"] * i["tick_size"] if i["last_tick"] >= 0 else np.nan
    v["bid"] = bid * i["tick_size"] if bid != NO_BID else np.nan
    v["ask"] = ask * i["tick_size"] if ask != NO_ASK else np.nan
    v["funding"] = _funding(m, k, i)


@helper
def _see_marks(m, viewer: int, market: int, v: np.void) -> None:
    """See the mark that was just made, after a freeze all that were made meanwhile."""
    marks, seen = m.shared_marks[market], m.seen_marks[viewer, market]
    if v["seen"] == v["count"] - 1:
        seen[v["seen"] % len(seen)] = marks[v["seen"] % len(seen)]
    else:
        for slot in range(len(seen)):
            seen[slot] = marks[slot]
    v["seen"] = v["count"]


@helper
def _funding(m, k: np.void, i: np.void) -> float:
    """The rate of one interval as a funding time of now would have it without a record (RULES 7.2), else the last."""
    r = m.rules[k["rules"]]
    if r["assume_funding_zero"] != 0:
        return 0.0
    if r["funding_premium"] != 0 and k["has_premium"] != 0 and k["premium_count"] > 0:
        return premium_rate(m, k, r)
    return i["funding_rate"] if i["funding_ts"] >= 0 else np.nan
