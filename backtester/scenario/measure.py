"""How near a path is to what happened: its perp, index and mark at its steps, measured against candles.

    low          path's lowest / candles' lowest − 1, and how many seconds lie between the two; high likewise
    1 min, 5 min the worst and the best close / open over so long, of the candles and of the path
    range        the largest (high − low) / open of a minute
    outside      share of the candles whose low or high the path passes by more than a basis point
    rebound      price 10 and 30 minutes after the candle of the low over the low, − 1
    lows         the farthest that the path is from the low of any candle
    long         straight lines between knots that are too long for the candles, or too steep (`LONG_NS`, `STEEP`)

Each candle is compared over its own time: from its open up to the step before its end; its close is where the path is
at its end. The path's mark is median(index, index + mean basis of the last 30 s, perp), Binance's since 2025-09.
Example: candles fall from 100 to a low of 90, the path to 90.09 in the same minute: low +0.1 %, 0 s apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.scenario.bridge import MINUTE_NS, NS, Piece
from backtester.scenario.candles import finest
from backtester.scenario.facts import Candles, Price
from backtester.scenario.fidelity import Fidelity, Pair
from backtester.scenario.grid import step_times
from backtester.scenario.path import ANY, Scenario, constant

Line = NDArray[np.float64]
Times = NDArray[np.int64]

#: A path may pass a candle's low or high by so much (between two knots a perp is a product of two lines, not a line).
TOUCH = 1e-4
#: Two prices so close are the same.
SAME = 1e-5
#: A straight line longer than its candle, or longer than this and steeper than this share a minute, is drawn too long.
LONG_NS, STEEP = MINUTE_NS, 0.01
MARK_WINDOW_NS = MINUTE_NS // 2
#: Decimal places of what is stored.
PLACES = 6


class Compared(NamedTuple):
    """Candles in order and the path inside of each: its extremes, and when it has them first."""

    pieces: Sequence[Piece]
    lows: Line
    highs: Line
    lows_at: Times
    highs_at: Times


def measure(scenario: Scenario, candles: Iterable[Candles]) -> tuple[Fidelity, ...]:
    """Every symbol and price that both the path and the candles have, in order."""
    found = []
    ordered = sorted((part for part in candles if part.symbol in scenario.start_prices), key=_key)
    for (symbol, price), parts in groupby(ordered, _key):
        pieces = [piece for piece in finest(parts) if piece.start >= 0 and piece.end <= scenario.span_ns]
        if pieces:
            found.append(_measured(scenario, symbol, price, pieces))
    return tuple(found)


def worst_fall(scenario: Scenario) -> float:
    """The deepest fall of any symbol's perp from its highest price before, at the steps; 0 for a path without prices.

    Example: 100, 110, 88 is a fall of 20 %: -0.2.
    """
    falls = [0.0]
    for symbol in scenario.symbols:
        _, prices = _lines(scenario, symbol)
        perp = prices[Price.PERP]
        falls.append(float((perp / np.maximum.accumulate(perp)).min()) - 1.0)
    return min(falls)


def best_rise(scenario: Scenario) -> float:
    """The highest rise of any symbol's perp from its lowest price before, at the steps. Example: 100, 90, 99 is 0.1."""
    rises = [0.0]
    for symbol in scenario.symbols:
        _, prices = _lines(scenario, symbol)
        perp = prices[Price.PERP]
        rises.append(float((perp / np.minimum.accumulate(perp)).max()) - 1.0)
    return max(rises)


def mark_of(scenario: Scenario, symbol: str) -> tuple[Times, Line]:
    """The mark of a symbol's perp at the steps, as a path is compared with candles of it."""
    steps, prices = _lines(scenario, symbol)
    return steps, prices[Price.MARK]


def _key(part: Candles) -> tuple[str, Price]:
    return part.symbol, part.price


