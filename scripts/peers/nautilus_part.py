"""nautilus_trader 2 at the contest, run by the Python of its own environment.

    python nautilus_part.py none|taker|maker TAPE [--events 1000000]

It takes Python objects, which are made before the clock starts: seconds and gigabytes for a few million events, hence
the first --events of the tape only. It has no feed latency: the strategy looks 1 ms early instead, and its messages
travel 1 ms longer, so that they arrive when those of the others do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from nautilus_trader import backtest, common, execution, model, trading

from scripts.peers import contest
from scripts.peers.contest import Answer, Outcome

VENUE = model.Venue("BENCH")
ID = model.InstrumentId.from_str("BTC-PERP.BENCH")
USDT = model.Currency.from_str("USDT")
BALANCE = 1_000_000_000


class Strategy(trading.Strategy):
    """All three modes: a timer, a look at the touch, orders."""

    def __new__(cls, config: Any, *args: Any) -> Any:
        """The native part takes the configuration alone."""
        return super().__new__(cls, config)

    def __init__(self, config: Any, mode: str, first_ns: int, tick: float, size: Any) -> None:
        self.mode, self.first_ns, self.tick, self.size = mode, first_ns, tick, size
        self.samples = self.bids = self.asks = self.orders = self.fills = 0
        self.volume = self.fees = self.position = self.cash = self.mid = 0.0
        self.quotes: list[Any] = [None, None]  # id and price of the bid and of the ask

    def on_start(self) -> None:
        """Asks for the ladder and sets the timer."""
        self.subscribe_book_deltas(ID, model.BookType.L2_MBP, managed=True)
        begin = self.first_ns - contest.FEED_NS
        self.clock.set_timer_ns("look", contest.STEP_NS, start_time_ns=begin, callback=self.look, allow_past=True)

    def look(self, event: Any) -> None:
        """Every 100 ms."""
        touch = self.cache.top_of_book(ID)
        if touch is None:
            return
        bid, _, ask, _ = touch
        self.mid = (float(bid) + float(ask)) / 2
        self.samples += 1
        self.bids += round(float(bid) / self.tick)
        self.asks += round(float(ask) / self.tick)
        if self.mode == "taker":
            side = model.OrderSide.BUY if self.samples % 2 else model.OrderSide.SELL
            self.submit_order(self.order_factory.market(ID, side, self.size))
            self.orders += 1
        elif self.mode == "maker":
            self.quote(0, model.OrderSide.BUY, bid)
            self.quote(1, model.OrderSide.SELL, ask)

    def quote(self, k: int, side: Any, price: Any) -> None:
        """Keep one post-only order at `price`."""
        if self.quotes[k] is not None:
            number, resting = self.quotes[k]
            order = self.cache.order(number)
            if order is not None and not order.is_closed:
                if resting == price:
                    return
                self.cancel_order(number)
        order = self.order_factory.limit(ID, side, self.size, price, post_only=True)
        self.quotes[k] = (order.client_order_id, price)
        self.submit_order(order)
        self.orders += 1

    def on_order_filled(self, event: Any) -> None:
        """Adds it up."""
        size = float(event.last_qty)
        side = 1.0 if event.order_side == model.OrderSide.BUY else -1.0
        self.fills += 1
        self.volume += size
        self.position += side * size
        self.cash -= side * size * float(event.last_px)
        self.fees += float(event.commission)


# --- events ----------------------------------------------------------------------------------------------------------


def read_tape(tape: Path, limit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first `limit` events of a tape of one instrument, whole messages only, as columns; and the instrument."""
    table = pq.read_table(tape, columns=["ts", "kind", "side", "price", "size"])
    (instrument,) = json.loads(table.schema.metadata[b"backtester.instruments"]).values()
    kind = np.asarray(table["kind"].cast(pa.string()).to_pylist(), object)
    side = table["side"].to_numpy()
    keep = np.flatnonzero(np.isin(kind, ("snapshot", "delta")) & (side != 0) | (kind == "trade"))[: limit + 1]
    ts = table["ts"].cast(pa.int64()).to_numpy()[keep]
    end = len(keep) if len(keep) <= limit else int(np.searchsorted(ts, ts[-1]))
    keep = keep[:end]
    columns = {name: table[name].to_numpy()[keep].tolist() for name in ("side", "price", "size")}
    return columns | {"ts": ts[:end].tolist(), "is_trade": (kind[keep] == "trade").tolist()}, instrument


