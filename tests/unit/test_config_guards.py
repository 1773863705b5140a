"""The words of guards: what their conditions mean in an account, and what they get wrong about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.conditions import Wrong, parse
from backtester.config.guard_actions import Action, parse_action, scope_of
from backtester.config.guards import METRICS, Holdings, understood
from backtester.config.portfolio import load_portfolio
from backtester.engine import spec
from backtester.enums import GuardDo, GuardMetric, GuardScope, Rearm, Withdraw
from backtester.enums import GuardOp as Op
from backtester.errors import BacktesterError
from backtester.run.resolve_guards import _ops, _Places

CROSS = Holdings(("BTC", "ETH"), ("BTC", "ETH"), ())
MIXED = Holdings(("BTC", "ETH"), ("BTC", "ETH"), ("ETH",))
HEDGE = Holdings(("BTC",), ("BTC.long", "BTC.short"), ())

PORTFOLIO = """\
name = "test"
[[accounts]]
name = "main"
venue = "hyperliquid"
collateral = {{ USDC = 250_000.0 }}
  [[accounts.positions]]
  symbol = "BTC"
  side = "long"
  size = 5
  margin_mode = "cross"
  leverage = 20
  [[accounts.positions]]
  symbol = "ETH"
  side = "short"
  size = 150.0
  margin_mode = "isolated"
  leverage = 10
  [[accounts.guards]]
  {guard}
