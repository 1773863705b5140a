"""What was done on an order book too old to believe (market.feed): fills on it, and times that nothing was measured."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from backtester.config.values import Instant
from backtester.market.feed import ASSUME_FROZEN, frozen_feeds, seconds
from backtester.metrics.names import Names
from backtester.report.flags import Flag
from backtester.report.records import Notice
from backtester.report.text import size, when
from backtester.run.result import ACTUAL, RunResult
from backtester.texts import iso_time


def stale_fills(result: RunResult, names: Names) -> Iterator[Notice]:
    """A notice for each order with fills on an old order book, and one for those of the venue in each position."""
    fills = _old_fills(result)
    keys = np.where(fills["order"] >= 0, fills["order"], -1 - fills["position"])
    for key, rows in groupby(np.argsort(keys, kind="stable").tolist(), lambda row: int(keys[row])):
        yield _stale(result, names, key, fills[list(rows)])


def _stale(result: RunResult, names: Names, key: int, fills: np.ndarray) -> Notice:
    oldest = fills[np.argmax(fills["age_ns"])]
    position, ts = int(oldest["position"]), Instant(int(oldest["ts"]))
    account, symbol = names.account(int(oldest["account"])), names.symbol(position)
    filled = names.grid(position).size(int(fills["lots"].sum()))
    author = names.order(key) if key >= 0 else "a liquidation order"
    text = (
        f"{author} ({account} {symbol}) filled {size(filled)} on an order book {seconds(int(oldest['age_ns']))} old at "
        f"{when(ts, Instant(result.start_ts))}: beyond {seconds(_bound(result, position))} nobody knows what was there"
    )
    return Notice(Flag.FILLED_ON_STALE_ORDER_BOOK, ts, account, symbol, (author,) if key >= 0 else (), filled, text)


def triggers_behind_gaps(result: RunResult, names: Names) -> Iterator[Notice]:
    """Orders whose trigger fired on the first price after the longest gap in the order books of their position."""
    orders = result.state.orders
    for number in np.flatnonzero((orders["world"] == ACTUAL) & (orders["trigger_ts"] >= 0)).tolist():
        order = orders[number]
        position, fired = int(order["position"]), int(order["trigger_ts"])
        row, market = result.state.positions[position], result.market.markets[int(order["market"])]
        ends = int(row["unseen_ts"] + row["unseen_ns"])
        next_mark = ends + int(result.market.rules[market["rules"]]["mark_interval_ns"])
        if row["unseen_ns"] <= _bound(result, position) or not ends <= fired <= next_mark:
            continue
        author, account, symbol = names.order(number), names.account(int(order["account"])), names.symbol(position)
        text = (
            f"{author} ({account} {symbol}) fired at {when(Instant(fired), Instant(result.start_ts))}, behind "
            f"{seconds(int(row['unseen_ns']))} without an order book: when its price came and what it met is unknown"
        )
        lots = names.grid(position).size(int(order["lots"]))
        yield Notice(Flag.FIRED_BEHIND_A_GAP, Instant(fired), account, symbol, (author,), lots, text)


def warnings(result: RunResult) -> Iterator[str]:
    """What a reader of any figure should know first: feeds that stood still, fills on old ones, positions unseen."""
    instruments = [each.tape for each in result.instruments]
    used = result.market.markets["instrument"].tolist()
    for _, text in frozen_feeds(instruments, used, result.market.feeds, result.book_bounds_ns):
        yield f"{text}; taken as it is ({ASSUME_FROZEN})"
    fills = _old_fills(result)
    places = _instruments(result, fills["position"])
    for number in sorted({*used}):
        symbol, bound = instruments[number].symbol, result.book_bounds_ns[number]
        old = fills[places == number]
        if len(old):
            yield (
                f"{symbol}: {len(old)} fill{'s' if len(old) > 1 else ''} on an order book older than {seconds(bound)}, "
                f"the oldest {seconds(int(old['age_ns'].max()))}"
            )
        longest, since = _unseen(result, number)
        if longest > bound:
            yield (
                f"{symbol}: no order book for {seconds(longest)} from {iso_time(since)} while it is held: "
                "mark and margin are not measured there"
            )


def _bound(result: RunResult, position: int) -> int:
    market = result.market.markets[int(result.state.positions[position]["market"])]
    return result.book_bounds_ns[int(market["instrument"])]


def _instruments(result: RunResult, positions: np.ndarray) -> np.ndarray:
    """The instrument of each position number."""
    found: np.ndarray = result.market.markets["instrument"][result.state.positions["market"][positions]]
    return found


def _old_fills(result: RunResult) -> np.ndarray:
    """FILL[n] of ACTUAL beyond the bound of their instrument."""
    fills = result.fills[result.fills["world"] == ACTUAL]
    bounds = np.array(result.book_bounds_ns, np.int64)[_instruments(result, fills["position"])]
    old: np.ndarray = fills[fills["age_ns"] > bounds]
    return old


def _unseen(result: RunResult, instrument: int) -> tuple[int, int]:
    """(ns, since) of the longest time without a message while a position was open, up to the end of the run."""
    table = result.state.positions
    mine = (_instruments(result, np.arange(len(table))) == instrument) & (table["world"] == ACTUAL)
    found = [(int(row["unseen_ns"]), int(row["unseen_ts"])) for row in table[mine]]
    book_ts = int(result.market.instruments[instrument]["book_ts"])
    if book_ts >= 0 and table["lots"][mine].any():
        since = max(book_ts, result.start_ts)
        found.append((result.end_ts - since, since))
    return max(found, default=(0, 0))