def _lines(scenario: Scenario, symbol: str) -> tuple[Times, dict[Price, Line]]:
    """The steps, and every price at them, in quote currency where the start is known, else of a start at 1."""
    steps = step_times(scenario)
    ratio = scenario.find("price_ratio", ANY, symbol)
    basis = scenario.find("basis_bps", ANY, symbol) or constant(symbol, "basis_bps", 0.0)
    if ratio is None:
        raise ValueError(f"{symbol} has no prices")
    index = scenario.start_prices.get(symbol, 1.0) * ratio.at(steps)
    gap = basis.at(steps) / 1e4
    perp = index * (1.0 + gap)
    mark = np.median([index, index * (1.0 + _trailing_mean(steps, gap)), perp], axis=0)
    return steps, {Price.PERP: perp, Price.INDEX: index, Price.MARK: mark}


def _trailing_mean(steps: Times, values: Line) -> Line:
    """Mean over the last MARK_WINDOW_NS of values that hold from step to step; of what there is near the start."""
    held = np.concatenate([[0.0], np.cumsum(values[:-1] * np.diff(steps))])
    since = np.maximum(steps - MARK_WINDOW_NS, 0)
    span = steps - since
    mean = (held - np.interp(since, steps, held)) / np.maximum(span, 1)
    return np.where(span > 0, mean, values)


def _measured(scenario: Scenario, symbol: str, price: Price, pieces: Sequence[Piece]) -> Fidelity:
    steps, lines = _lines(scenario, symbol)
    line = lines[price]
    both = _compared(steps, line, pieces)
    lowest, highest = min(piece.low for piece in pieces), max(piece.high for piece in pieces)
    farther_low = pieces[0].open / lowest > highest / pieces[0].open
    extremes = [piece for piece in pieces if (piece.low == lowest if farther_low else piece.high == highest)]
    moves_1m, moves_5m = (_moves(pieces, steps, line, k * MINUTE_NS) for k in (1, 5))
    ranges = [
        Pair((piece.high - piece.low) / piece.open, float(high - low) / piece.open)
        for piece, low, high in zip(pieces, both.lows, both.highs, strict=True)
        if piece.end - piece.start <= MINUTE_NS
    ]
    lows = both.lows / np.array([piece.low for piece in pieces]) - 1.0
    return _rounded(
        Fidelity(
            symbol,
            price.value,
            len(pieces),
            all(piece.end - piece.start <= MINUTE_NS for piece in extremes),
            float(both.lows.min()) / lowest - 1.0,
            float(both.highs.max()) / highest - 1.0,
            _apart_s(both, low=True),
            _apart_s(both, low=False),
            _extreme(moves_1m, min),
            _extreme(moves_1m, max),
            _extreme(moves_5m, min),
            _extreme(moves_5m, max),
            _extreme(ranges, max),
            _outside(both),
            _rebound(both, steps, line, 10 * MINUTE_NS),
            _rebound(both, steps, line, 30 * MINUTE_NS),
            float(lows[np.abs(lows).argmax()]),
            _long(scenario, symbol, pieces),
        )
    )


def _compared(steps: Times, line: Line, pieces: Sequence[Piece]) -> Compared:
    lows, highs = np.zeros(len(pieces)), np.zeros(len(pieces))
    lows_at, highs_at = np.zeros(len(pieces), np.int64), np.zeros(len(pieces), np.int64)
    for k, piece in enumerate(pieces):
        first = max(int(np.searchsorted(steps, piece.start, "right")) - 1, 0)  # the step that holds at its open
        inside = line[first : max(int(np.searchsorted(steps, piece.end, "left")), first + 1)]
        lows[k], highs[k] = inside.min(), inside.max()
        lows_at[k], highs_at[k] = steps[first + inside.argmin()], steps[first + inside.argmax()]
    return Compared(pieces, lows, highs, lows_at, highs_at)


