"""Our engine at the contest: `python backtester_part.py none|taker|maker TAPE [--messages FILE]`.

One account under Hyperliquid's newest rules, its fees and latencies replaced by those of the contest; marks, margin
checks, consumption of liquidity and the records of fills and ledger are on, as in every run. Orders are what a
portfolio hands over before the run; making the engine and laying out the orders belongs to each timed pass. The maker's
orders and cancels are those that hftbacktest's strategy sent (--messages), so that both engines handle the same ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backtester.engine import spec
from backtester.engine.jit import kernel
from backtester.engine.loop.advance import advance
from backtester.enums import Advance, OrderType, TimeInForce
from backtester.market.read import Tape, open_tape
from backtester.run.drive import Engine
from scripts.bench_parts import stream
from scripts.peers import contest
from scripts.peers.contest import Answer, Outcome

BALANCE, LEVERAGE = 1e9, 2.0
CHUNK_DONE, STARTED = int(Advance.CHUNK_DONE), int(Advance.STARTED)
FIRST, END, DUE, SAMPLES, BIDS, ASKS = range(6)  # of the state of a watch


@kernel
def watched(market: Any, worlds: Any, events: np.ndarray, control: np.ndarray, state: np.ndarray) -> int:
    """`advance`, stopping every 100 ms to add up the best bid and ask; answers an Advance code.

    state  i8[6]: the records [FIRST, END) being applied, when to look next, how often it was, Σ bid ticks, Σ ask ticks
    """
    while True:
        code: int = advance(market, worlds, events[state[FIRST] : state[END]], control)
        if code != CHUNK_DONE:
            return code
        first = state[FIRST] = state[END]
        if first == len(events):
            return code
        control[0]["next"] = 0
        while events[first]["ts"] > state[DUE]:
            state[DUE] += contest.STEP_NS
            state[SAMPLES] += 1
            state[BIDS] += market.sides[0]["best"]
            state[ASKS] += market.sides[1]["best"]
        end = first
        while end < len(events) and events[end]["ts"] <= state[DUE]:
            end += 1
        state[END] = end


class ContestEngine(Engine):
    """Knows how long it took to lay out the orders."""

    attach_s = 0.0

    def attach(self, worlds: Sequence[spec.World]) -> None:
        """As `Engine.attach`."""
        begin = time.perf_counter()
        super().attach(worlds)
        self.attach_s = time.perf_counter() - begin


def work(engine: Engine, events: np.ndarray, world: spec.World) -> None:
    """Apply `events`; at the start the world begins."""
    if engine.feed(events) == Advance.STARTED:
        engine.attach([world])
        engine.resume()


def work_watched(engine: Engine, events: np.ndarray, world: spec.World, state: np.ndarray) -> None:
    """The same, looking every 100 ms."""
    state[[FIRST, END]] = 0
    while True:
        code = watched(engine.market, engine.worlds, events, engine.control, state)
        if code == CHUNK_DONE:
            return
        if code == STARTED:
            engine.attach([world])
        state[FIRST] += int(engine.control["next"][0])
        work(engine, events[state[FIRST] : state[END]], world)  # the shell grows what is full
        state[FIRST] = state[END]


def market_orders(tape: Tape, lots: int) -> spec.Orders:
    """One every 100 ms, as a strategy that sees the market late sends them."""
    first = int(tape.first_ts_ns or 0)
    count = (int(tape.last_ts_ns or 0) + contest.FEED_NS - first) // contest.STEP_NS
    number = np.arange(count)
    pattern = spec.Order("", 0, OrderType.MARKET, TimeInForce.IOC, 1, lots)
    table = np.repeat(spec.order_table([pattern]), count)
    table["side"] = 1 - 2 * (number % 2)
    table["at_ns"] = first + (number + 1) * contest.STEP_NS - contest.FEED_NS
    return spec.Orders(list(map(str, range(1, count + 1))), table)


def quotes(messages: Path, lots: int) -> spec.Orders:
    """Post-only orders and their cancels as hftbacktest's strategy sent them."""
    sent = np.load(messages)
    pattern = spec.Order("", 0, OrderType.LIMIT, TimeInForce.POST_ONLY, 1, lots)
    table = np.repeat(spec.order_table([pattern]), len(sent))
    table["side"], table["limit_tick"] = sent["side"], sent["tick"]
    table["at_ns"] = sent["ts"] - contest.FEED_NS
    table["cancel_at_ns"] = np.where(sent["cancel_ts"] >= 0, sent["cancel_ts"] - contest.FEED_NS, -1)
    return spec.Orders(list(map(str, range(len(table)))), table)


