"""Records become state: the ladder, the last price, the index; and what they wake (RULES 1.1, 1.2a)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.feed import note_message, weigh_trade
from backtester.engine.book.ladder import beyond, delete_unnamed, outward, set_level
from backtester.engine.book.outage import MARK_FROZEN
from backtester.engine.jit import helper
from backtester.engine.orders.queue import update_queues
from backtester.engine.orders.triggers import INDEX, triggers_of
from backtester.engine.state import NO_ASK, NO_BID
from backtester.engine.time.stages import DUE, FILLS, INDEX_RECORD, MARKS, MESSAGE, OK, TRADE, TRIGGERS, WOKEN, fault
from backtester.enums import Advance, EventFlag, EventKind, Fault

SECOND_NS = 1_000_000_000


@helper
def _wake(c: np.void, stage: int, sub: int, instrument: int) -> None:
    c["stage"] = stage
    c["sub"] = sub
    c["instrument"] = instrument


@helper
def _set_own_levels(m, orders: np.ndarray, k: int, ts: int) -> None:
    """End a snapshot for own orders: it sets all levels in its view (RULES 3.3), those that it names once more."""
    side = m.sides[k]
    left = side["own_count"]
    tick = side["own_best"]
    while left > 0 and not beyond(k, tick, side["view"]):
        cell = m.cells[side["offset"] + tick]
        left -= update_queues(m, orders, cell["head"], cell["lots"], ts)
        tick += outward(k)


@helper
def _end_snapshot(m, w, instrument: int, ts: int) -> None:
    """What the snapshot did not name is gone or out of view (RULES 1.1)."""
    row = m.instruments[instrument]
    row["snapshot"] = row["message"]
    for k in (2 * instrument, 2 * instrument + 1):
        delete_unnamed(m.cells, m.sides[k], k, row["message"])
        _set_own_levels(m, w.orders, k, ts)


@helper
def _apply_message(m, w, events: np.ndarray, c: np.void, i: int) -> int:
    """Apply the depth records of one message from record `i`; returns the next record, or -1 - i if the ladder is
    too short for record `i` (RULES 1.1)."""
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
            if tick >= capacity:
                c["message_open"] = 1
                c["need"] = tick + 1
                return -1 - i
            k = 2 * n + (0 if e["side"] > 0 else 1)
            head = set_level(cells, sides[k], k, tick, e["lots"], message)
            if head != 0:
                update_queues(m, w.orders, head, e["lots"], ts)
            if e["kind"] == EventKind.SNAPSHOT:
                c["message_snapshot"] = 1
        if e["flags"] & EventFlag.STEP:
            c["message_step"] = 1
        fresh = False
        i += 1
    c["message_open"] = 0
    return i


@helper
def _end_message(m, w, c: np.void, n: int, ts: int) -> int:
    """Judge a message that is complete: OK, WOKEN (own orders are crossed) or a fault."""
    if c["message_snapshot"] != 0:
        _end_snapshot(m, w, n, ts)
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
        if tick < row["capacity"]:
            m.cells[side["offset"] + tick]["printed"] += e["lots"]
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
            k["next_funding"] = e["ts"]
            k["funding_interval_ns"] = e["lots"] * SECOND_NS
            c["next_due"] = min(c["next_due"], e["ts"])


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
    elif kind == EventKind.PATH_STEP:
        m.sides[2 * n]["shift"] = e["tick"]
        m.sides[2 * n + 1]["shift"] = e["lots"]
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
        if e["kind"] <= EventKind.DELTA:
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
        c["stage"] = MARKS
    return answer
