"""Several cells as one: in how many an account dies, the lowest results, and numbers in the order of the command."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from backtester.enums import Verdict
from backtester.report.glance import glance
from backtester.report.records import AccountReport, Cell, FailedCell, Named, PoolReport, PortfolioName
from backtester.report.summary import summary, summary_line
from tests.golden.handmade import CRASH, SMALLER

WHOLE = SMALLER.portfolio._replace(equity_start=100.0)
IDLE = FailedCell(PortfolioName("book", ""), "z", CRASH.venue, CRASH.variant, "not_applicable", "no price path", 0)


def lived(scenario: str, loss: float, **changes: Any) -> Cell:
    """A cell without a liquidation that lost so much of 100."""
    whole = WHOLE._replace(loss=loss, loss_pct=loss, buffer_min=50.0 - loss, pools_liquidated=0)
    accounts = tuple(each._replace(unguarded=None) for each in SMALLER.accounts)
    calm = SMALLER._replace(scenario=scenario, venue=CRASH.venue, variant=CRASH.variant, plans=(), portfolio=whole)
    return calm._replace(**({"accounts": accounts} | changes))


def died(scenario: str, loss: float) -> Cell:
    """A cell whose account is liquidated whole."""
    return lived(scenario, loss, verdict=Verdict.LIQUIDATED)


def partly(scenario: str, loss: float) -> Cell:
    """A cell in which an account lost one margin pool and kept another."""
    accounts = tuple(_two_pools(each)._replace(unguarded=None) for each in CRASH.accounts)
    return lived(scenario, loss, verdict=Verdict.LIQUIDATED, accounts=accounts, liquidations=CRASH.liquidations)


def _two_pools(account: AccountReport) -> AccountReport:
    spare: PoolReport = account.pools[0]._replace(pool="spare", breach_ts=None, deficit=0.0)
    return account._replace(pools=(*account.pools, spare))


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            [died("a", 80.0), died("b", 70.0), lived("c", 5.0), lived("d", -12.4), IDLE],
            "An account dies in 2 of 4 scenarios, nothing in 2, 1 not applicable; the lowest PnL: a, −80.0 %",
        ),
        (
            [lived("a", -1.0), lived("b", -2.0)],
            "Nothing is liquidated in any of 2 scenarios; the lowest PnL: a, +1.0 %",
        ),
        (
            [lived("a", 1.0), lived("b", 2.0)._replace(venue="binance-usdm@2026-09-29")],
            "Nothing is liquidated in any of 2 cells; the lowest PnL: b, binance-usdm, −2.0 %",
        ),
        (
            [lived("a", 1.0), IDLE],
            "Nothing is liquidated in 1 scenario, 1 not applicable; the lowest PnL: a, −1.0 %",
        ),
    ],
)
def test_what_many_cells_come_to_in_a_sentence(cells: Sequence[Cell | FailedCell], sentence: str) -> None:
    found = summary(cells, "USDC")
    assert found and found.sentence == sentence


def test_a_pool_that_dies_alone_is_no_dead_account() -> None:
    found = summary([died("a", 80.0), partly("b", 40.0), lived("c", 1.0)], "USDC")
    assert found and found.sentence.startswith(
        "An account dies in 1 of 3 scenarios, a margin pool alone in 1, nothing in 1;"
    )
    assert found.tone == "liquidated"
    assert found.said[1].figure == "1 of 3"
    every = summary([died("a", 80.0), partly("b", 40.0)], "USDC")
    assert every and every.sentence.startswith("An account dies in 1 of 2 scenarios, a margin pool alone in 1;")
    alone = summary([partly("b", 40.0), lived("c", 1.0)], "USDC")
    assert alone and alone.sentence.startswith("A margin pool is liquidated in 1 of 2 scenarios, nothing in 1;")
    assert alone.tone == "partly"


def test_figures_of_many_cells_are_those_of_the_lowest() -> None:
    losses = [3.0 * number for number in range(31)]
    found = summary([died(f"{loss:g}", loss) for loss in losses], "USDC")
    assert found is not None
    assert found.said[0] == ("Lowest PnL", "−90.0 %", "90, −90.00") and found.said[1].figure == "0 of 31"
    mean = math.fsum(losses[-4:]) / 4
    assert summary_line(found) == (
        f"second lowest −87.0 % (87, −87.00); mean of the 4 lowest −{mean:.1f} % (of 31); "
        "lowest buffer, USDC −40.00 (90)"
    )


def test_what_is_known_of_few_cells_is_not_said_twice() -> None:
    """Two have no second lowest beside the other, three no tail; of one, or of none that finished, there is nothing."""
    two = summary([lived("a", 1.0), lived("b", 2.0)], "USDC")
    three = summary([lived("a", 1.0), lived("b", 2.0), lived("c", 3.0)], "USDC")
    assert two and [each.name for each in two.beyond] == ["Lowest buffer, USDC"]
    assert three and [each.name for each in three.beyond] == ["Second lowest", "Lowest buffer, USDC"]
    assert summary([CRASH], "USDC") is None and summary([IDLE, IDLE._replace(scenario="y")], "USDC") is None


def test_a_share_that_nobody_knows_is_in_no_figure() -> None:
    broke = lived("a", 9.0)._replace(portfolio=WHOLE._replace(loss_pct=None, buffer_min=None, pools_liquidated=0))
    found = summary([broke, broke._replace(scenario="b")], "USDC")
    assert found and found.sentence == "Nothing is liquidated in any of 2 scenarios"
    assert [each.name for each in found.said] == ["Nothing liquidated"] and not summary_line(found)


# --- variants by numbers -------------------------------------------------------------------------------------------


def of(key: str, value: str, loss: float, scenario: str = "a") -> Cell:
    """A variant."""
    return lived(scenario, loss, variant=Named(((key, value),)))


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        (("2", "10", "4"), ["x=2", "x=10", "x=4"]),
        (("1_000", "5%", "30s"), ["x=1_000", "x=5%", "x=30s"]),
        (("twap", "2", "pov"), ["x=2", "x=twap", "x=pov"]),
    ],
)
def test_variants_by_a_number_stand_as_they_were_asked_for(values: tuple[str, ...], rows: list[str]) -> None:
    """Those by words stand worst first, as everything else."""
    losses = (5.0, 9.0, 1.0)
    [sheet] = glance([of("x", value, loss) for value, loss in zip(values, losses, strict=True)], "USDC")
    assert [row[0] for row in sheet.rows] == rows


def test_numbers_across_a_matrix_keep_their_order() -> None:
    cells = [of("x", value, 5.0, scenario) for scenario in ("a", "b") for value in ("2", "10", "4")]
    matrix, _ = glance(cells, "USDC")
    assert [column.heading for column in matrix.columns] == ["scenario", "x=2", "x=10", "x=4"]


def test_guards_that_cost_more_than_they_save_show_over_all_cells() -> None:
    """Two cells in which guards of main saved 173.19, one in which they cost 500; none where nobody's send anything."""
    [main, *others] = CRASH.accounts
    assert main.unguarded is not None
    harmed = main._replace(unguarded=main.unguarded._replace(effect=-500.0))
    alike, cost = CRASH._replace(scenario="y"), CRASH._replace(scenario="x", accounts=(harmed, *others))
    told = summary([CRASH, alike, cost], "USDC")
    assert told is not None and told.beyond[-1] == ("Guards in all, USDC", "−153.62", "cost 500.00 in 1 of 3")
    without = summary([each._replace(accounts=tuple(others)) for each in (CRASH, alike)], "USDC")
    assert without is not None and "Guards in all, USDC" not in [each.name for each in without.beyond]
