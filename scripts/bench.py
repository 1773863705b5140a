"""Measure the speed and memory of `backtester`, each part in a process of its own.

    python scripts/bench.py [--tape PATH] [--runs 7] [--long] [--peers] [--json FILE]

Without --tape a synthetic tape of about --events rows is made first. Our published figures are of the tape that
`make_bench_tape.py` describes; for that one the checksums of the ladder, seen every 100 ms, are compared with those
that other engines found on it. What the worlds hold is said in `bench_parts.py`, what --peers does in `bench_peers.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PARTS = Path(__file__).with_name("bench_parts.py")
DEMO = ("run", str(ROOT / "data" / "demo-portfolio.toml"), "--scenario", "2025-10-10")
SCENARIO = "2025-10-10"
WORLDS = (1, 100, 10_000)
STRESSED_EVENTS = 10_000_000
LONG = 10  # copies of the tape in the long one
#: Of the published tape: events → (samples, Σ best bid tick, Σ best ask tick).
PUBLISHED_SHA256 = "2ae2f254e15ee0f1fc94e1ae6e82b823c13464505aed4300ff938a5fe602a433"
PUBLISHED = (36_870, 21_706_465_221, 21_706_521_479)


def run(command: list[str], cache: Path | None = None) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a Python command to its end; returns it and the seconds of its whole life."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": path} | ({"BACKTESTER_CACHE_DIR": str(cache)} if cache else {})
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True)
    return done, time.perf_counter() - begin


def part(name: str, tape: Path, *options: object, cache: Path | None = None) -> tuple[Any, float]:
    """One part of `bench_parts.py`: what it printed, and the seconds of its process."""
    done, seconds = run([str(PARTS), name, str(tape), *map(str, options)], cache)
    if done.returncode != 0:
        raise SystemExit(f"{name}: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout), seconds


def command_seconds(arguments: tuple[str, ...], runs: int) -> float | None:
    """Median seconds of a command line, after one run that warms it; None when it fails."""
    seconds = []
    for _ in range(runs + 1):
        done, elapsed = run(["-m", "backtester", *arguments])
        if done.returncode != 0:
            print(f"backtester {' '.join(arguments)}: {done.stderr.strip()}", file=sys.stderr)
            return None
        seconds.append(elapsed)
    return median(seconds[1:])


def check_checksums(tape: Path) -> str:
    """What the ladder's checksums say; ends the program when they contradict the published ones."""
    found, _ = part("checksums", tape)
    seen = (found["samples"], found["bid_ticks"], found["ask_ticks"])
    text = f"{seen[0]:,} samples, sum of best bid ticks {seen[1]:,}, of best ask ticks {seen[2]:,}"
    if PUBLISHED_SHA256 not in found["source"]:
        return text
    if seen != PUBLISHED:
        raise SystemExit(f"checksums: {text}; published are {PUBLISHED}")
    return f"{text}: as published"


def measure_worlds(tape: Path, runs: int) -> dict[str, dict[str, float]]:
    """Median process time, median kernel time and peak memory by number of worlds."""
    measured = {}
    for count in WORLDS:
        results = [part("worlds", tape, "--number", count) for _ in range(runs)]
        measured[str(count)] = {
            "s": median(seconds for _, seconds in results),
            "kernel_s": median(found["kernel_s"] for found, _ in results),
            "peak_rss_mb": max(found["peak_rss_mb"] for found, _ in results),
        }
    return measured


def measure(tape: Path, runs: int, long: bool, scratch: Path) -> dict[str, Any]:
    """Everything, as it goes to --json."""
    cold, _ = part("compile", tape, cache=scratch / "cache")
    loaded, _ = part("compile", tape, cache=scratch / "cache")
    part("worlds", tape)  # compiles for all that follows
    print(f"checksums: {check_checksums(tape)}")
    replay, _ = part("replay", tape, "--number", runs)
    resting, _ = part("resting", tape, "--number", runs)
    stressed, _ = part("stressed", tape, "--scenario", SCENARIO, "--number", STRESSED_EVENTS)
    worlds = measure_worlds(tape, 3)
    peak = {_millions(replay["rows"]): worlds["1"]["peak_rss_mb"]}
    if long:
        longer = scratch / "long.parquet"
        rows = part("repeat", tape, "--number", LONG, "--out", longer)[0]["rows"]
        peak[_millions(rows)] = part("worlds", longer)[0]["peak_rss_mb"]
    return {
        "events": replay["rows"],
        "replay_mev_s": replay["mev_s"],
        "replay_best_mev_s": replay["best_mev_s"],
        "resting_mev_s": resting["mev_s"],
        "stressed_replay_mev_s": stressed["mev_s"],
        "stress_transform_mev_s": stressed["transform_mev_s"],
        "worlds_s": {count: found["s"] for count, found in worlds.items()},
        "worlds_kernel_s": {count: found["kernel_s"] for count, found in worlds.items()},
        "cold_compile_s": cold["seconds"],
        "cache_load_s": loaded["seconds"],
        "warm_run_s": command_seconds(DEMO, 3),
        "help_s": command_seconds(("--help",), 5),
        "peak_rss_mb": peak,
    }


