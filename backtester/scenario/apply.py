"""A base tape and a scenario make a stressed tape, as a stream (RULES 10).

What moves: an instrument is *driven* when its path says anything but neutral, or when the base is shorter than the
window and has to be tiled. One that is not driven passes through row by row, with all its marks, indices and funding:
the neutral scenario gives the base tape, byte for byte. A driven one gets

- an INDEX at every step: base index × ratio (no index in the base: its mid stands for it, and `Summary` says so);
- PATH_STEP and a snapshot at every step that changes its map; its depth and trades through that map;
- its marks scaled by ratio · (1 + basis), or dropped where the venue's rules make the mark;
- funding from the path only.

Tiling: the base of each venue starts again and again, with ladder and trades only, and at every step its mid is set on
the path itself: the path gives the prices, the base gives the shape of the order book and the flow. A new tile's ladder
is shown from its first step on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.errors import data_error
from backtester.scenario.grid import Grid, Proxy, Target, make_grid
from backtester.scenario.levels import make_ladder
from backtester.scenario.path import Scenario
from backtester.scenario.phases import Phase, phases
from backtester.scenario.records import COARSE_NS, FOREVER, RUN, STATE, Status
from backtester.scenario.tiles import Part, laid_end_to_end
from backtester.scenario.transform import seam, transform

Events = NDArray[np.void]
#: Rows of one output chunk, unless one ts needs more.
CAPACITY = 1 << 18


class Survey(NamedTuple):
    """What one look at the base tells: its span in ns; by instrument the highest tick and whether it has an index.

    firsts, lasts: (n,) times of the first and last row of each instrument, -1 without any
    """

    first_ns: int
    last_ns: int
    firsts: NDArray[np.int64]
    lasts: NDArray[np.int64]
    max_ticks: NDArray[np.int64]
    has_index: NDArray[np.bool_]


class Realised(NamedTuple):
    """One driven instrument after the run. Lows and highs: mids at steps, quote currency, NaN without any."""

    symbol: str
    low: float
    high: float
    path_low: float  # NaN when the base is not tiled: its own moves come on top of the path's
    path_high: float
    index_from_mid: bool
    flow_asked_quote: float
    flow_done_quote: float


class Summary(NamedTuple):
    """What the report says about a stressed tape. `coarse_ns`: time that a tiled base spends in coarse stretches."""

    laid: tuple[tuple[str, int], ...]  # how often the base of each venue began; none: it is not tiled
    steps: int
    coarse_ns: int
    rows: int
    realised: tuple[Realised, ...]

    @property
    def tiles(self) -> int:
        """How often the base began; of several venues the most."""
        return max((times for _, times in self.laid), default=1)


def survey(chunks: Iterator[Events], instruments: int) -> Survey:
    """Read a base once. Raises BacktesterError when it is empty."""
    first = last = None
    firsts, lasts = np.full((2, instruments), -1, np.int64)
    max_ticks = np.zeros(instruments, np.int64)
    has_index = np.zeros(instruments, bool)
    for chunk in chunks:
        if chunk.size == 0:
            continue
        first = int(chunk["ts"][0]) if first is None else first
        last = int(chunk["ts"][-1])
        for number in np.unique(chunk["instrument"]):
            ts = chunk["ts"][chunk["instrument"] == number]
            firsts[number] = ts[0] if firsts[number] < 0 else firsts[number]
            lasts[number] = ts[-1]
        levels = chunk[chunk["kind"] <= EventKind.DELTA]
        np.maximum.at(max_ticks, levels["instrument"], levels["tick"])
        has_index[np.unique(chunk["instrument"][chunk["kind"] == EventKind.INDEX])] = True
    if first is None or last is None:
        raise data_error("base tape", "has no events")
    return Survey(first, last, firsts, lasts, max_ticks, has_index)


class StressedTape:
    """The stream of stressed EVENT chunks, cut only where `ts` changes; `summary` once it has been read to its end.

    `base` makes a new iterator over the base's chunks at every call; `targets[i]` describes instrument i.
    Raises BacktesterError when a target that is held has no price path.
    """

    def __init__(
        self,
        scenario: Scenario,
        targets: Sequence[Target],
        base: Callable[[], Iterator[Events]],
        *,
        proxies: Sequence[Proxy] = (),
        seed: int = 0,
        capacity: int = CAPACITY,
        known: Survey | None = None,
    ) -> None:
        self.scenario = scenario
        self.targets = tuple(targets)
        self._base = base
        self._proxies = {proxy.base: proxy for proxy in proxies}
        self._grid = make_grid(scenario, targets, proxies)
        self._seed = seed
        self._capacity = capacity
        self._survey = known or survey(base(), len(targets))
        self._summary: Summary | None = None
        self._parts = tuple(_parts(self.targets, self._survey)) if self.tiled else ()

    @property
    def start_ns(self) -> int:
        """First possible ts of the stressed tape."""
        return self._survey.first_ns if self.scenario.start_ns is None else self.scenario.start_ns

    @property
    def tiled(self) -> bool:
        """Whether the base is shorter than the scenario's window."""
        span = self._survey.last_ns - self._survey.first_ns
        return self.scenario.end_ns is not None and span < self.scenario.end_ns - self.start_ns

    @property
    def driven(self) -> NDArray[np.bool_]:
        """(n,) whether the scenario moves an instrument; it then gives it its index, too."""
        driven: NDArray[np.bool_] = self._grid.driven | self.tiled
        return driven

    @property
    def first_funding(self) -> Events:
        """The path's first funding of each instrument, EVENT[n]; lots is its interval in s."""
        return self._grid.first_funding

    @property
    def phases(self) -> tuple[tuple[Phase, ...], ...]:
        """Outages, extra latency and changed funding intervals of each instrument."""
        return tuple(phases(self.scenario, each, self._proxies.get(each.base)) for each in self.targets)

    @property
    def summary(self) -> Summary:
        """What came out. Raises RuntimeError before the last chunk has been taken."""
        if self._summary is None:
            raise RuntimeError("the summary is known after the last chunk")
        return self._summary

    def chunks(self) -> Iterator[Events]:
        """Stressed EVENT chunks, a fresh pass at every call."""
        grid, known = self._grid, self._survey
        ladder = make_ladder(known.max_ticks)
        state = _start_state(self.targets, grid, known, self.tiled)
        depth = np.ones((len(self.targets), 2, 3))
        run = np.zeros(1, RUN)
        run["clock_ns"] = self.start_ns - known.first_ns
        run["end_ns"] = FOREVER if self.scenario.end_ns is None else self.scenario.end_ns
        run["seed"], run["tiled"], run["message_of"] = self._seed, self.tiled, -1
        source, over = laid_end_to_end(self._base, self._parts) if self.tiled else _once(self._base()), None
        base, out = np.zeros(0, EVENT), np.zeros(self._capacity, EVENT)
        laid = dict.fromkeys((part.venue for part in self._parts), 1)
        rows, status = 0, Status.NEED_INPUT
        while status != Status.DONE:
            code = transform(
                run, state, depth, *ladder, grid.step_ns, grid.steps, grid.depth, grid.control, base, out
            )  # fmt: skip
            status = Status(code)
            if status == Status.NEED_INPUT:
                if over is not None:
                    seam(run, state, self._parts[over].instruments, *ladder)
                    laid[self._parts[over].venue] += 1
                    over = None
                if (found := next(source, None)) is not None:
                    (base, over), run["cursor"] = found, 0
                else:
                    run["final"] = 1
            elif status == Status.NEED_ROOM:
                ready, out = _split(out, int(run["rows"][0]))
                run["rows"] -= ready.size
                rows += ready.size
                if ready.size:
                    yield ready
        rest = out[: int(run["rows"][0])]
        self._summary = Summary(
            laid=tuple(laid.items()),
            steps=int(grid.step_ns.size),
            coarse_ns=_coarse_ns(grid.step_ns, int(run["end_ns"][0])) if self.tiled else 0,
            rows=rows + rest.size,
            realised=_realised(self.targets, state, grid, self.tiled),
        )
        if rest.size:
            yield rest


