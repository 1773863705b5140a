"""Our engine beside its peers: same tape, same machine, same run (`python scripts/bench.py --peers`).

What each is asked to do is said in `peers/contest.py`, where results differ and why in `peers/README.md`. Every
figure is of a process of its own; the processes of a mode take turns, so that a busy minute of the machine hits all of
them alike. A process first runs a piece of the tape, which compiles what is to be compiled, then the whole tape several
times: its median counts. Told are median, smallest and largest over the processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from scripts.peers.contest import MODES, Answer, Outcome
from scripts.peers.environment import HFTBACKTEST, NAUTILUS, prepare

ROOT = Path(__file__).resolve().parent.parent
PARTS = Path(__file__).with_name("peers")
PASSES = 3  # of the tape, in one process
OURS, ROI, HASH, NAUTILUS_2 = "backtester", "hftbacktest_roi", "hftbacktest_hash", "nautilus"
TITLES = {OURS: OURS, ROI: "hftbacktest ROIVector", HASH: "hftbacktest HashMap", NAUTILUS_2: "nautilus_trader 2"}


class Engine(NamedTuple):
    """A contestant: the interpreter, its part, the file it reads, options of its own, the modes it takes part in."""

    name: str
    python: Path
    part: str
    source: Path
    options: tuple[str, ...] = ()
    modes: tuple[str, ...] = MODES
    passes: int = PASSES


class Spread(NamedTuple):
    """Median, smallest and largest."""

    median: float
    low: float
    high: float


class Measured(NamedTuple):
    """One engine in one mode."""

    mev_s: Spread
    peak_rss_mb: float
    first_s: float
    outcome: Outcome
    if_whole: Outcome | None = None
    laid_out_mev_s: float = 0.0  # our speed without the time to lay out orders


class Contest(NamedTuple):
    """Everything that was found. `peculiar` are single runs that show how a peer's other settings behave."""

    measured: dict[str, dict[str, Measured]]  # mode → engine
    end_to_end_s: dict[str, Spread]
    peculiar: dict[str, Outcome]
    absent: dict[str, str]


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest, largest: [3, 1, 2] → (2, 1, 3)."""
    return Spread(median(values), min(values), max(values))


def ratio(measured: dict[str, Measured]) -> float | None:
    """Our speed over that of hftbacktest's faster depth type; None without either."""
    theirs = [measured[name].mev_s.median for name in (ROI, HASH) if name in measured]
    return measured[OURS].mev_s.median / max(theirs) if theirs and OURS in measured else None


# --- measuring -------------------------------------------------------------------------------------------------------


