"""hftbacktest at the contest, run by the Python of its own environment.

    python hftbacktest_part.py convert TAPE --out EVENTS.npz      our Parquet → its events
    python hftbacktest_part.py none|taker|maker EVENTS.npz [--depth roi|hash] [--exchange full|partial] [--queue …]

Its exchange is the one that fills orders in full: the one with partial fills loses executed size and stops in maker
mode, which `--exchange partial` shows. Its queue is the risk-averse one by default: trades alone move an order forward,
as with us; `--queue log` is the probabilistic one.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    GTX,
    LIMIT,
    LOCAL_EVENT,
    MARKET,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.types import event_dtype
from numba import njit

from scripts.peers import contest
from scripts.peers.contest import Answer, Outcome

DEPTHS = {"roi": ROIVectorMarketDepthBacktest, "hash": HashMapMarketDepthBacktest}
OK, END_OF_DATA = 0, 1  # answers of `elapse`
#: An order the maker sent: local time, side, price in ticks, local time of its cancel (-1: never).
MESSAGE = np.dtype([("ts", "i8"), ("side", "i8"), ("tick", "i8"), ("cancel_ts", "i8")])


class Market(NamedTuple):
    """The instrument, and the lowest and highest price of its ladder: the range of interest."""

    tick_size: float
    lot_size: float
    low: float
    high: float


# --- strategies: each returns (answer of the last `elapse`, its time, samples, Σ bid ticks, Σ ask ticks, orders) -----


@njit
def watch(hbt: Any, size: float, messages: np.ndarray) -> tuple[int, int, int, int, int, int]:
    """Mode none."""
    samples = bids = asks = 0
    while True:
        answer = hbt.elapse(contest.STEP_NS)
        if answer != OK:
            return answer, hbt.current_timestamp, samples, bids, asks, 0
        depth = hbt.depth(0)
        bids += depth.best_bid_tick
        asks += depth.best_ask_tick
        samples += 1


@njit
def take(hbt: Any, size: float, messages: np.ndarray) -> tuple[int, int, int, int, int, int]:
    """Mode taker: buys first."""
    samples = bids = asks = 0
    while True:
        answer = hbt.elapse(contest.STEP_NS)
        if answer != OK:
            return answer, hbt.current_timestamp, samples, bids, asks, samples
        depth = hbt.depth(0)
        bids += depth.best_bid_tick
        asks += depth.best_ask_tick
        hbt.clear_inactive_orders(0)
        samples += 1
        if samples % 2 == 1:
            hbt.submit_buy_order(0, samples, depth.best_ask, size, GTC, MARKET, False)
        else:
            hbt.submit_sell_order(0, samples, depth.best_bid, size, GTC, MARKET, False)


@njit
def quote(hbt: Any, size: float, messages: np.ndarray) -> tuple[int, int, int, int, int, int]:
    """Mode maker; `messages` receives what it sends."""
    samples = bids = asks = 0
    sent = np.uint64(0)
    resting = np.zeros(2, np.uint64)  # number + 1 of the bid and of the ask; 0: none
    touch = np.zeros(2, np.int64)
    while True:
        answer = hbt.elapse(contest.STEP_NS)
        if answer != OK:
            return answer, hbt.current_timestamp, samples, bids, asks, int(sent)
        depth = hbt.depth(0)
        touch[0] = depth.best_bid_tick
        touch[1] = depth.best_ask_tick
        bids += touch[0]
        asks += touch[1]
        samples += 1
        hbt.clear_inactive_orders(0)
        orders = hbt.orders(0)
        now = hbt.current_timestamp
        for k in range(2):
            if resting[k] in orders:
                message = messages[resting[k] - 1]
                if message["tick"] == touch[k]:
                    continue
                if orders.get(resting[k]).cancellable:
                    hbt.cancel(0, resting[k], False)
                    message["cancel_ts"] = now
            message = messages[sent]
            sent += np.uint64(1)
            resting[k] = sent
            message["ts"], message["side"], message["tick"] = now, 1 - 2 * k, touch[k]
            message["cancel_ts"] = -1
            if k == 0:
                hbt.submit_buy_order(0, sent, touch[k] * depth.tick_size, size, GTX, LIMIT, False)
            else:
                hbt.submit_sell_order(0, sent, touch[k] * depth.tick_size, size, GTX, LIMIT, False)


STRATEGIES = {"none": watch, "taker": take, "maker": quote}


# --- events ----------------------------------------------------------------------------------------------------------


def read_tape(tape: Path) -> tuple[np.ndarray, Market]:
    """Depth and trades of a tape of one instrument, as its events."""
    rows = pl.read_parquet(tape, columns=["ts", "kind", "side", "price", "size"])
    kind = rows["kind"].cast(pl.String)
    rows = rows.filter(kind.is_in(["snapshot", "delta", "trade"]) & ((kind == "trade") | (rows["side"] != 0)))
    kind = rows["kind"].cast(pl.String)
    ts = rows["ts"].to_physical().to_numpy()
    if (ts[(kind == "snapshot").to_numpy()] != ts[0]).any():
        raise SystemExit(f"{tape}: has a snapshot after its first message, which is not converted")
    side = rows["side"].to_numpy()
    is_trade = (kind == "trade").to_numpy()
    events = np.zeros(len(rows), event_dtype)
    events["ev"] = EXCH_EVENT | LOCAL_EVENT
    events["ev"] |= np.where(is_trade, TRADE_EVENT, DEPTH_EVENT).astype(np.uint64)
    events["ev"] |= np.where(side > 0, BUY_EVENT, np.where(side < 0, SELL_EVENT, 0)).astype(np.uint64)
    events["exch_ts"], events["local_ts"] = ts, ts + contest.FEED_NS
    events["px"], events["qty"] = rows["price"].to_numpy(), rows["size"].to_numpy()
    (instrument,) = json.loads(pl.read_parquet_metadata(tape)["backtester.instruments"]).values()
    prices = events["px"][~is_trade]
    return events, Market(instrument["tick_size"], instrument["lot_size"], prices.min(), prices.max())


def convert(tape: Path, out: Path) -> Answer:
    """Write the events, ready to be used."""
    begin = time.perf_counter()
    events, market = read_tape(tape)
    np.savez(out, data=events, market=np.array(market))
    return Answer(len(events), [time.perf_counter() - begin], 0.0, contest.peak_rss_mb(), Outcome())


def load(path: Path) -> tuple[np.ndarray, Market]:
    """Events from a file that `convert` wrote, or from a tape."""
    if path.suffix == ".parquet":
        return read_tape(path)
    with np.load(path) as stored:
        return stored["data"], Market(*map(float, stored["market"]))


# --- one pass --------------------------------------------------------------------------------------------------------


def run_pass(mode: str, events: np.ndarray, market: Market, messages: np.ndarray, given: Any) -> Outcome:
    """Replay `events` under a strategy."""
    asset = BacktestAsset().data(events).linear_asset(1.0).tick_size(market.tick_size).lot_size(market.lot_size)
    asset = asset.constant_order_latency(contest.ENTRY_NS, contest.RESPONSE_NS)
    asset = asset.trading_value_fee_model(contest.MAKER_FEE, contest.TAKER_FEE).roi_lb(market.low).roi_ub(market.high)
    asset = asset.log_prob_queue_model2() if given.queue == "log" else asset.risk_adverse_queue_model()
    asset = asset.partial_fill_exchange() if given.exchange == "partial" else asset.no_partial_fill_exchange()
    hbt = DEPTHS[given.depth]([asset])
    answer, stopped, samples, bids, asks, orders = STRATEGIES[mode](hbt, contest.SIZE, messages)
    state, depth = hbt.state_values(0), hbt.depth(0)
    mid = (depth.best_bid + depth.best_ask) / 2
    outcome = Outcome(
        samples=samples,
        bid_ticks=bids,
        ask_ticks=asks,
        orders=int(orders),
        fills=state.num_trades,
        volume=state.trading_volume,
        fees=state.fee,
        position=state.position,
        pnl=state.balance + state.position * mid - state.fee,
        stopped_s=0.0 if answer == END_OF_DATA else (stopped - int(events["exch_ts"][0])) / 1e9,
    )
    hbt.close()
    return outcome


def main() -> None:
    """Measure one mode, or convert a tape."""
    parser = contest.parser("hftbacktest on a tape.")
    parser.add_argument("--depth", choices=DEPTHS, default="roi")
    parser.add_argument("--exchange", choices=("full", "partial"), default="full")
    parser.add_argument("--queue", choices=("risk", "log"), default="risk")
    given = parser.parse_args()
    if given.mode == "convert":
        contest.show(convert(given.tape, given.out))
        return
    events, market = load(given.tape)
    span = int(events["exch_ts"][-1] - events["exch_ts"][0])
    messages = np.zeros(2 * (span // contest.STEP_NS + 2), MESSAGE)
    run = partial(run_pass, given.mode, market=market, messages=messages, given=given)
    begin = time.perf_counter()
    if not given.whole:
        run(events[:5000].copy())
    first_s = time.perf_counter() - begin
    seconds, outcome = contest.timed(lambda: run(events), given.runs)
    if given.mode == "maker" and given.messages:
        np.save(given.messages, messages[: outcome.orders])
    contest.show(Answer(len(events), seconds, first_s, contest.peak_rss_mb(), outcome))


if __name__ == "__main__":
    main()
