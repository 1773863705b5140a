"""Look for a difference between engine and oracle: `python -m tests.oracle.hunt ENDS`.

ENDS is a JSON list of (seed, what `end` says of the unaltered engine), tried in this order. A universe in which this
engine ends alike is passed over: an engine alone takes a fifth of the time of a comparison. Exit code 0: no difference
found; DIFFERENT: the first one is printed. `test_mutants` runs this on altered kernels.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from random import Random

from backtester.enums import Advance
from backtester.errors import BacktesterError
from backtester.run.drive import Engine
from tests.oracle.compare import SMALL, Pair, as_array
from tests.oracle.examples import cut
from tests.oracle.universe import Universe, universe

DIFFERENT = 10


def seeded(seed: int) -> Universe:
    """The universe of a seed."""
    return universe(Random(seed), steps=60, fault=seed % 5 == 0)


def end(inputs: Universe) -> str:
    """A digest of what the engine holds at the end, fed as `Pair` feeds it; compiled or not, it is the same.

    Left out is the step at which an order was last looked at: it alone means nothing.
    """
    engine = Engine(inputs.data, SMALL)
    try:
        for step in cut(inputs.events):
            if engine.feed(as_array(step)) == Advance.STARTED:
                engine.attach(inputs.worlds)
                engine.resume()
        engine.finish()
    except BacktesterError:
        pass  # the fault stands in the control block
    engine.worlds.orders["seen"] = 0
    records = (engine.fills, engine.ledger, engine.liquidations, engine.payments, engine.guard_events)
    held = (*engine.market, *engine.worlds, engine.control, *records)
    return sha256(b"".join(array.tobytes() for array in held)).hexdigest()


def hunt(ends: Sequence[tuple[int, str]]) -> int:
    """The exit code."""
    for seed, unaltered in ends:
        inputs = seeded(seed)
        if end(inputs) == unaltered:
            continue
        pair = Pair(inputs)
        found = pair.run()
        if found and not pair.close:
            print(f"seed {seed}", *found, sep="\n")
            return DIFFERENT
    return 0


if __name__ == "__main__":
    sys.exit(hunt(json.loads(Path(sys.argv[1]).read_text())))
