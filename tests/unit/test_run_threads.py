"""Who is interrupted, or finds something wrong, waits for no other thread; who is done waits for them all."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from backtester.run.ahead import ahead
from backtester.run.threads import threads


def test_a_tape_that_is_left_is_not_waited_for() -> None:
    gate = threading.Event()

    def chunks() -> Iterator[np.ndarray]:
        yield np.zeros(1)
        gate.wait()
        yield np.ones(1)

    coming = ahead(chunks())
    assert next(coming)[0] == 0.0
    coming.close()  # returns although the next chunk is never made
    gate.set()


def test_an_exception_waits_for_nobody() -> None:
    gate = threading.Event()
    with pytest.raises(ValueError, match="wrong"), threads(1) as pool:
        pool.submit(gate.wait)
        raise ValueError("wrong")
    gate.set()


def test_all_are_waited_for_where_nothing_is_wrong() -> None:
    done = list[int]()
    with threads(2) as pool:
        for number in range(5):
            pool.submit(done.append, number)
    assert sorted(done) == [0, 1, 2, 3, 4]


STUCK = """
import sys, threading, time
from backtester import __main__
from backtester.cli import app
from backtester.run.threads import threads

def call(args):
    with threads(1) as pool:
        pool.submit(threading.Event().wait)  # a thread that never ends
        print("ready", flush=True)
        time.sleep(60)

app._call = call
sys.exit(__main__.main())
"""


def test_a_process_with_a_thread_that_never_ends_can_be_interrupted() -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
