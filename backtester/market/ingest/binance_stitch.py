"""Diffs and snapshots of a recording joined to whole stretches of an order book, by update ids alone.

The procedure is the one that Binance prescribes ("How to manage a local order book correctly", USDⓈ-M Futures):

1. keep the diffs that arrive; 2. drop those with `u < lastUpdateId` of the snapshot; 3. the first one used has
`U <= lastUpdateId <= u`; 4. each further `pu` equals the `u` before it, otherwise a new snapshot is needed.

A **stretch** is a snapshot and the diffs that follow it without a gap: all that a tape can be made of. Ids are not
consecutive (other symbols use them too), so how many diffs a gap swallowed is unknown: it is named by its ids and time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from backtester.market.ingest.binance_events import Diff, Snapshot
from backtester.market.ingest.source import REORDER_NS


class Gap(NamedTuple):
    """Diffs that are missing before the one at `where`, which comes `ns` after the last one before the gap.

    At most the update ids after `after_id` up to `up_to_id`.
    """

    where: str
    after_id: int
    up_to_id: int
    from_ns: int
    ns: int


class Stretch(NamedTuple):
    """A part of the recording in which the order book is known, by exchange time."""

    first_ns: int
    last_ns: int
    diffs: int


class Stitcher:
    """Takes the diffs and snapshots of a recording in their order, gives back those that belong to stretches.

    A snapshot may come before or after the diff that continues it; diffs wait for one for up to 60 s of exchange time.

    Example: diffs (U, u, pu) = (1, 4, 0), (5, 9, 4), (12, 15, 9) and a snapshot of id 7 → the snapshot, (5, 9, 4),
    (12, 15, 9). A next diff (20, 22, 18) has a gap before it: ids after 15 up to 18.
    """

    def __init__(self, snapshots: Iterable[Snapshot] = ()) -> None:
        self.gaps: list[Gap] = []
        self.stretches: list[Stretch] = []
        self.diffs = 0
        self.repeated = 0  # diffs whose ids were already passed
        self.unplaced = 0  # diffs without a snapshot
        self.snapshots = 0
        self.unused = 0  # snapshots that no diff continues, or that were not needed
        self._offered = sorted(snapshots, key=lambda each: each.last_id)
        self._waiting: deque[Diff] = deque()
        self._newest: Diff | None = None
        self._is_joined = False

    def stitch(self, events: Iterable[Diff | Snapshot]) -> Iterator[Diff | Snapshot]:
        """The events of all stretches in order; each stretch begins with its snapshot."""
        self.snapshots = len(self._offered)
        for event in events:
            if isinstance(event, Snapshot):
                self._offer(event)
            elif self._follows(event):
                self._waiting.append(event)
            yield from self._join()
        self.unplaced += len(self._waiting)
        self.unused += len(self._offered)

    def _offer(self, snapshot: Snapshot) -> None:
        """Keep a snapshot that may be needed."""
        self.snapshots += 1
        if self._is_joined and self._newest is not None and snapshot.last_id <= self._newest.last_id:
            self.unused += 1
        else:
            self._offered = sorted([*self._offered, snapshot], key=lambda each: each.last_id)

    def _follows(self, diff: Diff) -> bool:
        """Whether a diff is new; a gap before it ends the stretch, and what waited before the gap is lost."""
        self.diffs += 1
        newest = self._newest
        if newest is not None and diff.last_id <= newest.last_id:
            self.repeated += 1
            return False
        if newest is not None and diff.previous_id != newest.last_id:
            ns = diff.ts_ns - newest.ts_ns
            self.gaps.append(Gap(diff.where, newest.last_id, diff.previous_id, newest.ts_ns, ns))
            self._is_joined = False
            self.unplaced += len(self._waiting)
            self._waiting.clear()
        self._newest = diff
        return True

    def _join(self) -> Iterator[Diff | Snapshot]:
        """Hand out what can be handed out: all that waits, once a snapshot joins it."""
        waiting = self._waiting
        if not self._is_joined and (snapshot := self._matching()):
            self._is_joined = True
            self.stretches.append(Stretch(snapshot.ts_ns, snapshot.ts_ns, 0))
            yield snapshot
        while waiting and (self._is_joined or waiting[-1].ts_ns - waiting[0].ts_ns > REORDER_NS):
            diff = waiting.popleft()
            if not self._is_joined:
                self.unplaced += 1
                continue
            begun = self.stretches[-1]
            self.stretches[-1] = Stretch(begun.first_ns, diff.ts_ns, begun.diffs + 1)
            yield diff

    def _matching(self) -> Snapshot | None:
        """The snapshot that joins the waiting diffs; older diffs and older snapshots are dropped."""
        waiting, offered = self._waiting, self._offered
        while waiting and offered:
            if offered[0].last_id < waiting[0].first_id:
                offered.pop(0)
                self.unused += 1
            elif waiting[0].last_id < offered[0].last_id:
                waiting.popleft()
                self.unplaced += 1
            else:
                return offered.pop(0)
        return None
