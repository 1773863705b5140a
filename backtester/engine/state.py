"""The engine's memory: one structured array per kind of thing, made by `allocate` and owned by the shell.

Prices are ticks and sizes lots (int64), money is quote currency (float64), times are ns. Worlds own contiguous ranges:
worlds → accounts → pools → positions and orders. `Market` is shared by all worlds and read-only for them. Integers are
int64 throughout (but for the cells, of which there are millions), so that every helper has one signature. A sum of
tick · lots is float64: exact up to 2^53, rounded beyond it, where int64 would wrap on a grid fine enough.
"""

from __future__ import annotations

from typing import NamedTuple, get_type_hints

import numpy as np

from backtester.engine import spec

NO_BID = -1
NO_ASK = 1 << 62
NEVER_NS = 1 << 62
#: Queue ahead of an order at a level out of view: more than will ever trade.
UNKNOWN_QUEUE = 1 << 62
#: "None of them" where a number of an order, position, pool, world, market or tick is asked for. An np.int64, because a
#: plain -1 would make numba compile each helper once more.
NONE = np.int64(-1)
#: Phases of the agenda (RULES 1.3.7). Post-only orders come before others that arrive at the same time.
DECISION, CANCEL_DECISION, CANCEL, POST_ONLY_ARRIVAL, ARRIVAL, SECOND_LOOK = map(np.int64, range(6))

#: One price level of one side. message: number of the instrument's message that named it last, but for path steps
#: (SIDE.named). printed: lots that trades took since.
CELL = np.dtype([("lots", "i8"), ("printed", "i8"), ("message", "i8")], align=True)

#: One side of a ladder (2·instrument bid, 2·instrument + 1 ask). Cells lie by base tick (tick minus translation), so
#: that a path step moves all of them at once. Cell of a tick: offset + tick.
SIDE = np.dtype(
    [
        ("offset", "i8"),
        ("best", "i8"),  # NO_BID or NO_ASK when empty
        ("edge", "i8"),  # no level lies farther out than this
        ("view", "i8"),  # the last snapshot or path step showed the side as far as this
        ("own_best", "i8"),
        ("own_count", "i8"),
        ("shift", "i8"),  # translation of the last path step, ticks
        ("named", "i8"),  # number of the message of the last path step, which named all levels that it moved
    ],
    align=True,
)

#: Trades against the touch of one side, in the order of SIDE (RULES 2.6): those since it last agreed or moved, and the
#: longest stretch of them.
FEED = np.dtype(
    [
        ("trades", "i8"),
        ("touch", "i8"),  # key of the best tick (RULES 2.2) that they contradict
        ("first_ts", "i8"),
        ("last_ts", "i8"),
        ("longest_ns", "i8"),
        ("longest_ts", "i8"),  # when it began
        ("longest_touch", "i8"),  # the best tick shown, and the tick traded at its end
        ("longest_tick", "i8"),
    ],
    align=True,
)

INSTRUMENT = np.dtype(
    [
        ("tick_size", "f8"),
        ("unit", "f8"),  # lot_size · multiplier
        ("capacity", "i8"),  # ticks, and base ticks, per side
        ("mid2", "i8"),  # best bid + best ask, last time both were there; 0 = never
        ("last_tick", "i8"),  # -1 = no trade yet
        ("last_up", "i8"),  # nearest trigger of LAST above and below
        ("last_down", "i8"),
        ("index", "f8"),
        ("tape_mark", "f8"),
        ("funding_ts", "i8"),
        ("funding_rate", "f8"),
        ("extra_latency_ns", "i8"),
        ("half_life_ns", "i8"),  # 0 = as the rules say
        ("message", "i8"),
        ("snapshot", "i8"),  # message number of the last snapshot
        ("status", "i8"),
        ("outage", "i8"),  # bits of Outage
        ("traded", "i8"),  # lots of all trades so far
        ("start_traded", "i8"),  # up to the start
        ("traded_value", "f8"),  # Σ tick · lots of them
        ("book_ts", "i8"),  # of the last message; -1 = none yet, or a path step's: it does not age
        ("has_index", "i8"),
        ("has_tape_mark", "i8"),
        ("index_from_mid", "i8"),
    ],
    align=True,
)

