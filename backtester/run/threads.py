"""Threads that nobody waits for once something is wrong.

Who is interrupted in the middle of a lock of numba's may leave it taken: a thread that wants it never ends, and who
waits for that thread does not either.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def threads(number: int | None) -> Iterator[ThreadPoolExecutor]:
    """So many threads; waited for at the end of the block, unless an exception ends it. None: one a core and more."""
    pool = ThreadPoolExecutor(number)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
