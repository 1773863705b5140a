"""Worked examples, by hand, for oracle and engine: positions and marks, funding (RULES 5, 7)."""

from __future__ import annotations

from fractions import Fraction
from math import exp

import pytest

from backtester.engine import spec
from backtester.enums import (
    EventKind,
    Fault,
    FundingWeights,
    LedgerKind,
    MarkFormula,
    Party,
    PriceReference,
    Side,
)
from tests.oracle.compare import agreed
from tests.oracle.exact import Judge
from tests.oracle.examples import (
    ASKS,
    BIDS,
    BUY,
    PLAIN,
    SECOND,
    SELL,
    case,
    ladder,
    mark,
    market_data,
    market_order,
    one_account,
    only_world,
    record,
    trade,
)
from tests.oracle.ladder import Event, Tape
from tests.oracle.market import Average, Market

# -- RULES 5 -----------------------------------------------------------------------------------------------------------


def test_5_1_a_partial_close_realises_its_share_of_the_cost() -> None:
    rules = PLAIN._replace(taker_fee=1 / 256)
    orders = [market_order(BUY, 3), market_order(SELL, 2)]
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0)]
    world = only_world(agreed(case(market_data(rules), one_account(1e6, orders, lots=1, entry_price=96.0), tape)))
    position = world.accounts[0].positions[0]
    # 1 lot at 96 and 3 at 100: average 99; 2 sold at 99 realise nothing
    assert position.lots == 2
    assert position.cost == 198
    assert [(row.kind, row.amount) for row in world.ledger] == [
        (LedgerKind.FEE, Fraction(-300, 256)),
        (LedgerKind.FEE, Fraction(-198, 256)),
    ]


def test_5_3_the_mark_is_the_median_of_basis_touch_and_average() -> None:
    rules = PLAIN._replace(mark_formula=MarkFormula.MEDIAN_BASIS_EMA)
    data = market_data(rules)
    judge = Judge()
    tape = Tape(data.instruments[0])
    market = Market(0, data, [tape], judge)
    tape.apply(ladder(0, {99: 1}, {103: 1}))
    market.update_mark(SECOND)
    assert market.mark_float is None  # no index yet
    tape.index = 98.0
    tape.last_tick = 102
    market.update_mark(SECOND)
    # p1 = 98 + (101 − 98) = 101; p2 = median(99, 103, 102) = 102; p3 = 102
    assert market.mark_float == 102.0
    tape.last_tick = 105
    market.update_mark(SECOND)
    keep = 2.718281828459045 ** (-1 / 30)
    p3 = (102 * keep + 103) / (keep + 1)
    assert market.mark_float == pytest.approx(p3)  # between p1 = 101 and p2 = 103
    assert Average(150.0, 1.0).update(7.0) == 7.0