#: An instrument under one venue's rules.
MARKET = np.dtype(
    [
        ("instrument", "i8"),
        ("rules", "i8"),
        ("tier_first", "i8"),
        ("tier_count", "i8"),
        ("has_mark", "i8"),
        ("unit", "f8"),
        ("tick_size", "f8"),
        ("mark", "f8"),
        ("basis_num", "f8"),
        ("basis_den", "f8"),
        ("inner_num", "f8"),
        ("inner_den", "f8"),
        ("basis_count", "i8"),  # samples of the basis so far; the last ones are in Market.basis
        ("impact_notional", "f8"),
        ("premium_sum", "f8"),  # weighted as the rules say
        ("premium_count", "i8"),  # with the sampling times before the first sample
        ("has_premium", "i8"),  # there has been a sample
        ("funding_cap", "f8"),
        ("funding_clock", "i8"),
        ("funding_charged", "f8"),  # rate of the last funding time
        ("liquidation_fee", "f8"),
        ("max_market_lots", "i8"),
        ("max_market_quote", "f8"),
        ("max_limit_lots", "i8"),
        ("max_limit_quote", "f8"),
        ("min_order_quote", "f8"),
        ("min_close_quote", "f8"),
        ("base", "i8"),
    ],
    align=True,
)

TIER = np.dtype([("floor", "f8"), ("rate", "f8"), ("deduction", "f8"), ("max_leverage", "f8")], align=True)

_KINDS = get_type_hints(spec.Rules)
del _KINDS["liquidation"]
RULES = np.dtype(
    [
        *spec.columns_of(_KINDS),
        ("step_first", "i8"),
        ("step_count", "i8"),
        ("mark_clock", "i8"),
        ("sample_clock", "i8"),
    ],
    align=True,
)

#: A row of the liquidation of rules.
STEP = np.dtype(spec.columns_of(get_type_hints(spec.Step)), align=True)

#: What strikes at equal intervals: marks and premium samples of rules, funding of a market. Before the first
#: record `next` is any of its times; one without an interval never strikes.
CLOCK = np.dtype([("next", "i8"), ("interval_ns", "i8")], align=True)

WORLD = np.dtype(
    [
        ("liquidation", "i8"),
        ("record", "i8"),
        ("used", "i8"),  # lots of the trade of step `used_step` that filled own orders
        ("used_step", "i8"),
        ("turnover", "f8"),  # Σ|amount| of the ledger
        ("limits", "i8"),  # whether those on automation hold
        ("drill", "i8"),  # what breaks for its guards, and between what times
        ("drill_from", "i8"),
        ("drill_to", "i8"),
        ("drilled", "i8"),  # whether it is broken, as at the last look
        ("viewer", "i8"),  # whose views its guards have
    ],
    align=True,
)

ACCOUNT = np.dtype(
    [
        ("world", "i8"),
        ("rules", "i8"),
        ("venue", "i8"),
        ("pool_first", "i8"),
        ("pool_count", "i8"),
        ("order_first", "i8"),
        ("order_count", "i8"),
        ("resting", "i8"),  # order number + 1 of the first resting order, 0 = none
        ("path", "i8"),  # row of the path table, -1 = not watched; those of its pools follow if it has several
        ("last_arrival", "i8"),
        ("full_size_until", "i8"),
        ("equity_start", "f8"),
        ("equity_min", "f8"),
        ("equity_min_ts", "i8"),
        ("guard_first", "i8"),
        ("guard_count", "i8"),
        ("guard_orders", "i8"),  # that its guards can send at a time, beside cancels
        ("guard_rows", "i8"),  # that they can write at a time
        ("equity_high", "f8"),  # since the start, on the mark grid; kept for guards
        ("passed_ts", "i8"),  # when a rate-limited venue last took one of their orders
    ],
    align=True,
)

#: Between what marks of a market a group of neighbouring accounts (CONTROL.group of them) needs no look.
CALM = np.dtype([("low", "f8"), ("high", "f8")], align=True)

