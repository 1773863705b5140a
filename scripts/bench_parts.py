"""What `bench.py` measures, one part a process: `python scripts/bench_parts.py PART TAPE …` prints one JSON object.

The worlds of a measurement: world i is one account with one position of about 60,000 in quote currency, long for even
i, cross or isolated by pairs, at leverage 2 … 40, backed by its initial margin (isolated) or 1.5 times that (cross),
and one reduce-only stop on the mark, 0.5 % … 10.5 % away, evenly spread over the worlds; every 100th also rests a bid
and an ask 1 % away. A single world has its stop and its two orders 20 % away: they are watched to the end of the tape.
The crowd is one account with 1,000 orders of 0.01, half of them bids, evenly spread from 0.1 % to 2 % from the mark.

What grows (`CASES`), each in one pass:

worlds     so many of the worlds above
near       the crowd, of so many orders
far        the same from 20 % to 40 % from the mark, where no price comes
market     a market order of 0.01 each 100 ms (more often when the tape is too short), buying and selling in turns
positions  one account with so many of the positions above, each in a market of its own, all on the tape's instrument
symbols    so many instruments, each with the first events of the tape and an account with a position and its stop
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.engine import spec
from backtester.enums import Advance, EventKind, OrderStatus, OrderType, PriceSeries, TimeInForce
from backtester.market.read import Tape, open_tape
from backtester.market.schema import TapeInstrument
from backtester.market.synth.tape import synth_tape
from backtester.run.drive import Engine
from backtester.run.resolve import market_of, rules_of
from backtester.scenario import library
from backtester.scenario.apply import StressedTape
from backtester.scenario.grid import Target
from backtester.venue.loader import load_profile
from scripts.crash_tape import crash_columns
from scripts.make_bench_tape import convert
from scripts.peers.contest import SIZE, peak_rss_mb

NOTIONAL = 60_000.0
SAMPLE_NS = 100_000_000
ROWS_PER_MINUTE = 8_500  # of the synthetic BTC tape
CROWD = 1_000
NEAR, FAR = (0.001, 0.02), (0.2, 0.4)  # of the mark, from its nearest to its furthest order
EVENTS_PER_SYMBOL = 50_000
WARMING = 5_000  # events
Result = dict[str, Any]
MakeWorlds = Callable[[int, float, spec.Instrument], list[spec.World]]


class Pass(NamedTuple):
    """One replay: the engine at its end, the seconds that its kernels worked, those that laid out its worlds."""

    engine: Engine
    kernel_s: float
    laying_out_s: float


class Case(NamedTuple):
    """What one pass replays."""

    data: spec.MarketData
    chunks: Iterable[np.ndarray]
    make: MakeWorlds


def market_data(instrument: TapeInstrument, index_from_mid: bool) -> spec.MarketData:
    """The instrument under the newest Hyperliquid rules."""
    profile = load_profile("hyperliquid")
    return spec.MarketData(
        (instrument.spec._replace(index_from_mid=index_from_mid),),
        (rules_of(profile, assume_funding_zero=True),),
        (market_of(0, 0, profile, instrument),),
    )


def make_world(number: int, count: int, mark: float, instrument: spec.Instrument) -> spec.World:
    """World `number` of `count`, as the module says."""
    side = 1 if number % 2 == 0 else -1
    isolated = number // 2 % 2 == 1
    leverage = 2 + number % 39
    lots = round(NOTIONAL / (mark * instrument.lot_size * instrument.multiplier))
    margin = NOTIONAL / leverage
    near = 0.005 + 0.1 * number / count if count > 1 else 0.2
    away = 0.01 if count > 1 else 0.2

    def tick(change: float) -> int:
        return int(mark * (1.0 + change) / instrument.tick_size)

    stop = spec.Order(
        "stop",
        0,
        OrderType.STOP_MARKET,
        TimeInForce.GTC,
        -side,
        lots,
        trigger_tick=tick(-side * near),
        trigger_by=PriceSeries.MARK,
        reduce_only=True,
    )
    resting = tuple(
        spec.Order(name, 0, OrderType.LIMIT, TimeInForce.GTC, way, 1 + lots // 100, limit_tick=tick(-way * away))
        for name, way in (("bid", 1), ("ask", -1))
    )
    position = spec.Position(0, side * lots, mark, float(leverage), isolated, margin if isolated else 0.0)
    orders = (stop, *resting) if number % 100 == 0 else (stop,)
    account = spec.Account(f"account-{number}", 0, 1.5 * margin, (position,), orders)
    return spec.World((account,), record=count == 1)


def make_crowd(
    count: int, mark: float, instrument: spec.Instrument, away: tuple[float, float] = NEAR
) -> list[spec.World]:
    """One account with `count` resting orders, as the module says."""
    step = (away[1] - away[0]) / (count // 2)
    lots = round(SIZE / instrument.lot_size)
    orders = tuple(
        spec.Order(
            f"{way:+}-{number}",
            0,
            OrderType.LIMIT,
            TimeInForce.GTC,
            way,
            lots,
            limit_tick=int(mark * (1.0 - way * (away[0] + step * number)) / instrument.tick_size),
        )
        for number in range(count // 2)
        for way in (1, -1)
    )
    return [one_account(mark, orders)]


def one_account(mark: float, orders: Sequence[spec.Order]) -> spec.World:
    """A rich account without a position that only trades."""
    return spec.World((spec.Account("main", 0, 1e9, (spec.Position(0, 0, mark, 2.0),), orders),))


def market_orders(count: int, lots: int, first_ns: int, step_ns: int) -> spec.Orders:
    """`count` market orders of so many lots, the first one step after `first_ns`."""
    number = np.arange(count)
    table = np.repeat(spec.order_table([spec.Order("", 0, OrderType.MARKET, TimeInForce.IOC, 1, lots)]), count)
    table["side"] = 1 - 2 * (number % 2)
    table["at_ns"] = first_ns + (number + 1) * step_ns
    return spec.Orders(list(map(str, number)), table)


def accounts_of(count: int, mark: float, instrument: spec.Instrument) -> list[spec.Account]:
    """The accounts of `count` worlds, number n in market n."""
    worlds = [make_world(number, count, mark, instrument) for number in range(count)]
    return [
        world.accounts[0]._replace(positions=(world.accounts[0].positions[0]._replace(market=number),))
        for number, world in enumerate(worlds)
    ]


def side_by_side(events: np.ndarray, count: int) -> np.ndarray:
    """The same events for each of `count` instruments, in order of time, messages whole."""
    merged = np.tile(events, count)
    merged["instrument"] = np.repeat(np.arange(count), len(events))
    return merged[np.argsort(merged["ts"], kind="stable")]


def has_index(events: np.ndarray) -> bool:
    """Whether there is an index row."""
    return bool((events["kind"] == EventKind.INDEX).any())


def make_worlds(count: int, mark: float, instrument: spec.Instrument) -> list[spec.World]:
    """`count` worlds, as the module says."""
    return [make_world(number, count, mark, instrument) for number in range(count)]


def run_worlds(data: spec.MarketData, chunks: Iterable[np.ndarray], count: int, make: MakeWorlds = make_worlds) -> Pass:
    """Replay `chunks` with the worlds of `make`; making them is in none of its times."""
    engine = Engine(data)
    seconds = laying_out_s = 0.0
    for chunk in chunks:
        begin = time.perf_counter()
        status = engine.feed(chunk)
        seconds += time.perf_counter() - begin
        if status == Advance.STARTED:
            mark = float(engine.market.markets["mark"][0])
            worlds = make(count, mark, data.instruments[0])
            begin = time.perf_counter()
            engine.attach(worlds)
            laying_out_s += time.perf_counter() - begin
            begin = time.perf_counter()
            engine.resume()
            seconds += time.perf_counter() - begin
    begin = time.perf_counter()
    engine.finish()
    return Pass(engine, seconds + time.perf_counter() - begin, laying_out_s)


def stream(tape: Tape) -> tuple[spec.MarketData, Iterator[np.ndarray]]:
    """The tape's market, and its chunks."""
    return market_data(tape.instruments[0], not has_index(next(tape.chunks()))), tape.chunks()


