"""The first pass over a Binance recording: every line is judged before a row is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from backtester.errors import BacktesterError, Diagnostic
from backtester.market.encode import NO_TIME, off_grid
from backtester.market.ingest.binance_events import (
    BestQuote,
    Broken,
    Diff,
    Event,
    Levels,
    Skipped,
    Snapshot,
    Trade,
    read_events,
)
from backtester.market.ingest.binance_stitch import Stitcher
from backtester.market.ingest.clocks import ClockFit
from backtester.market.ingest.quote_check import QuoteCheck
from backtester.market.ingest.source import SourceCount, off_grid_error
from backtester.market.schema import TapeInstrument, coin_margined_error
from backtester.market.survey import Findings


class Judge:
    """One pass over all lines that finds every fault and measures what the writing needs."""

    def __init__(self, path: Path, instrument: TapeInstrument) -> None:
        self._path, self._instrument = path, instrument
        self._problems = Findings()
        self._seen: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._beyond = self._newest_trade = 0
        self.clock = ClockFit()
        self.quotes = QuoteCheck()
        self.ends: list[tuple[float, float]] = []  # lowest bid and highest ask of the snapshot of each stretch

    def read(self, snapshots: Sequence[Snapshot]) -> None:
        """Raises a data error with every fault of the lines."""
        self.stitcher = Stitcher(snapshots)
        previous_ns = NO_TIME
        for event in self.stitcher.stitch(self._depth()):
            best = self.quotes.take(event)
            if isinstance(event, Snapshot):
                self.ends.append((float(event.bids[:, 0].min()), float(event.asks[:, 0].max())))
            elif event.ts_ns < previous_ns:
                self._problem(event.where, "time falls", "its T lies before that of the update which it follows")
            if best.bid and best.ask and best.bid >= best.ask:
                message = f"leaves the ladder crossed or locked: bid {best.bid}, ask {best.ask}"
                self._problem(event.where, "crossed or locked", message)
            for levels in (event.bids, event.asks):
                self._look_at_grid(event.where, levels)
            previous_ns = event.ts_ns
            lowest_bid, highest_ask = self.ends[-1]
            self._beyond += best.bid < lowest_bid or not 0 < best.ask <= highest_ask  # 0: an empty side
        self.quotes.close()
        if problems := self._problems.all():
            raise BacktesterError(problems)

    def counts(self) -> list[SourceCount]:
        """What the lines were and what became of them."""
        stitched, quotes = self.stitcher, self.quotes
        said = {
            **{f"{what} read": self._seen[what] for what in ("diffs", "trades", "best quotes")},
            "snapshots offered": stitched.snapshots,
            **{f"{what}, left out": count for what, count in sorted(self._skipped.items())},
            "receive times before the one above": self.clock.backwards,
            "gaps in the diffs": len(stitched.gaps),
            "diffs repeated, left out": stitched.repeated,
            "diffs without a snapshot, left out": stitched.unplaced,
            "snapshots not used": stitched.unused,
            "stretches": len(stitched.stretches),
            "ladders with a best price beyond the levels of the snapshot": self._beyond,
            "ladders that agree with the best quote": quotes.agree,
            "ladders that disagree with the best quote": len(quotes.disagree),
            "ladders without a best quote to compare": quotes.unknown,
            "trade ids jumped over": self._seen["trade ids jumped over"],
        }
        return [SourceCount(str(self._path), what, count) for what, count in said.items()]

    def _depth(self) -> Iterator[Diff | Snapshot]:
        """The diffs and snapshots; all else is looked at in passing."""
        for event in read_events(self._path, self._instrument.symbol):
            if isinstance(event, Diff | Trade | BestQuote):
                self.clock.add(event.recv_ns, event.sent_ns)
            if isinstance(event, Diff | Snapshot):
                if isinstance(event, Diff):
                    self._seen["diffs"] += 1
                    self._look_at_contract(event)
                yield event
            else:
                self._look_at(event)

    def _look_at_contract(self, diff: Diff) -> None:
        """Raises a data error for a coin-margined contract that the instrument says is linear."""
        if diff.pair and self._instrument.contract == "linear":
            raise coin_margined_error(diff.where, self._instrument.symbol)

    def _look_at(self, event: Event | Broken) -> None:
        if isinstance(event, Trade):
            self._look_at_trade(event)
        elif isinstance(event, BestQuote):
            self._seen["best quotes"] += 1
            self.quotes.quote(event)
        elif isinstance(event, Skipped):
            self._skipped[event.what] += 1
        elif isinstance(event, Broken) and event.is_cut:
            self._skipped["last line, cut off"] += 1
        elif isinstance(event, Broken):
            self._problem(event.where, "unreadable", f"cannot be read: {event.why}")

    def _look_at_trade(self, trade: Trade) -> None:
        self._seen["trades"] += 1
        if self._newest_trade and trade.id > self._newest_trade + 1:
            self._seen["trade ids jumped over"] += trade.id - self._newest_trade - 1
        self._newest_trade = max(self._newest_trade, trade.id)
        if not trade.is_market:
            self._skipped[f"trades of type {trade.type}"] += 1
        elif not trade.is_sound:
            self._skipped["trades without price or size"] += 1
        else:
            self._look_at_grid(trade.where, np.array([[trade.price, trade.size]]))

    def _look_at_grid(self, where: str, levels: Levels) -> None:
        for column, step in enumerate((self._instrument.tick_size, self._instrument.lot_size)):
            off = off_grid(levels[:, column], step)
            if off.any() and self._problems.wants(str(self._path), "off the grid"):
                value = float(levels[np.argmax(off), column])
                for problem in off_grid_error(where, value, step, column == 0).diagnostics:
                    self._problems.add(problem)

    def _problem(self, where: str, kind: str, message: str) -> None:
        if self._problems.wants(str(self._path), kind):
            self._problems.add(Diagnostic("data", where, message))