def rules_of_the_contest(data: spec.MarketData) -> spec.MarketData:
    """`data` with the fees and latencies that all engines have."""
    rules = data.rules[0]._replace(
        taker_fee=contest.TAKER_FEE,
        maker_fee=contest.MAKER_FEE,
        feed_latency_ns=contest.FEED_NS,
        order_latency_ns=contest.ENTRY_NS,
        block_ns=0,
    )
    return data._replace(rules=(rules,))


def run_pass(
    chunks: Iterable[np.ndarray], data: spec.MarketData, orders: Sequence[spec.Order], first_due: int | None
) -> tuple[ContestEngine, np.ndarray]:
    """Replay `chunks` with one account; a `first_due` makes it look at the ladder from then on.

    Returns the engine and the state of the watch.
    """
    engine = ContestEngine(data)
    account = spec.Account("main", 0, BALANCE, (spec.Position(0, 0, 0.0, LEVERAGE),), orders)
    world = spec.World((account,))
    state = np.array([0, 0, first_due or 0, 0, 0, 0], np.int64)
    for events in chunks:
        if first_due is None:
            work(engine, events, world)
        else:
            work_watched(engine, events, world, state)
    engine.finish()
    return engine, state


def last_mid(engine: Engine) -> float:
    """Quote currency."""
    instrument = engine.market.instruments[0]
    return float(instrument["mid2"] / 2 * instrument["tick_size"])


def outcome_of(engine: Engine, state: np.ndarray) -> Outcome:
    """What the engine's arrays say."""
    orders, position = engine.worlds.orders, engine.worlds.positions[0]
    unit = float(engine.market.instruments[0]["unit"])
    held = int(position["lots"]) * unit
    balance = float(engine.worlds.pools["balance"].sum())
    return Outcome(
        samples=int(state[SAMPLES]),
        bid_ticks=int(state[BIDS]),
        ask_ticks=int(state[ASKS]),
        orders=len(orders),
        fills=len(engine.fills),
        volume=int(orders["filled"].sum()) * unit,
        fees=float(orders["fee"].sum()),
        position=held,
        pnl=balance - BALANCE + held * last_mid(engine) - float(position["cost"]),
    )


def if_whole(engine: Engine) -> Outcome:
    """The same, had every order that was filled at all been filled whole and at once (`contest.Answer`)."""
    instrument = engine.market.instruments[0]
    orders = engine.worlds.orders[engine.worlds.orders["filled"] > 0]
    is_market = orders["type"] == OrderType.MARKET
    price = np.where(is_market, orders["arrival_best"], orders["limit_tick"]) * instrument["tick_size"]
    size = orders["lots"] * instrument["unit"]
    fees = float((size * price * np.where(is_market, contest.TAKER_FEE, contest.MAKER_FEE)).sum())
    held = float((orders["side"] * size).sum())
    cash = -float((orders["side"] * size * price).sum())
    return Outcome(
        orders=len(engine.worlds.orders),
        fills=len(orders),
        volume=float(size.sum()),
        fees=fees,
        position=held,
        pnl=cash + held * last_mid(engine) - fees,
    )


def main() -> None:
    """Measure one mode."""
    given = contest.parser("backtester on a tape.").parse_args()
    tape = open_tape([given.tape])
    data, chunks = stream(tape)
    data = rules_of_the_contest(data)
    lots = round(contest.SIZE / tape.instruments[0].lot_size)
    orders: Sequence[spec.Order] = ()
    if given.mode == "taker":
        orders = market_orders(tape, lots)
    elif given.mode == "maker":
        orders = quotes(given.messages, lots)
    first_due = int(tape.first_ts_ns or 0) + contest.STEP_NS - contest.FEED_NS if given.mode == "none" else None
    run = partial(run_pass, data=data, orders=orders, first_due=first_due)
    if given.whole:
        seconds, (engine, state) = contest.timed(lambda: run(chunks), 1)
        contest.show(Answer(0, seconds, 0.0, contest.peak_rss_mb(), outcome_of(engine, state)))
        return
    events = list(chunks)
    begin = time.perf_counter()
    run([events[0][:5000]])
    first_s = time.perf_counter() - begin
    seconds, (engine, state) = contest.timed(lambda: run(events), given.runs)
    whole = if_whole(engine) if orders else None
    found = outcome_of(engine, state)
    rows = sum(map(len, events))
    contest.show(Answer(rows, seconds, first_s, contest.peak_rss_mb(), found, whole, engine.attach_s))


if __name__ == "__main__":
    main()
