"""The real recordings beside the project, made into tapes; whoever uses them skips where they are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.market.ingest.binance_ws import ingest_binance_ws
from backtester.market.ingest.source import Clock
from backtester.market.ingest.trades import TradeColumns
from backtester.market.ingest.wide_snapshots import BookColumns, ingest_wide_snapshots
from backtester.market.read import Tape, open_tape
from backtester.market.schema import ingest_instrument

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
HYPERLIQUID = DATA / "hyperliquid_l2"
BINANCE = DATA / "binance_l2" / "btcusdt_20240808.gz"

needs_hyperliquid = pytest.mark.skipif(not HYPERLIQUID.is_dir(), reason=f"no recording at {HYPERLIQUID}")
needs_binance = pytest.mark.skipif(not BINANCE.is_file(), reason=f"no recording at {BINANCE}")


def hyperliquid_tape(out: Path) -> Tape:
    """Hyperliquid BTC, 20 levels every 540 ms and all trades, 2025-09-04 19:46:56–20:21:45 UTC."""
    clock, received = Clock("exchange_timestamp", "ms"), Clock("timestamp", "s")
    ingest_wide_snapshots(
        HYPERLIQUID / "orderbooks_BTC.csv",
        BookColumns("bid_price_{i}", "bid_size_{i}", "ask_price_{i}", "ask_size_{i}", clock, received),
        HYPERLIQUID / "trades_BTC.csv",
        TradeColumns("price", "size", "side", clock, received, "trade_id"),
        ingest_instrument("BTC:tick=1,lot=0.00001", "BTC", "hyperliquid", "USDC"),
        out,
    )
    return open_tape([out])


def binance_tape(out: Path) -> Tape:
    """Binance BTCUSDT, every diff of 1,000 levels a side and all trades, 2024-08-08 23:54:16–24:00:01 UTC."""
    ingest_binance_ws(
        BINANCE, ingest_instrument("BTCUSDT:tick=0.1,lot=0.001,base=BTC", "BTCUSDT", "binance-usdm", "USDT"), out
    )
    return open_tape([out])