# --- parts ---------------------------------------------------------------------------------------------------------


def make_tape(out: Path, events: int) -> Result:
    """A synthetic tape of about `events` rows."""
    return {"rows": synth_tape("hyperliquid-btc", out, minutes=max(1.0, events / ROWS_PER_MINUTE)).rows}


def make_published(out: Path) -> Result:
    """The tape of `crash_tape.py`."""
    columns = crash_columns()
    convert(columns, out)
    return {"rows": len(columns.kind), "sha256": columns.sha256()}


def repeat_tape(tape: Path, times: int, out: Path) -> Result:
    """The tape written `times` times behind itself: it begins with a snapshot, so that each copy starts afresh."""
    opened = open_tape([tape])
    if next(opened.chunks())[0]["kind"] != EventKind.SNAPSHOT:
        raise SystemExit(f"{tape}: cannot be repeated, its first row is no snapshot")
    span = int(opened.last_ts_ns or 0) - int(opened.first_ts_ns or 0) + 1_000_000_000
    rows = 0
    with pq.ParquetFile(tape) as source, pq.ParquetWriter(out, source.schema_arrow, compression="zstd") as writer:
        for copy in range(times):
            for batch in source.iter_batches(262_144):
                moved = pa.array(batch["ts"].cast(pa.int64()).to_numpy() + copy * span).cast(batch["ts"].type)
                number = pa.array(np.arange(rows, rows + batch.num_rows))
                batch = batch.set_column(batch.schema.names.index("ts"), batch.schema.field("ts"), moved)
                batch = batch.set_column(batch.schema.names.index("seq"), batch.schema.field("seq"), number)
                writer.write_batch(batch)
                rows += batch.num_rows
    return {"rows": rows}


