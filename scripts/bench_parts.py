"""What `bench.py` measures, one part a process: `python scripts/bench_parts.py PART TAPE …` prints one JSON object.

The worlds of a measurement: world i is one account with one position of about 60,000 in quote currency, long for even
i, cross or isolated by pairs, at leverage 2 … 40, backed by its initial margin (isolated) or 1.5 times that (cross),
and one reduce-only stop on the mark, 0.5 % … 10.5 % away, evenly spread over the worlds; every 100th also rests a bid
and an ask 1 % away. A single world has its stop and its two orders 20 % away: they are watched to the end of the tape.
The crowd is one account with 1,000 orders of one lot, half of them bids, evenly spread from 0.1 % to 2 % from the mark.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

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

NOTIONAL = 60_000.0
SAMPLE_NS = 100_000_000
ROWS_PER_MINUTE = 8_500  # of the synthetic BTC tape
CROWD = 1_000
Result = dict[str, Any]
MakeWorlds = Callable[[int, float, spec.Instrument], list[spec.World]]


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


def make_crowd(count: int, mark: float, instrument: spec.Instrument) -> spec.World:
    """One account with `count` resting orders, as the module says."""
    step = 0.019 / (count // 2)
    orders = tuple(
        spec.Order(
            f"{way:+}-{number}",
            0,
            OrderType.LIMIT,
            TimeInForce.GTC,
            way,
            1,
            limit_tick=int(mark * (1.0 - way * (0.001 + step * number)) / instrument.tick_size),
        )
        for number in range(count // 2)
        for way in (1, -1)
    )
    account = spec.Account("crowd", 0, 1e9, (spec.Position(0, 0, mark, 2.0),), orders)
    return spec.World((account,))


def has_index(events: np.ndarray) -> bool:
    """Whether there is an index row."""
    return bool((events["kind"] == EventKind.INDEX).any())


def make_worlds(count: int, mark: float, instrument: spec.Instrument) -> list[spec.World]:
    """`count` worlds, as the module says."""
    return [make_world(number, count, mark, instrument) for number in range(count)]


def run_worlds(
    data: spec.MarketData, chunks: Iterable[np.ndarray], count: int, make: MakeWorlds = make_worlds
) -> tuple[Engine, float]:
    """Replay `chunks` with the worlds of `make`; returns the engine and the seconds it worked, making them left out."""
    engine = Engine(data)
    seconds = 0.0
    for chunk in chunks:
        begin = time.perf_counter()
        status = engine.feed(chunk)
        seconds += time.perf_counter() - begin
        if status == Advance.STARTED:
            mark = float(engine.market.markets["mark"][0])
            engine.attach(make(count, mark, data.instruments[0]))
            begin = time.perf_counter()
            engine.resume()
            seconds += time.perf_counter() - begin
    begin = time.perf_counter()
    engine.finish()
    return engine, seconds + time.perf_counter() - begin


def peak_rss_mb() -> float:
    """The most memory this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # counts from exec on, unlike ru_maxrss
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def stream(tape: Tape) -> tuple[spec.MarketData, Iterator[np.ndarray]]:
    """The tape's market, and its chunks."""
    return market_data(tape.instruments[0], not has_index(next(tape.chunks()))), tape.chunks()


# --- parts ---------------------------------------------------------------------------------------------------------


def make_tape(out: Path, events: int) -> Result:
    """A synthetic tape of about `events` rows."""
    return {"rows": synth_tape("hyperliquid-btc", out, minutes=max(1.0, events / ROWS_PER_MINUTE)).rows}


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
    seconds = [run_worlds(data, events, 1)[1] for _ in range(runs)]
    return {"rows": rows, "mev_s": rows / median(seconds) / 1e6, "best_mev_s": rows / min(seconds) / 1e6}


def measure_resting(tape: Path, runs: int) -> Result:
    """The same with one account and very many resting orders."""
    data, chunks = stream(open_tape([tape]))
    events = list(chunks)

    def crowd(_count: int, mark: float, instrument: spec.Instrument) -> list[spec.World]:
        return [make_crowd(CROWD, mark, instrument)]

    engine, _ = run_worlds(data, events, 1, crowd)
    resting = int(np.count_nonzero(engine.worlds.orders["status"] == OrderStatus.RESTING))
    rows = sum(map(len, events))
    seconds = [run_worlds(data, events, 1, crowd)[1] for _ in range(runs)]
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


def measure_worlds(tape: Path, count: int) -> Result:
    """Kernel time and memory of `count` worlds, streaming from Parquet."""
    data, chunks = stream(open_tape([tape]))
    engine, seconds = run_worlds(data, chunks, count)
    positions = int(np.count_nonzero(engine.worlds.positions["lots"]))
    return {"kernel_s": seconds, "open_positions": positions, "peak_rss_mb": peak_rss_mb()}


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
    seconds = run_worlds(data, events, 1)[1]
    return {"rows": rows, "mev_s": rows / seconds / 1e6, "transform_mev_s": rows / transform_s / 1e6}


def measure_compile(tape: Path) -> Result:
    """Seconds of the engine's first calls, on the first chunk of the tape."""
    data, chunks = stream(open_tape([tape]))
    return {"seconds": run_worlds(data, [next(chunks)], 1)[1]}


def main() -> None:
    """Measure one part."""
    parser = argparse.ArgumentParser(description="One part of the benchmark.")
    parser.add_argument(
        "part", choices=("tape", "repeat", "replay", "resting", "checksums", "worlds", "stressed", "compile")
    )
    parser.add_argument("tape", type=Path)
    parser.add_argument("--number", type=int, default=1, help="events, copies, runs or worlds")
    parser.add_argument("--out", type=Path, help="of repeat")
    parser.add_argument("--scenario", default="2025-10-10")
    given = parser.parse_args()
    results = {
        "tape": lambda: make_tape(given.tape, given.number),
        "repeat": lambda: repeat_tape(given.tape, given.number, given.out),
        "replay": lambda: measure_replay(given.tape, given.number),
        "resting": lambda: measure_resting(given.tape, given.number),
        "checksums": lambda: measure_checksums(given.tape),
        "worlds": lambda: measure_worlds(given.tape, given.number),
        "stressed": lambda: measure_stressed(given.tape, given.scenario, given.number),
        "compile": lambda: measure_compile(given.tape),
    }
    print(json.dumps(results[given.part]()))


if __name__ == "__main__":
    main()
