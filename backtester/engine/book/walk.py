"""Taking liquidity level by level: what can be had, and having it (RULES 2)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.book.consumption import consumed, slot_of
from backtester.engine.book.feed import book_age
from backtester.engine.book.ladder import beyond, outward, up_to_date
from backtester.engine.jit import helper
from backtester.engine.money.ledger import fill_position
from backtester.enums import Liquidity, OrderReason, PriceReference


@helper
def bound_tick(m, market: int, side: int, fraction: float) -> int:
    """Worst tick of an IOC that may go `fraction` away from mid or mark, rounded inwards (RULES 2.1)."""
    k = m.markets[market]
    reference = m.instruments[k["instrument"]]["mid2"] * 0.5
    if m.rules[k["rules"]]["bound_from"] == PriceReference.MARK:
        reference = k["mark"] / k["tick_size"]
    if side > 0:
        return math.floor(reference * (1.0 + fraction))
    return max(1, math.ceil(reference * (1.0 - fraction)))


@helper
def _model(m, instrument: int, rules: int) -> tuple[int, int]:
    """(refill model, half-life ns) in force."""
    r = m.rules[rules]
    half_life = m.instruments[instrument]["half_life_ns"]
    return r["refill_model"], half_life if half_life > 0 else r["refill_half_life_ns"]


@helper
def measure(m, w, ts: int, world: int, k: int, rules: int, limit: int, lots: int) -> tuple[int, float, int, int]:
    """What a walk of `lots` on side `k` up to `limit` would get: (filled, Σ tick · lots, levels, why it ended).

    world = -1 measures the displayed ladder, as if nobody of ours had taken anything.
    """
    side = m.sides[k]
    cells = m.cells
    step = outward(k)
    model, half_life = _model(m, k >> 1, rules)
    left = lots
    value = 0.0
    levels = 0
    tick = side["best"]
    while left > 0 and not beyond(k, tick, side["edge"]):
        shown = cells[side["offset"] + tick]["lots"]
        if shown > 0:
            if beyond(k, tick, limit):
                return lots - left, value, levels, OrderReason.PRICE_BOUND
            if world >= 0:
                cell = up_to_date(cells, side, tick)
                entry = w.overlay[slot_of(w.overlay, world, k, tick - side["shift"])]
                shown -= cell["printed"] + consumed(entry, cell["message"], ts, model, half_life)
            if shown > 0:
                part = min(left, shown)
                left -= part
                value += float(part) * tick
                levels += 1
        tick += step
    return lots - left, value, levels, OrderReason.NONE if left == 0 else OrderReason.BEYOND_VISIBLE_DEPTH


@helper
def take(
    m, w, c: np.void, ts: int, world: int, k: int, rules: int, limit: int, lots: int, p: int, order: int, reason: int
) -> float:
    """Take what `measure` found: record the consumption and, when `p` >= 0, fill position `p` level by level as taker.

    The caller has seen to it that rows and slots suffice. Returns the fees (quote).
    """
    side = m.sides[k]
    step = outward(k)
    tick_size = m.instruments[k >> 1]["tick_size"]
    model, half_life = _model(m, k >> 1, rules)
    age_ns = book_age(m, k, ts)
    left = lots
    fees = 0.0
    tick = side["best"]
    while left > 0 and not beyond(k, tick, side["edge"]) and not beyond(k, tick, limit):
        shown = m.cells[side["offset"] + tick]["lots"]
        if shown > 0:
            cell = up_to_date(m.cells, side, tick)
            entry = w.overlay[slot_of(w.overlay, world, k, tick - side["shift"])]
            gone = consumed(entry, cell["message"], ts, model, half_life)
            there = shown - cell["printed"] - gone
            if there > 0:
                part = min(left, there)
                left -= part
                if entry["lots"] == 0:
                    c["overlay"] += 1
                entry["ts"] = ts
                entry["world"] = world
                entry["side"] = k
                entry["tick"] = tick - side["shift"]
                entry["lots"] = gone + part
                entry["message"] = cell["message"]
                if p >= 0:
                    d = -part if k & 1 == 0 else part
                    price = tick * tick_size
                    fees += fill_position(m, w, c, ts, p, order, d, tick, price, reason, Liquidity.TAKER, age_ns)
        tick += step
    return fees
