"""Records become state: the ladder, the last price, the index; and what they wake (RULES 1.1, 1.2a)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.feed import note_message, weigh_trade
from backtester.engine.book.ladder import (
    beyond,
    delete_unnamed,
    end_step,
    move_side,
    outward,
    set_level,
    shown_lots,
    up_to_date,
)
from backtester.engine.book.outage import MARK_FROZEN
from backtester.engine.jit import helper
from backtester.engine.orders.queue import update_queues
from backtester.engine.orders.triggers import INDEX, triggers_of
from backtester.engine.state import NO_ASK, NO_BID
from backtester.engine.time.clocks import set_clock
from backtester.engine.time.stages import (
    AGENDA,
    DUE,
    FILLS,
    INDEX_RECORD,
    MARKS,
    MESSAGE,
    OK,
    TRADE,
    TRIGGERS,
    WOKEN,
    fault,
)
from backtester.enums import Advance, EventKind, Fault

SECOND_NS = 1_000_000_000


@helper
def _wake(c: np.void, stage: int, sub: int, instrument: int) -> None:
    c["stage"] = stage
    c["sub"] = sub
    c["instrument"] = instrument


@helper
def _set_own_levels(m, w, k: int, ts: int) -> None:
    """A snapshot or a path step sets all levels in its view for own orders (RULES 3.3), those named once more."""
    side = m.sides[k]
    left = side["own_count"]
    tick = side["own_best"]
    while left > 0 and not beyond(k, tick, side["view"]):
        head = w.levels[k, tick]
        if head != 0:
            left -= update_queues(m, w.orders, head, shown_lots(m.cells, side, k, tick), ts)
        tick += outward(k)


@helper
def _end_view(m, w, c: np.void, instrument: int, ts: int) -> None:
    """End a snapshot, whose unnamed levels are gone or out of view, or a path step (RULES 1.1)."""
    row = m.instruments[instrument]
    row["snapshot"] = row["message"]
    for k in (2 * instrument, 2 * instrument + 1):
        if c["message_snapshot"] != 0:
            delete_unnamed(m.cells, m.sides[k], k, row["message"])
        else:
            end_step(m.cells, m.sides[k], k)
        _set_own_levels(m, w, k, ts)


@helper
def _move_ladder(m, c: np.void, e: np.void, n: int) -> int:
    """Move the ladder of an instrument by a path step; returns the ticks that it needs, 0 if it has them."""
    highest = 0
    for k, shift in ((2 * n, e["tick"]), (2 * n + 1, e["lots"])):
        side = m.sides[k]
        outermost = max(side["edge"], side["best"])
        if outermost < NO_ASK:
            highest = max(highest, outermost + shift - side["shift"])
    if highest >= m.instruments[n]["capacity"]:
        return highest + 1
    move_side(m.cells, m.sides[2 * n], 2 * n, e["tick"], m.instruments[n]["message"])
    move_side(m.cells, m.sides[2 * n + 1], 2 * n + 1, e["lots"], m.instruments[n]["message"])
    c["message_step"] = 1
    return 0


@helper
def _apply_message(m, w, events: np.ndarray, c: np.void, i: int) -> int:
    """Apply the records of one message from record `i`; returns the next record, or -1 - i if the ladder has no cell
    for record `i` (RULES 1.1)."""
    first = events[i]
    ts = first["ts"]
    n = np.int64(first["instrument"])
    row = m.instruments[n]
    cells, sides = m.cells, m.sides
    if c["message_open"] == 0:
        row["message"] += 1
        c["message_snapshot"] = 0
        c["message_step"] = 0
    message = row["message"]
    capacity = row["capacity"]
    fresh = c["message_open"] == 0
    if first["kind"] == EventKind.PATH_STEP:
        c["message_open"] = 1
        need = _move_ladder(m, c, first, n)
        if need != 0:
            c["need"] = need
            return -1 - i
        fresh = True
        i += 1
    while i < len(events):
        e = events[i]
        if e["kind"] > EventKind.DELTA or e["ts"] != ts or e["instrument"] != n:
            break
        if e["side"] == 0:
            if not fresh:
                break
            c["message_snapshot"] = 1
        else:
            tick = e["tick"]
            k = 2 * n + (0 if e["side"] > 0 else 1)
            base = tick - sides[k]["shift"]
            if base < 0 or max(tick, base) >= capacity:
                c["message_open"] = 1
                c["need"] = base if base < 0 else max(tick, base) + 1
                return -1 - i
            set_level(cells, sides[k], k, tick, e["lots"], message)
            if sides[k]["own_count"] > 0 and w.levels[k, tick] != 0:
                update_queues(m, w.orders, w.levels[k, tick], e["lots"], ts)
            if e["kind"] == EventKind.SNAPSHOT:
                c["message_snapshot"] = 1
        fresh = False
        i += 1
    c["message_open"] = 0
    return i


@helper
def _end_message(m, w, c: np.void, n: int, ts: int) -> int:
    """Judge a message that is complete: OK, WOKEN (own orders are crossed) or a fault."""
    if c["message_snapshot"] != 0 or c["message_step"] != 0:
        _end_view(m, w, c, n, ts)
    bids = m.sides[2 * n]
    asks = m.sides[2 * n + 1]
    bid = bids["best"]
    ask = asks["best"]
    if bid >= ask:
        return fault(c, Fault.CROSSED, n)
    if bid != NO_BID and ask != NO_ASK:
        m.instruments[n]["mid2"] = bid + ask
    note_message(m, w, n, ts, c["message_step"], c["start_ts"])
    if bids["own_best"] >= ask or asks["own_best"] <= bid:
        _wake(c, FILLS, MESSAGE, n)
        return WOKEN
    return OK


@helper
def _trade(m, c: np.void, e: np.void) -> int:
    """Note a trade; WOKEN when it reaches an own order or a trigger on the last price."""
    n = np.int64(e["instrument"])
    row = m.instruments[n]
    tick = e["tick"]
    row["last_tick"] = tick
    row["traded"] += e["lots"]
    row["traded_value"] += float(e["lots"]) * tick
    weigh_trade(m.feeds, m.sides, n, np.int64(e["side"]), tick, e["ts"])
    hits = False
    if e["side"] != 0:
        k = 2 * n + (1 if e["side"] > 0 else 0)
        side = m.sides[k]
        hits = not beyond(k, side["own_best"], tick)
        if shown_lots(m.cells, side, k, tick) > 0:
            up_to_date(m.cells, side, tick)["printed"] += e["lots"]
    if hits or tick <= row["last_down"] or tick >= row["last_up"]:
        _wake(c, FILLS, TRADE, n)
        c["trade_tick"] = tick
        c["trade_lots"] = e["lots"]
        c["trade_side"] = e["side"]
        return WOKEN
    return OK


@helper
def _note_index(m, w, c: np.void, e: np.void) -> int:
    """Take up an index; WOKEN when a trigger waits for one."""
    n = np.int64(e["instrument"])
    m.instruments[n]["index"] = e["value"]
    m.instruments[n]["has_index"] = 1
    for i in range(len(m.markets)):
        if m.markets[i]["instrument"] == n:
            h = triggers_of(m, INDEX, n, np.int64(i))
            if w.heaps[h]["size"] + w.heaps[h + 1]["size"] + w.heaps[h]["followers"] > 0:
                _wake(c, TRIGGERS, INDEX_RECORD, n)
                return WOKEN
    return OK


@helper
def _note_funding(m, c: np.void, e: np.void) -> None:
    """A rate, its time, and how long it is to the next (RULES 7.2)."""
    n = np.int64(e["instrument"])
    m.instruments[n]["funding_ts"] = e["ts"]
    m.instruments[n]["funding_rate"] = e["value"]
    for i in range(len(m.markets)):
        k = m.markets[i]
        if k["instrument"] == n:
            set_clock(m.clocks[k["funding_clock"]], c, e["ts"], e["lots"] * SECOND_NS)


@helper
def _note_record(m, w, c: np.void, e: np.void) -> int:
    """Take up a record that is neither depth nor trade (RULES 1.2a)."""
    kind = e["kind"]
    n = np.int64(e["instrument"])
    row = m.instruments[n]
    if kind == EventKind.INDEX and row["outage"] & MARK_FROZEN == 0:
        return _note_index(m, w, c, e)
    elif kind == EventKind.MARK:
        row["tape_mark"] = e["value"]
        row["has_tape_mark"] = 1
    elif kind == EventKind.FUNDING:
        _note_funding(m, c, e)
    elif kind == EventKind.STATUS:
        row["status"] = e["lots"]
    elif kind == EventKind.LATENCY:
        row["extra_latency_ns"] = int(e["value"])
    elif kind == EventKind.REFILL:
        row["half_life_ns"] = int(e["value"] * 1e9 + 0.5)
    elif kind == EventKind.OUTAGE:
        row["outage"] = int(e["value"])
    return OK


@helper
def replay(m, w, events: np.ndarray, c: np.void) -> int:
    """Apply records until something is woken or due, or the chunk ends."""
    i = c["next"]
    due = c["next_due"]
    now = c["now"]
    answer = OK
    while i < len(events):
        e = events[i]
        ts = e["ts"]
        if ts > due and c["message_open"] == 0:
            answer = DUE
            break
        if ts < now:
            answer = fault(c, Fault.TIME_BACKWARDS, np.int64(e["instrument"]))
            break
        now = ts
        if c["message_open"] == 0:
            c["step"] += 1
        if e["kind"] <= EventKind.DELTA or e["kind"] == EventKind.PATH_STEP:
            n = np.int64(e["instrument"])
            i = _apply_message(m, w, events, c, i)
            if i < 0:
                i = -1 - i
                answer = Advance.NEED_LADDER
                break
            answer = _end_message(m, w, c, n, ts)
        else:
            answer = _trade(m, c, e) if e["kind"] == EventKind.TRADE else _note_record(m, w, c, e)
            due = c["next_due"]
            i += 1
        if answer != OK:
            break
    c["next"] = i
    c["now"] = now
    if answer == OK:
        answer = DUE if c["finishing"] != 0 and due <= now else Advance.CHUNK_DONE
    if answer == DUE:
        c["due"] = due
        c["stage"] = MARKS if due == c["next_clock"] else AGENDA
    return answer
