"""Tolerances: a result and itself always pass, a tighter one never passes more, what is better passes where told so."""

from __future__ import annotations

import contextlib
import io
import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from backtester.cli.app import main
from backtester.config.tolerance import UNITS, Tolerance
from backtester.config.tolerance_tables import Tolerances
from backtester.errors import ExitCode
from backtester.regress.check import Outcome, check
from backtester.regress.compare import Effect, compare
from backtester.regress.material import Within
from backtester.regress.tolerances import FAIL, Rules, figures, rules_of
from backtester.report.measures import KINDS
from backtester.report.records import Cell
from tests.property.test_regress import changed_cells, with_crash
from tests.unit.check_cases import CLEARLY, result, stored
from tests.unit.run_cases import account, portfolio

SIZES = st.floats(0.0, 10.0, allow_nan=False)
TOLERANCE = st.builds(Tolerance, SIZES, SIZES, st.just(""))
NAMES = [name for name, each in figures().items() if each.quantity in KINDS]
WITHIN = st.builds(
    Within,
    st.dictionaries(st.sampled_from([*UNITS]), TOLERANCE),
    st.dictionaries(st.sampled_from(NAMES), TOLERANCE, max_size=4),
)
RULES = st.builds(Rules, WITHIN, WITHIN, st.booleans())


@given(changed_cells(), RULES)
def test_a_result_and_itself_pass(cell: Cell, rules: Rules) -> None:
    model = result(cell._replace(limits=()))
    assert check(model, model, lambda portfolio: rules).outcome is Outcome.KEPT


def tighter(within: Within, factor: float) -> Within:
    def less(each: Tolerance) -> Tolerance:
        return Tolerance(each.share * factor, each.amount * factor, each.unit)

    return Within(*({name: less(each) for name, each in table.items()} for table in within))


@given(changed_cells(), changed_cells(), RULES, st.floats(0.0, 1.0))
def test_tightening_never_turns_a_failure_into_a_pass(first: Cell, second: Cell, rules: Rules, factor: float) -> None:
    tight = rules._replace(fail=tighter(rules.fail, factor))
    for change in compare(with_crash(first), with_crash(second)).changes:
        assert rules.level(change) != FAIL or tight.level(change) == FAIL


@given(changed_cells(), changed_cells(), WITHIN, WITHIN)
def test_where_only_worse_fails_an_improvement_passes(first: Cell, second: Cell, fail: Within, warn: Within) -> None:
    rules = Rules(fail, warn, only_worse=True)
    for change in compare(with_crash(first), with_crash(second)).changes:
        if change.effect is Effect.BETTER:
            assert rules.level(change) == "pass"
        if rules.level(change) == FAIL:
            assert change.effect is not Effect.BETTER


def test_the_defaults_are_what_an_empty_table_says() -> None:
    assert rules_of([]) == rules_of([Tolerances()])


# --- tables of users -----------------------------------------------------------------------------------------------

KEYS = (*UNITS, "direction", "warn", "figures", "figures.verdict", 'figures."accounts.buffer_min"', "warn.money", "x")
VALUES = (
    '"0.5%, 100"', '"1bps"', '"10s"', '"worse"', '"both"', '""', '"%"', '"-1"', '"1e400"', '"9999999999999999999%"',
    "1", "-0.0", "nan", "true", "[]", '["1%"]', "{}", '{ money = "1%" }', '{ "accounts.buffer_min" = "2%" }',
    "2026-01-01", "{ x = {} }", f'"{"9" * 9_999}"', '"\\u0000"', '"1%,1%"', '"1,1s"',
)  # fmt: skip


def test_200_tables_end_with_a_verdict_or_a_fault_in_a_line(tmp_path: Path) -> None:
    draw = random.Random(17)
    base, now = stored(tmp_path / "base", result(CLEARLY)), stored(tmp_path / "now", result(CLEARLY))
    path = portfolio(tmp_path, account())
    path = path.rename(path.with_stem(CLEARLY.portfolio.name))
    text = path.read_text("utf-8")
    codes = set()
    for _ in range(200):
        keys = draw.sample(KEYS, draw.randint(0, 4))
        table = "".join(f"tolerances.{key} = {draw.choice(VALUES)}\n" for key in keys)
        path.write_text(table + text, "utf-8")
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main(["check", str(now), "--baseline", str(base), "--portfolio", str(path)])
        assert "Traceback" not in said.getvalue(), table
        assert code in (ExitCode.OK, ExitCode.CONFIG), (table, said.getvalue())
        codes.add(code)
    assert codes == {ExitCode.OK, ExitCode.CONFIG}