#: Margin that stands or falls together: the cross pool of an account, or one isolated position.
POOL = np.dtype(
    [
        ("world", "i8"),
        ("account", "i8"),
        ("position_first", "i8"),
        ("position_count", "i8"),
        ("next_dirty", "i8"),  # pool number + 1 of the next pool to check; -1 = last; 0 = not waiting
        ("isolated", "i8"),
        ("path", "i8"),  # row of the path table, -1 = not watched, or the only pool of its account
        ("state", "i8"),
        ("breach", "f8"),  # maintenance / equity of one to be liquidated at this margin stage, 0 = not
        ("balance", "f8"),
        ("balance_start", "f8"),
        ("buffer_min", "f8"),
        ("buffer_min_ts", "i8"),
        ("margin_ratio_max", "f8"),
        ("breach_ts", "i8"),  # first check below maintenance
        ("rounds", "i8"),  # rounds of liquidation so far
        ("round_ts", "i8"),  # first round of the breach that lasts; -1 = none does
        ("step", "i8"),  # STEP that acts, or acted last
        ("takeover", "f8"),
        ("deficit", "f8"),
        ("kept_equity", "f8"),  # as guards see it while that is frozen
    ],
    align=True,
)

POSITION = np.dtype(
    [
        ("world", "i8"),
        ("account", "i8"),
        ("pool", "i8"),
        ("market", "i8"),
        ("isolated", "i8"),
        ("twin", "i8"),  # how many positions further the contract's other leg in the pool is (hedge mode); 0 = none
        ("lots", "i8"),
        ("cost", "f8"),
        ("leverage", "f8"),
        ("lots_start", "i8"),
        ("cost_start", "f8"),
        ("mark_start", "f8"),
        ("realised", "f8"),
        ("fee", "f8"),
        ("funding", "f8"),
        ("liquidation_fee", "f8"),
        ("breach_pnl", "f8"),  # PnL since entry with fees and funding, at the first breach of its pool
        # What rests to [buy, sell] for it and counts for initial margin (RULES 6.1), in sums and bounds: no order has
        # more left than `resting_largest`, or a limit better than `resting_best`.
        ("resting_lots", "i8", (2,)),
        ("resting_value", "f8", (2,)),  # lots · ticks
        ("resting_largest", "i8", (2,)),
        ("resting_best", "i8", (2,)),  # ticks
        ("bids", "f8"),  # what its buys are worth with one that arrives, quote; scratch of `free_margin`
        ("asks", "f8"),
        ("kept_lots", "i8"),  # as guards see them while they are blind, and their cost
        ("kept_cost", "f8"),
        ("send_lots", "i8"),  # size of the liquidation order of the round in progress
        ("distance_min", "f8"),  # smallest distance to the liquidation price, fraction of mark (RULES 6.4)
        ("unseen_ns", "i8"),  # longest time without a message of the instrument, of those above feed.SHORTEST_NS
        ("unseen_ts", "i8"),  # when it began
    ],
    align=True,
)

