"""What a synthetic tape is made from: distributions, a ladder by distance, and an order flow of fifteen parameters.

Sizes are in base units, distances in basis points of the price (bps), times in the unit of their name. A profile is a
TOML file; two are shipped, and `shipped` says which tapes are made from them.
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from backtester.errors import data_error
from backtester.market.schema import TapeInstrument
from backtester.market.synth.figures import BANDS_BPS, SHARES, Bands, Figures, Portrait, Tables

_FOLDER = Path(__file__).resolve().parent / "profiles"


class Ladder(NamedTuple):
    """One side of the ladder beyond the best price, per band of BANDS_BPS."""

    depth: tuple[float, ...]  # size between the best price and the outer end of the band
    levels: tuple[float, ...]  # levels in the band
    half_life_s: tuple[float, ...]  # of a level


class Flow(NamedTuple):
    """How quotes and takers come and go. An urge presses to one side; a rush is its beginning, with strength 1."""

    touch_half_life_s: float  # of the size at a best price
    give_way_bps: float  # how far the fair price passes the touch before the touch gives way, without an urge
    diffusion_bps: float  # of the fair price, per square root of a second
    takers_per_s: float  # without an urge
    taker_reach_bps: float  # how far from the best price a taker goes
    taker_impact: float  # part of the way that a taker sweeps by which the fair price follows
    level_odds: float  # odds of large levels, relative to the recorded sizes
    thin_share: float  # the smallest sizes that are seen only ahead of an urge, as a share of all
    rushes_per_s: float
    rush_half_life_s: float  # an urge fades by half in this time
    rush_push_bps: float  # how fast an urge of strength 1 moves the fair price, per second
    rush_takers: float  # takers that it adds, as a multiple of the usual ones
    rush_side_share: float  # of these, on its side
    rush_thinning: float  # chance that a new size ahead of it is a small one; 1 at most, less with distance
    rush_spread_bps: float  # how much wider makers quote


class Profile(NamedTuple):
    """A market that can be imitated."""

    name: str
    instrument: TapeInstrument
    start_price: float
    index_every_s: int
    look_ms: int  # how `recorded` was measured
    tables: Tables
    ladder: Ladder
    flow: Flow
    recorded: Portrait  # what the tape should resemble


def rounded(value: float) -> float:
    """Four significant digits: more are noise, and fewer bytes are easier to read.

    >>> rounded(0.123456), rounded(98765.4)
    (0.1235, 98770.0)
    """
    return float(f"{value:.4g}")


def read_profile(path: Path) -> Profile:
    """A profile from its file. Raises a data error when it cannot be read or is not one."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        profile = Profile(
            said["name"],
            TapeInstrument(**said["instrument"]),
            said["start_price"],
            said["index_every_s"],
            said["look_ms"],
            Tables(**_read(said["tables"])),
            Ladder(**_read(said["ladder"])),
            Flow(**_read(said["flow"])),
            Portrait(_figures(said["figures"]), Bands(**_read(said["bands"]))),
        )
    except OSError as error:
        raise data_error(str(path), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise data_error(
            str(path), f"is not a profile: {error}", "profiles are written by data synth --keep"
        ) from error
    if {len(table) for table in profile.tables} != {len(SHARES)} or {len(x) for x in profile.ladder} != {
        len(BANDS_BPS)
    }:
        raise data_error(str(path), f"expected tables of {len(SHARES)} shares and {len(BANDS_BPS)} bands")
    return profile


def profile_text(profile: Profile) -> str:
    """The file of a profile; reading it gives the profile back if its numbers are rounded."""
    parts = [f'name = "{profile.name}"', f"start_price = {profile.start_price}"]
    parts += [f"index_every_s = {profile.index_every_s}", f"look_ms = {profile.look_ms}"]
    for title, part in (
        ("instrument", profile.instrument),
        ("tables", profile.tables),
        ("ladder", profile.ladder),
        ("flow", profile.flow),
        ("figures", profile.recorded.figures),
        ("bands", profile.recorded.bands),
    ):
        parts += ["", f"[{title}]"]
        parts += [f"{key} = {_written(value)}" for key, value in part._asdict().items() if value is not None]
    return "\n".join(parts) + "\n"


def stored_profile(name: str) -> Profile:
    """A profile that is shipped."""
    return read_profile(_FOLDER / f"{name}.toml")


def _figures(section: dict[str, float]) -> Figures:
    """The figures that are said; the others are not known."""
    unknown: dict[str, float | None] = dict.fromkeys(Figures._fields)
    return Figures(**unknown | section)


def _read(section: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, nan as None."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(plain(each) for each in value)
        return None if isinstance(value, float) and math.isnan(value) else value

    return {key: plain(value) for key, value in section.items()}


def _written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, tuple):
        return f"[{', '.join('nan' if each is None else _written(each) for each in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
