"""Broken and hostile inputs from a seed: tapes, scenarios, profiles and portfolios with a few values changed.

Each mutant is a folder of files and the command lines that read them. Nothing may crash, hang, show a traceback or end
as a fault of the engine; `run` must not accept a tape that `data check` refuses.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.main import get_command

from backtester.cli.app import main
from backtester.errors import ExitCode
from tests.unit.market_tapes import Row
from tests.unit.run_cases import START, S, account, crash, order, plan, portfolio, position, tape, venue

#: Of one command line. A kernel that hangs cannot be interrupted: the process ends with the place where it stood.
LIMIT_S = 60
#: Of the first one, which compiles the kernels.
COMPILING_S = 900
WHOLE = (0, 1, -1, 255, 2**31, 2**53, 2**62, 2**63 - 1, -(2**63), START, START + 3_600 * S, START * 1_000 % 2**63)
REAL = (0.0, -1.0, 1e-300, 1e-9, 0.5, 3.0, 1e9, 1e13, 1e15, 1e17, 1e18, 1e300, 1.7e308, float("nan"), float("inf"))
TEXTS = ("", "x", "*", "mark", "mark-5%", "9999d", "0s", "2262-04-11T00:00:00Z", "0001-01-01T00:00:00Z", "é" * 9_999)
DEEP = "[" * 10_000 + "]" * 10_000
COLUMNS = (
    "price_ratio", "basis_bps", "spread_mult", "bid_depth_near", "ask_depth_far", "volume_mult", "trade_intensity",
    "forced_flow_quote", "funding_rate", "funding_interval_s", "extra_latency_ms", "refill_half_life_s", "outage",
)  # fmt: skip


class Outcome(NamedTuple):
    """What one command line came to."""

    args: tuple[str, ...]
    code: int
    said: str

    @property
    def is_sound(self) -> bool:
        """Whether it ended as a command line may: with a result, or with a fault of an input in a line."""
        return self.code not in (ExitCode.ENGINE, ExitCode.INTERRUPTED) and "Traceback" not in self.said


def call(*args: object, limit_s: int = LIMIT_S) -> Outcome:
    """Run one command line in this process."""
    words = tuple(map(str, args))
    out, err = io.StringIO(), io.StringIO()
    faulthandler.dump_traceback_later(limit_s, exit=True)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*words, "--format", "json"])
    finally:
        faulthandler.cancel_dump_traceback_later()
    return Outcome(words, int(code), err.getvalue())


def mutants(make: Callable[[Path, random.Random], Iterator[Outcome]], folder: Path, count: int) -> Counter[int]:
    """The exit codes of `count` mutants, numbered from 0. Fails at the first that is unsound."""
    codes: Counter[int] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backtester.cli.app.get_command", cache(get_command))  # building it is half of a small run
        run = ("run", _portfolio(folder), "--tape", _base_tape(folder), "--assume-funding-zero")
        sound = call(*run, "--scenario", _base_crash(folder), limit_s=COMPILING_S)
        assert sound.code == ExitCode.OK, sound
        for number in range(count):
            for outcome in make(folder, random.Random(f"{make.__name__} {number}")):
                assert outcome.is_sound, f"mutant {number}: {outcome}"
                codes[outcome.code] += 1
    return codes


# --- tapes ---------------------------------------------------------------------------------------------------------


def tapes(folder: Path, draw: random.Random) -> Iterator[Outcome]:
    """A tape with one to three cells, its types, its rows or its metadata changed: checked, run, run under a crash."""
    table = _sound_tape(folder)
    for _ in range(draw.randint(1, 3)):
        table = draw.choice((_cell, _cell, _cell, _metadata, _column, _rows))(table, draw)
    path = folder / "mutant.parquet"
    pq.write_table(table, path)
    checked = call("data", "check", path)
    yield checked
    run = call("run", _portfolio(folder), "--tape", path, *_venue_options(draw))
    yield run
    if checked.code == ExitCode.DATA:
        assert run.code in (ExitCode.DATA, ExitCode.CONFIG), f"data check refuses what run accepts: {checked} {run}"
    if draw.random() < 0.5:
        extra = ("--scenario", _crash(folder)) if draw.random() < 0.5 else ("--shock", "price=-10%,trades=2")
        yield call("run", _portfolio(folder), "--tape", path, *_venue_options(draw), *extra)


def _venue_options(draw: random.Random) -> tuple[str, ...]:
    formula = draw.choice(("tape", "median_basis_ema", "median_basis_ma"))
    return "--assume-funding-zero", "--set", f"venue.mark_formula={formula}"


def _sound_tape(folder: Path) -> pa.Table:
    return pq.read_table(_base_tape(folder))


@cache
def _base_tape(folder: Path) -> Path:
    more = [Row(START + n * S // 2, "BTC", "trade", 1 - 2 * (n % 2), 50_000.0, 0.1) for n in range(1, 40)]
    more += [Row(START + n * S, "BTC", "mark", 0, 50_000.0, 0.0) for n in range(20)]
    more += [Row(START, "BTC", "funding", 0, 0.0001, 3_600.0), Row(START + 6 * S, "BTC", "status", 0, 0.0, 1.0)]
    (folder / "base").mkdir(exist_ok=True)
    return tape(folder / "base", [50_000 - 10 * n for n in range(20)], more=more)


def _cell(table: pa.Table, draw: random.Random) -> pa.Table:
    if not len(table) or len(set(table.column_names)) < len(table.column_names):
        return table
    name = draw.choice(table.column_names)
    column = table[name].combine_chunks()
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        values: list[Any] = column.to_pylist()
        at = draw.choice((0, -1, draw.randrange(len(values))))
        values[at] = draw.choice((*TEXTS, None, *values[:3], "snapshot", "trade", "funding"))
        return table.set_column(table.column_names.index(name), name, pa.array(values, pa.string()))
    values = column.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(kind) else column.to_pylist()
    at = draw.choice((0, -1, draw.randrange(len(values))))
    if pa.types.is_floating(kind):
        values[at] = draw.choice((*REAL, None, 50_001.0, 49_000.0))
    else:
        values[at] = draw.choice((*WHOLE, None))
    if pa.types.is_timestamp(kind):
        made = pa.array(values, pa.int64()).cast(kind)
    else:
        made = pa.array(values, pa.float64() if pa.types.is_floating(kind) else pa.int64())
    return table.set_column(table.column_names.index(name), name, made)


def _column(table: pa.Table, draw: random.Random) -> pa.Table:
    if not table.column_names or len(set(table.column_names)) < len(table.column_names):
        return table
    name = draw.choice(table.column_names)
    place = table.column_names.index(name)
    change = draw.randrange(3)
    if change == 0:
        return table.drop_columns([name])
    if change == 1:
        return table.append_column(name, table[name])
    return table.set_column(place, name, pa.nulls(len(table), table[name].type))


def _rows(table: pa.Table, draw: random.Random) -> pa.Table:
    order = list(range(len(table)))
    change = draw.randrange(4)
    if change == 0:
        order = order[: draw.choice((0, 1, 2, len(order) // 2))]
    elif change == 1:
        a, b = draw.randrange(len(order) or 1), draw.randrange(len(order) or 1)
        if order:
            order[a], order[b] = order[b], order[a]
    elif change == 2:
        order = [each for each in order if draw.random() < 0.7]
    else:
        order = sorted(order * 2)
    return table.take(pa.array(order, pa.int64()))


def _metadata(table: pa.Table, draw: random.Random) -> pa.Table:
    said = dict(table.schema.metadata or {})
    if not said:
        return table
    key = draw.choice(sorted(said))
    raw = said[key].decode(errors="replace")
    found = re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", raw)
    text = raw
    if found and draw.random() < 0.6:
        number = draw.choice(found)
        text = raw.replace(number, json.dumps(draw.choice((*REAL, *WHOLE, "x", None, True))), 1)
    else:
        text = draw.choice((*TEXTS, DEEP, "{", "[]", "{}", "null", '{"BTC": 1}', raw[:-3]))
    said[key] = text.encode() if draw.random() < 0.9 else b"\xff\xfe" + said[key]
    return table.replace_schema_metadata(said)


# --- scenarios and profiles -----------------------------------------------------------------------------------------


def scenarios(folder: Path, draw: random.Random) -> Iterator[Outcome]:
    """A path with a few cells or its metadata changed; or `--set`, `--shock` or a profile with a hostile value."""
    run = ("run", _portfolio(folder), "--tape", _base_tape(folder), "--assume-funding-zero")
    kinds = (_path_mutant, _path_mutant, _set_mutant, _shock_mutant, _profile_mutant, _profile_set)
    yield draw.choice(kinds)(folder, draw, run)


def _crash(folder: Path) -> Path:
    return _base_crash(folder)


@cache
def _base_crash(folder: Path) -> Path:
    (folder / "base").mkdir(exist_ok=True)
    return crash(folder / "base", [(0, 1.0), (5, 0.95), (20, 0.9)])


def _path_mutant(folder: Path, draw: random.Random, run: tuple[object, ...]) -> Outcome:
    table = pq.read_table(_base_crash(folder))
    for _ in range(draw.randint(1, 3)):
        change = draw.randrange(4)
        if change == 0:
            table = _metadata(table, draw)
            continue
        name = draw.choice((*COLUMNS, "t_ns", "venue", "symbol")) if change > 1 else "price_ratio"
        values: list[Any] = table[name].to_pylist() if name in table.column_names else [None] * len(table)
        if name in ("venue", "symbol"):
            values[draw.randrange(len(values))] = draw.choice((*TEXTS, None))
        elif name == "t_ns":
            values[draw.randrange(len(values))] = draw.choice((*WHOLE, None))
        else:
            values[draw.randrange(len(values))] = draw.choice((*REAL, None, 1.5, 2.0))
        made = pa.array(values, None if name in ("t_ns", "venue", "symbol") else pa.float64())
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, made)
        else:
            table = table.append_column(name, made)
    path = folder / "mutant-path.parquet"
    pq.write_table(table, path)
    return call(*run, "--scenario", path)


def _number(draw: random.Random) -> str:
    return str(draw.choice((*REAL, *WHOLE, "x", "true", '"90s"', '"1ns"', DEEP)))


def _set_mutant(folder: Path, draw: random.Random, run: tuple[object, ...]) -> Outcome:
    return call(*run, "--scenario", _base_crash(folder), "--set", f"scenario.{draw.choice(COLUMNS)}={_number(draw)}")


def _shock_mutant(folder: Path, draw: random.Random, run: tuple[object, ...]) -> Outcome:
    group = draw.choice(("depth", "spread", "volume", "trades", "latency", "refill", "funding", "price"))
    number = f"{draw.choice((0, 1, 0.001, 1e3, 1e9, 1e15)):f}"
    value = {"latency": f"+{number}s", "refill": f"{number}d", "funding": f"{number}%/1s", "price": f"+{number}%"}
    extra = ("--scenario", _base_crash(folder)) if draw.random() < 0.5 else ()
    return call(*run, *extra, "--shock", f"{group}={value.get(group, number)}")


@cache
def _profile(folder: Path) -> str:
    return venue(folder / "base").read_text()


def _profile_mutant(folder: Path, draw: random.Random, run: tuple[object, ...]) -> Outcome:
    path = folder / "mutant-venue.toml"
    path.write_text(text_mutant(_profile(folder), draw))
    return call(*run, "--venue", path)


def _profile_set(folder: Path, draw: random.Random, run: tuple[object, ...]) -> Outcome:
    rule = draw.choice(re.findall(r"(?m)^([a-z_]+) = \{ value", _profile(folder)))
    return call(*run, "--set", f"venue.{rule}={_number(draw)}")


# --- portfolios -----------------------------------------------------------------------------------------------------


def portfolios(folder: Path, draw: random.Random) -> Iterator[Outcome]:
    """A portfolio with one to three of its words changed, run."""
    path = folder / "mutant.toml"
    text = _portfolio(folder).read_text()
    for _ in range(draw.randint(1, 3)):
        text = text_mutant(text, draw)
    path.write_text(text)
    yield call("run", path, "--tape", _base_tape(folder), "--assume-funding-zero")


@cache
def _portfolio(folder: Path) -> Path:
    stop = order("s", type="stop_market", trigger_price="mark-5%", size=0.5, reduce_only=True)
    trail = order("t", type="trailing_stop", callback="1%", size=0.1, reduce_only=True, held="client")
    limit = order("l", type="limit", side="buy", price=49_900.0, size=0.2, at="3s", cancel_after="5s")
    twap = plan("w", algo="twap", duration="10s", interval="2s", side="sell", size=0.4, held="client")
    (folder / "base").mkdir(exist_ok=True)
    return portfolio(folder / "base", account(position(), stop, trail, limit, twap))


def text_mutant(text: str, draw: random.Random) -> str:
    """A TOML text with a value, a key or a line changed."""
    lines = text.split("\n")
    change = draw.randrange(8)
    places = [n for n, line in enumerate(lines) if "=" in line] or [0]
    at = draw.choice(places)
    if change == 0:
        lines.insert(at, lines[at])
    elif change == 1:
        del lines[at]
    elif change == 2:
        lines[at] = draw.choice((f"x{lines[at]}", lines[at].replace("=", "", 1), "[[accounts]]", "a = " + DEEP))
    elif change == 3:
        lines[at:at] = [f"key{n} = 1" for n in range(draw.choice((3, 3_000)))]
    else:
        key, _, value = lines[at].partition("=")
        found = re.findall(r'\d+(?:\.\d+)?|"[^"]*"', value)
        words = (json.dumps(each, ensure_ascii=False) for each in TEXTS)
        new = draw.choice((*map(str, (*REAL, *WHOLE)), *words, "true", "[]", "{}", "1e400", "9" * 400))
        lines[at] = f"{key}={value.replace(draw.choice(found), new, 1) if found else new}"
    return "\n".join(lines)
