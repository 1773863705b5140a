"""Plans become child orders: when each is decided, what should be done by then, who sends it, how far it goes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from backtester.engine import spec
from backtester.enums import After, Held, OrderType, Peg, TimeInForce
from backtester.errors import BacktesterError
from backtester.run.resolve_orders import order_key, plan_draw
from tests.unit.resolve_cases import fault, world
from tests.unit.run_cases import START, account, order, plan, portfolio, position, venue
from tests.unit.run_cases import S as SECOND

SIZE = 0.5  # 50,000 lots


def made(directory: Path, *tables: str, on: Path | str = "hyperliquid") -> tuple[spec.Plan, tuple[spec.Order, ...]]:
    """The first plan of an account that is long BTC, and the orders of its plans."""
    collateral = "USDT = 100_000.0" if on == "binance-usdm" else "USDC = 100_000.0"
    (found,) = world(portfolio(directory, account(position(), *tables, venue=on, collateral=collateral))).accounts
    return found.plans[0], tuple(each for each in found.orders if each.plan >= 0)


def test_twap_of_the_venue(tmp_path: Path) -> None:
    """Two minutes are five slices: at once, and every 30 s to the end; one is at most three normal ones, 3 % far."""
    made_plan, children = made(tmp_path, plan(algo="twap", start="10s", duration="2m", reduce_only=True))
    assert made_plan == spec.Plan("p", 0, -1, 50_000, max_child_lots=30_000)
    assert [each.id for each in children] == ["p#1", "p#2", "p#3", "p#4", "p#5"]
    assert [(each.at_ns - START) // SECOND for each in children] == [10, 40, 70, 100, 130]
    assert [each.target for each in children] == [0.2, 0.4, 0.6, 0.8, 1.0]
    for each in children:
        assert (each.type, each.side, each.bound, each.held) == (OrderType.MARKET, -1, 0.03, Held.VENUE)
        assert (each.plan, each.position, each.reduce_only, each.parent) == (0, 0, True, -1)


def test_the_largest_slice_is_rounded_up(tmp_path: Path) -> None:
    made_plan, _ = made(tmp_path, plan(algo="twap", duration="180s"))
    assert made_plan.max_child_lots == 21_429  # 3 · 50,000 / 7 = 21,428.57


def test_a_twap_of_ones_own_knows_no_rules_of_the_venue(tmp_path: Path) -> None:
    made_plan, children = made(tmp_path, plan(algo="twap", duration="10s", interval="5s", held="client", bound="1%"))
    assert made_plan.max_child_lots == 0
    assert [(each.at_ns - START, each.bound, each.held) for each in children] == [
        (0, 0.01, Held.CLIENT), (5 * SECOND, 0.01, Held.CLIENT),
    ]  # fmt: skip


def test_slices_of_varied_sizes(tmp_path: Path) -> None:
    """They lie up to 20 % from their mean, the same ones every time, other ones under another seed and name."""
    _, children = made(tmp_path, plan(algo="twap", duration="30m", randomize=True))
    targets = [0.0, *(each.target for each in children)]
    sizes = [61 * (later - earlier) for earlier, later in pairwise(targets)]
    assert len(sizes) == 61 and targets[-1] == 1.0 and len(set(sizes)) == 61
    assert 0.78 < min(sizes) < 0.85 < 1.15 < max(sizes) < 1.22
    assert [each.target for each in made(tmp_path, plan(algo="twap", duration="30m", randomize=True))[1]] == targets[1:]
    _, another = made(tmp_path, plan("q", algo="twap", duration="30m", randomize=True))
    assert [each.target for each in another] != targets[1:]
    assert plan_draw(0, "main", "exit", 0) == 0.7380783377947225 != plan_draw(1, "main", "exit", 0)
    own = plan(algo="twap", duration="30m", randomize=True, held="client")
    assert made(tmp_path, own, on="binance-usdm")[1][0].target != 1 / 60  # of the user, on a venue without the option


def test_slices_that_would_be_too_small_lie_further_apart(tmp_path: Path) -> None:
    """200 USDC make 20 slices of 10: one at once, one at the end of the hour."""
    table = plan(algo="twap", size=0.004, duration="1h")
    _, children = made(tmp_path, table)
    assert len(children) == 20
    assert (children[1].at_ns - START, children[-1].at_ns - START) == (3600 * SECOND // 19, 3600 * SECOND // 19 * 19)
    before = account(position(), table, venue=venue(tmp_path, twap_stretches=False))
    assert "plans.0.size: 121 slices of 1.65, the venue's smallest order is 10" in fault_text(
        portfolio(tmp_path, before)
    )


def test_twap_on_another_venue_has_its_interval(tmp_path: Path) -> None:
    made_plan, children = made(tmp_path, plan(algo="twap", duration="3m"), on="binance-usdm")
    assert [(each.at_ns - START) // SECOND for each in children] == [0, 60, 120]
    assert (made_plan.max_child_lots, children[0].bound) == (0, 0.05)


def test_vwap_by_weights(tmp_path: Path) -> None:
    made_plan, children = made(tmp_path, plan(algo="vwap", duration="90s", curve=[1, 3, 4]))
    assert [each.at_ns - START for each in children] == [0, 30 * SECOND, 60 * SECOND]
    assert [each.target for each in children] == [0.125, 0.5, 1.0]
    assert (made_plan.rate, children[0].held, children[0].bound) == (0.0, Held.CLIENT, 0.0)


def test_pov(tmp_path: Path) -> None:
    made_plan, children = made(tmp_path, plan(algo="pov", duration="60s", interval="20s", participation="10%"))
    assert (made_plan.rate, made_plan.lots) == (0.1, 50_000)
    assert [(each.at_ns - START) // SECOND for each in children] == [0, 20, 40]
    assert {each.type for each in children} == {OrderType.MARKET}


def test_iceberg(tmp_path: Path) -> None:
    """0.5 with 0.2 shown: 0.2, 0.2 and 0.1, each sent when the one before is filled."""
    made_plan, children = made(tmp_path, order(), plan(algo="iceberg", price=50_100.0, display=0.2))
    assert made_plan.max_child_lots == 20_000
    assert [(each.type, each.tif, each.limit_tick) for each in children] == [
        (OrderType.LIMIT, TimeInForce.GTC, 50_100)
    ] * 3
    assert [each.target for each in children] == [0.4, 0.8, 1.0]
    assert [each.parent for each in children] == [-1, 1, 2]  # the account's own order is number 0
    assert [each.at_ns for each in children] == [START, spec.START_NS, spec.START_NS]
    assert {each.after for each in children} == {After.ALL}


def test_passive_then_aggressive(tmp_path: Path) -> None:
    _, children = made(tmp_path, plan(algo="passive", wait="5s", attempts=2, bound="1%"))
    *resting, last = children
    for each in resting:
        assert (each.type, each.tif, each.peg) == (OrderType.LIMIT, TimeInForce.POST_ONLY, Peg.PRIMARY)
        assert (each.cancel_after_ns, each.held, each.bound) == (5 * SECOND, Held.CLIENT, 0.0)
    assert (last.type, last.peg, last.cancel_after_ns, last.bound) == (OrderType.MARKET, Peg.NONE, 0, 0.01)
    assert [each.parent for each in children] == [-1, 0, 1]
    assert {each.after for each in children} == {After.END}
    assert {each.target for each in children} == {1.0}


def test_market(tmp_path: Path) -> None:
    _, (child,) = made(tmp_path, plan(start="7s"))
    assert (child.at_ns, child.target, child.held) == (START + 7 * SECOND, 1.0, Held.CLIENT)


def test_plans_are_numbered_and_their_children_follow_the_orders(tmp_path: Path) -> None:
    tables = (order("a"), plan("x"), order("b"), plan("y", algo="passive", attempts=1))
    (found,) = world(portfolio(tmp_path, account(position(), *tables))).accounts
    assert [each.id for each in found.orders] == ["a", "b", "x#1", "y#1", "y#2"]
    assert [each.plan for each in found.orders] == [-1, -1, 0, 1, 1]
    assert [each.parent for each in found.orders] == [-1, -1, -1, -1, 3]


def test_a_key_depends_on_names_alone(tmp_path: Path) -> None:
    (one,) = world(portfolio(tmp_path, account(position(), order("a"), order("b"), plan("x")))).accounts
    (other,) = world(portfolio(tmp_path, account(position(), plan("x"), order("b")))).accounts
    keys = {each.id: each.key for each in one.orders}
    assert {each.id: each.key for each in other.orders} == {name: keys[name] for name in ("b", "x#1")}
    assert len(set(keys.values())) == 3 and all(0 <= key < 2**63 for key in keys.values())
    assert order_key("main", "cut") == KEY_OF_CUT != order_key("mainc", "ut")


KEY_OF_CUT = 7620527829398899737  # of sha256, worked out by hand with another tool

FAULTS = [
    (plan(algo="twap", duration="2m", interval="10s"),
     "plans.0.interval: slices of the venue lie at least 30 s apart"),
    (plan(algo="twap", duration="20s"), "plans.0.duration: expected time for 1 to 10,000 slices, was for 0"),
    (plan(algo="twap", duration="5m", size=0.0019),
     "plans.0.size: 95.00 at the mark, the venue's smallest TWAP is 100"),
    (plan(algo="twap", duration="5m", size=0.002, interval="30s"),
     "plans.0.size: 11 slices of 9.09, the venue's smallest order is 10"),
    (plan(algo="pov", duration="30d", participation="1%", interval="1s"),
     "plans.0.duration: expected time for 1 to 10,000 slices, was for 2592000"),
    (plan(algo="passive", held="venue"),
     "plans.0.held: the venue has no passive orders"),
    (plan(algo="iceberg", price=50_000.0, display=0.6), "plans.0.display: expected at most the size of the plan"),
    (plan(algo="iceberg", price=50_000.0, display=0.00001),
     "plans.0.display: expected at least a part in 10,000 of the size"),
    (plan(algo="iceberg", price=50_000.5, display=0.1), "plans.0.price: 50000.5 is no order price on hyperliquid"),
    (plan(size=0.123456789), "plans.0.size: 0.123456789 is no multiple of the lot 1e-05"),
    (plan(start="2020-01-01T00:00:00Z"), "plans.0.start: lies before the start of the run"),
    (plan(algo="vwap", duration="2m", curve="tape"), "there is no tape to take the curve of a plan from"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "line"), FAULTS, ids=lambda value: value[-50:])
def test_one_fault_gives_one_line(tmp_path: Path, table: str, line: str) -> None:
    assert line in fault_text(portfolio(tmp_path, account(position(), table)))


def test_a_venue_without_randomised_slices(tmp_path: Path) -> None:
    table = plan(algo="twap", duration="5m", randomize=True)
    found = fault_text(
        portfolio(tmp_path, account(position(), table, venue="binance-usdm", collateral="USDT = 100_000.0"))
    )
    assert "plans.0.randomize: the slices of the venue are of one size" in found


def fault_text(path: Path) -> str:
    with pytest.raises(BacktesterError) as caught:
        world(path)
    (found,) = caught.value.diagnostics
    return str(found)


def test_a_venue_may_offer_more(tmp_path: Path) -> None:
    text = venue(tmp_path, taker_fee=0.001)
    text.write_text(text.read_text().replace('services = { value = ["twap"]', 'services = { value = ["iceberg"]'))
    _, children = made(tmp_path, plan(algo="iceberg", price=50_100.0, display=0.25), on=text)
    assert {each.held for each in children} == {Held.VENUE}
    assert fault(portfolio(tmp_path, account(position(), plan(algo="twap", held="venue", duration="2m"), venue=text)))