"""


def meant(text: str, held: Holdings = CROSS) -> str:
    return str(understood(parse(text, clocks=True), held))


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("buffer < 10_000", "buffer[cross] < 10000"),
        ("buffer < 1.5% notional", "buffer[cross] < 1.5% notional[cross]"),
        ("margin_ratio[worst] > 80% for 30s", "margin_ratio[worst] > 80% for 30s"),
        ("loss > 0.2", "loss[account] > 0.2"),
        ("return[BTC, 60s] < -3%", "return[BTC, 60s] < -3%"),
        ("return[BTC,1m] < -3%", "return[BTC, 1m] < -3%"),
        ("spread[BTC] > 50 bps and not buffer[account] > 1", "spread[BTC] > 50 bps and not buffer[account] > 1"),
        ("(not loss > 0.1) for 2m", "(not loss[account] > 0.1) for 2m"),
        ("time_to_funding[ETH] < 5m", "time_to_funding[ETH] < 5m"),
    ],
)
def test_every_figure_says_what_it_is_of(written: str, means: str) -> None:
    assert meant(written) == means
    assert meant(means) == means


def test_a_share_is_of_what_stands_on_the_other_side() -> None:
    assert meant("buffer[ETH] < 1.5% notional", MIXED) == "buffer[ETH] < 1.5% notional[ETH]"
    assert meant("buffer[ETH] < 1.5% notional[cross]", MIXED) == "buffer[ETH] < 1.5% notional[cross]"
    assert meant("distance[BTC.long] < 2%", HEDGE) == "distance[BTC.long] < 2%"


@pytest.mark.parametrize(
    ("written", "column", "message", "hint"),
    [
        ("bufer < 1", 1, "guards know no bufer", 'did you mean "buffer"?'),
        ("buffer < 1", 1, "the account has an isolated position: buffer of what?",
         "write buffer[cross], buffer[ETH], buffer[worst], buffer[account]"),
        ("buffer[BTC] < 1", 7, "there is no buffer[BTC]", "known: cross, ETH, worst, account"),
        ("mark < 1", 1, "mark of what?", "write mark[BTC], mark[ETH]"),
        ("mark[SOL] < 1", 5, "there is no mark[SOL]", "known: BTC, ETH"),
        ("return[BTC] < -1%", 1, "over how long is return[BTC]?", "write return[BTC, 60s], of at most an hour"),
        ("return[] < -1%", 1, "over how long is return[]?", "write return[BTC, 60s], of at most an hour"),
        ("return[BTC, 2h] < -1%", 1, "return[BTC, 2h] is over no such time",
         "write return[BTC, 60s], of at most an hour"),
        ("return[SOL, 60s] < -1%", 1, "there is no return[SOL, 60s]", "the account has BTC, ETH"),
        ("margin_ratio[cross] > 80", 23, "the field is a fraction, 1 is all of it", "write 80%"),
        ("loss > 0.1 and mark[BTC] == 3", 26, "a guard compares with < <= > >=", ""),
        ("loss in [high]", 1, "a guard compares with < <= > >=", ""),
        ("loss > mark[BTC]", 8, "the two sides are not of one kind: money, share, time or word", ""),
        ("age[BTC] > 5", 12, "the field is a time", "write 5s, 5m or 5h"),
    ],
)  # fmt: skip
def test_what_a_condition_gets_wrong(written: str, column: int, message: str, hint: str) -> None:
    with pytest.raises(Wrong) as wrong:
        meant(written, MIXED)
    assert (str(wrong.value), wrong.value.hint) == (f"column {column}: {message}", hint)


@pytest.mark.parametrize(
    ("guard", "line"),
    [
        ('id = "low"\n  when = "buffer < 1"', "when: column 1: the account has an isolated position: buffer of what?"),
        ('id = "low"\n  when = "loss > 1% for"', "when: column 14: expected how long, such as 30s, found the end"),
        ('id = "low"\n  when = "loss > 1% for 3"', "when: column 15: expected how long, such as 30s"),
        ('id = "low"\n  when = 3', 'when: expected a condition such as "buffer < 10_000", was 3'),
        ('id = "low"', "when: missing key"),
        ('id = "low"\n  when = "loss > 1%"\n  do = []', "do: expected at least one, was none"),
        (
            'id = "low"\n  when = "loss > 1%"\n  do = ["alrt"]',
            'do.0: expected one of "alert", "close"',
        ),
        ('id = "low"\n  when = "loss > 1%"\n  rearm = "loss < x"', "rearm: column 8: guards know no x"),
        (
            'id = "low"\n  when = "loss > 1%"\n  rearm = true',
            'rearm: expected "always", false or a condition',
        ),
        ('id = "low"\n  when = "loss > 1%"\n  max_fires = 0', "max_fires: expected at least 1, was 0"),
        ('id = "low"\n  wehn = "loss > 1%"', "wehn: unknown key"),
    ],
)
def test_a_fault_stands_at_its_place(tmp_path: Path, guard: str, line: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(PORTFOLIO.format(guard=guard))
    with pytest.raises(BacktesterError) as error:
        load_portfolio(path)
    assert f"accounts.0.guards.0.{line}" in str(error.value)


@pytest.mark.parametrize(
    ("written", "do", "value", "metric", "share_of", "of", "bound"),
    [
        ("alert", GuardDo.ALERT, 0.0, "", "", "", 0.0),
        ("close", GuardDo.REDUCE_SHARE, 1.0, "", "", "", 0.0),
        ("close of BTC.long within 50 bps", GuardDo.REDUCE_SHARE, 1.0, "", "", "BTC.long", 0.005),
        ("reduce 25%", GuardDo.REDUCE_SHARE, 0.25, "", "", "", 0.0),
        ("reduce 50_000 of cross", GuardDo.REDUCE_AMOUNT, 50_000.0, "", "", "cross", 0.0),
        ("reduce to leverage 5", GuardDo.REDUCE_TO, 5.0, "leverage", "", "", 0.0),
        ("reduce to margin_ratio 50% of worst", GuardDo.REDUCE_TO, 0.5, "margin_ratio", "", "worst", 0.0),
        ("reduce to buffer 3% notional of ETH within 1bps", GuardDo.REDUCE_TO, 0.03, "buffer", "notional", "ETH", 1e-4),
    ],
)  # fmt: skip
def test_what_a_guard_does(
    written: str, do: GuardDo, value: float, metric: str, share_of: str, of: str, bound: float
) -> None:
    assert parse_action(written) == Action(written, do, value, metric, share_of, of, bound)


@pytest.mark.parametrize(
    ("written", "orders", "of"),
    [
        ("cancel opening", Withdraw.OPENING, ""),
        ("cancel resting of BTC", Withdraw.RESTING, "BTC"),
        (" cancel  all", Withdraw.ALL, ""),
    ],
)
def test_what_a_guard_cancels(written: str, orders: Withdraw, of: str) -> None:
    action = parse_action(written)
    assert action == Action(written, GuardDo.CANCEL, of=of, orders=orders)
    condition = understood(parse("loss > 10% and mark[BTC] < 9", clocks=True), CROSS)
    assert scope_of(action, condition, CROSS) == of
    assert parse_action("pause 10m") == Action("pause 10m", GuardDo.PAUSE, ns=600 * 10**9)
    assert scope_of(parse_action("pause 10m"), condition, CROSS) == ""


def test_orders_of_what_the_account_has_not() -> None:
    condition = understood(parse("loss > 10%", clocks=True), CROSS)
    for of, hint in (("BTCC", 'did you mean "BTC"?'), ("SOL", "known: BTC, ETH")):
        with pytest.raises(Wrong, match=f"there are no orders of {of} to cancel") as wrong:
            scope_of(parse_action(f"cancel all of {of}"), condition, CROSS)
        assert wrong.value.hint == hint


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("cancel", "expected one of"),
        ("cancel everything", "which orders are everything"),
        ("cancel all within 5 bps", "expected one of"),
        ("pause", "expected one of"),
        ("pause 0s", "expected an interval"),
        ("pause ten", "expected a duration"),
        (3, "expected one of"),
        ("reduce", "expected one of"),
        ("reduce 0%", "expected one of"),
        ("reduce 120%", "expected one of"),
        ("reduce 25% notional", "expected one of"),
        ("sell 25%", "expected one of"),
        ("reduce to equity 5", "nothing is reduced to equity"),
        ("reduce to margin_ratio 5", "margin_ratio is a share"),
        ("reduce to leverage 5%", "leverage is no share"),
        ("reduce to buffer 3 notional", "a share of what"),
        ("reduce to buffer 3% equity", "a share of what"),
        ("reduce to leverage 50% notional", "a share of what"),
        ("reduce to leverage 0", "nothing is left then"),
        ("close within 0 bps", "an order that goes 0 bps far fills nothing"),
    ],
)
def test_what_a_guard_cannot_do(written: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_action(written)


def test_an_action_is_about_what_its_condition_is_of() -> None:
    """Where that is one thing; of several, of a market that has two positions or of nothing it must be said."""
    for when, held, of in (
        ("buffer[ETH] < 1.5% notional", MIXED, "ETH"),
        ("return[BTC, 60s] < -1%", CROSS, "BTC"),
        ("loss > 10%", CROSS, "account"),
        ("margin_ratio[worst] > 80%", MIXED, "worst"),
    ):
        condition = understood(parse(when, clocks=True), held)
        assert scope_of(parse_action("reduce 25%"), condition, held) == of
        assert scope_of(parse_action("reduce 25% of account"), condition, held) == "account"
    two = understood(parse("loss > 10% and mark[BTC] < 9", clocks=True), CROSS)
    with pytest.raises(Wrong, match="reduce 25% of what"):
        scope_of(parse_action("reduce 25%"), two, CROSS)
    hedge = understood(parse("return[BTC, 60s] < -1%", clocks=True), HEDGE)
    with pytest.raises(Wrong, match="close of what"):
        scope_of(parse_action("close"), hedge, HEDGE)
    with pytest.raises(Wrong, match="there is no SOL to reduce"):
        scope_of(parse_action("close of SOL"), hedge, HEDGE)


def test_an_isolated_position_is_not_reduced_to_a_leverage() -> None:
    """Half of it takes half of its margin along."""
    condition = understood(parse("buffer[worst] < 3% notional", clocks=True), MIXED)
    for written in (
        "reduce to leverage 5",
        "reduce to buffer 8% notional of ETH",
        "reduce to margin_ratio 9% of account",
    ):
        with pytest.raises(Wrong, match="takes its margin along"):
            scope_of(parse_action(written), condition, MIXED)
    for written in (
        "reduce to leverage 5 of cross",
        "reduce to buffer 8% notional of BTC",
        "reduce to notional 9 of ETH",
    ):
        assert scope_of(parse_action(written), condition, MIXED) in ("cross", "BTC", "ETH")
    assert scope_of(parse_action("reduce to leverage 5 of ETH"), condition, CROSS) == "ETH"


def test_two_guards_of_one_id(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    guard = 'id = "low"\n  when = "loss > 1%"'
    path.write_text(PORTFOLIO.format(guard=f"{guard}\n  [[accounts.guards]]\n  {guard}"))
    with pytest.raises(BacktesterError, match="another guard of the account has this id"):
        load_portfolio(path)


def test_what_nobody_says(tmp_path: Path) -> None:
    """It only alerts: once until its condition has been false, at most every 30 s. `human` takes 30 s to confirm."""
    path = tmp_path / "p.toml"
    path.write_text(PORTFOLIO.format(guard='id = "low"\n  when = "loss > 1%"\n  confirm = "human"'))
    [guard] = load_portfolio(path).portfolio.accounts[0].guards
    assert ([each.text for each in guard.do], guard.rearm, guard.max_fires) == (["alert"], None, None)
    assert (guard.cool_down_ns, guard.confirm_ns) == (30 * 10**9, 30 * 10**9)


def test_a_condition_is_worked_operands_first() -> None:
    places = _Places(MIXED, {"cross": 0, "ETH": 1}, {"BTC": 0, "ETH": 1}, {"BTC": 4, "ETH": 5})
    condition = understood(parse("buffer[ETH] < 20% notional and not mark[BTC] > 9 for 6s", clocks=True), MIXED)
    assert [*_ops(condition, places)] == [
        spec.GuardOp(Op.METRIC, GuardMetric.BUFFER, GuardScope.POOL, 1),
        spec.GuardOp(Op.METRIC, GuardMetric.NOTIONAL, GuardScope.POSITION, 1),
        spec.GuardOp(Op.SHARE, value=0.2),
        spec.GuardOp(Op.BELOW),
        spec.GuardOp(Op.METRIC, GuardMetric.MARK, GuardScope.MARKET, 4),
        spec.GuardOp(Op.NUMBER, value=9.0),
        spec.GuardOp(Op.ABOVE),
        spec.GuardOp(Op.FOR, ns=6 * 10**9),
        spec.GuardOp(Op.NOT),
        spec.GuardOp(Op.AND),
    ]


def test_every_metric_has_a_word() -> None:
    assert {name.upper() for name in METRICS} == {metric.name for metric in GuardMetric}
    assert {rearm.name for rearm in Rearm} == {"ALWAYS", "WHEN_FALSE", "WHEN"}
