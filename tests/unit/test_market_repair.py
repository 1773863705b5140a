"""Repairing a tape: which level gives way, what stays, and what is no matter of repair."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.errors import BacktesterError
from backtester.market import repair as module
from backtester.market.check import check
from backtester.market.read import open_tape
from backtester.market.repair import Repaired, repair
from tests.unit.market_tapes import BTC, ETH, Row, write
from tests.unit.test_market_check import ask, bid, marker

Level = tuple[int, str, int, float, float]


def repaired(directory: Path, rows: list[Row]) -> tuple[Repaired, list[Level]]:
    """What was done to a tape, and its depth rows (ts, symbol, side, price, size)."""
    numbered = [row._replace(seq=number) for number, row in enumerate(rows)]
    (directory / "out.parquet").unlink(missing_ok=True)
    done = repair(open_tape([write(directory / "t.parquet", numbered, [BTC, ETH])]), directory / "out.parquet")
    assert check(open_tape([done.path])).is_valid
    table = pq.read_table(done.path)
    assert table["seq"].to_pylist() == list(range(done.rows))
    ts = table["ts"].cast(pa.int64()).to_pylist()
    return done, list(zip(ts, *(table[name].to_pylist() for name in ("symbol", "side", "price", "size")), strict=True))


def added(before: list[Row], after: list[Level]) -> list[Level]:
    """The rows that were not there; the others are as they were, in their order."""
    rest = [(row.ts, row.symbol, row.side, row.price, row.size) for row in before]
    found = []
    for row in after:
        if rest and row == rest[0]:
            rest.pop(0)
        else:
            found.append(row)
    assert not rest
    return found


def test_a_level_whose_deletion_was_lost_goes(tmp_path: Path) -> None:
    """The asks come down to 100.2 and 100.3: the bid at 100.3 is one level in the way of two."""
    rows = [bid(1, 100.3), bid(1, 100.0), ask(1, 100.4), ask(2, 100.2), ask(2, 100.3), bid(3, 100.1)]
    done, after = repaired(tmp_path, rows)
    assert added(rows, after) == [(2, "BTC", 1, 100.3, 0.0)]
    assert (done.messages, done.levels) == (1, 1)


def test_a_price_far_off_goes_and_not_the_side_that_it_passed(tmp_path: Path) -> None:
    rows = [bid(1, 100.0), bid(1, 99.0), bid(1, 98.0), ask(1, 100.1), ask(2, 1.0)]
    assert added(rows, repaired(tmp_path, rows)[1]) == [(2, "BTC", -1, 1.0, 0.0)]


def test_two_prices_far_off_in_one_message(tmp_path: Path) -> None:
    rows = [*(bid(1, 100.0 - n) for n in range(5)), *(ask(1, 101.0 + n) for n in range(5)), bid(2, 200.0), ask(2, 1.0)]
    assert added(rows, repaired(tmp_path, rows)[1]) == [(2, "BTC", -1, 1.0, 0.0), (2, "BTC", 1, 200.0, 0.0)]


def test_of_two_that_lock_the_older_goes(tmp_path: Path) -> None:
    rows = [bid(1, 100.0), ask(1, 100.1), bid(2, 100.1)]
    assert added(rows, repaired(tmp_path, rows)[1]) == [(2, "BTC", -1, 100.1, 0.0)]


def test_of_two_in_one_snapshot_the_smaller_goes(tmp_path: Path) -> None:
    kind = {"kind": "snapshot"}
    rows = [marker(1), bid(1, 100.1, 2.0, **kind), ask(1, 100.1, 3.0, **kind), ask(1, 100.2, 1.0, **kind)]
    done, after = repaired(tmp_path, rows)
    assert added(rows, after) == [(1, "BTC", 1, 100.1, 0.0)]
    assert pq.read_table(done.path).column("kind").to_pylist() == ["snapshot"] * 5


def test_another_instrument_may_trade_in_between(tmp_path: Path) -> None:
    """The deletion stands at the end of its message, before the next moment."""
    rows = [bid(1, 100.0), ask(1, 100.1), bid(2, 100.1), ask(3, 10.0, symbol="ETH"), ask(4, 100.3)]
    after = repaired(tmp_path, rows)[1]
    assert after.index((2, "BTC", -1, 100.1, 0.0)) == 3


def test_what_was_done_is_in_the_metadata(tmp_path: Path) -> None:
    done, _ = repaired(tmp_path, [bid(1, 100.0), ask(1, 100.0), ask(2, 99.9)])
    source = open_tape([done.path]).files[0].metadata.source
    assert source == "test; 2 levels deleted that left 2 messages crossed or locked"


def test_a_sound_tape_stays_as_it_is(tmp_path: Path) -> None:
    rows = [bid(1, 100.0), ask(1, 100.1), Row(2, kind="trade", side=1, price=100.1, size=1.0)]
    done, after = repaired(tmp_path, rows)
    assert (done.messages, done.levels, added(rows, after)) == (0, 0, [])
    assert open_tape([done.path]).files[0].metadata.source == "test"


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_chunks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    rows = [bid(1, 100.0), ask(1, 100.1), bid(2, 100.2), bid(2, 100.1), ask(4, 99.0), bid(5, 99.0)]
    whole = repaired(tmp_path, rows)[1]
    monkeypatch.setattr(module, "CHUNK_ROWS", chunk)
    assert repaired(tmp_path, rows)[1] == whole


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.booleans(), st.integers(95, 105), st.integers(0, 3), st.booleans()), min_size=1
    )
)
def test_any_tape_can_be_run_afterwards(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, bool, int, int, bool]]
) -> None:
    ts, rows = 1, []
    for step, is_bid, price, size, is_snapshot in drawn:
        ts += step
        make = bid if is_bid else ask
        rows.append(make(ts, float(price), float(size), "snapshot" if is_snapshot else "delta"))
    done, after = repaired(tmp_path_factory.mktemp("t"), rows)
    assert len(added(rows, after)) == done.levels


def test_a_recording_is_not_replaced_by_its_repair(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [bid(1, 100.0), ask(1, 100.0)], [BTC])
    before = path.read_bytes()
    with pytest.raises(BacktesterError, match=r"--repair: .*t\.parquet is the tape itself"):
        repair(open_tape([path]), path)
    assert path.read_bytes() == before


def test_other_faults_are_no_matter_of_repair(tmp_path: Path) -> None:
    tape = open_tape([write(tmp_path / "t.parquet", [bid(2, 100.0), bid(1, 100.0)], [BTC])])
    with pytest.raises(BacktesterError, match=r"row 1: ts .* is before the row above"):
        repair(tape, tmp_path / "out.parquet")
    swapped = [bid(1, 100.0)._replace(seq=2), ask(1, 100.1)._replace(seq=1)]
    tape = open_tape([write(tmp_path / "t.parquet", swapped, [BTC])])
    with pytest.raises(BacktesterError, match="row 1: seq goes backwards"):
        repair(tape, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
