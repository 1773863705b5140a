"""Worked examples, by hand, for oracle and engine: liquidation at the bankruptcy price (RULES 8.2 to 8.5).

As Binance does it: an IOC at the bankruptcy price, a clearance fee on what it filled, and the insurance fund takes
what is left over at the bankruptcy price.
"""

from __future__ import annotations

from functools import partial

import pytest

from backtester.engine import spec
from backtester.enums import Disposal, ForcedPrice, LedgerKind, Party, PoolState
from tests.oracle.compare import agreed
from tests.oracle.examples import (
    PLAIN,
    SECOND,
    case,
    floats,
    ladder,
    mark,
    market_data,
    one_account,
    only_world,
    walked,
)
from tests.oracle.forced import rows
from tests.oracle.world import World

bankrupt_rows = partial(
    rows,
    price=ForcedPrice.BANKRUPTCY,
    below=1.0,
    takeover_price=ForcedPrice.BANKRUPTCY,
    disposal=Disposal.WALK,
)
BINANCE = PLAIN._replace(taker_fee=0.001, liquidation=bankrupt_rows())
FOUR_PERCENT = (spec.Tier(0.0, 0.04, 20.0),)


def long_ten(
    price: float,
    bids: dict[int, int],
    rules: spec.Rules = BINANCE,
    clearance_fee: float = 0.0125,
    balance: float = 50.0,
    insurance: float = 20.0,
) -> World:
    """Long 10 at 100 with a margin of 50, maintenance 4 %: bankrupt at 95. The mark falls to `price` before `bids`."""
    data = market_data(rules, tiers=FOUR_PERCENT, liquidation_fee=clearance_fee)
    worlds = one_account(balance, lots=10, entry_price=100.0, leverage=20.0, insurance=insurance)
    tape = [ladder(0, {99: 9}, {101: 9}), mark(0, 100.0), ladder(0.5, bids, {101: 9}), mark(0.5, price), mark(1, price)]
    return only_world(agreed(case(data, worlds, tape)))


def test_8_binance_two_levels_above_the_bankruptcy_price_and_the_rest_taken_over() -> None:
    world = long_ten(98.0, {97: 4, 96: 3, 94: 9})
    # equity 50 − 20 = 30 < 39.2; bankruptcy price 98 − 30/10 = 95, so the bid at 94 is too low
    assert walked(world) == [(-4, 97.0), (-3, 96.0), (-3, pytest.approx(98 - 10.874 / 3))]
    # after fees of 0.388 and 0.288 the balance is 25.324; the clearance fee is 1.25 % of 676; 16.874 − 6 are left of
    # the equity, so that the other three are bankrupt at 98 − 10.874/3 = 94.3753
    paid = [float(row.amount) for row in world.ledger if row.pool == 0]
    assert paid == pytest.approx([-12, -0.388, -12, -0.288, -8.45, 3 * (98 - 10.874 / 3 - 100)])
    (pool,) = world.pools
    assert floats(pool.balance, pool.deficit) == [0, 0]
    assert pool.state == PoolState.CLOSED
    # 20 + 8.45, and three lots sold at 94
    assert float(world.fund) == pytest.approx(20 + 8.45 + 3 * (94 - (98 - 10.874 / 3)))


def test_8_binance_the_clearance_fee_takes_what_is_left_and_the_fund_bears_the_rest() -> None:
    world = long_ten(98.0, {97: 4, 96: 3, 94: 9}, clearance_fee=0.05, insurance=0.0)
    # 5 % of 676 are 33.8, but equity is 50 − 24 − 0.676 − 6 = 19.324: all of it, and the rest is bankrupt at the mark
    (fee,) = [row.amount for row in world.ledger if row.kind == LedgerKind.LIQUIDATION_FEE]
    assert float(fee) == pytest.approx(-19.324)
    assert walked(world)[-1] == (-3, 98.0)
    assert floats(world.pools[0].balance, world.pools[0].deficit) == [0, 0]
    assert float(world.fund) == pytest.approx(19.324 - 3 * 4)
    short = long_ten(98.0, {97: 4, 96: 3, 90: 9}, clearance_fee=0.05, insurance=0.0)
    assert short.pools[0].balance == 0
    assert floats(short.fund) == [0]
    assert float(short.parties[Party.RESERVE]) == pytest.approx(19.324 - 3 * 8)