def marks(rules: spec.Rules, tape: list[list[Event]], tick_size: float = 1.0) -> dict[int, float]:
    """The mark at each whole second after which something was shown, by oracle and engine."""
    found: dict[int, float] = {}
    data = market_data(rules, tick_size)
    for number in range(1, len(tape) + 1):
        end = agreed(case(data, (), tape[:number]))
        if end.now is not None and end.markets[0].mark_float is not None:
            found[end.now // SECOND] = end.markets[0].mark_float
    return found


def test_5_3_g14_hyperliquid_mark_is_the_median_of_10020_10008_and_10012() -> None:
    """Figures of Hyperliquid's robust price indices; the average of the touch stands for the other venues' mids."""
    rules = PLAIN._replace(mark_formula=MarkFormula.MEDIAN_BASIS_EMA)
    inner, outer = exp(-1 / 30), exp(-1 / 150)
    first = 10_012 + 4 / inner  # then (first · inner + 10,008) / (inner + 1) = 10,012
    basis = 12.5 * (outer + 1) / outer  # and 10,007.5 + basis · outer / (outer + 1) = 10,020
    thousandths = round(first * 1000)
    tape = [
        ladder(1, {thousandths - 500: 1}, {thousandths + 500: 1}),
        record(1, EventKind.INDEX, first - basis),
        trade(1, BUY, thousandths, 1),
        ladder(2, {10_005_000: 1}, {10_010_000: 1}),
        record(2, EventKind.INDEX, 10_007.5),
        trade(2, BUY, 10_008_000, 1),
    ]
    assert marks(rules, tape, 0.001)[2] == pytest.approx(10_012, rel=1e-6)


def test_5_3_g25_binance_mark_of_2020_carries_what_is_left_of_the_funding_rate() -> None:
    """Binance's FAQ of 2020: rate 0.03 %, 4 h of 8 h left, index 10,000 → 10,001.5."""
    hour = 3600
    rules = PLAIN._replace(
        mark_formula=MarkFormula.FUNDING_BASIS,
        mark_interval_ns=hour * SECOND,
        funding_interval_ns=8 * hour * SECOND,
    )
    tape = [
        record(4 * hour, EventKind.INDEX, 10_000.0),
        record(8 * hour, EventKind.FUNDING, 0.0003, 8 * hour),
        record(12 * hour, EventKind.OPEN_INTEREST),
        record(15 * hour, EventKind.OPEN_INTEREST),
        record(16 * hour, EventKind.FUNDING, -0.0003, 8 * hour),
        record(17 * hour, EventKind.OPEN_INTEREST),
    ]
    found = {ts // hour: price for ts, price in marks(rules, tape).items()}
    assert found[8] == 10_000.0  # no rate was charged before 8 h
    assert (found[12], found[15]) == pytest.approx((10_001.5, 10_000.375))
    assert (found[16], found[17]) == pytest.approx((10_003.0, 10_000 - 3 * 7 / 8))  # at 16 h it is still the old rate


def test_5_3_the_moving_average_takes_the_last_samples_only() -> None:
    rules = PLAIN._replace(mark_formula=MarkFormula.MEDIAN_BASIS_MA, mark_basis_window_ns=3 * SECOND)
    tape = [
        [*record(1, EventKind.INDEX, 100.0), *ladder(1, {100: 1}, {102: 1})],
        [*trade(2, BUY, 200, 1), *ladder(2, {101: 1}, {103: 1})],
        ladder(3, {104: 1}, {106: 1}),
        ladder(4, {99: 1}, {101: 1}),
        ladder(5, {}, {101: 1}),
        trade(6, SELL, 101, 1),
        [*trade(7, SELL, 101, 1), *ladder(7, {99: 1}, {101: 1})],
    ]
    found = marks(rules, tape)
    # p1 = 100; the basis is 1, 2, 5, 0, none for two seconds, 0; p3 = mid 101, then 200, at 7 s 101
    assert [found[second] for second in (1, 2, 3)] == pytest.approx([101, 101.5, 100 + 8 / 3])
    assert [found[second] for second in (4, 5, 6)] == pytest.approx([100 + 7 / 3] * 3)
    assert found[7] == pytest.approx(101)  # p2 = 100 + (5 + 0 + 0) / 3 = 101.67


# -- RULES 7 -----------------------------------------------------------------------------------------------------------


def test_7_2_a_long_pays_a_positive_rate() -> None:
    rules = PLAIN._replace(funding_interval_ns=4 * SECOND, assume_funding_zero=False)
    tape = [ladder(1, BIDS, ASKS), mark(1, 50_000.0), record(4, EventKind.FUNDING, 0.0001, 3600), mark(5, 50_000.0)]
    world = only_world(agreed(case(market_data(rules), one_account(1e6, lots=2, entry_price=50_000.0), tape)))
    (row,) = world.ledger
    assert (row.ts, row.party) == (4 * SECOND, Party.FUNDING_POOL)
    assert float(row.amount) == pytest.approx(-10.0)
    assert world.parties[Party.FUNDING_POOL] == -row.amount


def test_7_2_a_record_says_when_its_market_pays_and_when_next() -> None:
    """Two markets of one venue, one of 8 s and one whose records state 4 s, then 6 s."""
    rules = PLAIN._replace(funding_interval_ns=8 * SECOND, assume_funding_zero=False)
    one = market_data(rules)
    data = one._replace(
        instruments=one.instruments * 2, markets=(one.markets[0], one.markets[0]._replace(instrument=1))
    )
    places = tuple(spec.Position(market, 1 + market, 100.0, 10.0) for market in (0, 1))
    first = [ladder(1, {99: 1}, {104: 1}), mark(1, 100.0)]
    rows = [(4, 1, 4), (8, 0, 8), (8, 1, 6), (14, 1, 6)]
    tape = [*first, *([row._replace(instrument=1) for row in part] for part in first)]
    tape += [[row._replace(instrument=n) for row in record(at, EventKind.FUNDING, 0.01, lots)] for at, n, lots in rows]
    worlds = (spec.World((spec.Account("a", 0, 1e6, places),)),)
    ledger = only_world(agreed(case(data, worlds, [*tape, mark(15, 100.0)]))).ledger
    assert [(row.ts // SECOND, round(float(row.amount), 9)) for row in ledger] == [(4, -2), (8, -1), (8, -2), (14, -2)]
    assert agreed(case(data, worlds, [*tape, mark(17, 100.0)])).fault == Fault.MISSING_FUNDING  # the first, at 16 s


def test_7_2_a_market_has_an_interval_and_funding_times_of_its_own() -> None:
    """Every 6 s, and 20 s is one of them, before which the run begins: 8 and 14 s, not the 4 s of the rules."""
    rules = PLAIN._replace(funding_interval_ns=4 * SECOND, assume_funding_zero=False, funding_premium=True)
    data = market_data(rules)
    market = data.markets[0]._replace(funding_interval_ns=6 * SECOND, funding_ns=20 * SECOND)
    tape = [ladder(3, {90: 1}, {98: 1}), record(3, EventKind.INDEX, 100.0), mark(3, 100.0), mark(15, 100.0)]
    ledger = only_world(agreed(case(data._replace(markets=(market,)), one_account(1e6, lots=1), tape))).ledger
    assert [row.ts // SECOND for row in ledger] == [8, 14]


def test_7_1_a_tape_without_index_may_take_its_mid_for_one() -> None:
    rules = PLAIN._replace(funding_interval_ns=4 * SECOND, funding_price=PriceReference.INDEX)
    data = market_data(rules)
    data = data._replace(instruments=(data.instruments[0]._replace(index_from_mid=True),))
    tape = [ladder(1, {99: 1}, {104: 1}), mark(1, 100.0), record(4, EventKind.FUNDING, 1 / 64, 3600), mark(5, 100.0)]
    (row,) = only_world(agreed(case(data, one_account(1e6, lots=2, entry_price=100.0), tape))).ledger
    assert float(row.amount) == -2 * 101.5 / 64


def test_7_1_funding_on_an_index_that_was_never_shown_is_a_fault() -> None:
    rules = PLAIN._replace(funding_interval_ns=4 * SECOND, funding_price=PriceReference.INDEX)
    tape = [ladder(1, BIDS, ASKS), mark(1, 100.0), record(4, EventKind.FUNDING, 1 / 64, 3600), mark(5, 100.0)]
    open_ = case(market_data(rules), one_account(1e6, lots=2, entry_price=100.0), tape)
    assert agreed(open_).fault == Fault.MISSING_INDEX


def test_7_2_a_stamp_without_a_rate_is_a_fault_only_when_somebody_is_there() -> None:
    rules = PLAIN._replace(funding_interval_ns=4 * SECOND, assume_funding_zero=False)
    tape = [ladder(1, BIDS, ASKS), mark(1, 100.0), mark(5, 100.0)]
    open_ = case(market_data(rules), one_account(1e6, lots=2, entry_price=100.0), tape)
    assert agreed(open_).fault == Fault.MISSING_FUNDING
    assert agreed(case(market_data(rules), one_account(1e6), tape)).fault == Fault.NONE


@pytest.mark.parametrize(
    ("bid", "index", "hours", "expected"),
    [
        pytest.param(10_100, 10_000.0, 1, 0.0011875, id="G9 Hyperliquid funding docs"),
        pytest.param(1_000_317_740, 1e9, 1, 0.0000125, id="G10 Hyperliquid metaAndAssetCtxs"),
        pytest.param(1_000_429_000, 1e9, 8, 0.0001, id="G24 Binance funding FAQ of 2020, average premium 0.0429 %"),
    ],
)
def test_7_3_rate_from_the_premium(bid: int, index: float, hours: int, expected: float) -> None:
    interval_ns = hours * 3600 * SECOND
    rules = PLAIN._replace(assume_funding_zero=False, funding_premium=True, funding_interval_ns=interval_ns)
    data = market_data(rules)
    tape = Tape(data.instruments[0])
    market = Market(0, data, [tape], Judge())
    tape.apply(ladder(0, {bid: 5}, {bid + 1: 5}))
    tape.index = index
    market.sample_premium()
    rate = market.funding_rate(interval_ns)
    assert rate is not None
    assert float(rate) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("weights", "cap", "rate"),
    [
        (FundingWeights.EQUAL, 0.04, (0.02 - 0.0005) * 15 / 28_800),
        (FundingWeights.LINEAR, 0.04, (0.14 / 6 - 0.0005) * 15 / 28_800),  # (1 · 1 % + 2 · 2 % + 3 · 3 %) / 6
        (FundingWeights.LINEAR, 1e-5, 1e-5),
    ],
)
def test_7_3_weights_of_the_samples_and_the_market_s_cap(weights: FundingWeights, cap: float, rate: float) -> None:
    rules = PLAIN._replace(
        assume_funding_zero=False, funding_premium=True, funding_interval_ns=15 * SECOND, funding_weights=weights
    )
    sampled = [ladder(second, {100 + number: 1}, {104: 1}) for number, second in ((1, 4), (2, 9), (3, 14))]
    tape = [record(1, EventKind.INDEX, 100.0), ladder(1, {99: 1}, {101: 1}), mark(1, 100.0), *sampled, mark(16, 100.0)]
    data = market_data(rules, funding_cap=cap)
    (row,) = only_world(agreed(case(data, one_account(1e6, lots=2, entry_price=100.0), tape))).ledger
    assert row.ts == 15 * SECOND
    assert float(row.amount) == pytest.approx(-2 * 100 * rate)


@pytest.mark.parametrize(
    ("ask", "shown_s", "rate"),
    [
        pytest.param(99_948, 1801, 0.0000125, id="360 samples of -5.2 bp in 720"),
        (98_000, 1801, (-0.02 * 360 / 720 + 0.0005) / 8),
        pytest.param(98_000, 1860, (-0.02 * 349 / 720 + 0.0005) / 8, id="the ladder comes 11 samples after the tape"),
    ],
)
def test_7_3_what_lies_before_the_first_sample_counts_as_zero(ask: int, shown_s: int, rate: float) -> None:
    rules = PLAIN._replace(assume_funding_zero=False, funding_premium=True)
    index = 100_000.0
    tape = [record(1801, EventKind.INDEX, index), mark(1801, index), ladder(shown_s, {ask - 9: 1}, {ask: 1})]
    inputs = case(market_data(rules), one_account(1e6, lots=1, entry_price=index), [*tape, mark(3601, index)])
    (row,) = only_world(agreed(inputs)).ledger
    assert float(row.amount) == pytest.approx(-index * rate)


def test_7_3_the_impact_price_takes_the_last_level_in_part() -> None:
    data = market_data(impact_notional_quote=150.0)
    tape = Tape(data.instruments[0])
    market = Market(0, data, [tape], Judge())
    tape.apply(ladder(0, {100: 1, 50: 9}, {101: 1}))
    assert market.impact_price(Side.BUY) == Fraction(150, 2)  # 1 at 100, 1 at 50
    assert market.impact_price(Side.SELL) == 101  # the whole side is less than the impact notional