#: One order. When it is decided and cancelled stands in the schedule alone.
ORDER = np.dtype(
    [
        ("world", "i8"),
        ("account", "i8"),
        ("position", "i8"),
        ("market", "i8"),
        ("instrument", "i8"),
        ("prev", "i8"),  # order number + 1 in the list of a level or of followers; the head's prev is the tail
        ("next", "i8"),
        ("account_prev", "i8"),  # order number + 1 in the list of the account's resting orders; 0 = none
        ("account_next", "i8"),
        ("type", "i8"),
        ("tif", "i8"),
        ("side", "i8"),
        ("trigger_by", "i8"),
        ("reduce_only", "i8"),
        ("held", "i8"),
        ("status", "i8"),
        ("reason", "i8"),
        ("lots", "i8"),
        ("filled", "i8"),
        ("limit_tick", "i8"),
        ("trigger_tick", "i8"),
        ("reaction_ns", "i8"),
        ("price_protect", "i8"),
        ("cancel_after_ns", "i8"),
        ("bound", "f8"),
        ("callback_rate", "f8"),
        ("callback_ticks", "i8"),
        ("activation_tick", "i8"),
        ("heap", "i8"),  # of a trailing order: whose followers it is among
        ("peak", "i8"),  # of a trailing order, ticks; -1 = not active yet
        ("after", "i8"),
        ("parent", "i8"),  # order number, -1 = none
        ("size_of_parent", "i8"),
        ("child", "i8"),  # order number + 1 of the first one that waits for this one
        ("ended_next", "i8"),  # order number + 1, while orders.contingent.finish_order works down a tree
        ("sibling", "i8"),  # order number + 1 of the next one with the same parent
        ("oco_next", "i8"),  # order number + 1 of the next one in the ring of a group, 0 = no group
        ("plan", "i8"),  # plan number, -1 = none
        ("guard", "i8"),  # number of the guard that made it, -1 = the portfolio's own
        ("cancelled_by", "i8"),  # whose cancel of it is under way: number + 1 of a guard, -1 = the user's, 0 = none is
        ("guard_mark", "f8"),  # that it saw at the decision
        ("target", "f8"),
        ("peg", "i8"),
        ("key", "i8"),
        ("queue", "i8"),  # lots ahead of us at our level
        ("shown", "i8"),  # lots displayed at our level, as last set
        ("traded", "i8"),  # lots traded at our level since its last update
        ("early", "i8"),  # lots that messages took out of the queue and trades may still print
        ("early_ts", "i8"),  # when the last of them went
        ("seen", "i8"),  # last step that offered this order a fill
        ("decision_ts", "i8"),
        ("hold_ts", "i8"),  # first time that its trigger was reached and held
        ("trigger_ts", "i8"),
        ("arrive_ts", "i8"),
        ("done_ts", "i8"),
        ("trigger_price", "f8"),
        ("decision_mid2", "i8"),
        ("arrival_mid2", "i8"),
        ("arrival_best", "i8"),
        ("sweep_lots", "i8"),  # what sweeping the displayed ladder on arrival would have filled
        ("sweep_value", "f8"),  # Σ tick · lots of it
        ("fill_value", "f8"),  # Σ tick · lots filled
        ("maker_lots", "i8"),
        ("levels", "i8"),
        ("fee", "f8"),
    ],
    align=True,
)

#: A size that child orders work off. Ticks and lots; what the tape traded is that of the instrument.
PLAN = np.dtype(
    [
        ("world", "i8"),
        ("account", "i8"),
        ("position", "i8"),
        ("side", "i8"),
        ("lots", "i8"),
        ("max_child_lots", "i8"),
        ("rate", "f8"),
        ("committed", "i8"),  # filled, in flight or resting
        ("start_ts", "i8"),  # first decision, -1 = none yet
        ("start_mid2", "i8"),
        ("start_traded", "i8"),
        ("start_value", "f8"),
        ("end_ts", "i8"),  # when the last child so far ended
        ("end_mid2", "i8"),
        ("end_traded", "i8"),
        ("end_value", "f8"),
    ],
    align=True,
)

#: Inventory that the backstop of one world holds in one market.
INVENTORY = np.dtype([("lots", "i8"), ("cost", "f8")], align=True)

#: Heap 0 is the part of the agenda that came up in the run, keyed by due time. Heap 1 + 2·series + up holds the armed
#: triggers of a price series, keyed by tick (up) or -tick (down). An order is in at most one entry of each, and its
#: cancel in one of heap 0, so heaps never grow.
#: followers: order number + 1 of the first armed trailing order of the series, in the heap of its down triggers.
HEAP = np.dtype([("first", "i8"), ("size", "i8"), ("followers", "i8")], align=True)
WAITING = np.dtype([("key", "i8"), ("phase", "i8"), ("order", "i8")], align=True)

#: What one world consumed at one level. tick is the base tick (level minus translation); lots = 0 marks a free slot.
CONSUMED = np.dtype(
    [("ts", "i8"), ("tick", "i8"), ("lots", "i8"), ("world", "i8"), ("side", "i8"), ("message", "i8")], align=True
)