def measure_replay(tape: Path, runs: int) -> Result:
    """Engine time with one world, the events already in memory; median of `runs`."""
    data, chunks = stream(open_tape([tape]))
    events = list(chunks)
    run_worlds(data, events, 1)
    rows = sum(map(len, events))
    seconds = [run_worlds(data, events, 1).kernel_s for _ in range(runs)]
    return {"rows": rows, "mev_s": rows / median(seconds) / 1e6, "best_mev_s": rows / min(seconds) / 1e6}


def measure_resting(tape: Path, runs: int) -> Result:
    """The same with one account and very many resting orders."""
    data, chunks = stream(open_tape([tape]))
    events = list(chunks)

    engine = run_worlds(data, events, CROWD, make_crowd).engine
    resting = int(np.count_nonzero(engine.worlds.orders["status"] == OrderStatus.RESTING))
    rows = sum(map(len, events))
    seconds = [run_worlds(data, events, CROWD, make_crowd).kernel_s for _ in range(runs)]
    return {"rows": rows, "mev_s": rows / median(seconds) / 1e6, "resting_at_end": resting}


def measure_checksums(tape: Path) -> Result:
    """Σ best bid tick and Σ best ask tick, looked at every 100 ms before the events of that time."""
    opened = open_tape([tape])
    data, chunks = stream(opened)
    engine = Engine(data)
    due = int(opened.first_ts_ns or 0) + SAMPLE_NS
    samples = bids = asks = 0
    for chunk in chunks:
        begin = 0
        while begin < len(chunk):
            end = int(np.searchsorted(chunk["ts"], due))
            if engine.feed(chunk[begin:end]) == Advance.STARTED:
                engine.resume()
            begin = end
            if begin < len(chunk):
                samples += 1
                bids += int(engine.market.sides["best"][0])
                asks += int(engine.market.sides["best"][1])
                due += SAMPLE_NS
    return {"samples": samples, "bid_ticks": bids, "ask_ticks": asks, "source": opened.files[0].metadata.source}


def worlds_case(tape: Tape, _size: int) -> Case:
    """Streaming from Parquet."""
    return Case(*stream(tape), make_worlds)


def near_case(tape: Tape, _size: int) -> Case:
    """Resting orders that are filled."""
    return Case(*stream(tape), make_crowd)


def far_case(tape: Tape, _size: int) -> Case:
    """Resting orders that stay."""
    return Case(*stream(tape), partial(make_crowd, away=FAR))