@pytest.mark.parametrize(
    ("disposal", "fund", "reserve"), [(Disposal.HOLD, 20, 0), (Disposal.WALK, 0, 20 - 10 * (95 - 89))]
)
def test_8_4_a_gap_through_the_bankruptcy_price_is_taken_over_whole(
    disposal: Disposal, fund: float, reserve: float
) -> None:
    world = long_ten(90.0, {89: 99}, BINANCE._replace(liquidation=bankrupt_rows(disposal=disposal)))
    # equity 50 − 100 = −50, bankruptcy price 90 + 50/10 = 95: nobody bids that
    assert [(row.stage.name, row.filled) for row in world.liquidations] == [("FULL", 0), ("TAKEOVER", 10)]
    assert walked(world) == [(-10, 95.0)]
    assert floats(world.pools[0].balance, world.pools[0].deficit) == [0, 50]
    assert floats(world.fund, world.parties[Party.RESERVE]) == [fund, reserve]
    ((lots, cost),) = world.inventory.values()
    assert (lots, float(cost)) == ((10, 950.0) if disposal == Disposal.HOLD else (0, 0.0))


def test_8_4_at_the_mark_the_same_gap_costs_the_fund_at_once() -> None:
    forced = bankrupt_rows(takeover_price=ForcedPrice.MARK, disposal=Disposal.HOLD)
    world = long_ten(90.0, {89: 99}, BINANCE._replace(liquidation=forced))
    assert walked(world) == [(-10, 90.0)]
    assert floats(world.pools[0].balance, world.pools[0].deficit) == [0, 50]
    assert floats(world.fund, world.parties[Party.RESERVE]) == [0, -30]


@pytest.mark.parametrize(
    ("balance", "sold"),
    [
        (49.999_999_9, 10),  # bankrupt at 95.00000001, which is 95
        (49.9, 0),  # at 95.01: the limit is 96
        (50.0, 10),
    ],
)
def test_8_3_a_limit_is_rounded_inwards_unless_it_is_all_but_a_tick(balance: float, sold: int) -> None:
    rules = BINANCE._replace(liquidation=bankrupt_rows(below=0.0))
    world = long_ten(96.0, {95: 99}, rules, balance=balance)
    assert [row.filled for row in world.liquidations] == [sold]


def test_8_3_a_flat_pool_below_zero_adds_to_its_deficit() -> None:
    rules = BINANCE._replace(liquidation=bankrupt_rows(price=ForcedPrice.BOUND), taker_fee=0.0)
    world = long_ten(90.0, {89: 99}, rules)
    assert [row.stage.name for row in world.liquidations] == ["FULL"]
    assert float(world.pools[0].deficit) == 60  # 50 − 10 · 11


def two_places(mark_price: float, bid: int = 94, fees: tuple[float, float] = (0.0, 0.0), on: bool = True) -> World:
    """Long 2 and long 4 of two instruments in one cross pool of 30, both entered at 100, maintenance 4 %."""
    instruments = (spec.Instrument("X", 1.0, 1.0), spec.Instrument("Y", 1.0, 1.0))
    markets = tuple(spec.Market(n, 0, FOUR_PERCENT, 1.0, 0.04, fee) for n, fee in enumerate(fees))
    data = spec.MarketData(instruments, (BINANCE._replace(taker_fee=0.0),), markets)
    places = (spec.Position(0, 2, 100.0, 10.0), spec.Position(1, 4, 100.0, 10.0))
    worlds = (spec.World((spec.Account("a", 0, 30.0, places),), liquidation=on),)
    parts = [[*ladder(0, {bid: 9}, {101: 9}), *mark(0, 100.0)], mark(0.5, mark_price)]
    tape = [[event._replace(instrument=n) for event in part] for part in parts for n in range(2)]
    return only_world(agreed(case(data, worlds, [*tape, mark(1, mark_price)])))