def _millions(rows: int) -> str:
    """`5M`."""
    return f"{rows / 1e6:.2g}M"


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        ("replay, 1 account, 1 stop, 2 resting orders", f"{figures['replay_mev_s']:.1f} M events/s"),
        ("replay, 1,000 resting orders", f"{figures['resting_mev_s']:.1f} M events/s"),
        ("replay of the stressed tape", f"{figures['stressed_replay_mev_s']:.1f} M events/s"),
        ("making the stressed tape", f"{figures['stress_transform_mev_s']:.1f} M events/s"),
    ]
    base = {key: figures[key]["1"] for key in ("worlds_s", "worlds_kernel_s")}
    for count in figures["worlds_s"]:
        seconds, kernel = figures["worlds_s"][count], figures["worlds_kernel_s"][count]
        times = f"{seconds / base['worlds_s']:.2f} and {kernel / base['worlds_kernel_s']:.2f} times one world"
        lines.append((f"worlds: {int(count):,}", f"{seconds:.2f} s process, {kernel:.3f} s kernel; {times}"))
    lines.append(("first compile of the engine", f"{figures['cold_compile_s']:.1f} s"))
    lines.append(("loading it from the kernel cache, one chunk included", f"{figures['cache_load_s']:.2f} s"))
    for key, name in (("warm_run_s", "demo run, warm"), ("help_s", "--help")):
        lines.append((name, "failed" if figures[key] is None else f"{figures[key]:.2f} s"))
    lines += [(f"peak memory, {rows} events", f"{mb:.0f} MB") for rows, mb in figures["peak_rss_mb"].items()]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def measure_peers(tape: Path, repeats: int, root: Path | None, scratch: Path) -> dict[str, Any]:
    """Print how we stand beside the peers; returns it for --json."""
    sys.path.insert(0, str(ROOT))  # the parts of peers are run by other interpreters and share modules with us
    from scripts import bench_peers
    from scripts.peers.environment import default_root

    say = partial(print, file=sys.stderr)
    found = bench_peers.hold(tape, repeats, root or default_root(), scratch, say)
    print("\n".join(["", *bench_peers.lines(found)]))
    return bench_peers.figures(found)


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(description="Measure the speed and memory of backtester.")
    parser.add_argument("--tape", type=Path, help="tape of one instrument; none: a synthetic one is made")
    parser.add_argument("--events", type=int, default=1_000_000, help="rows of the synthetic tape (%(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="of the replay, whose median counts (%(default)s)")
    parser.add_argument("--long", action="store_true", help=f"also the memory of a tape {LONG} times as long")
    parser.add_argument("--peers", action="store_true", help="also other engines, in environments of their own")
    parser.add_argument("--peer-env", type=Path, metavar="DIR", help="where those are made (the user's cache)")
    parser.add_argument("--peer-runs", type=int, default=5, help="processes per engine and mode (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        tape = given.tape or scratch / "tape.parquet"
        if given.tape is None:
            part("tape", tape, "--number", given.events)
        figures = measure(tape, given.runs, given.long, scratch)
        print(table(figures))
        if given.peers:
            figures |= measure_peers(tape, given.peer_runs, given.peer_env, scratch)
    if given.json:
        temporary = given.json.with_name(f".{given.json.name}.{os.getpid()}")
        temporary.write_text(json.dumps(figures, indent=2) + "\n")
        os.replace(temporary, given.json)


if __name__ == "__main__":
    main()
