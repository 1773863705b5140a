"""Limits on a finished cell: which fields there are, what they hold, and what is said of a limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.command import Command
from backtester.config.conditions import parse
from backtester.config.judging import Figure, Kind, Rows, Table
from backtester.config.limits import Limit
from backtester.errors import BacktesterError
from backtester.report.figures import figures_of
from backtester.report.flags import Flag
from backtester.report.gates import breaches, gated, judged, read_gates
from backtester.report.records import Cell
from backtester.report.text import limit_line
from tests.golden.handmade import CRASH, SMALLER
from tests.unit.run_cases import account, order, portfolio, position


def said(text: str, cell: Cell = CRASH) -> tuple[str, str]:
    (limit,) = judged(cell, [Limit(text, "fail", parse(text))])
    return limit.outcome, limit.figure


@pytest.mark.parametrize(
    ("text", "outcome", "figure"),
    [
        ("verdict in [liquidated, insolvent]", "breached", "verdict is liquidated"),
        ("loss_pct > 40", "breached", "loss_pct is 64.63 %"),
        ("portfolio.loss_pct > 40%", "breached", "portfolio.loss_pct is 64.63 %"),
        ("loss_pct > 70", "ok", "loss_pct is 64.63 %"),
        ("liquidations > 1", "ok", "liquidations is 1"),
        ("pools_liquidated > 0", "breached", "pools_liquidated is 1"),
        ("pools_liquidated < pools", "ok", "pools_liquidated is 1, pools is 1"),
        ("flags in [order_cut_short]", "breached", "flags is plan_unfinished, order_cut_short"),
        ("accounts[main].positions[BTC].funding < -10", "breached", "accounts[main].positions[BTC].funding is −20"),
        ("accounts[main].positions[BTC.long].funding < -10", "breached",
         "accounts[main].positions[BTC.long].funding is −20"),
        ("accounts[main].positions[BTC.short].funding < -10", "unknown",
         "accounts[main].positions[BTC.short].funding is not known"),
        ("accounts[main].positions[BTCUSDT].funding < 0", "breached",
         "accounts[main].positions[BTCUSDT].funding is −20"),
        ("accounts[main].buffer_min_ts < 45m", "breached", "accounts[main].buffer_min_ts is 1,800s"),
        ("trades[main BTC].net < 0", "breached", "trades[main BTC].net is −9,726.31"),
        ("trades[main BTC.long].net < 0", "breached", "trades[main BTC.long].net is −9,726.31"),
        ("net_delta[BTC] == 0", "breached", "net_delta[BTC] is 0"),
        ("system.deficit > 0", "ok", "system.deficit is 0"),
        ("buffer_min < 0", "breached", "buffer_min is −480.00"),
        ("fees < -100", "breached", "fees is −106.31"),
        ("accounts[none].buffer_min < 1", "not_applicable", "book has no account none"),
        ("accounts[main].positions[SOL].fees < 1", "not_applicable", "account main of book has no position SOL"),
        ("accounts[main].pools[BTC].buffer_min < 0", "not_applicable", "account main of book has no pool BTC"),
        ("orders[none].levels > 1", "not_applicable", "book has no order none"),
        ("trades[SOL].net < 0", "not_applicable", "book has no position SOL"),
        ("not accounts[none].buffer_min > 0", "not_applicable", "book has no account none"),
        ("accounts[none].buffer_min < 1 or loss_pct > 40", "breached", "loss_pct is 64.63 %"),
        ("accounts[none].buffer_min < 1 or loss_pct > 70", "not_applicable", "book has no account none"),
        ("accounts[none].buffer_min < 1 and loss_pct > 70", "ok", "loss_pct is 64.63 %"),
        ("accounts[none].buffer_min < 1 or accounts[calm].buffer_min < 0", "unknown",
         "book has no account none, accounts[calm].buffer_min is not known"),
        ("accounts[main].buffer_min < 1.5% notional", "breached",
         "accounts[main].buffer_min is −480.00, accounts[main].notional is 200,000.00"),
    ],
)  # fmt: skip
def test_a_limit(text: str, outcome: str, figure: str) -> None:
    assert said(text) == (outcome, figure)


def test_what_is_not_known_breaches_nothing_and_keeps_nothing() -> None:
    assert said("loss_pct > 40", SMALLER) == ("unknown", "loss_pct is not known")


def test_every_breach_is_told_once_those_that_fail_first() -> None:
    limits = [Limit(text, level, parse(text)) for text, level in [("loss > 1", "warn"), ("loss_pct > 70", "fail")] * 2]
    cells = [each for cell in (CRASH._replace(limits=()), SMALLER) if isinstance(each := gated(cell, limits), Cell)]
    assert [(each.cell.scenario, limit_line(each.limit)) for each in breaches(cells)] == [
        ("2025-10-10", "limit breached, a warning: loss > 1 (loss is 9,694.06)"),
        (None, "limit unknown: loss_pct > 70 (loss_pct is not known)"),
        (None, "limit breached, a warning: loss > 1 (loss is 500.00)"),
    ]


# --- the fields ----------------------------------------------------------------------------------------------------


def kinds(table: Table) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for name, each in table.fields.items():
        row = each.row if isinstance(each, Rows) else each
        found |= {name: row.kind} if isinstance(row, Figure) else kinds(row)
    return found


def test_every_field_has_a_kind_by_what_it_measures() -> None:
    found = kinds(figures_of(()))
    assert (found["margin_ratio_max"], found["rate"]) == (Kind.FRACTION, Kind.FRACTION)
    assert (found["loss_pct"], found["total_bps"]) == (Kind.PERCENT, Kind.BPS)
    assert (found["breach_ts"], found["required_topup_by"], found["age_ns"]) == (Kind.TIME, Kind.TIME, Kind.TIME)
    assert (found["verdict"], found["flags"], found["notional"]) == (Kind.WORD, Kind.WORDS, Kind.AMOUNT)


def test_the_words_of_flags_are_known_to_conditions() -> None:
    assert figures_of(()).fields["flags"] == Figure(Kind.WORDS, tuple(each.value for each in Flag))


# --- before the run ------------------------------------------------------------------------------------------------


def gates(file: Path, *texts: str, compare: tuple[str, ...] = ()) -> tuple[Limit, ...]:
    return read_gates(Command((str(file),), fail_on=texts, compare=compare))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return portfolio(tmp_path, account(position(), order("out")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss_pct >", "error[usage] --fail-on loss_pct >: column 11: expected a field, a number or a word"),
        ("flags in [taken_ovr]", "column 11: \"taken_ovr\" is none of its words\n  hint: did you mean \"taken_over\"?"),
        ("orders[ot].levels > 1", 'column 7: there is no orders[ot]\n  hint: did you mean "out"?'),
        ("accounts[main].positions[BTD].fees < 1", 'there is no positions[BTD]\n  hint: did you mean "BTC"?'),
    ],
)  # fmt: skip
def test_a_wrong_expression_is_told_before_the_run(file: Path, text: str, message: str) -> None:
    with pytest.raises(BacktesterError) as caught:
        gates(file, text)
    assert message in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    with pytest.raises(BacktesterError) as caught:
        gates(file, "los > 1", "loss >", "los > 1", "loss > 1")
    assert [each.where for each in caught.value.diagnostics] == ["--fail-on loss >", "--fail-on los > 1"]


TWO = (account(position("ETH"), order("out", "ETH")), account(position("ETHUSDT"), order("out", "ETH"), name="hedge"))
HEDGED = account('position_mode = "hedge"\n', position(), position(side="short"))


@pytest.mark.parametrize(
    ("accounts", "text", "ways"),
    [
        (TWO, "trades[ETH].net < 0", "trades[main ETH], trades[hedge ETHUSDT]"),
        (TWO, "orders[out].levels > 3", "orders[main out], orders[hedge out]"),
        ([HEDGED], "accounts[main].positions[BTC].fees < 0", "positions[BTC.long], positions[BTC.short]"),
        ([HEDGED], "trades[main BTC].net < 0", "trades[main BTC.long], trades[main BTC.short]"),
    ],
)
def test_a_name_of_several_is_told_before_the_run(tmp_path: Path, accounts: list[str], text: str, ways: str) -> None:
    file = portfolio(tmp_path, *accounts)
    with pytest.raises(BacktesterError, match="there are 2 ") as caught:
        gates(file, text)
    assert [each.hint for each in caught.value.diagnostics] == [f"choose one: {ways}"]
    longer = text.replace(text[text.index(ways.partition("[")[0]) : text.rindex(".")], ways.partition(", ")[0])
    assert gates(file, longer, "net_delta[ETH] > 1" if "ETH" in text else longer)


def test_what_one_portfolio_of_a_command_has_is_known(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for each in (one, other):
        each.mkdir()
    files = [portfolio(one, account(position())), portfolio(other, account(position("ETH"), name="hl"))]

    def read(text: str) -> tuple[Limit, ...]:
        return read_gates(Command(tuple(map(str, files)), fail_on=(text,)))

    assert read("accounts[hl].buffer_min < 0")
    assert read("accounts[hl].buffer_min < 0 or accounts[main].buffer_min < 0")
    with pytest.raises(BacktesterError, match=r'there is no accounts\[h\]\n  hint: did you mean "hl"'):
        read("accounts[h].buffer_min < 0")
    with pytest.raises(BacktesterError, match=r"there is no positions\[BTC\]"):  # it is of main, and hl of the other
        read("accounts[hl].positions[BTC].fees < 0")


def test_a_portfolio_cannot_limit_what_only_another_has(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for each in (one, other):
        each.mkdir()
    limits = '[limits]\nfail = ["accounts[hl].buffer_min < 0"]\n'
    files = [portfolio(one, limits, account(position())), portfolio(other, account(position("ETH"), name="hl"))]
    with pytest.raises(BacktesterError, match=r"there is no accounts\[hl\]"):
        read_gates(Command(tuple(map(str, files))))


def test_a_limit_that_does_not_apply_is_no_breach() -> None:
    cell = gated(CRASH._replace(limits=()), [Limit("accounts[x].loss > 1", "fail", parse("accounts[x].notional > 1"))])
    assert limit_line(cell.limits[0]) == "limit not applicable: accounts[x].loss > 1 (book has no account x)"
    assert not list(breaches([cell]))


HEDGE_POOLS = account(
    'position_mode = "hedge"\n', *(position(side=s, margin_mode="isolated") for s in ("long", "short"))
)


def test_pools_of_hedge_mode_have_sides(tmp_path: Path) -> None:
    file = portfolio(tmp_path, HEDGE_POOLS)
    assert gates(file, "accounts[main].pools[BTC.long].buffer_min < 0")
    with pytest.raises(BacktesterError, match="there are 2 ") as caught:
        gates(file, "accounts[main].pools[BTC].buffer_min < 0")
    assert [each.hint for each in caught.value.diagnostics] == ["choose one: pools[BTC.long], pools[BTC.short]"]


def test_a_cross_position_has_no_pool_of_its_own(file: Path) -> None:
    with pytest.raises(BacktesterError, match=r"there is no pools\[BTC\]"):
        gates(file, "accounts[main].pools[BTC].buffer_min < 0")


def test_a_limit_that_is_said_twice_counts_once(file: Path) -> None:
    assert [each.text for each in gates(file, "loss > 1", "loss > 2", "loss > 1")] == ["loss > 1", "loss > 2"]


@pytest.mark.parametrize("text", ["system.adl_notional > 0", "accounts[main].pnl_socialised < 0", "adl > 0"])
def test_what_nothing_computes_is_no_figure(file: Path, text: str) -> None:
    with pytest.raises(BacktesterError, match=r"column \d+: there is no"):
        gates(file, text)


def test_names_that_are_compared_are_known(file: Path) -> None:
    texts = ["accounts[main].positions[ETH].fees < 1"]
    with pytest.raises(BacktesterError, match=r"there is no positions\[ETH\]"):
        gates(file, *texts)
    assert gates(file, *texts, compare=("positions[BTC].symbol=BTC,ETH",))


def test_limits_that_only_warn(file: Path) -> None:
    found = read_gates(Command((str(file),), fail_on=("loss > 1",), warn_on=("loss > 2", "loss > 2")))
    assert [(each.text, each.level) for each in found] == [("loss > 1", "fail"), ("loss > 2", "warn")]
    with pytest.raises(BacktesterError, match=r"--warn-on los > 1: column 1"):
        read_gates(Command((str(file),), warn_on=("los > 1",)))


def test_a_portfolio_that_cannot_be_read_is_left_to_its_cells(file: Path, tmp_path: Path) -> None:
    absent = str(tmp_path / "none.toml")
    assert read_gates(Command((absent,), fail_on=("loss > 1", "orders[x].levels > 1")))
    with pytest.raises(BacktesterError, match="there is no orders"):
        read_gates(Command((absent, str(file)), fail_on=("orders[x].levels > 1",)))