def test_8_3_each_position_bears_its_share_of_the_maintenance() -> None:
    places = two_places(96.0, on=False).positions
    # equity 30 − 24 = 6: a third of it is 2 for 2 lots, the rest 4 for 4 lots
    assert [float(place.bankruptcy_price) for place in places] == [95, 95]


def test_8_4_each_position_is_disposed_of_before_the_next_one_is_taken() -> None:
    world = two_places(96.0)
    # nobody bids 95; both pass at 95 and are sold at 94
    assert [(row.pool, row.kind.name, float(row.amount)) for row in world.ledger if row.amount] == [
        (0, "REALISED_PNL", -10),
        (-1, "REALISED_PNL", -2),
        (0, "REALISED_PNL", -20),
        (-1, "REALISED_PNL", -4),
        (-1, "DEFICIT", 6),
    ]


def test_8_2_each_market_has_a_liquidation_fee_of_its_own() -> None:
    world = two_places(98.5, bid=99, fees=(1 / 256, 1 / 128))
    assert [float(row.fee) for row in world.liquidations] == [198 / 256, 396 / 128]


WAITING = BINANCE._replace(liquidation=bankrupt_rows(delay_ns=60 * SECOND, taker_fee=False))


def half_sold_at_ten(*marks: tuple[float, float]) -> World:
    """Long 10 at 100 with 50: in breach at 10 s, when half of it is sold at 95; more bids from 20 s on."""
    data = market_data(WAITING, tiers=FOUR_PERCENT)
    worlds = one_account(50.0, lots=10, entry_price=100.0, leverage=20.0, insurance=20.0)
    tape = [ladder(0, {99: 9}, {101: 9}), mark(0, 100.0), ladder(9.5, {95: 5}, {101: 9}), mark(9.5, 96.0)]
    tape += [ladder(20.0, {95: 20}, {101: 9}), *(mark(at, price) for at, price in marks), mark(90.0, 99.0)]
    return only_world(agreed(case(data, worlds, tape)))


def steps(world: World) -> list[tuple[float, str, int, float]]:
    return [(row.ts / SECOND, row.stage.name, row.filled, float(row.takeover_price)) for row in world.liquidations]


def test_8_4_one_order_a_breach_and_the_takeover_after_its_delay() -> None:
    # Equity 50 − 40 = 10 < 38.4, bankrupt at 95. After the sale 25 − 20 = 5 < 19.2: nothing more is sent, though 95
    # is bid again; 60 s after the order the rest goes at the bankruptcy price of then, 96 − 5/5.
    world = half_sold_at_ten((89.0, 96.0))
    assert steps(world) == [(10, "FULL", 5, 0), (70, "TAKEOVER", 5, 95)]
    assert {row.kind for row in world.ledger} == {LedgerKind.REALISED_PNL}  # no fee on a forced fill
    assert floats(world.pools[0].balance, world.pools[0].deficit) == [0, 0]


def test_8_4_the_end_of_the_tape_ends_the_wait() -> None:
    data = market_data(WAITING, tiers=FOUR_PERCENT)
    worlds = one_account(50.0, lots=10, entry_price=100.0, leverage=20.0, insurance=20.0)
    tape = [
        ladder(0, {99: 9}, {101: 9}),
        mark(0, 100.0),
        ladder(9.5, {95: 5}, {101: 9}),
        mark(9.5, 96.0),
        mark(30.0, 96.0),
    ]
    world = only_world(agreed(case(data, worlds, tape)))
    assert steps(world) == [(10, "FULL", 5, 0), (30, "TAKEOVER", 5, 95)]


def test_8_2_a_check_without_a_breach_ends_it_and_the_next_one_sends_again() -> None:
    # At 99 equity 25 − 5 = 20 ≥ 19.8. At 96 again, from 51 s on, a breach of its own: the other 5 are sold at 95.
    world = half_sold_at_ten((40.5, 99.0), (50.5, 96.0))
    assert steps(world) == [(10, "FULL", 5, 0), (51, "FULL", 5, 0)]
    assert world.pools[0].round_ns is None