#: Where the engine stands. Everything a resume needs is here or in the arrays.
CONTROL = np.dtype(
    [
        ("next", "i8"),  # next record of the chunk
        ("now", "i8"),  # ts of the last record
        ("next_due", "i8"),  # when a clock or the agenda is due next
        ("next_clock", "i8"),
        ("scheduled", "i8"),  # next entry of the schedule
        ("due", "i8"),  # the due time being worked, if stage > 0
        ("start_ts", "i8"),
        ("step", "i8"),  # number of the step, 1 …
        ("stage", "i8"),  # 0 = between steps; see loop.Stage
        ("item", "i8"),
        ("sub", "i8"),
        ("instrument", "i8"),  # of the step being worked
        ("trade_tick", "i8"),
        ("trade_lots", "i8"),
        ("trade_side", "i8"),
        ("message_open", "i8"),
        ("message_snapshot", "i8"),
        ("message_step", "i8"),
        ("begun", "i8"),
        ("started", "i8"),
        ("finishing", "i8"),
        ("dirty_head", "i8"),  # pool number + 1
        ("dirty_tail", "i8"),
        ("overlay", "i8"),
        ("fills", "i8"),
        ("ledger", "i8"),
        ("liquidations", "i8"),
        ("payments", "i8"),
        ("guard_events", "i8"),
        ("orders", "i8"),  # number of the next one that a guard makes
        ("need", "i8"),  # free rows, slots or cells the next step asks for
        ("path_width", "i8"),
        ("bucket", "i8"),  # of the path, now
        ("seed", "i8"),
        ("group", "i8"),  # how many accounts are looked at together when a mark comes
        ("fault", "i8"),
        ("fault_item", "i8"),  # instrument or market of the fault
    ],
    align=True,
)


class Market(NamedTuple):
    """What all worlds share."""

    cells: np.ndarray
    sides: np.ndarray
    instruments: np.ndarray
    markets: np.ndarray
    tiers: np.ndarray
    rules: np.ndarray
    steps: np.ndarray  # STEP[n], those of each rules in a row
    clocks: np.ndarray
    path: np.ndarray  # [market, bucket] of MARKET_PATH
    basis: np.ndarray  # [market, slot]: the last samples of mid − index, in turn (MEDIAN_BASIS_MA)
    feeds: np.ndarray  # FEED, one a side
    gaps: np.ndarray  # i8[instrument, bin]: times between messages, counted ((engine.book.feed))
    viewers: np.ndarray  # VIEWER[n]: all worlds without a drill of what is seen share the first
    views: np.ndarray  # VIEW[viewer, market]
    shared_marks: np.ndarray  # [market, slot]: the last marks since the start, in turn; as many as returns look at
    seen_marks: np.ndarray  # [viewer, market, slot]: the same as it was when the market was seen


class Worlds(NamedTuple):
    """What worlds own, and the pools that grow."""

    worlds: np.ndarray
    accounts: np.ndarray
    calm: np.ndarray  # CALM[group of accounts, market]
    pools: np.ndarray
    positions: np.ndarray
    orders: np.ndarray
    plans: np.ndarray
    guards: np.ndarray  # those of an account together, in the order of accounts
    guard_ops: np.ndarray
    guard_actions: np.ndarray
    automations: np.ndarray  # AUTOMATION[account]; no row where none has guards
    recent: np.ndarray  # i8[slot]: order number + 1 of the last ones that the guards of an account sent, in turn
    stack: np.ndarray  # f8: what conditions are judged on
    parties: np.ndarray  # f8[world, venue, Party]: what each gained since the start, quote
    insurance: np.ndarray  # f8[world, venue]: what the insurance fund had at the start, quote
    inventory: np.ndarray  # [world, market]
    heaps: np.ndarray
    waiting: np.ndarray  # entries of all heaps
    levels: np.ndarray  # i4[side, tick]: order number + 1 of the first own order resting there, 0 = none
    schedule: np.ndarray  # WAITING, sorted: what was on the agenda from the start; the last one is never due
    overlay: np.ndarray
    fills: np.ndarray
    ledger: np.ndarray
    liquidations: np.ndarray
    payments: np.ndarray
    guard_events: np.ndarray
    path: np.ndarray  # [recorded account, bucket] of PATH


class Capacities(NamedTuple):
    """Starting sizes of what grows. Any positive value gives the same results; larger ones return less often."""

    cells: int = 1 << 16
    overlay: int = 1 << 12
    rows: int = 1 << 12
    group: int = 32  # accounts looked at together


DEFAULT_CAPACITIES = Capacities()
