"""The records that the transform works on, and why its kernel returns."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

#: Later than any event.
FOREVER = int(np.iinfo(np.int64).max)

#: A tiled base is *coarse* from a step to the next one if that is so far away, and runs on by so little (RULES 10.5).
COARSE_NS = 60_000_000_000
COARSE_BASE_NS = 1_000_000_000

#: What the path says of one instrument at one step.
#: ratio      index relative to the window's start
#: factor     ratio · (1 + basis): what the perp's mid is multiplied with
#: spread     touch widening, ≥ 1
#: volume, intensity   factors on a trade's size and on the number of trades
#: flow       taker flow that walks the ladder at this step, quote, negative = selling
STEP = np.dtype(
    [("ratio", "f8"), ("factor", "f8"), ("spread", "f8"), ("volume", "f8"), ("intensity", "f8"), ("flow", "f8")],
    align=True,
)

#: One instrument while it runs. `live`: its messages are shown; a driven one that needs a first step is hidden until
#: then, a coarse one between its steps.
#: mid2     base mid of the last step, half ticks          anchor   mid that a tiled base is held at, ticks; 0 = free
#: index    last base index, or what stands for it; NaN = unknown
#: eaten    the shown ladder lacks what flow took: the next step must show it again
STATE = np.dtype(
    [
        ("tick_size", "f8"),
        ("unit", "f8"),  # lot_size · multiplier
        ("index", "f8"),
        ("anchor", "f8"),
        ("factor", "f8"),
        ("volume", "f8"),
        ("intensity", "f8"),
        ("flow_asked", "f8"),
        ("flow_done", "f8"),
        ("bid_shift", "i8"),
        ("ask_shift", "i8"),
        ("mid2", "i8"),
        ("low2", "i8"),
        ("high2", "i8"),
        ("trades", "i8"),
        ("message_ts", "i8"),  # ts of the snapshot being read
        ("driven", "i1"),
        ("live", "i1"),
        ("eaten", "i1"),
        ("index_from_tape", "i1"),
        ("drop_marks", "i1"),
    ],
    align=True,
)

#: The run as a whole: cursors into base, control and steps, rows in `out`, and what tells a new message.
RUN = np.dtype(
    [
        ("cursor", "i8"),
        ("control", "i8"),
        ("step", "i8"),
        ("step_instrument", "i8"),
        ("rows", "i8"),
        ("clock_ns", "i8"),  # added to the base's ts
        ("end_ns", "i8"),
        ("seed", "i8"),
        ("message_of", "i8"),  # instrument whose snapshot rows are being read, or -1
        ("tiled", "i1"),
        ("final", "i1"),  # no further base rows will come
    ],
    align=True,
)


class Status(IntEnum):
    """Why the kernel returned."""

    DONE = 0
    NEED_INPUT = 1
    NEED_ROOM = 2
