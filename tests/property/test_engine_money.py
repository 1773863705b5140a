"""Money is neither made nor lost: the ledger explains every balance (RULES 6.5, 9)."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest

from backtester.engine import spec
from backtester.enums import Fault, LedgerKind, Party
from tests.oracle.universe import Universe, universe
from tests.property.engine_outcome import Outcome, calm, outcome, with_rules

SEEDS = range(150)

#: RULES 9.2: share of the turnover (Σ|amount| of the world's ledger, at least 1).
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def runs() -> list[tuple[Universe, Outcome]]:
    inputs = [calm(universe(Random(seed), steps=60)) for seed in SEEDS]
    results = [(item, outcome(item)) for item in inputs]
    assert all(result.fault == Fault.NONE and len(result.accounts) for _, result in results)
    return results


def tolerances(result: Outcome) -> np.ndarray:
    """f8[world]."""
    worlds = range(len(result.parties))
    turnover = [math.fsum(np.abs(result.ledger["amount"][result.ledger["world"] == world])) for world in worlds]
    return TOLERANCE * np.maximum(1.0, turnover)


def sums(ledger: np.ndarray, column: str, count: int, kinds: tuple[LedgerKind, ...] = tuple(LedgerKind)) -> np.ndarray:
    """f8[count]: Σ amount of the rows of these kinds by `column`."""
    chosen = ledger[np.isin(ledger["kind"], kinds)]
    return np.array([math.fsum(chosen["amount"][chosen[column] == number]) for number in range(count)])


def test_every_world_keeps_its_money(runs: list[tuple[Universe, Outcome]]) -> None:
    for _, result in runs:
        for number, tolerance in enumerate(tolerances(result)):
            pools = result.pools[result.pools["world"] == number]
            gained = math.fsum([*pools["balance"], *-pools["balance_start"]])
            assert abs(gained + math.fsum(result.parties[number].flat)) <= tolerance


def test_the_ledger_explains_pools_and_parties(runs: list[tuple[Universe, Outcome]]) -> None:
    for _, result in runs:
        tolerance = tolerances(result)
        change = result.pools["balance"] - result.pools["balance_start"]
        explained = sums(result.ledger, "pool", len(result.pools))
        assert np.all(np.abs(change - explained) <= tolerance[result.pools["world"]])
        for number in range(len(result.parties)):
            for venue, gained in enumerate(result.parties[number]):
                own = result.ledger[(result.ledger["world"] == number) & (result.ledger["venue"] == venue)]
                paid = -sums(own, "party", len(Party))
                paid[Party.OWN_MARGIN] = 0.0
                paid[Party.INSURANCE_FUND] += math.fsum(own["amount"][own["pool"] < 0])
                assert np.allclose(gained, paid, rtol=0.0, atol=tolerance[number])


def test_a_balance_in_a_row_is_the_one_before_and_its_amount(runs: list[tuple[Universe, Outcome]]) -> None:
    for _, result in runs:
        tolerance = tolerances(result)
        balances = list(result.pools["balance_start"])
        for row in result.ledger[result.ledger["pool"] >= 0]:
            balances[row["pool"]] += row["amount"]
            assert abs(row["balance"] - balances[row["pool"]]) <= tolerance[row["world"]]


def test_positions_and_orders_add_up(runs: list[tuple[Universe, Outcome]]) -> None:
    for _, result in runs:
        places, fills, ledger = result.positions, result.fills, result.ledger
        tolerance = tolerances(result)[places["world"]]
        for name, kind in (
            ("realised", LedgerKind.REALISED_PNL),
            ("fee", LedgerKind.FEE),
            ("funding", LedgerKind.FUNDING),
            ("liquidation_fee", LedgerKind.LIQUIDATION_FEE),
        ):
            assert np.all(np.abs(places[name] - sums(ledger, "position", len(places), (kind,))) <= tolerance), name
        signed = fills["side"] * fills["lots"]
        for number, place in enumerate(places):
            assert place["lots"] == place["lots_start"] + signed[fills["position"] == number].sum()
        for number, order in enumerate(result.orders):
            here = fills[fills["order"] == number]
            assert order["filled"] == here["lots"].sum() <= order["lots"]
            assert np.all(here["side"] == order["side"])
            assert abs(order["fee"] - math.fsum(here["fee"])) <= 1e-9
            assert order["fill_value"] == (here["tick"] * here["lots"]).sum()


def test_a_funding_payment_is_its_ledger_row_with_its_reasons(runs: list[tuple[Universe, Outcome]]) -> None:
    paid = 0
    for inputs, result in runs:
        data, payments = inputs.data, result.payments
        ledger = result.ledger[result.ledger["kind"] == LedgerKind.FUNDING]
        for name in ("ts", "world", "account", "position", "amount"):
            assert np.array_equal(payments[name], ledger[name]), name
        instruments = [data.instruments[market.instrument] for market in data.markets]
        units = np.array([item.lot_size * item.multiplier for item in instruments])
        unit = units[result.positions["market"][payments["position"]]]
        amount = -payments["lots"] * unit * payments["price"] * payments["rate"]
        assert np.allclose(payments["amount"], amount, rtol=1e-12, atol=0.0)
        paid += len(payments)
    assert paid > 100


def test_an_isolated_position_never_costs_more_than_the_margin_put_in() -> None:
    """Price loss plus charges taken from the margin ≤ margin at the start + margin moved in."""
    ended = 0
    for seed in range(400):
        inputs = calm(universe(Random(seed), steps=60))
        result = outcome(with_rules(inputs, _from_margin))
        tolerance = tolerances(result)
        for number in np.flatnonzero(result.pools["isolated"]):
            pool, own = result.pools[number], result.ledger[result.ledger["pool"] == number]
            moves = own[own["kind"] == LedgerKind.MARGIN_TRANSFER]
            assert np.all(moves["balance"][moves["amount"] < 0] >= -tolerance[pool["world"]])
            if result.positions["lots"][pool["position_first"]] == 0:
                put_in = pool["balance_start"] + math.fsum(moves["amount"][moves["amount"] > 0])
                cost = -math.fsum(own["amount"][own["kind"] != LedgerKind.MARGIN_TRANSFER])
                assert cost <= put_in + tolerance[pool["world"]]
                ended += len(own) > 0
    assert ended > 100


def test_the_cross_pool_pays_nothing_for_an_isolated_position() -> None:
    """With fee and funding taken from the margin, only margin itself moves between them."""
    moves = 0
    for seed in SEEDS:
        result = outcome(with_rules(calm(universe(Random(seed), steps=60)), _from_margin))
        ledger = result.ledger[(result.ledger["pool"] >= 0) & (result.ledger["position"] >= 0)]
        cross = result.pools["isolated"][ledger["pool"]] == 0
        about_isolated = result.positions["isolated"][ledger["position"]] == 1
        paid = ledger[cross & about_isolated]
        assert np.all(paid["kind"] == LedgerKind.MARGIN_TRANSFER)
        moves += len(paid)
    assert moves > 100


def _from_margin(rules: spec.Rules) -> spec.Rules:
    return rules._replace(isolated_fee_from_margin=True, isolated_funding_from_margin=True)
