"""Synthetic base tapes: a market and a seed in, one Parquet file out, the same bytes every time.

The market is a shipped tape's name, a profile, or a recording, to which a profile is fitted first.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.enums import EventKind
from backtester.errors import BacktesterError, Diagnostic, data_error, usage_error
from backtester.market.encode import NO_TIME
from backtester.market.read import open_tape
from backtester.market.synth.compare import Compared, compare
from backtester.market.synth.figures import UNKNOWN, Portrait
from backtester.market.synth.fit import Tell, fit, silent
from backtester.market.synth.generate import per_unit, synth_events
from backtester.market.synth.measure import Yardstick, measure
from backtester.market.synth.profile import Profile, read_profile
from backtester.market.synth.shipped import SHIPPED, shipped_profile
from backtester.market.write import Rows, TapeWriter

DEFAULT_SEED = 0
DEFAULT_MINUTES = 25.0
LICENCE = "Apache-2.0"
#: A recording is read up to here: what a market is like does not become clearer after it, and it is held in memory.
LONGEST_RECORDING_MINUTES = 60.0


class SynthSummary(NamedTuple):
    """What was written, and how the tape compares to the recording that it imitates."""

    path: Path
    profile: str
    seed: int
    minutes: float
    rows: int
    messages: int
    trades: int
    file_bytes: int
    sha256: str
    compared: tuple[Compared, ...]


def synth_tape(
    market: str | Path | Profile,
    out: Path,
    seed: int = DEFAULT_SEED,
    minutes: float | None = None,
    start_price: float | None = None,
) -> SynthSummary:
    """Write a synthetic tape to `out`.

    market is a profile or what `find_profile` finds; minutes None is the shipped tape's length, else DEFAULT_MINUTES;
    start_price None is the profile's. Raises a usage error for what cannot be made.
    """
    profile = market if isinstance(market, Profile) else find_profile(market)
    if start_price is not None:
        profile = profile._replace(start_price=_on_tick(start_price, profile.instrument.tick_size))
    length = _usual_minutes(profile.name) if minutes is None else minutes
    events = synth_events(profile, seed, length)
    source = f"synthetic: profile {profile.name}, seed {seed}, {length:g} minutes; no recording of a real market"
    with TapeWriter(out, [profile.instrument], source=source, licence=LICENCE) as writer:
        writer.write(_rows(profile, events))
    content = out.read_bytes()
    depth = events[events["kind"] <= EventKind.DELTA]
    return SynthSummary(
        path=out,
        profile=profile.name,
        seed=seed,
        minutes=length,
        rows=len(events),
        messages=len(np.unique(depth["ts"])),
        trades=int(np.count_nonzero(events["kind"] == EventKind.TRADE)),
        file_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        compared=compared(profile, events),
    )


def find_profile(market: str | Path, tell: Tell = silent) -> Profile:
    """The profile of a shipped tape by its name, of a profile file (*.toml), or fitted to a recording.

    Raises a usage error for a name without a file, a data error for what cannot be read or has too little to measure.
    """
    for shipped in SHIPPED:
        if shipped.name == str(market):
            return shipped_profile(shipped)
    path = Path(market)
    if not path.exists():
        names = ", ".join(each.name for each in SHIPPED)
        raise usage_error("MARKET", f'no synthetic profile and no file "{market}"', f"one of {names}, or a tape")
    return read_profile(path) if path.suffix == ".toml" else fitted_profile(path, tell)


def fitted_profile(recording: Path, tell: Tell = silent) -> Profile:
    """The profile of a recording. Raises a data error when it holds several instruments or too little to measure."""
    tape = open_tape([recording])
    if len(tape.instruments) != 1:
        symbols = ", ".join(each.symbol for each in tape.instruments)
        raise data_error(str(recording), f"holds {symbols}", "a recording of one instrument is needed")
    instrument = tape.instruments[0]
    if instrument.contract != "linear" or instrument.size_unit != "base":
        raise data_error(str(recording), f"{instrument.symbol} is not a linear contract in base units")
    chunks: list[NDArray[Any]] = []
    end = (tape.first_ts_ns or 0) + int(LONGEST_RECORDING_MINUTES * 60e9)
    for chunk in tape.chunks():
        chunks.append(chunk[chunk["ts"] < end])
        if int(chunk["ts"][-1]) >= end:
            break
    if not chunks:
        raise data_error(str(recording), "is empty")
    try:
        return fit(measure(np.concatenate(chunks), instrument.lot_size), instrument, recording.stem, tell=tell)
    except BacktesterError as error:
        problems = (Diagnostic(each.code, str(recording), each.message, each.hint) for each in error.diagnostics)
        raise BacktesterError(problems) from error


def compared(profile: Profile, events: NDArray[Any]) -> tuple[Compared, ...]:
    """The figures of a tape beside those of the recording of its profile."""
    return tuple(compare(profile.recorded, likeness(profile, events)))


def likeness(profile: Profile, events: NDArray[Any]) -> Portrait:
    """What a tape of the profile is like, measured as its recording was; a tape too short to be measured is unknown."""
    by = Yardstick(profile.look_ms, profile.start_price / profile.instrument.tick_size / 1e4)
    try:
        return measure(events, profile.instrument.lot_size, by).portrait
    except BacktesterError:
        return UNKNOWN


def _usual_minutes(name: str) -> float:
    return next((each.minutes for each in SHIPPED if each.name == name), DEFAULT_MINUTES)


def _on_tick(price: float, tick_size: float) -> float:
    """The nearest price on a tick."""
    if not 1_000 * tick_size <= price < 2**31 * tick_size:
        raise usage_error("--start-price", f"expected at least 1,000 ticks of {tick_size:g}, was {price:g}")
    return round(price / tick_size) / per_unit(tick_size)


def _rows(profile: Profile, events: NDArray[Any]) -> Rows:
    """Event records as rows of a tape. Division by whole numbers gives the float next to the decimal price."""
    index = events["kind"] == EventKind.INDEX
    return Rows(
        ts_ns=events["ts"],
        recv_ts_ns=np.full(len(events), NO_TIME),
        symbol=events["instrument"],
        kind=events["kind"],
        side=events["side"],
        price=np.where(index, events["value"], events["tick"] / per_unit(profile.instrument.tick_size)),
        size=events["lots"] / per_unit(profile.instrument.lot_size),
    )