def market_case(tape: Tape, size: int) -> Case:
    """Market orders, one after the other."""
    first = int(tape.first_ts_ns or 0)
    step = min(SAMPLE_NS, (int(tape.last_ts_ns or 0) - first) // (size + 1))
    orders = market_orders(size, round(SIZE / tape.instruments[0].lot_size), first, step)
    return Case(*stream(tape), lambda _count, mark, _instrument: [one_account(mark, orders)])


def positions_case(tape: Tape, size: int) -> Case:
    """One account in many markets."""
    data, chunks = stream(tape)

    def make(count: int, mark: float, instrument: spec.Instrument) -> list[spec.World]:
        accounts = accounts_of(count, mark, instrument)
        positions = tuple(account.positions[0] for account in accounts)
        return [spec.World((spec.Account("main", 0, sum(account.balance for account in accounts), positions),))]

    return Case(data._replace(markets=data.markets * size), chunks, make)


def symbols_case(tape: Tape, size: int) -> Case:
    """One account in each of many instruments."""
    data, chunks = stream(tape)
    markets = tuple(data.markets[0]._replace(instrument=number) for number in range(size))
    data = data._replace(instruments=data.instruments * size, markets=markets)
    first = next(chunks)[:EVENTS_PER_SYMBOL]

    def make(count: int, mark: float, instrument: spec.Instrument) -> list[spec.World]:
        return [spec.World(tuple(accounts_of(count, mark, instrument)))]

    return Case(data, [side_by_side(first, size)], make)


CASES: dict[str, Callable[[Tape, int], Case]] = {
    "worlds": worlds_case,
    "near": near_case,
    "far": far_case,
    "market": market_case,
    "positions": positions_case,
    "symbols": symbols_case,
}


def measure_pass(tape: Path, name: str, size: int) -> Result:
    """Times and memory of one pass of a case, after a short one that loads the kernels."""
    opened = open_tape([tape])
    data, chunks = stream(opened)
    run_worlds(data, [next(chunks)[:WARMING]], 1)
    case = CASES[name](opened, size)
    engine, kernel_s, laying_out_s = run_worlds(case.data, case.chunks, size, case.make)
    return {
        "kernel_s": kernel_s,
        "laying_out_s": laying_out_s,
        "peak_mb": peak_rss_mb(),
        "positions": int(np.count_nonzero(engine.worlds.positions["lots"])),
        "fills": int(np.count_nonzero(engine.worlds.orders["filled"])),
    }


def measure_stressed(tape: Path, scenario: str, limit: int) -> Result:
    """Engine time and transform time of the first `limit` events of the stressed tape, with one world."""
    opened = open_tape([tape])
    instrument = opened.instruments[0]
    target = Target(instrument.symbol, instrument.base, instrument.venue, instrument.tick_size, instrument.lot_size)
    data = market_data(instrument, index_from_mid=False)
    next(StressedTape(library.find(scenario), [target], opened.chunks).chunks())  # compiles
    stressed = StressedTape(library.find(scenario), [target], opened.chunks).chunks()
    rows, begin, events = 0, time.perf_counter(), []
    while rows < limit:
        chunk = next(stressed, None)
        if chunk is None:
            break
        events.append(chunk.copy())
        rows += len(chunk)
    transform_s = time.perf_counter() - begin
    run_worlds(data, events[:1], 1)
    seconds = run_worlds(data, events, 1).kernel_s
    return {"rows": rows, "mev_s": rows / seconds / 1e6, "transform_mev_s": rows / transform_s / 1e6}


def measure_compile(tape: Path) -> Result:
    """Seconds of the engine's first calls, on the first chunk of the tape."""
    data, chunks = stream(open_tape([tape]))
    return {"seconds": run_worlds(data, [next(chunks)], 1).kernel_s}


def main() -> None:
    """Measure one part."""
    parts: dict[str, Callable[[argparse.Namespace], Result]] = {
        "tape": lambda given: make_tape(given.tape, given.number),
        "published": lambda given: make_published(given.tape),
        "repeat": lambda given: repeat_tape(given.tape, given.number, given.out),
        "replay": lambda given: measure_replay(given.tape, given.number),
        "resting": lambda given: measure_resting(given.tape, given.number),
        "checksums": lambda given: measure_checksums(given.tape),
        "stressed": lambda given: measure_stressed(given.tape, given.scenario, given.number),
        "compile": lambda given: measure_compile(given.tape),
    }
    parts |= {name: partial(lambda name, given: measure_pass(given.tape, name, given.number), name) for name in CASES}
    parser = argparse.ArgumentParser(description="One part of the benchmark.")
    parser.add_argument("part", choices=parts)
    parser.add_argument("tape", type=Path)
    parser.add_argument("--number", type=int, default=1, help="events, copies, runs, or how many there are of a case")
    parser.add_argument("--out", type=Path, help="of repeat")
    parser.add_argument("--scenario", default="2025-10-10")
    given = parser.parse_args()
    print(json.dumps(parts[given.part](given)))


if __name__ == "__main__":
    main()
