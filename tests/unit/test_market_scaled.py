"""A ladder on another market's grid, by hand: sums of levels, quotes that move apart, trades, snapshots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.errors import BacktesterError
from backtester.market.move import Move, Stated
from backtester.market.scaled import Mover
from backtester.market.schema import TapeInstrument

SNAPSHOT, DELTA, TRADE, INDEX = EventKind.SNAPSHOT, EventKind.DELTA, EventKind.TRADE, EventKind.INDEX
ETH = TapeInstrument("venue", "ETHUSDT", "ETH", tick_size=0.1, lot_size=0.001)
#: A tenth of ETH at 4,000: 1 ETH of depth is 2 SOL at 200.
SOL = Move(ETH, 4_000.0, 200.0, "SOL", Stated(200.0, tick_size=0.01, lot_size=0.1, share=0.1, spread_bps=0.0))

Row = tuple[int, int, int, int, int]  # ts, kind, side, tick, lots


def events(*rows: Row) -> np.ndarray:
    return np.array([(ts, tick, lots, 0.0, 0, kind, side) for ts, kind, side, tick, lots in rows], EVENT)


def moved(*rows: Row, move: Move = SOL) -> list[tuple[int, ...]]:
    found = Mover([move]).moved(events(*rows))
    return [(int(row["side"]), int(row["tick"]), int(row["lots"])) for row in found]


def test_what_stands_on_one_tick_is_summed_up() -> None:
    """Asks of 1, 2, 3 ETH at 4,000.1, .2, .3 are 2 + 4 SOL at 200.01 and 6 SOL at 200.02; bids mirror them."""
    asks = [(1, SNAPSHOT, -1, 40_001, 1_000), (1, SNAPSHOT, -1, 40_002, 2_000), (1, SNAPSHOT, -1, 40_003, 3_000)]
    bids = [(1, SNAPSHOT, 1, 39_999, 1_000), (1, SNAPSHOT, 1, 39_998, 2_000), (1, SNAPSHOT, 1, 39_997, 3_000)]
    gone = (2, DELTA, -1, 40_001, 0)
    assert moved(*asks, *bids, gone) == [
        (-1, 20_001, 20),
        (-1, 20_001, 60),
        (-1, 20_002, 60),
        (1, 19_999, 20),
        (1, 19_999, 60),
        (1, 19_998, 60),
        (-1, 20_001, 40),
    ]


def test_the_last_of_a_tick_leaves_nothing() -> None:
    shown = (1, SNAPSHOT, -1, 40_001, 1), (2, DELTA, -1, 40_001, 0), (3, DELTA, -1, 40_001, 0)
    assert moved(*shown) == [(-1, 20_001, 1), (-1, 20_001, 0), (-1, 20_001, 0)]  # 0.002 SOL is a lot of 0.1


def test_a_snapshot_begins_a_new_ladder() -> None:
    first, second = (1, SNAPSHOT, -1, 40_001, 1_000), (2, SNAPSHOT, -1, 40_002, 1_000)
    assert [lots for *_, lots in moved(first, second)] == [20, 20]
    assert [lots for *_, lots in moved(first, (1, *second[1:]))] == [20, 40]  # of one message
    assert [lots for *_, lots in moved(first, (1, SNAPSHOT, 0, 0, 0), (1, *second[1:]))] == [20, 0, 20]


def test_trades_meet_the_quotes() -> None:
    """A buyer at the ask of 4,000.1 pays 200.01, a seller at the bid of 3,999.9 gets 199.99; 1 ETH is 2 SOL."""
    assert moved((1, TRADE, 1, 40_001, 1_000), (1, TRADE, -1, 39_999, 1), (1, TRADE, 0, 40_001, 1_000)) == [
        (1, 20_001, 20),
        (-1, 19_999, 1),
        (0, 20_001, 20),
    ]


def test_quotes_move_apart_by_the_stated_spread() -> None:
    """10 bps, of which a tick of 0.5 bps and ETH's of 0.25 bps are there anyway: 4.625 bps, or 0.0925, on each side."""
    wide = SOL._replace(stated=SOL.stated and SOL.stated._replace(spread_bps=10.0))
    assert wide.half_spread == pytest.approx(4.625e-4)
    asked, bid = (1, SNAPSHOT, -1, 40_001, 1_000), (1, SNAPSHOT, 1, 39_999, 1_000)
    assert moved(asked, bid, move=wide) == [(-1, 20_010, 20), (1, 19_990, 20)]


def test_its_index_is_at_its_price() -> None:
    row = np.array([(1, 0, 0, 4_000.0, 0, INDEX, 0)], EVENT)
    assert Mover([SOL]).moved(row)["value"].tolist() == [200.0]


@pytest.mark.parametrize(("price", "tick", "lot"), [(200.0, 0.01, 0.1), (68.0, 0.002, 0.1), (700.0, 0.01, 0.02)])
def test_the_grid_is_as_fine_as_at_the_price_it_holds_at(price: float, tick: float, lot: float) -> None:
    made = SOL._replace(price=price).moved
    assert made.symbol == "SOLUSDT"
    assert [made.tick_size, made.lot_size] == pytest.approx([tick, lot])


def test_a_price_that_no_ladder_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match="too large"):
        moved((1, SNAPSHOT, -1, 40_001, 1 << 43), move=SOL._replace(price=0.0002))
