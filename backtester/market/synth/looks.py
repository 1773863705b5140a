"""Replays the depth of one instrument and looks at the ladder at regular times: the kernel under `measure`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.engine.jit import helper, kernel
from backtester.enums import EventKind

_SNAPSHOT = int(EventKind.SNAPSHOT)


class Scene(NamedTuple):
    """The ladder while it is replayed; column = tick - low, W columns. Side 0 is the bid."""

    lots: np.ndarray  # i8 (2, W)
    before: np.ndarray  # i8 (2, W) as it was at the look before
    best: np.ndarray  # i8 (2,) columns, (-1, W) when empty
    best_before: np.ndarray  # i8 (2,)
    known: np.ndarray  # i8 (2,) the outermost columns that the last snapshot showed


class Sights(NamedTuple):
    """What was seen; zeroed. N looks, L levels, B bands."""

    fresh: np.ndarray  # b1 (N,) both sides are shown, uncrossed, by a message that is not stale
    ticks: np.ndarray  # i8 (N, 2, L)
    lots: np.ndarray  # i8 (N, 2, L)
    near: np.ndarray  # i8 (N, 2) lots within `near` ticks of the best price
    band_lots: np.ndarray  # i8 (B,) sums over the looks at a side that knows the whole band
    band_levels: np.ndarray  # i8 (B,)
    band_looks: np.ndarray  # i8 (B,) how many
    band_stood: np.ndarray  # i8 (B,) levels that the look before saw from the same best price, ...
    band_changed: np.ndarray  # i8 (B,) ... and those of them with another size


class Steps(NamedTuple):
    """When to look, and the width of the bands in ticks."""

    first_ns: int
    every_ns: int
    stale_ns: int
    near: int
    borders: np.ndarray  # i8 (B + 1,) band b holds the distances borders[b] <= d < borders[b + 1]
    near_bands: int  # so many bands are looked at each time, ...
    far_every: int  # ... the others in one look of so many, and the one after it


@helper
def clear(scene: Scene) -> None:
    """Empties the ladder."""
    width = scene.lots.shape[1]
    scene.lots[0, : scene.best[0] + 1] = 0
    scene.lots[1, scene.best[1] :] = 0
    scene.best[0], scene.best[1] = -1, width
    scene.known[0], scene.known[1] = width, -1


@helper
def apply(scene: Scene, event: np.ndarray, low: int) -> None:
    """One depth row."""
    row, column = (1 - event["side"]) // 2, event["tick"] - low
    scene.lots[row, column] = event["lots"]
    if event["lots"] > 0 and (column - scene.best[row]) * event["side"] > 0:
        scene.best[row] = column
    if event["kind"] == _SNAPSHOT and event["lots"] > 0 and (column - scene.known[row]) * event["side"] < 0:
        scene.known[row] = column


@helper
def settle(scene: Scene) -> bool:
    """Moves the best prices to the next levels; whether there are two and they do not cross."""
    width = scene.lots.shape[1]
    while scene.best[0] >= 0 and scene.lots[0, scene.best[0]] == 0:
        scene.best[0] -= 1
    while scene.best[1] < width and scene.lots[1, scene.best[1]] == 0:
        scene.best[1] += 1
    return scene.best[0] >= 0 and scene.best[1] < width and scene.best[0] < scene.best[1]


@helper
def note_levels(scene: Scene, low: int, ticks: np.ndarray, lots: np.ndarray) -> None:
    """Writes the best levels of both sides."""
    for row in range(2):
        column, level = scene.best[row], 0
        while level < ticks.shape[1] and 0 <= column < scene.lots.shape[1]:
            if scene.lots[row, column] > 0:
                ticks[row, level] = column + low
                lots[row, level] = scene.lots[row, column]
                level += 1
            column += 2 * row - 1


@helper
def note_near(scene: Scene, near: int, out: np.ndarray) -> None:
    """Writes the lots of both sides within `near` ticks of their best prices, these included."""
    for row in range(2):
        column = scene.best[row]
        while abs(column - scene.best[row]) <= near and 0 <= column < scene.lots.shape[1]:
            out[row] += scene.lots[row, column]
            column += 2 * row - 1


@helper
def note_band(scene: Scene, sights: Sights, row: int, band: int, nearest: int, end: int, compare: bool) -> None:
    """Adds the levels of one band and side, and how many of them changed since the look before."""
    out = 2 * row - 1
    last = scene.best[row] + out * (end - 1)
    if end <= nearest or (scene.known[row] - last) * out < 0 or not 0 <= last < scene.lots.shape[1]:
        return
    sights.band_looks[band] += 1
    for distance in range(nearest, end):
        column = scene.best[row] + out * distance
        now, then = scene.lots[row, column], scene.before[row, column]
        sights.band_lots[band] += now
        sights.band_levels[band] += now > 0
        if compare and then > 0:
            sights.band_stood[band] += 1
            sights.band_changed[band] += now != then


@helper
def remember(scene: Scene, reach: int) -> None:
    """Keeps the ladder within `reach` ticks of the best prices for the next look."""
    width = scene.lots.shape[1]
    for row in range(2):
        first, last = max(0, scene.best[row] - reach), min(width, scene.best[row] + reach + 1)
        for column in range(first, last):
            scene.before[row, column] = scene.lots[row, column]
        scene.best_before[row] = scene.best[row]


@helper
def look(scene: Scene, steps: Steps, sights: Sights, n: int, low: int) -> None:
    """One look at a ladder of two sides."""
    sights.fresh[n] = True
    note_levels(scene, low, sights.ticks[n], sights.lots[n])
    note_near(scene, steps.near, sights.near[n])
    phase = n % steps.far_every
    bands = len(steps.borders) - 1 if phase < 2 else steps.near_bands
    for row in range(2):
        stayed = n > 0 and sights.fresh[n - 1] and scene.best_before[row] == scene.best[row]
        for band in range(bands):
            compare = stayed and (band < steps.near_bands or phase == 1)
            note_band(scene, sights, row, band, steps.borders[band], steps.borders[band + 1], compare)
    remember(scene, steps.borders[len(steps.borders) - 1 if phase == 0 else steps.near_bands])


@kernel
def look_over(events: np.ndarray, low: int, scene: Scene, steps: Steps, sights: Sights) -> None:
    """Plays the depth rows of one instrument, `events` (E,) EVENT, and fills `sights` look by look."""
    n, due, looks = 0, steps.first_ns, len(sights.fresh)
    last_ts, good = events[0]["ts"], False
    for i in range(len(events)):
        event = events[i]
        new = i == 0 or event["ts"] != last_ts
        if new:
            good = i > 0 and settle(scene)
            while n < looks and due < event["ts"]:
                if good and due - last_ts <= steps.stale_ns:
                    look(scene, steps, sights, n, low)
                n += 1
                due += steps.every_ns
            last_ts = event["ts"]
        if event["kind"] == _SNAPSHOT and (new or event["side"] == 0 or events[i - 1]["kind"] != _SNAPSHOT):
            clear(scene)
        if event["side"] != 0:
            apply(scene, event, low)