def run_part(engine: Engine, mode: str, *options: object) -> tuple[Answer, float]:
    """One process: what it answered, and the seconds of its whole life."""
    command = [engine.python, PARTS / engine.part, mode, engine.source, *engine.options, *options]
    begin = time.perf_counter()
    done = subprocess.run(
        list(map(str, command)), env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        raise SystemExit(f"{engine.name} {mode}: {done.stderr.strip() or done.stdout.strip()}")
    return Answer.parse(done.stdout.strip().splitlines()[-1]), seconds


def measure_mode(engines: Sequence[Engine], mode: str, repeats: int, messages: Path) -> dict[str, Measured]:
    """All engines that take part in `mode`, by turns."""
    answers: dict[str, list[Answer]] = {engine.name: [] for engine in engines if mode in engine.modes}
    for _ in range(repeats):
        for engine in engines:
            if mode in engine.modes:
                found, _ = run_part(engine, mode, "--runs", engine.passes, "--messages", messages)
                answers[engine.name].append(found)
    return {
        name: Measured(
            spread([each.events / median(each.seconds) / 1e6 for each in found]),
            max(each.peak_rss_mb for each in found),
            median(each.first_s for each in found),
            found[-1].outcome,
            found[-1].if_whole,
            median(each.events / (median(each.seconds) - each.orders_s) / 1e6 for each in found),
        )
        for name, found in answers.items()
    }


def measure_end_to_end(engines: Sequence[Engine], repeats: int) -> dict[str, Spread]:
    """Seconds of a process that reads the tape, sends the taker's orders and prints the result, by turns."""
    seconds: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for number in range(repeats + 1):
        for engine in engines:
            elapsed = run_part(engine, "taker", "--whole")[1]
            if number:  # the first one warms caches
                seconds[engine.name].append(elapsed)
    return {name: spread(found) for name, found in seconds.items()}


def hold(tape: Path, repeats: int, root: Path, scratch: Path, say: Callable[[str], None]) -> Contest:
    """Make the peers' environments where they lack, and measure."""
    absent: dict[str, str] = {}
    messages = scratch / "messages.npy"
    ours = Engine(OURS, Path(sys.executable), "backtester_part.py", tape)
    engines: list[Engine] = []
    whole = [ours]
    peculiar: dict[str, Outcome] = {}
    place = prepare(HFTBACKTEST, root)
    if place.python is None:
        absent[HFTBACKTEST.name] = place.absence
        ours = ours._replace(modes=("none", "taker"))  # the maker's orders come from hftbacktest's strategy
    else:
        ready = scratch / "events.npz"
        reader = Engine(ROI, place.python, "hftbacktest_part.py", tape)
        run_part(reader, "convert", "--out", ready)
        roi = reader._replace(source=ready)
        engines += [roi, roi._replace(name=HASH, options=("--depth", "hash"))]
        whole += [reader._replace(name="hftbacktest"), roi._replace(name="hftbacktest_ready_npz")]
        run_part(roi, "maker", "--messages", messages)
        peculiar = look_closer(roi)
    engines.insert(0, ours)
    place = prepare(NAUTILUS, root)
    if place.python is None:
        absent[NAUTILUS.name] = place.absence
    else:
        engines.append(Engine(NAUTILUS_2, place.python, "nautilus_part.py", tape, passes=1))
    measured = {}
    for mode in MODES:
        say(f"{mode}: {', '.join(TITLES[engine.name] for engine in engines if mode in engine.modes)}")
        measured[mode] = measure_mode(engines, mode, repeats, messages)
    say("whole processes")
    return Contest(measured, measure_end_to_end(whole, repeats), peculiar, absent)


def look_closer(engine: Engine) -> dict[str, Outcome]:
    """hftbacktest with its exchange of partial fills, and with its probabilistic queue."""
    runs = {
        "taker, partial fills": ("taker", "--exchange", "partial"),
        "maker, partial fills": ("maker", "--exchange", "partial"),
        "maker, log queue": ("maker", "--queue", "log"),
    }
    return {name: run_part(engine, *options)[0].outcome for name, options in runs.items()}


# --- telling ---------------------------------------------------------------------------------------------------------


def figures(contest: Contest) -> dict[str, Any]:
    """The findings as they go to --json: per engine a mapping from mode to million events a second."""
    told: dict[str, Any] = {
        f"{'' if name == OURS else name + '_'}mev_s": {
            mode: found[name].mev_s.median for mode, found in contest.measured.items() if name in found
        }
        for name in TITLES
        if any(name in found for found in contest.measured.values())
    }
    ratios = {mode: ratio(found) for mode, found in contest.measured.items()}
    return told | {
        "laid_out_mev_s": {
            mode: found[OURS].laid_out_mev_s for mode, found in contest.measured.items() if OURS in found
        },
        "times_fastest_hftbacktest": {mode: value for mode, value in ratios.items() if value is not None},
        "end_to_end_s": {name: found.median for name, found in contest.end_to_end_s.items()},
        "peers": {
            mode: {name: _plain(each) for name, each in found.items()} for mode, found in contest.measured.items()
        },
        "end_to_end_spread_s": {name: found._asdict() for name, found in contest.end_to_end_s.items()},
        "peculiar": {name: outcome._asdict() for name, outcome in contest.peculiar.items()},
        "absent": contest.absent,
    }


def _plain(each: Measured) -> dict[str, Any]:
    whole = each.if_whole._asdict() if each.if_whole else None
    return each._asdict() | {
        "mev_s": each.mev_s._asdict(),
        "outcome": each.outcome._asdict(),
        "if_whole": whole,
    }


def lines(contest: Contest) -> list[str]:
    """The findings for people."""
    names = [name for name in TITLES if any(name in found for found in contest.measured.values())]
    rows = [["M events/s, median (min–max)", *(TITLES[name] for name in names), "times its fastest"]]
    rows += [_speeds(mode, found, names) for mode, found in contest.measured.items()]
    rows.append(["peak memory, MB", *(f"{_memory(contest, name):.0f}" for name in names), ""])
    laid_out = [f"{mode} {found[OURS].laid_out_mev_s:.1f}" for mode, found in contest.measured.items() if OURS in found]
    told = [*table(rows), f"backtester, orders laid out before the clock starts: {', '.join(laid_out)}", ""]
    told += table([["whole process, Parquet to result, taker", "s"], *_times(contest)])
    for mode, found in contest.measured.items():
        told += ["", *table(_outcomes(mode, found, contest.peculiar))]
    return told + [f"left out: {why}" for why in contest.absent.values()]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def _speeds(mode: str, found: dict[str, Measured], names: Sequence[str]) -> list[str]:
    speeds = [found[name].mev_s if name in found else None for name in names]
    cells = ["–" if s is None else f"{s.median:.1f} ({s.low:.1f}–{s.high:.1f})" for s in speeds]
    times = ratio(found)
    return [mode, *cells, "–" if times is None else f"{times:.2f}"]


def _memory(contest: Contest, name: str) -> float:
    return max(found[name].peak_rss_mb for found in contest.measured.values() if name in found)


def _times(contest: Contest) -> list[list[str]]:
    return [
        [name, f"{found.median:.2f} ({found.low:.2f}–{found.high:.2f})"] for name, found in contest.end_to_end_s.items()
    ]


def _outcomes(mode: str, found: dict[str, Measured], peculiar: dict[str, Outcome]) -> list[list[str]]:
    """What each engine found in one mode."""
    outcomes = {TITLES[name]: each.outcome for name, each in found.items()}
    outcomes |= {f"{TITLES[name]}, if filled whole": each.if_whole for name, each in found.items() if each.if_whole}
    outcomes |= {f"hftbacktest, {name}": each for name, each in peculiar.items() if name.startswith(mode)}
    if mode == "none":
        rows = [[mode, "looks", "Σ best bid ticks", "Σ best ask ticks"]]
        return rows + [[n, f"{o.samples:,}", f"{o.bid_ticks:,}", f"{o.ask_ticks:,}"] for n, o in outcomes.items()]
    rows = [[mode, "orders", "fills", "traded", "fees", "position", "result", "gave up at"]]
    return rows + [[name, *_cells(outcome)] for name, outcome in outcomes.items()]


def _cells(o: Outcome) -> list[str]:
    stopped = f"{o.stopped_s:.1f} s" if o.stopped_s else ""
    numbers = [f"{o.orders:,}", f"{o.fills:,}", f"{o.volume:,.3f}", f"{o.fees:,.4f}"]
    return [*numbers, f"{o.position:,.3f}", f"{o.pnl:,.2f}", stopped]