def _once(chunks: Iterator[Events]) -> Iterator[tuple[Events, int | None]]:
    """A base that is not laid end to end."""
    return ((chunk, None) for chunk in chunks)


def _parts(targets: Sequence[Target], known: Survey) -> Iterator[Part]:
    """The venues of a base, in the order of its instruments. Raises a data error for one that is a single moment."""
    venues = np.array([target.venue for target in targets])
    for venue in dict.fromkeys(target.venue for target in targets):
        those = (venues == venue) & (known.lasts >= 0)
        if not those.any():
            continue
        first, last = int(known.firsts[those].min()), int(known.lasts[those].max())
        if first == last:
            raise data_error("base tape", "is a single moment and cannot be laid end to end", "record some seconds")
        yield Part(venue, those, first, last - first + 1)


def _start_state(targets: Sequence[Target], grid: Grid, known: Survey, tiled: bool) -> NDArray[np.void]:
    state = np.zeros(len(targets), STATE)
    for i, target in enumerate(targets):
        state["tick_size"][i] = target.tick_size
        state["unit"][i] = target.lot_size * target.multiplier
        state["drop_marks"][i] = target.drop_marks
    for name in ("factor", "volume", "intensity"):
        state[name] = grid.steps[name][0] if grid.step_ns.size else 1.0
    state["index"] = np.nan
    state["index_from_tape"] = known.has_index
    state["driven"] = grid.driven | tiled
    if not tiled and grid.step_ns.size:
        first = grid.steps[0]
        state["live"] = (first["factor"] == 1.0) & (first["spread"] == 1.0) & (grid.depth[0] == 1.0).all(axis=(1, 2))
    return state


def _split(out: Events, rows: int) -> tuple[Events, Events]:
    """Cut before the last ts: rows that are ready, and a buffer that begins with the others (doubled if none is)."""
    cut = int(np.searchsorted(out["ts"][:rows], out["ts"][rows - 1])) if rows else 0
    left = rows - cut
    room = np.zeros(out.size if cut else 2 * out.size, EVENT)
    room[:left] = out[cut:rows]
    return out[:cut], room


def _realised(targets: Sequence[Target], state: NDArray[np.void], grid: Grid, tiled: bool) -> tuple[Realised, ...]:
    realised = []
    for i, target in enumerate(targets):
        s = state[i]
        if not s["driven"]:
            continue
        tick = target.tick_size
        factors = grid.steps["factor"][:, i] * (s["anchor"] * tick) if tiled else np.full(1, np.nan)
        realised.append(
            Realised(
                symbol=target.symbol,
                low=float(s["low2"]) * 0.5 * tick if s["high2"] else np.nan,
                high=float(s["high2"]) * 0.5 * tick if s["high2"] else np.nan,
                path_low=float(factors.min()),
                path_high=float(factors.max()),
                index_from_mid=not s["index_from_tape"],
                flow_asked_quote=float(s["flow_asked"]),
                flow_done_quote=float(s["flow_done"]),
            )
        )
    return tuple(realised)


def _coarse_ns(step_ns: NDArray[np.int64], end_ns: int) -> int:
    gaps = np.diff(step_ns, append=end_ns)
    return int(gaps[gaps >= COARSE_NS].sum())
