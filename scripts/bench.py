"""Measure the speed and memory of `backtester`, each part in a process of its own.

    python scripts/bench.py [--tape PATH] [--runs 7] [--long] [--peers] [--json FILE]

Without --tape two tapes are made first: a calm one of about --events rows, and the published flash crash of
`crash_tape.py`. Both are measured, and it is said which of them flatters us least. On the published one the checksums
of the ladder, seen every 100 ms, are compared with those that other engines found. Then it is told how times grow
(`growth.py`), on the first tape. What the worlds hold is said in `bench_parts.py`, what --peers does in
`bench_peers.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the scripts share modules

from scripts import growth  # noqa: E402
from scripts.bench_peers import table as columns  # noqa: E402

PARTS = Path(__file__).with_name("bench_parts.py")
CONTEST = Path(__file__).with_name("peers") / "backtester_part.py"
DEMO = ("run", str(ROOT / "data" / "demo-portfolio.toml"), "--scenario", "2025-10-10")
SCENARIO = "2025-10-10"
STRESSED_EVENTS = 10_000_000
CALM, CRASH = "calm", "flash crash"
#: Speeds of a tape, M events/s: what tells which tape flatters least.
SPEEDS = {
    "replay_mev_s": "replay, 1 account, 1 stop, 2 resting orders",
    "resting_mev_s": "replay, 1,000 resting orders",
    "none_mev_s": "none: a look each 100 ms",
    "taker_mev_s": "taker: a market order each 100 ms",
    "stressed_replay_mev_s": "replay of the stressed tape",
    "stress_transform_mev_s": "making the stressed tape",
}
#: Of the published tape: events → (samples, Σ best bid tick, Σ best ask tick).
PUBLISHED_SHA256 = "2ae2f254e15ee0f1fc94e1ae6e82b823c13464505aed4300ff938a5fe602a433"
PUBLISHED = (36_870, 21_706_465_221, 21_706_521_479)


class Done(NamedTuple):
    """A process that ended: its code, what it printed, seconds of its whole life, the most memory it held."""

    code: int
    out: str
    err: str
    seconds: float
    peak_mb: float


def run(command: Sequence[object], cache: Path | None = None) -> Done:
    """Run a Python command to its end."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": path} | ({"BACKTESTER_CACHE_DIR": str(cache)} if cache else {})
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begin = time.perf_counter()
        process = subprocess.Popen([sys.executable, *map(str, command)], env=env, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        peak = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
        return Done(process.returncode, out.read(), err.read(), seconds, peak)


def part(name: str, tape: Path, *options: object, script: Path = PARTS, cache: Path | None = None) -> Any:
    """What one part of a script printed. Ends the program when it fails."""
    done = run((script, name, tape, *options), cache)
    if done.code != 0:
        raise SystemExit(f"{name}: {done.err.strip() or done.out.strip()}")
    return json.loads(done.out)


def command(arguments: Sequence[str], runs: int) -> dict[str, float] | None:
    """Seconds and memory of a command line, medians after one run that warms it; None when it fails."""
    run(("-m", "backtester", *arguments))
    return growth.medians(lambda: _one_command(arguments), runs)


def _one_command(arguments: Sequence[str]) -> dict[str, float] | None:
    done = run(("-m", "backtester", *arguments))
    if done.code != 0:
        print(f"backtester {' '.join(arguments)[:200]}: {done.err.strip()}", file=sys.stderr)
        return None
    return {"process_s": done.seconds, "peak_mb": done.peak_mb}


def check_checksums(tape: Path) -> str:
    """What the ladder's checksums say; ends the program when they contradict the published ones."""
    found = part("checksums", tape)
    seen = (found["samples"], found["bid_ticks"], found["ask_ticks"])
    text = f"{seen[0]:,} samples, sum of best bid ticks {seen[1]:,}, of best ask ticks {seen[2]:,}"
    if PUBLISHED_SHA256 not in found["source"]:
        return text
    if seen != PUBLISHED:
        raise SystemExit(f"checksums: {text}; published are {PUBLISHED}")
    return f"{text}: as published"


def measure_tape(tape: Path, runs: int) -> dict[str, Any]:
    """The speeds of one tape."""
    print(f"checksums of {tape.stem}: {check_checksums(tape)}", flush=True)
    replay = part("replay", tape, "--number", runs)
    resting = part("resting", tape, "--number", runs)
    stressed = part("stressed", tape, "--scenario", SCENARIO, "--number", STRESSED_EVENTS)
    none, taker = (part(mode, tape, "--runs", runs, script=CONTEST) for mode in ("none", "taker"))
    return {
        "events": replay["rows"],
        "replay_mev_s": replay["mev_s"],
        "replay_best_mev_s": replay["best_mev_s"],
        "resting_mev_s": resting["mev_s"],
        "stressed_replay_mev_s": stressed["mev_s"],
        "stress_transform_mev_s": stressed["transform_mev_s"],
        "none_mev_s": none["events"] / median(none["seconds"]) / 1e6,
        "taker_mev_s": taker["events"] / median(taker["seconds"]) / 1e6,
        "orders": taker["outcome"]["orders"],
        **order_us(none, taker),
    }


def order_us(none: dict[str, Any], taker: dict[str, Any]) -> dict[str, float]:
    """What one order of the taker costs, µs: in the kernels (over a pass that only looks), and to lay it out before.

    Example: passes of 0.014 s and of 0.050 s, 0.006 s of which lay out 60,000 orders: 0.5 and 0.1 µs.
    """
    orders = max(1, taker["outcome"]["orders"])
    kernel_s = median(taker["seconds"]) - taker["orders_s"] - median(none["seconds"])
    return {"order_kernel_us": kernel_s / orders * 1e6, "order_laying_out_us": taker["orders_s"] / orders * 1e6}


def measure_shell(tape: Path, scratch: Path) -> dict[str, Any]:
    """What hangs on no tape."""
    cold = part("compile", tape, cache=scratch / "cache")
    loaded = part("compile", tape, cache=scratch / "cache")
    demo, told = command(DEMO, 3), command(("--help",), 5)
    return {
        "cold_compile_s": cold["seconds"],
        "cache_load_s": loaded["seconds"],
        "warm_run_s": demo and demo["process_s"],
        "help_s": told and told["process_s"],
    }


def compared(count: int) -> tuple[str, ...]:
    """Options of a run with `count` collaterals side by side; a single one is set."""
    values = ",".join(str(250_000 + number) for number in range(count))
    key = f"accounts[main].collateral.USDC={values}"
    return ("--set", key) if count == 1 else ("--compare", key, "--max", str(count))


def measure_growth(tape: Path, long: bool, scratch: Path) -> dict[str, growth.Rows]:
    """How every case grows, printed as it is found."""

    def size_of(case: str, size: int) -> dict[str, float] | None:
        if case == "compare":
            return _one_command((*DEMO, *compared(size)))
        if case == "copies":
            longer = scratch / f"{size}.parquet"
            if not longer.exists():
                part("repeat", tape, "--number", size, "--out", longer)
            return growth.figures_of(part("worlds", longer))
        return growth.figures_of(part(case, tape, "--number", size))

    found = {}
    for case in growth.CASES:
        sizes = case.sizes + (case.long if long else ())
        rows = {size: growth.medians(partial(size_of, case.name, size), growth.RUNS) for size in sizes}
        found[case.name] = growth.rows_of(rows)
        print("\n".join(["", *growth.lines(case, found[case.name])]), flush=True)
        for copy in scratch.glob("[0-9]*.parquet"):
            copy.unlink()
    print(f"\n{growth.verdict(found)}")
    return found


def table(shell: dict[str, Any], tapes: dict[str, dict[str, Any]]) -> str:
    """The figures for people: what hangs on a tape has a column for each."""
    each = list(tapes.values())
    rows = [["M events/s", *tapes]]
    rows.append(["events", *(f"{found['events']:,}" for found in each)])
    rows += [[name, *(f"{found[key]:.1f}" for found in each)] for key, name in SPEEDS.items()]
    rows.append(["orders of the taker", *(f"{found['orders']:,}" for found in each)])
    for key, name in (("order_kernel_us", "in the kernels"), ("order_laying_out_us", "to lay it out")):
        rows.append([f"one of them {name}, µs", *(f"{found[key]:.2f}" for found in each)])
    least = [f"flatters least: {flatters_least(tapes)}"] if len(tapes) > 1 else []
    told = [*columns(rows), *least, ""]
    names = {
        "cold_compile_s": "first compile of the engine",
        "cache_load_s": "loading it from the kernel cache, one chunk included",
        "warm_run_s": "demo run, warm",
        "help_s": "--help",
    }
    seconds = [[name, "failed" if shell[key] is None else f"{shell[key]:.2f} s"] for key, name in names.items()]
    return "\n".join([*told, *columns(seconds)])


def flatters_least(tapes: dict[str, dict[str, Any]]) -> str:
    """The tape on which our speeds are lowest, by their geometric mean."""
    return min(tapes, key=lambda name: geometric_mean([tapes[name][key] for key in SPEEDS]))


def measure_peers(tapes: dict[str, Path], repeats: int, root: Path | None, scratch: Path) -> dict[str, Any]:
    """Print how we stand beside the peers on each tape, and where we stand worst; returns it for --json."""
    from scripts import bench_peers
    from scripts.peers.environment import default_root

    say = partial(print, file=sys.stderr)
    told: dict[str, Any] = {}
    for name, tape in tapes.items():
        found = bench_peers.hold(tape, repeats, root or default_root(), scratch, say)
        print("\n".join(["", f"beside the peers: {name}", *bench_peers.lines(found)]))
        told[name] = bench_peers.figures(found)
    times = {name: each["times_fastest_hftbacktest"].values() for name, each in told.items()}
    if all(times.values()):
        print(f"\nflatters least beside the peers: {min(times, key=lambda name: geometric_mean(times[name]))}")
    return {"peers": told}


def make_tapes(events: int, scratch: Path) -> dict[str, Path]:
    """The two tapes that are ours."""
    tapes = {CALM: scratch / "calm.parquet", CRASH: scratch / "flash-crash.parquet"}
    part("tape", tapes[CALM], "--number", events)
    part("published", tapes[CRASH])
    return tapes


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(description="Measure the speed and memory of backtester.")
    parser.add_argument("--tape", type=Path, help="tape of one instrument; none: a synthetic one is made")
    parser.add_argument("--events", type=int, default=1_000_000, help="rows of the synthetic tape (%(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="of the replay, whose median counts (%(default)s)")
    parser.add_argument("--long", action="store_true", help="also 50 times the tape, and 100,000 worlds")
    parser.add_argument("--peers", action="store_true", help="also other engines, in environments of their own")
    parser.add_argument("--peer-env", type=Path, metavar="DIR", help="where those are made (the user's cache)")
    parser.add_argument("--peer-runs", type=int, default=5, help="processes per engine and mode (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        paths = {given.tape.stem: given.tape} if given.tape else make_tapes(given.events, scratch)
        first = next(iter(paths.values()))
        part("worlds", first)  # compiles for all that follows
        tapes = {name: measure_tape(path, given.runs) for name, path in paths.items()}
        shell = measure_shell(first, scratch)
        print(table(shell, tapes), flush=True)
        figures = shell | {"tapes": tapes, "growth": measure_growth(first, given.long, scratch)}
        if given.peers:
            figures |= measure_peers(paths, given.peer_runs, given.peer_env, scratch)
    if given.json:
        temporary = given.json.with_name(f".{given.json.name}.{os.getpid()}")
        temporary.write_text(json.dumps(figures, indent=2) + "\n")
        os.replace(temporary, given.json)


if __name__ == "__main__":
    main()
