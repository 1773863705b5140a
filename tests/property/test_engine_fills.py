"""Fills stay within limits, bounds, and what the tape showed and traded (RULES 2, 3, 8.2)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.engine import spec
from backtester.enums import (
    WITH_LIMIT,
    EventKind,
    FillReason,
    ForcedAction,
    LiquidationStage,
    Liquidity,
    OrderType,
    PriceReference,
    RefillModel,
    Side,
)
from tests.oracle.exact import Judge
from tests.oracle.examples import (
    BUY,
    PLAIN,
    SECOND,
    case,
    cut,
    ladder,
    mark,
    market_data,
    market_order,
    one_account,
)
from tests.oracle.ladder import Tape
from tests.oracle.universe import Universe, universe
from tests.property.engine_outcome import Outcome, calm, outcome, with_rules

SEEDS = range(150)

TRADES = (FillReason.TRADE_AT_LEVEL, FillReason.TRADE_THROUGH)
WALKS = (FillReason.TAKER_WALK, FillReason.LIQUIDATION)
CROSSES = (FillReason.BBO_CROSS, FillReason.PATH_STEP)


@pytest.fixture(scope="module")
def runs() -> list[tuple[Universe, Outcome]]:
    inputs = [calm(universe(Random(seed), steps=60)) for seed in SEEDS]
    return [(item, outcome(item)) for item in inputs]


def test_no_fill_through_a_limit(runs: list[tuple[Universe, Outcome]]) -> None:
    counts: dict[int, int] = defaultdict(int)
    for _, result in runs:
        for fill in result.fills[result.fills["order"] >= 0]:
            order = result.orders[fill["order"]]
            if order["type"] not in WITH_LIMIT:
                continue
            if fill["liquidity"] == Liquidity.MAKER:
                assert fill["tick"] == order["limit_tick"]
            else:
                assert order["side"] * fill["tick"] <= order["side"] * order["limit_tick"]
            counts[fill["liquidity"]] += 1
    assert min(counts[Liquidity.MAKER], counts[Liquidity.TAKER]) > 100


def test_no_market_order_beyond_its_bound(runs: list[tuple[Universe, Outcome]]) -> None:
    filled = 0
    for inputs, result in runs:
        for fill in result.fills[result.fills["reason"] == FillReason.TAKER_WALK]:
            order = result.orders[fill["order"]]
            if order["type"] in WITH_LIMIT:
                continue
            rules = inputs.data.rules[inputs.data.markets[order["market"]].rules]
            if rules.bound_from is PriceReference.MARK:  # the mark at that moment is not kept
                continue
            bound = rules.market_bound if order["type"] == OrderType.MARKET else rules.stop_bound
            bound = order["bound"] or bound
            side, mid = int(order["side"]), order["arrival_mid2"] / 2
            assert side * fill["tick"] <= side * mid + mid * bound or fill["tick"] == 1
            filled += 1
    assert filled > 100


# -- what was there ----------------------------------------------------------------------------------------------------


def most_shown(events: np.ndarray, data: spec.MarketData) -> dict[tuple[int, int, int], int]:
    """Largest size each level (instrument, side, tick) ever had after a message."""
    tapes = [Tape(instrument) for instrument in data.instruments]
    most: dict[tuple[int, int, int], int] = defaultdict(int)
    for step in cut(events):
        if step[0].kind not in (EventKind.SNAPSHOT, EventKind.DELTA):
            continue
        instrument = step[0].instrument
        tapes[instrument].apply(step)
        for side in (Side.BUY, Side.SELL):
            for tick, lots in tapes[instrument].levels(side).items():
                most[instrument, side, tick] = max(most[instrument, side, tick], lots)
    return most


def test_without_refill_nothing_is_filled_that_was_not_displayed_or_traded() -> None:
    """Per world: walks take at each level at most what it ever showed; all fills at most that and what traded."""
    filled = 0
    for seed in SEEDS:
        inputs = with_rules(
            calm(universe(Random(seed), steps=60)), lambda rules: rules._replace(refill_model=RefillModel.NEVER)
        )
        events = inputs.events[inputs.events["kind"] != EventKind.PATH_STEP]
        result = outcome(inputs._replace(events=events))
        shown = most_shown(events, inputs.data)
        trades = events[events["kind"] == EventKind.TRADE]
        places = [market.instrument for market in inputs.data.markets]
        instruments = np.array(places)[result.positions["market"][result.fills["position"]]]
        for world in range(len(inputs.worlds)):
            for instrument in range(len(inputs.data.instruments)):
                here = result.fills[(result.fills["world"] == world) & (instruments == instrument)]
                for side in (Side.BUY, Side.SELL):
                    own = here[here["side"] == side]
                    walked = own[np.isin(own["reason"], WALKS)]
                    for tick in np.unique(walked["tick"]):
                        lots = walked["lots"][walked["tick"] == tick].sum()
                        assert lots <= shown[instrument, Side(-side), int(tick)]
                    crossed = own["lots"][np.isin(own["reason"], CROSSES)].sum()
                    all_shown = sum(lots for key, lots in shown.items() if key[:2] == (instrument, -side))
                    assert walked["lots"].sum() + crossed <= all_shown
                    hit = trades[(trades["instrument"] == instrument) & (trades["side"] == -side)]
                    assert own["lots"][np.isin(own["reason"], TRADES)].sum() <= hit["lots"].sum()
                    filled += len(own)
    assert filled > 500


def bought(
    asks: dict[int, int], orders: list[spec.Order], rules: spec.Rules = PLAIN, until_s: float = 2.0
) -> list[tuple[int, int]]:
    """(lots, tick) of all fills of an account with money for everything, before these asks."""
    tape = [ladder(0, {99: 1}, asks), mark(0, 100.0), mark(until_s, 100.0)]
    result = outcome(case(market_data(rules), one_account(1e9, orders), tape))
    return [(int(fill["lots"]), int(fill["tick"])) for fill in result.fills]


@given(
    shown=st.integers(1, 10**6),
    taken_share=st.floats(0.0, 1.0),
    elapsed_ms=st.integers(0, 100_000),
    half_life_ms=st.integers(1, 20_000),
)
@settings(max_examples=100)
def test_half_life_gives_back_what_was_taken(
    shown: int, taken_share: float, elapsed_ms: int, half_life_ms: int
) -> None:
    taken = max(1, math.floor(shown * taken_share))
    half_life_ns, again_s = half_life_ms * 10**6, 1 + elapsed_ms / 1000
    rules = PLAIN._replace(refill_model=RefillModel.HALF_LIFE, refill_half_life_ns=half_life_ns)
    orders = [market_order(BUY, taken, at_s=1), market_order(BUY, shown, at_s=again_s)]
    fills = bought({100: shown}, orders, rules, until_s=again_s)
    judge = Judge()
    back = shown - judge.decayed(taken, round(again_s * SECOND) - SECOND, half_life_ns)
    if not judge.close_calls:
        assert fills == [(taken, 100), (back, 100)][: 1 + (back > 0)]


LEVELS = st.dictionaries(st.integers(100, 130), st.integers(1, 50), min_size=1, max_size=12)


@given(asks=LEVELS, more=LEVELS, lots=st.integers(1, 200))
@settings(max_examples=100)
def test_more_depth_never_worsens_the_price(asks: dict[int, int], more: dict[int, int], lots: int) -> None:
    deeper = {tick: asks.get(tick, 0) + more.get(tick, 0) for tick in {*asks, *more}}
    thin, deep = (bought(levels, [market_order(BUY, lots)]) for levels in (asks, deeper))
    got = sum(part for part, _ in thin)
    assert sum(part for part, _ in deep) >= got > 0
    if got == lots:
        assert sum(part * tick for part, tick in deep) <= sum(part * tick for part, tick in thin)


# -- liquidation orders ------------------------------------------------------------------------------------------------


def forced_steps(result: Outcome, position: int) -> Iterator[tuple[np.void, int]]:
    """(liquidation step, signed lots held before it) of a position, for steps that filled something."""
    fills = result.fills[result.fills["position"] == position]
    held = result.positions["lots_start"][position] + np.cumsum([0, *(fills["side"] * fills["lots"])])
    forced = iter(np.flatnonzero(np.isin(fills["reason"], (FillReason.LIQUIDATION, FillReason.TAKEOVER))))
    for row in result.liquidations[result.liquidations["position"] == position]:
        left, before = int(row["filled"]), 0
        while left:
            number = next(forced)
            assert (fills["ts"][number], fills["side"][number]) == (row["ts"], row["side"])
            before = before or int(held[number])
            left -= int(fills["lots"][number])
            assert left >= 0
        if before:
            yield row, before
    assert next(forced, None) is None


def order_row(rules: spec.Rules) -> spec.Step:
    """The only row that sends orders."""
    [order] = [step for step in rules.liquidation if step.do == ForcedAction.ORDER]
    return order


def test_liquidation_orders_have_the_size_of_the_rules() -> None:
    stages: dict[int, int] = defaultdict(int)
    for seed in range(300):
        inputs = calm(universe(Random(seed), steps=60))
        result = outcome(inputs)
        for position in range(len(result.positions)):
            market = inputs.data.markets[result.positions["market"][position]]
            instrument, order = inputs.data.instruments[market.instrument], order_row(inputs.data.rules[market.rules])
            for row, held in forced_steps(result, position):
                assert row["side"] * held < 0
                assert row["filled"] <= row["lots"]
                notional = abs(held) * instrument.lot_size * instrument.multiplier * row["mark"]
                if row["stage"] == LiquidationStage.PARTIAL:
                    assert notional > order.share_above_quote
                    assert row["lots"] == math.ceil(order.share * abs(held))
                else:
                    assert row["lots"] == abs(held)
                stages[row["stage"]] += 1
    assert min(stages[stage] for stage in LiquidationStage) > 30


def test_after_a_partial_liquidation_orders_are_full_until_the_window_ends() -> None:
    partial = 0
    for seed in range(300):
        inputs = calm(universe(Random(seed), steps=60))
        result = outcome(inputs)
        for number, account in enumerate(result.accounts):
            window_ns = order_row(inputs.data.rules[account["rules"]]).full_window_ns
            steps = result.liquidations[result.liquidations["account"] == number]
            times = np.unique(steps["ts"][steps["stage"] == LiquidationStage.PARTIAL])
            assert np.all(np.diff(times) >= window_ns)
            partial += len(times)
    assert partial > 30
