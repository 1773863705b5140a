"""Makes the shipped profiles from the recordings, and the shipped tapes from the profiles.

    python scripts/fit_profiles.py RECORDINGS [--fit PROFILE]

RECORDINGS is the folder of the recordings that data/README.md names. A quarter of an hour; the same bytes every time.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from backtester.market.ingest.binance_ws import ingest_binance_ws  # noqa: E402  (the checkout before an installation)
from backtester.market.ingest.source import Clock  # noqa: E402
from backtester.market.ingest.trades import TradeColumns  # noqa: E402
from backtester.market.ingest.wide_snapshots import BookColumns, ingest_wide_snapshots  # noqa: E402
from backtester.market.read import open_tape  # noqa: E402
from backtester.market.schema import ingest_instrument  # noqa: E402
from backtester.market.synth.compare import misfit  # noqa: E402
from backtester.market.synth.figures import SHARES  # noqa: E402
from backtester.market.synth.fit import Evidence, fit  # noqa: E402
from backtester.market.synth.generate import synth_events  # noqa: E402
from backtester.market.synth.measure import measure  # noqa: E402
from backtester.market.synth.profile import profile_text, rounded  # noqa: E402
from backtester.market.synth.shipped import SHIPPED, Shipped, shipped_profile  # noqa: E402
from backtester.market.synth.tape import likeness, synth_tape  # noqa: E402

#: Traded BTC 2025-04-06 - 04-08, Hyperliquid / Binance: assumed to hold for depth.
HYPERLIQUID_SHARE = 0.1515
#: So many tapes are looked at for the one that is shipped.
SEEDS = 40


def main() -> None:
    """Fit, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--fit", choices=("hyperliquid-btc", "binance-usdm-btc", "none"), help="only this one")
    options = parser.parse_args()
    far = far_depth(options.recordings / "oct10" / "BTCUSDT-bookDepth-2025-10-10.csv")
    with tempfile.TemporaryDirectory() as folder:
        if options.fit in (None, "hyperliquid-btc"):
            fit_hyperliquid(options.recordings / "hyperliquid_l2", Path(folder) / "hyperliquid.parquet", far)
        if options.fit in (None, "binance-usdm-btc"):
            fit_binance(
                options.recordings / "binance_l2" / "btcusdt_20240808.gz", Path(folder) / "binance.parquet", far
            )
    for shipped in SHIPPED:
        made = synth_tape(shipped.name, PROJECT / "data" / f"{shipped.name}.parquet", shipped.seed)
        print(shipped.name, made.rows, made.file_bytes, made.sha256, f"most typical seed: {typical_seed(shipped)}")


def fit_hyperliquid(recording: Path, tape: Path, far: list[tuple[float, float]]) -> None:
    """20 levels every 540 ms; the best quotes, recorded apart, say how often messages come."""
    clock, received = Clock("exchange_timestamp", "ms"), Clock("timestamp", "s")
    ingest_wide_snapshots(
        recording / "orderbooks_BTC.csv",
        BookColumns("bid_price_{i}", "bid_size_{i}", "ask_price_{i}", "ask_size_{i}", clock, received),
        recording / "trades_BTC.csv",
        TradeColumns("price", "size", "side", clock, received, "trade_id"),
        ingest_instrument("BTC:tick=1,lot=0.00001", "BTC", "hyperliquid", "USDC"),
        tape,
    )
    with (recording / "prices_BTC.csv").open() as lines:
        gaps = np.diff(sorted({int(row["exchange_timestamp"]) for row in csv.DictReader(lines)}))
    quantiles = np.quantile(gaps[gaps < 2_000], SHARES)  # one gap of 17.5 s is the recorder's
    depth = tuple((bps, rounded(HYPERLIQUID_SHARE * size)) for bps, size in far)
    write(tape, "hyperliquid-btc", Evidence(tuple(rounded(gap) for gap in quantiles.tolist()), depth))


def fit_binance(recording: Path, tape: Path, far: list[tuple[float, float]]) -> None:
    """1,000 levels and every diff."""
    instrument = ingest_instrument("BTCUSDT:tick=0.1,lot=0.001,base=BTC", "BTCUSDT", "binance-usdm", "USDT")
    ingest_binance_ws(recording, instrument, tape)
    write(tape, "binance-usdm-btc", Evidence(depth=tuple(far)))


def write(tape: Path, name: str, evidence: Evidence) -> None:
    """Fit one recording."""
    opened = open_tape([tape])
    (instrument,) = opened.instruments
    measured = measure(np.concatenate(list(opened.chunks())), instrument.lot_size)
    profile = fit(
        measured, instrument, name, evidence, lambda trials, misfit: print(name, trials, f"{misfit:.2f}", flush=True)
    )
    target = PROJECT / "backtester" / "market" / "synth" / "profiles" / f"{name}.toml"
    target.write_text(profile_text(profile), encoding="utf-8")


def typical_seed(shipped: Shipped) -> int:
    """Minutes of a market scatter: of the first SEEDS tapes the one with the least misfit. `Shipped.seed` keeps it."""
    profile = shipped_profile(shipped)

    def off(seed: int) -> float:
        return misfit(profile.recorded, likeness(profile, synth_events(profile, seed, shipped.minutes)))

    return min(range(SEEDS), key=off)


def far_depth(path: Path) -> list[tuple[float, float]]:
    """(bps, BTC) of Binance at 1 to 5 % before 15:00 UTC: the median of the mean of both sides."""
    depth: dict[str, dict[str, float]] = {}
    with path.open() as lines:
        for row in csv.DictReader(lines):
            if row["timestamp"] < "2025-10-10 15:00":
                depth.setdefault(row["timestamp"], {})[row["percentage"]] = float(row["depth"])
    whole = [each for each in depth.values() if len(each) == 10]
    medians = (statistics.median((each[f"{p}"] + each[f"-{p}"]) / 2 for each in whole) for p in range(1, 6))
    return [(100.0 * percent, rounded(size)) for percent, size in enumerate(medians, 1)]


if __name__ == "__main__":
    main()