def make_objects(columns: dict[str, Any], digits: tuple[int, int]) -> Iterator[Any]:
    """One OrderBookDeltas per message, one TradeTick per trade."""
    buy, sell = model.OrderSide.BUY, model.OrderSide.SELL
    bought, sold = model.AggressorSide.BUY, model.AggressorSide.SELL
    last, update, delete = model.RecordFlag.F_LAST.value, model.BookAction.UPDATE, model.BookAction.DELETE
    names = ("ts", "is_trade", "side", "price", "size")
    rows = list(zip(*(columns[name] for name in names), strict=True))
    message: list[Any] = []
    for number, (ts, is_trade, side, price, size) in enumerate(rows):
        at, lots = model.Price(price, digits[0]), model.Quantity(size, digits[1])
        if is_trade:
            who = bought if side > 0 else sold
            yield model.TradeTick(ID, at, lots, who, model.TradeId(str(number)), ts, ts)
            continue
        follows = number + 1 < len(rows) and rows[number + 1][:2] == (ts, False)
        order = model.BookOrder(buy if side > 0 else sell, at, lots, 0)
        flags = 0 if follows else last
        message.append(model.OrderBookDelta(ID, update if size else delete, order, flags, number, ts, ts))
        if not follows:
            yield model.OrderBookDeltas(ID, message)
            message = []


# --- one pass --------------------------------------------------------------------------------------------------------


def make_engine(instrument: dict[str, Any], digits: tuple[int, int]) -> Any:
    """An engine with one venue and one perpetual."""
    off = common.LoggerConfig(stdout_level=common.LogLevel.OFF, bypass_logging=True)
    engine = backtest.BacktestEngine(backtest.BacktestEngineConfig(logging=off, run_analysis=False))
    engine.add_venue(
        VENUE,
        model.OmsType.NETTING,
        model.AccountType.MARGIN,
        [model.Money(BALANCE, USDT)],
        default_leverage=Decimal(2),
        fee_model=execution.MakerTakerFeeModel(Decimal(str(contest.MAKER_FEE)), Decimal(str(contest.TAKER_FEE))),
        latency_model=execution.StaticLatencyModel(base_latency_nanos=contest.FEED_NS + contest.ENTRY_NS),
        book_type=model.BookType.L2_MBP,
        queue_position=True,
    )
    engine.add_instrument(
        model.CryptoPerpetual(
            ID,
            model.Symbol("BTC-PERP"),
            model.Currency.from_str("BTC"),
            USDT,
            USDT,
            False,
            *digits,
            model.Price(instrument["tick_size"], digits[0]),
            model.Quantity(instrument["lot_size"], digits[1]),
            0,
            0,
        )
    )
    return engine


def run_pass(mode: str, objects: list[Any], first_ns: int, instrument: dict[str, Any]) -> tuple[float, Outcome]:
    """Seconds of the run (objects handed over before), and what it found."""
    digits = digits_of(instrument)
    engine = make_engine(instrument, digits)
    size = model.Quantity(contest.SIZE, digits[1])
    config = trading.StrategyConfig(strategy_id=model.StrategyId("S-001"), log_events=False, log_commands=False)
    strategy = Strategy(config, mode, first_ns, instrument["tick_size"], size)
    engine.add_strategy(strategy)
    engine.add_data(objects)
    begin = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - begin
    found = Outcome(
        samples=strategy.samples,
        bid_ticks=strategy.bids,
        ask_ticks=strategy.asks,
        orders=strategy.orders,
        fills=strategy.fills,
        volume=strategy.volume,
        fees=strategy.fees,
        position=strategy.position,
        pnl=strategy.cash + strategy.position * strategy.mid - strategy.fees,
    )
    engine.dispose()
    return seconds, found


def digits_of(instrument: dict[str, Any]) -> tuple[int, int]:
    """Decimals of prices and of sizes."""
    steps = [Decimal(str(instrument[name])).normalize() for name in ("tick_size", "lot_size")]
    price, size = (max(0, -int(step.as_tuple().exponent)) for step in steps)
    return price, size


def main() -> None:
    """Measure one mode."""
    parser = contest.parser("nautilus_trader 2 on a tape.")
    parser.add_argument("--events", type=int, default=1_000_000, help="the first of the tape (%(default)s)")
    given = parser.parse_args()
    columns, instrument = read_tape(given.tape, given.events)
    objects = list(make_objects(columns, digits_of(instrument)))
    first_ns = columns["ts"][0] + contest.STEP_NS
    passes = [run_pass(given.mode, objects, first_ns, instrument) for _ in range(given.runs)]
    seconds = [elapsed for elapsed, _ in passes]
    contest.show(Answer(len(columns["ts"]), seconds, 0.0, contest.peak_rss_mb(), passes[-1][1]))


if __name__ == "__main__":
    main()
