"""Order types, links, hedge mode and plans in the portfolio file: what they become, and the line of each fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.portfolio import Account, load_portfolio
from backtester.config.values import Instant, Offset, Percent, RelativePrice
from backtester.enums import After, Held, OrderType, Side, TimeInForce
from backtester.errors import BacktesterError
from tests.unit.run_cases import account, order, plan, portfolio, position

HEDGED = 'position_mode = "hedge"\n'
BOTH = position(), position(side="short")


def read(directory: Path, *tables: str, mode: str = "", overrides: tuple[str, ...] = ()) -> Account:
    """The one account of a portfolio of these tables, a long BTC position before them."""
    head, _, rest = account(*(tables if mode else (position(), *tables))).partition("[[accounts.")
    path = portfolio(directory, head + mode + "[[accounts." + rest)
    return load_portfolio(path, overrides).portfolio.accounts[0]


def fault(directory: Path, *tables: str, mode: str = "") -> str:
    """The one line of the one fault and its hint, from the place on."""
    with pytest.raises(BacktesterError) as caught:
        read(directory, *tables, mode=mode)
    (found,) = caught.value.diagnostics
    where = found.where.partition(" accounts.0.")[2]
    return f"{where}: {found.message}" + (f" ({found.hint})" if found.hint else "")


def test_every_type_with_its_keys(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        order("a", type="stop_limit", trigger_price="mark-5%", price="mark-6%", tif="fok"),
        order("b", type="take_profit_market", trigger_price="mark+5%", bound="3%"),
        order("c", type="take_profit_limit", trigger_price="mark+5%", price="mark+4.5%", held="client"),
        order("d", type="trailing_stop", callback="1%", activation_price="mark+2%", reduce_only=True),
        order("e", type="trailing_stop", callback=250.5),
        order("f", cancel_after="30s", bound="0.5%"),
    ).orders
    assert [each.type for each in made] == [
        OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT, OrderType.TRAILING_STOP,
        OrderType.TRAILING_STOP, OrderType.MARKET,
    ]  # fmt: skip
    assert (made[0].tif, made[0].price, made[1].bound) == (
        TimeInForce.FOK, RelativePrice("mark", -0.06), Percent(0.03),
    )  # fmt: skip
    assert (made[3].callback, made[3].activation_price) == (Percent(0.01), RelativePrice("mark", 0.02))
    assert (made[4].callback, made[4].activation_price, made[5].cancel_after_ns) == (250.5, None, 30 * 10**9)


def test_links(tmp_path: Path) -> None:
    entry, out, stop = read(
        tmp_path,
        order("entry", side="buy", at="10s"),
        order("out", type="limit", price="mark+2%", parent="entry", after="any", oco="exit", held="client"),
        order("stop", type="stop_market", trigger_price="mark-2%", parent="entry", oco="exit"),
    ).orders
    assert (entry.parent, entry.oco) == (None, None)
    assert (out.parent, out.after, out.oco, out.held) == ("entry", After.ANY, "exit", Held.CLIENT)
    assert (stop.parent, stop.after, stop.oco, stop.held) == ("entry", After.ALL, "exit", Held.VENUE)


def test_plans(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        plan("a", algo="twap", start="10m", duration="30m", bound="2%"),
        plan("b", algo="vwap", duration="5m", curve=[1, 3, 2], start="2025-10-10T21:15:00Z"),
        plan("c", algo="vwap", duration="5m", curve="tape"),
        plan("d", algo="pov", duration="5m", participation="10%", interval="5s"),
        plan("e", algo="iceberg", price="mark+1%", display=0.1),
        plan("f", algo="passive"),
        plan("g", algo="market", held="client"),
    ).plans
    assert [each.algo for each in made] == ["twap", "vwap", "vwap", "pov", "iceberg", "passive", "market"]
    assert (made[0].start, made[0].duration_ns, made[0].interval_ns) == (Offset(600 * 10**9), 1800 * 10**9, None)
    assert (made[1].curve, made[2].curve) == ((1.0, 3.0, 2.0), "tape")
    assert made[1].start == Instant(1_760_130_900_000_000_000)
    assert (made[3].participation, made[3].interval_ns) == (Percent(0.1), 5 * 10**9)
    assert (made[4].price, made[4].display) == (RelativePrice("mark", 0.01), 0.1)
    assert (made[5].wait_ns, made[5].attempts, made[5].held) == (20 * 10**9, 3, None)
    assert (made[6].side, made[6].start) == (Side.SELL, Offset(0))


def test_a_plan_keeps_the_keys_of_another_algorithm_for_a_comparison(tmp_path: Path) -> None:
    tables = plan("exit", algo="twap", duration="30m", curve=[1, 1], wait="5s")
    for algo in ("market", "passive", "vwap"):
        (made,) = read(tmp_path, tables, overrides=(f"plans[exit].algo={algo}",)).plans
        assert (made.algo, made.duration_ns) == (algo, 1800 * 10**9)


def test_a_bare_key_goes_where_it_makes_sense(tmp_path: Path) -> None:
    tables = (order("a"), order("b", type="stop_market", trigger_price="mark-1%"), plan("p", algo="passive"))
    made = read(tmp_path, *tables, overrides=("*.held=client", "*.bound=2%", "attempts=5"))
    assert [each.held for each in made.orders] == [Held.VENUE, Held.CLIENT]
    assert [each.bound for each in made.orders] == [Percent(0.02)] * 2
    assert [each.bound for each in made.plans] == [Percent(0.02)]
    assert (made.plans[0].held, made.plans[0].attempts) == (Held.CLIENT, 5)


def test_hedge_mode(tmp_path: Path) -> None:
    out = order("out", position_side="short", side="buy")
    made = read(tmp_path, *BOTH, out, plan("p", algo="market", position_side="long"), mode=HEDGED)
    assert [each.side for each in made.positions] == [Side.BUY, Side.SELL]
    assert (made.orders[0].position_side, made.plans[0].position_side) == (Side.SELL, Side.BUY)


ORDER_FAULTS = [
    ([order(type="stop_limit", trigger_price=1.0)],
     "orders.0.price: missing key (a stop-limit order needs it)"),
    ([order(type="take_profit_limit", price=1.0)],
     "orders.0.trigger_price: missing key (a take-profit limit order needs it)"),
    ([order(type="take_profit_market", trigger_price=1.0, tif="gtc")],
     "orders.0.tif: a take-profit market order has no tif"),
    ([order(type="trailing_stop")], "orders.0.callback: missing key (a trailing stop needs it)"),
    ([order(type="trailing_stop", callback="1%", trigger_price=1.0)],
     "orders.0.trigger_price: a trailing stop has no trigger_price"),
    ([order(callback="1%")], "orders.0.callback: a market order has no callback"),
    ([order(type="trailing_stop", callback="1")],
     'orders.0.callback: expected a share such as "1%" or a price distance above 0, was "1" (did you mean "1%"?)'),
    ([order(type="trailing_stop", callback=-5)],
     'orders.0.callback: expected a share such as "1%" or a price distance above 0, was -5'),
    ([order(bound="120%")],
     'orders.0.bound: expected a share above 0 and below 100 %, such as "3%", was "120%"'),
    ([order(type="limit", price=1.0, bound="1%")], "orders.0.bound: a limit order has no bound"),
    ([order(after="any")], "orders.0.after: only an order with a parent has it"),
    ([order("a"), order("b", parent="a", at="5s")],
     "orders.1.at: an order with a parent waits for that one, not for a time"),
    ([order("entry"), order("b", parent="entri")],
     'orders.1.parent: the account has no order "entri" (did you mean "entry"?)'),
    ([order("b", parent="p"), plan("p", algo="passive")],
     'orders.0.parent: the account has no order "p" (that is a plan: an order waits for another order, or for a time '
     "(at))"),
    ([order("a", parent="a")], "orders.0.parent: the order waits for itself"),
    ([order("a", oco="x")],
     'orders.0.oco: no other order is in the group "x" (give another order of the account the same oco)'),
    ([order("a", take_profit=1.0), order("a.tp")], "orders.1.id: another order of the account has this id"),
    ([order("a", take_profit=1.0, reduce_only=True)],
     "orders.0.take_profit: an order that only reduces leaves nothing to take profit on"),
    ([order(type="stop_market", trigger_price=1.0, parent="o")], "orders.0.parent: the order waits for itself"),
    ([order("exit#1")],
     'orders.0.id: an id has no "#" (it stands between a plan and its child orders)'),
    ([order(position_side="long")],
     'orders.0.position_side: a one-way account has one position in a symbol (say position_mode = "hedge" in the '
     "account)"),
    ([plan(algo="twap")], "plans.0.duration: missing key (a plan of algo twap needs it)"),
    ([plan(algo="passive", stop_loss=1.0)],
     "plans.0.stop_loss: unknown key (no bracket stands behind a plan; protect it by an order of its size with "
     "trigger_price and reduce_only = true)"),
    ([plan(algo="vwap", duration="1m")], "plans.0.curve: missing key (a plan of algo vwap needs it)"),
    ([plan(algo="vwap", duration="1m", curve=[0, 0])],
     'plans.0.curve: expected "tape" or weights such as [1, 3, 2], was an array'),
    ([plan(algo="pov", duration="1m")], "plans.0.participation: missing key (a plan of algo pov needs it)"),
    ([plan(algo="iceberg", price=1.0)], "plans.0.display: missing key (a plan of algo iceberg needs it)"),
    ([plan(algo="twapp", duration="1m")],
     'plans.0.algo: expected "market", "twap", "vwap", "pov", "iceberg" or "passive", was "twapp" '
     '(did you mean "twap"?)'),
    ([plan(algo="passive", attempts=0)], "plans.0.attempts: expected at least 1, was 0"),
    ([plan("x"), plan("x")], "plans.1.id: another plan of the account has this id"),
    ([plan(symbol="SOL")],
     'plans.0.symbol: the account has no position in "SOL" (add a position of size 0 to say its margin mode and '
     "leverage)"),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "line"), ORDER_FAULTS, ids=lambda value: str(value)[:60])
def test_one_fault_gives_one_line(tmp_path: Path, tables: list[str], line: str) -> None:
    assert fault(tmp_path, *tables) == line


HEDGE_FAULTS = [
    ([position(), position()], "positions.1.symbol: the account has another long position in it"),
    ([*BOTH, order()], 'orders.0.position_side: missing key (in hedge mode an order is for "long" or "short")'),
    ([position(), order(position_side="short")],
     'orders.0.position_side: the account has no short position in BTC (add one of size 0 with side = "short")'),
    ([*BOTH, order(position_side="long", reduce_only=True)],
     "orders.0.reduce_only: in hedge mode side and position_side say whether an order reduces"),
    ([*BOTH, plan()], 'plans.0.position_side: missing key (in hedge mode an order is for "long" or "short")'),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "line"), HEDGE_FAULTS, ids=lambda value: str(value)[-60:])
def test_one_fault_of_hedge_mode_gives_one_line(tmp_path: Path, tables: list[str], line: str) -> None:
    assert fault(tmp_path, *tables, mode=HEDGED) == line


def test_a_circle_of_parents_is_named_at_each_of_its_orders(tmp_path: Path) -> None:
    circle = (order("a", parent="c"), order("b", parent="a"), order("c", parent="b"), order("d", parent="a"))
    with pytest.raises(BacktesterError) as caught:
        read(tmp_path, *circle)
    assert [found.where[-15:] for found in caught.value.diagnostics] == [f"orders.{n}.parent" for n in range(3)]
