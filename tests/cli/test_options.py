"""The options of the verbs that run, and the command that is kept of them: each named once, each in its field."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer
from typer.main import get_command

from backtester.cli.options import command_of
from backtester.cli.rehearse import rehearse
from backtester.cli.run import run
from backtester.cli.solve import solve
from backtester.config.command import Acceptances, Command, words
from backtester.options import ACCEPTANCES, OPTIONS

#: Every field is something else than unsaid, and lists have two.
FULL = Command(
    portfolios=("a.toml", "b.toml"),
    scenarios=("2025-10-10+outage", "all"),
    venues=("hyperliquid", "binance-usdm@scenario"),
    shock="depth=0.5;span=10%",
    tapes=("t.parquet", "u"),
    instruments=("BTC:tick=0.1", "ETH:lot=1"),
    set=("leverage=10", "*.size=*1.5"),
    compare=("a=1,2", "b=1,2"),
    prices=("BTC=1", "ETH=2"),
    proxies=("SOL=ETH", "XRP=ETH*2"),
    fail_on=("loss > 1", "loss > 2"),
    warn_on=("loss > 0", "loss > -1"),
    stale_after=2.5,
    rebase=True,
    drills=("late,blind", "loop"),
    accept=Acceptances(*[True] * len(Acceptances._fields)),
)


def parsed(verb: Callable[..., int], typed: list[str]) -> Command:
    """What a verb is told by words."""
    app = typer.Typer()
    app.command()(verb)
    return command_of(get_command(app).make_context("backtester", typed))  # type: ignore[arg-type]  # of a kind that typer keeps to itself


def test_every_field_of_a_command_has_one_option() -> None:
    assert {"portfolios", *OPTIONS, "accept"} == {*Command._fields}
    assert {*ACCEPTANCES} == {*Acceptances._fields}
    named = [*OPTIONS.values(), *ACCEPTANCES.values()]
    assert len({*named}) == len(named)


def test_what_is_typed_is_the_command_again() -> None:
    assert parsed(run, words(FULL)[1:]) == FULL
    solved = FULL._replace(compare=(), drills=(), fail_on=(), warn_on=())
    assert parsed(solve, ["--for", "size", *words(solved)[1:]]) == solved
    rehearsed = FULL._replace(compare=())
    assert parsed(rehearse, words(rehearsed)[1:]) == rehearsed


@pytest.mark.parametrize(("verb", "more"), [(run, []), (solve, ["--for", "size"])])
def test_what_is_not_said_is_left_as_it_is(verb: Callable[..., int], more: list[str]) -> None:
    assert parsed(verb, [*more, "a.toml"]) == Command(("a.toml",))


@pytest.mark.parametrize("field", [*OPTIONS, *ACCEPTANCES])
def test_each_option_fills_its_own_field(field: str) -> None:
    bare = Command(("a.toml",))
    if field in ACCEPTANCES:
        one = bare._replace(accept=Acceptances(**{field: True}))
    else:
        one = bare._replace(**{field: getattr(FULL, field)})
    assert parsed(run, words(one)[1:]) == one != bare
