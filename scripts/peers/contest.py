"""What every engine beside ours is asked to do, and how it answers. Standard library only: each runs in its own Python.

Three modes, on one tape, from events that are already in memory:

none   every 100 ms of tape look at the best bid and ask
taker  the same, and send a market order of 0.01, buying and selling in turns
maker  the same, and keep two post-only orders of 0.01 at the touch: cancel and send anew when the touch has moved

A strategy sees the market 1 ms late; what it sends arrives after 5 ms, the answer takes another 5 ms. Fees are 2 bp for
makers and 5 bp for takers. A part prints one `Answer` as JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

Found = TypeVar("Found")
MODES = ("none", "taker", "maker")
STEP_NS = 100_000_000
FEED_NS = 1_000_000
ENTRY_NS = RESPONSE_NS = 5_000_000
MAKER_FEE, TAKER_FEE = 0.0002, 0.0005
SIZE = 0.01


class Outcome(NamedTuple):
    """What one pass found. `pnl` is after fees, with what is left at the last mid; quote currency."""

    samples: int = 0
    bid_ticks: int = 0  # Σ best bid over the samples
    ask_ticks: int = 0
    orders: int = 0
    fills: int = 0
    volume: float = 0.0
    fees: float = 0.0
    position: float = 0.0
    pnl: float = 0.0
    stopped_s: float = 0.0  # seconds into the tape at which the engine gave up; 0: never


class Answer(NamedTuple):
    """What a part prints: events of the tape, seconds of each pass, of the first (compiling) call, memory, findings.

    `if_whole` is what it would have found, had every order that was filled at all been filled whole and at once: a
    market order at the best price it met, a limit order at its limit.
    """

    events: int
    seconds: list[float]
    first_s: float
    peak_rss_mb: float
    outcome: Outcome
    if_whole: Outcome | None = None
    orders_s: float = 0.0  # of a pass, to lay out orders that were given beforehand

    @classmethod
    def parse(cls, line: str) -> Answer:
        """What `show` printed."""
        found = json.loads(line)
        for name in ("outcome", "if_whole"):
            found[name] = Outcome(**found[name]) if found[name] else None
        return cls(**found)


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments every part understands."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("mode", choices=(*MODES, "convert"))
    made.add_argument("tape", type=Path)
    made.add_argument("--runs", type=int, default=1, help="passes that are timed (%(default)s)")
    made.add_argument("--whole", action="store_true", help="one pass, all that a process does from the file on")
    made.add_argument("--messages", type=Path, help="where the maker's orders are written (peer) or read (ours)")
    made.add_argument("--out", type=Path, help="of convert")
    return made


def timed(work: Callable[[], Found], runs: int) -> tuple[list[float], Found]:
    """Seconds of each of `runs` passes (no garbage is collected in them, as in timeit), and what the last one found."""
    seconds: list[float] = []
    while True:
        gc.disable()
        begin = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - begin)
        gc.enable()
        if len(seconds) >= runs:
            return seconds, found
        del found  # its memory is not held through the next pass


def peak_rss_mb() -> float:
    """The most memory this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # counts from exec on, unlike ru_maxrss
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def show(answer: Answer) -> None:
    """Print it."""
    whole = answer.if_whole._asdict() if answer.if_whole else None
    print(json.dumps(answer._asdict() | {"outcome": answer.outcome._asdict(), "if_whole": whole}))
