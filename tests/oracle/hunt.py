"""Look for a difference between engine and oracle: `python -m tests.oracle.hunt FIRST_SEED LAST_SEED`.

Exit code 0: none found; DIFFERENT: the first one is printed. `test_mutants` runs this on altered kernels.
"""

from __future__ import annotations

import sys
from random import Random

from tests.oracle.compare import Pair
from tests.oracle.universe import universe

DIFFERENT = 10


def hunt(first_seed: int, last_seed: int) -> int:
    """The exit code."""
    for seed in range(first_seed, last_seed + 1):
        pair = Pair(universe(Random(seed), steps=60, fault=seed % 5 == 0))
        found = pair.run()
        if found and not pair.close:
            print(f"seed {seed}", *found, sep="\n")
            return DIFFERENT
    return 0


if __name__ == "__main__":
    sys.exit(hunt(int(sys.argv[1]), int(sys.argv[2])))