def _apart_s(both: Compared, low: bool) -> float:
    """Seconds from the path's extreme to the candle that has it, or to the moment that was published."""
    sign = 1.0 if low else -1.0
    real = sign * np.array([piece.low if low else piece.high for piece in both.pieces])
    path, at = (sign * both.lows, both.lows_at) if low else (sign * both.highs, both.highs_at)
    told = [both.pieces[k] for k in np.flatnonzero(real <= real.min() + SAME * abs(real.min())).tolist()]
    moments = at[path <= path.min() + SAME * abs(path.min())].tolist()
    return min(_distance(piece, piece.low_at if low else piece.high_at, t) for piece in told for t in moments) / NS


def _distance(piece: Piece, published: int | None, t: int) -> int:
    return max(piece.start - t, 0, t - piece.end) if published is None else abs(t - published)


def _moves(pieces: Sequence[Piece], steps: Times, line: Line, span_ns: int) -> list[Pair]:
    """Close / open − 1 over every span of that length that begins and ends with a candle."""
    closes = {piece.end: piece.close for piece in pieces}
    told = [piece for piece in pieces if piece.start + span_ns in closes]
    return [
        Pair(closes[piece.start + span_ns] / piece.open - 1.0, after / before - 1.0)
        for piece, before, after in zip(
            told,
            _at(steps, line, [piece.start for piece in told]),
            _at(steps, line, [piece.start + span_ns for piece in told]),
            strict=True,
        )
    ]


def _extreme(pairs: Sequence[Pair], of: Callable[[Iterable[float]], float]) -> Pair | None:
    """The extreme of the candles and that of the path, each wherever it has it."""
    return Pair(of(pair.real for pair in pairs), of(pair.path for pair in pairs)) if pairs else None


def _outside(both: Compared) -> float:
    low = np.array([piece.low for piece in both.pieces]) * (1.0 - TOUCH)
    high = np.array([piece.high for piece in both.pieces]) * (1.0 + TOUCH)
    return float(((both.lows < low) | (both.highs > high)).mean())


def _rebound(both: Compared, steps: Times, line: Line, after_ns: int) -> Pair | None:
    low = min(both.pieces, key=lambda piece: (piece.low, piece.start))
    closes = {piece.end: piece.close for piece in both.pieces}
    then = low.end + after_ns
    if then not in closes:
        return None
    [price] = _at(steps, line, [then])
    return Pair(closes[then] / low.low - 1.0, price / float(both.lows.min()) - 1.0)


def _long(scenario: Scenario, symbol: str, pieces: Sequence[Piece]) -> int:
    """Number of straight lines of the price that are longer than a candle they lie in, or long and steep."""
    ratio = scenario.find("price_ratio", ANY, symbol)
    if ratio is None:
        return 0
    starts, ends, values = ratio.t_ns[:-1], ratio.t_ns[1:], ratio.values
    lengths = ends - starts
    per_minute = np.abs(values[1:] / values[:-1] - 1.0) * MINUTE_NS / lengths
    place = np.searchsorted([piece.start for piece in pieces], starts, "right") - 1
    candle = np.array([piece.end - piece.start for piece in pieces])[np.maximum(place, 0)]
    told = (place >= 0) & (starts < np.array([piece.end for piece in pieces])[np.maximum(place, 0)])
    return int(((told & (lengths > candle)) | ((lengths > LONG_NS) & (per_minute > STEEP))).sum())


def _at(steps: Times, line: Line, times: Sequence[int]) -> list[float]:
    """The path at times: each step holds until the next."""
    place = np.maximum(np.searchsorted(steps, np.array(times, np.int64), "right") - 1, 0)
    found: list[float] = line[place].tolist()
    return found


def _rounded(fidelity: Fidelity) -> Fidelity:
    """All its figures with PLACES decimal places."""

    def rounded(value: object) -> object:
        if isinstance(value, Pair):
            return Pair(round(value.real, PLACES), round(value.path, PLACES))
        return round(value, PLACES) + 0.0 if isinstance(value, float) else value

    return Fidelity._make(map(rounded, fidelity))
