"""One cell from files to a result: which tape, which rules, which scenario, and what is said when something lacks."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest

from backtester.enums import LedgerKind, OrderStatus
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.check import check
from backtester.market.read import open_tape
from backtester.market.schema import InstrumentFacts
from backtester.run.resolve import Acceptances
from backtester.run.result import ACTUAL, UNLIQUIDATED, RunFailure, RunResult
from backtester.run.session import Request, run_cell, try_cells, warm
from backtester.scenario.grid import Proxy
from backtester.scenario.shock import parse_shock
from backtester.shipped import data_dir, scenarios_dir
from tests.unit.market_tapes import Row
from tests.unit.run_cases import (
    BTC,
    CRASH,
    DEMO,
    START,
    S,
    account,
    crash,
    demo,
    differences,
    fills_of,
    order,
    order_row,
    portfolio,
    position,
    position_number,
    problems,
    tape,
    venue,
)

pytestmark = pytest.mark.compiled

HOUR = 3600 * S
FUNDING_HOUR = START + HOUR


def plain(directory: Path, *tables: str, **keys: str) -> Request:
    """A long of 1 BTC on a tape of ten calm seconds."""
    path = portfolio(directory, account(position(), *tables, **keys))
    return Request(path, tapes=(str(tape(directory)),))


def over_the_hour(directory: Path, **rules: object) -> Request:
    """A long of 1 BTC on a tape that crosses a funding hour, under a venue with other rules."""
    path = portfolio(directory, account(position(), venue=venue(directory, **rules)))
    return Request(path, tapes=(str(tape(directory, start=FUNDING_HOUR - 5 * S)),))


def funding(result: RunResult) -> list[float]:
    """The funding payments of the world that happens."""
    return [amount for _, amount in payments(result)]


def payments(result: RunResult) -> list[tuple[int, float]]:
    """Their times, too."""
    rows = result.ledger[(result.ledger["kind"] == LedgerKind.FUNDING) & (result.ledger["world"] == ACTUAL)]
    return [(int(row["ts"]), float(row["amount"])) for row in rows]


# --- tapes ---------------------------------------------------------------------------------------------------------


def test_without_a_tape_the_shipped_ones_of_the_portfolio_are_taken() -> None:
    result = run_cell(Request(DEMO))
    assert result.tape.name == "hyperliquid-btc.parquet + hyperliquid-eth.parquet"
    assert [each.tape.symbol for each in result.instruments] == ["BTC", "ETH"]
    assert [each.size_decimals for each in result.instruments] == [5, 4]
    assert (result.scenario, result.variant, result.seed) == (None, (), 0)
    assert result.end_ts - result.start_ts == pytest.approx(25 * 60 * S, rel=1e-3)
    # Ten minutes in, half of the ETH is sold: the only order that a calm tape reaches.
    assert sorted(set(result.fills["world"])) == [ACTUAL, UNLIQUIDATED]
    assert order_row(result, "cut-eth")["status"] == OrderStatus.FILLED
    assert order_row(result, "stop-at-venue")["status"] == OrderStatus.UNTRIGGERED
    assert order_row(result, "take-profit")["status"] == OrderStatus.RESTING
    assert len(result.liquidations) == 0


def test_lines_are_looked_for_only_to_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = plain(tmp_path, order(type="limit", price=101.0))
    monkeypatch.setattr("backtester.config.toml.index_lines", lambda _: pytest.fail("a second walk over the file"))
    run_cell(request)


def test_sources_are_the_digests_of_the_files(tmp_path: Path) -> None:
    request = plain(tmp_path)
    result = run_cell(request)
    own = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (request.portfolio, Path(request.tapes[0]))]
    assert [result.portfolio_source.sha256, result.tape.sha256] == own
    assert (result.portfolio_source.name, result.tape.name) == (str(request.portfolio), "tape.parquet")
    files = [data_dir() / f"hyperliquid-{base}.parquet" for base in ("btc", "eth")]
    digests = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    assert demo().tape.sha256 == hashlib.sha256(digests.encode()).hexdigest()


def test_a_symbol_without_a_shipped_tape(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position("SOL"), position("DOGE"), position()))
    assert [str(each) for each in problems(Request(path))] == [
        f"error[data] {path}:7 accounts.0.positions.0.symbol: no base tape is shipped for SOL on hyperliquid\n"
        "  hint: give one with --tape, or lend it another's: --proxy SOL=BTC --price SOL=PRICE",
        f"error[data] {path}:13 accounts.0.positions.1.symbol: no base tape is shipped for DOGE on hyperliquid\n"
        "  hint: give one with --tape, or lend it another's: --proxy DOGE=BTC --price DOGE=PRICE",
    ]


def many_faults(tmp_path: Path) -> Path:
    """A missing key, a value that cannot be read, and names that nobody knows, each in a place of its own."""
    first = account(position("SOL", leverage=None), position(size="many")).replace(
        "[[accounts.", 'fee_tier = "vip"\n[[accounts.', 1
    )
    return portfolio(tmp_path, first, account(position("DOGE"), name="b", venue="hyperliqid"))


def test_one_run_tells_all_that_is_wrong(tmp_path: Path) -> None:
    path = many_faults(tmp_path)
    assert [str(each).splitlines()[0] for each in problems(Request(path))] == [
        f'error[config] {path}:6 accounts.0.fee_tier: hyperliquid@2026-08-22 has no fee tier "vip"',
        f"error[config] {path}:7 accounts.0.positions.0.leverage: missing key",
        f"error[data] {path}:8 accounts.0.positions.0.symbol: no base tape is shipped for SOL on hyperliquid",
        f"error[config] {path}:15 accounts.0.positions.1.size: expected a number or a notional such as "
        '"50_000 USD", was "many"',
        f"error[config] {path}:20 accounts.1.venue: venue hyperliqid: unknown venue",
    ]


def test_with_a_tape_its_symbols_are_judged_beside_the_rest(tmp_path: Path) -> None:
    path, there = many_faults(tmp_path), tape(tmp_path)
    found = [str(each).splitlines()[0] for each in problems(Request(path, tapes=(str(there),)))]
    assert f"error[config] {path}:8 accounts.0.positions.0.symbol: the tape has no SOL" in found and len(found) == 5
    unread = problems(Request(path, tapes=("absent.parquet",)))  # the tape is told when the portfolio is right
    assert [str(each).splitlines()[0] for each in unread] == [each for each in found if "the tape" not in each]


def test_a_venue_for_all_is_told_once_and_not_of_the_portfolio(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(leverage=None)), account(position(), name="b"))
    assert [str(each).splitlines()[0] for each in problems(Request(path, venue="binanze"))] == [
        "error[config] venue binanze: unknown venue",
        f"error[config] {path}:6 accounts.0.positions.0.leverage: missing key",
    ]


def test_a_bare_tape_is_described_on_the_command_line(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    bare = tape(tmp_path, instrument=BTC._replace(symbol="PERP"), described=False)
    request = Request(path, tapes=(str(bare),))
    assert problems(request)[0].message == "says nothing about its instruments"
    facts = InstrumentFacts("PERP", base="BTC", tick_size=1.0, lot_size=0.01)
    result = run_cell(request._replace(instruments=(facts,)))
    assert result.state.positions["lots_start"].tolist() == [100, 100]  # 1 BTC, in both worlds


# --- the start -----------------------------------------------------------------------------------------------------


def test_the_run_starts_on_the_mark_grid(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, start=START + S)),)))
    assert (result.start_ts, result.end_ts) == (START + 3 * S, START + 10 * S)


def test_a_tape_too_short_to_start(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    request = Request(path, tapes=(str(tape(tmp_path, (50_000, 50_000), start=START + S // 2)),))
    assert problems(request) == (Diagnostic("data", "tape", "ends before the first time of the venue's mark grid"),)


def test_a_tape_with_one_side_only(tmp_path: Path) -> None:
    rows = [Row(START + n * S, "BTC", "delta", 1, 49_999.0, 1.0 + n) for n in range(5)]
    path = portfolio(tmp_path, account(position()))
    request = Request(path, tapes=(str(tape(tmp_path, (), more=rows)),))
    assert [str(each) for each in problems(request)] == [
        "error[data] BTC: the tape never shows both sides of its ladder"
    ]


def test_a_missing_index_is_an_error_that_names_the_flag(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    request = Request(path, tapes=(str(tape(tmp_path, index=False)),))
    assert [str(each) for each in problems(request)] == [
        "error[data] BTC: the tape has no index rows, which the mark needs\n"
        "  hint: accept the mid in its place with --assume-index-mid"
    ]
    result = run_cell(request._replace(accept=Acceptances(index_mid=True)))
    assert result.market.markets["mark"].tolist() == [50_000.0]
    assert "BTC: the tape has no index, the mid stands for it (--assume-index-mid)" in result.assumptions


def test_an_index_on_the_tape_is_kept_whatever_was_accepted(tmp_path: Path) -> None:
    rows = [Row(START, "BTC", "index", 0, 50_100.0, 0.0)]
    path = portfolio(tmp_path, account(position()))
    request = Request(path, tapes=(str(tape(tmp_path, index=False, more=rows)),))
    kept, accepted = run_cell(request), run_cell(request._replace(accept=Acceptances(index_mid=True)))
    assert kept.market.instruments["index"].tolist() == accepted.market.instruments["index"].tolist() == [50_100.0]
    assert differences(kept, accepted) == []
    assert not any("--assume-index-mid" in line for line in accepted.assumptions)


def test_a_venue_whose_mark_is_on_the_tape_needs_it_there(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, mark_formula="tape")))
    request = Request(path, tapes=(str(tape(tmp_path)),))
    assert [str(each) for each in problems(request)] == [
        "error[data] BTC: the tape has no mark rows\n  hint: this venue's mark is not computed"
    ]
    marks = [Row(START, "BTC", "mark", 0, 50_123.5, 0.0)]
    result = run_cell(request._replace(tapes=(str(tape(tmp_path, more=marks)),)))
    assert result.market.markets["mark"].tolist() == [50_123.5]


def test_a_portfolio_that_cannot_be_held_is_refused_at_the_start(tmp_path: Path) -> None:
    (found,) = problems(plain(tmp_path, collateral="USDC = 100.0"))
    assert (found.code, "under water at the start" in found.message) == ("config", True)


# --- funding -------------------------------------------------------------------------------------------------------


def test_missing_funding_is_an_error_that_names_the_flag(tmp_path: Path) -> None:
    request = over_the_hour(tmp_path, funding_premium=False)
    assert [str(each) for each in problems(request)] == [
        "error[data] BTC: no funding rate for 2025-10-10T22:00:00.000000000Z\n"
        "  hint: add `funding` rows, or accept none with --assume-funding-zero"
    ]
    result = run_cell(request._replace(accept=Acceptances(funding_zero=True)))
    assert sum(funding(result)) == 0.0
    assert "funding is taken as zero where the tape has no rate (--assume-funding-zero)" in result.assumptions


def test_a_funding_row_is_charged_even_if_none_was_accepted(tmp_path: Path) -> None:
    request = over_the_hour(tmp_path, funding_premium=False)
    rows = [Row(FUNDING_HOUR, "BTC", "funding", 0, 0.001, 3600.0)]
    request = request._replace(tapes=(str(tape(tmp_path, start=FUNDING_HOUR - 5 * S, more=rows)),))
    assert funding(run_cell(request)) == [-50.0]  # 1 BTC at 50,000 pays 0.1 %
    assert funding(run_cell(request._replace(accept=Acceptances(funding_zero=True)))) == [-50.0]


def test_premium_funding_needs_no_rows(tmp_path: Path) -> None:
    # No premium: an eighth of the interest of 0.01 % in 8 h.
    assert funding(run_cell(over_the_hour(tmp_path))) == [pytest.approx(-50_000 * 0.0001 / 8, rel=1e-12)]


def test_a_funding_row_off_the_hour(tmp_path: Path) -> None:
    rows = [Row(START + 61 * S, "BTC", "funding", 0, 0.001, 3600.0)]
    file = tape(tmp_path, (50_000,) * 70, more=rows)
    (found,) = problems(Request(portfolio(tmp_path, account(position())), tapes=(str(file),)))
    assert str(found) == (
        f"error[data] {file}:row {61 * 202}: a funding row of BTC at 2025-10-10T21:01:01.000000000Z lies 61 s from the "
        "nearest funding time, a multiple of 3,600 s\n"
        "  hint: its size is the interval in s; at most 60 s are taken for a late stamp"
    )
    assert check(open_tape([file])).faults == (found,)


@pytest.mark.parametrize("late_ns", [-3_000_000, 3_000_000, 2 * S])
def test_a_funding_row_is_charged_at_its_funding_time(tmp_path: Path, late_ns: int) -> None:
    request = over_the_hour(tmp_path)
    rows = [Row(FUNDING_HOUR + late_ns, "BTC", "funding", 0, 0.001, 3600.0)]
    file = tape(tmp_path, start=FUNDING_HOUR - 5 * S, more=rows)
    result = run_cell(request._replace(tapes=(str(file),)))
    assert payments(result) == [(FUNDING_HOUR, -50.0)]
    assert check(open_tape([file])).is_valid


def hourly(directory: Path, *rows: tuple[int, float, int], hours: int = 13) -> Path:
    """A tape of BTC, an order book every half hour from 21:00 on, with funding rows (hours after it, rate, hours)."""
    more = [Row(START + at * HOUR, "BTC", "funding", 0, rate, 3600.0 * every) for at, rate, every in rows]
    return tape(directory, (50_000,) * (2 * hours), step_s=1800.0, more=more)


@pytest.mark.parametrize(
    ("rows", "paid"),
    [
        ([(3, 0.001, 4), (7, 0.002, 4), (11, 0.001, 8)], [(3, -50.0), (7, -100.0), (11, -50.0)]),
        pytest.param([(7, 0.001, 8)], [(7, -50.0)], id="every 8 hours at 04:00, 12:00 and 20:00"),
        pytest.param([(7, 0.001, 8), (9, 0.001, 2)], [(7, -50.0), (9, -50.0), (11, 0.0)], id="8 hours, then 2"),
    ],
)
def test_a_market_pays_when_its_rows_say(
    tmp_path: Path, rows: list[tuple[int, float, int]], paid: list[tuple[int, float]]
) -> None:
    """Not every hour, as its venue would."""
    path = portfolio(tmp_path, account(position()))
    accept = Acceptances(funding_zero=True)
    result = run_cell(Request(path, tapes=(str(hourly(tmp_path, *rows)),), accept=accept))
    assert [((ts - START) // HOUR, amount) for ts, amount in payments(result)] == paid


def test_a_row_that_lacks_between_two_is_never_computed(tmp_path: Path) -> None:
    request = Request(
        portfolio(tmp_path, account(position())), tapes=(str(hourly(tmp_path, (3, 0.001, 4), (11, 0.001, 4))),)
    )
    (found,) = problems(request)
    assert str(found) == (
        "error[data] BTC: no funding row for 2025-10-11T04:00:00.000000000Z, between two that are there\n"
        "  hint: add it, or accept none with --assume-funding-zero"
    )
    assert found in check(open_tape(request.tapes)).warnings
    assert funding(run_cell(request._replace(accept=Acceptances(funding_zero=True)))) == [-50.0, 0.0, -50.0]


def test_a_crossed_ladder_names_symbol_and_time(tmp_path: Path) -> None:
    rows = [Row(START + S // 2, "BTC", "delta", 1, 50_002.0, 1.0)]
    path = portfolio(tmp_path, account(position()))
    (found,) = problems(Request(path, tapes=(str(tape(tmp_path, more=rows)),)))
    assert (found.code, found.where) == ("data", "BTC at 2025-10-10T21:00:00.500000000Z")
    assert found.message == "the ladder is crossed after a message"


# --- rules ---------------------------------------------------------------------------------------------------------


def test_the_venue_of_the_command_line_stands_in_for_every_account(tmp_path: Path) -> None:
    request = plain(tmp_path)
    mine = str(venue(tmp_path, taker_fee=0.01))
    result = run_cell(request._replace(venue=mine))
    assert result.data.rules[0].taker_fee == 0.01
    assert [each.sha256 for each in result.profiles] == [hashlib.sha256(Path(mine).read_bytes()).hexdigest()]


@pytest.mark.parametrize(
    ("ref", "rules_date"),
    [
        (None, date(2026, 8, 22)),
        ("hyperliquid", date(2026, 8, 22)),
        ("hyperliquid@2025-03-14", date(2024, 3, 11)),
        ("hyperliquid@2025-10-10", date(2025, 10, 10)),
    ],
)
def test_rules_of_a_date(tmp_path: Path, ref: str | None, rules_date: date) -> None:
    assert run_cell(plain(tmp_path)._replace(venue=ref)).profiles[0].rules_date == rules_date


def test_rules_of_the_scenarios_day(tmp_path: Path) -> None:
    path = crash(tmp_path, [(0, 1.0), (9, 1.0)], start=1_710_500_000 * S)  # 2024-03-15
    request = plain(tmp_path)._replace(scenario=str(path), venue="hyperliquid@scenario")
    result = run_cell(request)
    assert (result.profiles[0].rules_date, result.start_ts) == (date(2024, 3, 11), 1_710_500_001 * S)
    (found,) = problems(request._replace(scenario=None))
    assert (found.code, found.where) == ("usage", "--venue")
    assert found.message == "@scenario needs a scenario with a date"


def test_no_rules_on_that_date(tmp_path: Path) -> None:
    (found,) = problems(plain(tmp_path)._replace(venue="hyperliquid@2020-03-12"))
    assert (found.code, found.message) == ("config", "no rules are known for this date")


def test_rules_of_the_50x_years_change_the_outcome(tmp_path: Path) -> None:
    # 40x from 50,000 with 1,250 of margin. At 49,300 equity is 550: below 1.25 % (616), above the 1 % of 2024 (493).
    path = portfolio(tmp_path, account(position(margin_mode="isolated", leverage=40.0)))
    request = Request(path, tapes=(str(tape(tmp_path, [50_000] * 4 + [49_300] * 6)),))
    now, then = (run_cell(request._replace(venue=ref)) for ref in (None, "hyperliquid@2024-06-01"))
    assert (len(now.liquidations), len(then.liquidations)) == (1, 0)
    steeper = request._replace(overrides=("leverage=50",))
    assert "50x exceeds the 40x that hyperliquid@2026-08-22 allows" in problems(steeper)[0].message
    assert run_cell(steeper._replace(venue="hyperliquid@2024-06-01")).world.accounts[0].positions[0].leverage == 50.0


# --- scenarios -----------------------------------------------------------------------------------------------------


def test_a_stressed_run_has_the_clock_of_the_scenario() -> None:
    result = demo()
    assert result.scenario is not None
    assert (result.scenario.id, result.scenario.type) == (CRASH, "HIST")
    assert result.scenario.sha256 == hashlib.sha256((scenarios_dir() / f"{CRASH}.parquet").read_bytes()).hexdigest()
    assert result.scenario.summary.tiles == 5
    assert (result.start_ts, result.end_ts) == (1_760_128_200 * S, 1_760_135_400 * S)
    assert "the base tape is shorter than the scenario and was laid end to end 5 times" in result.assumptions


def test_a_scenario_of_the_user(tmp_path: Path) -> None:
    path = crash(tmp_path, [(0, 1.0), (4, 1.0), (5, 0.9), (9, 0.9)], name="mine")
    result = run_cell(plain(tmp_path)._replace(scenario=str(path)))
    assert result.scenario is not None
    assert (result.scenario.id, result.scenario.sha256) == ("mine", hashlib.sha256(path.read_bytes()).hexdigest())
    # 50,000 · 0.9 is 44,999 and 45,001: its mid is the index; the mark follows.
    assert result.market.instruments["index"].tolist() == [45_000.0]
    assert 45_000.0 <= result.market.markets["mark"][0] < 50_000.0


def test_unknown_scenario(tmp_path: Path) -> None:
    (found,) = problems(plain(tmp_path)._replace(scenario="2025-10-01"))
    assert str(found) == "error[config] scenario 2025-10-01: is not known\n  hint: did you mean '2025-10-10'?"


def test_a_symbol_without_a_path_needs_a_proxy(tmp_path: Path) -> None:
    path = crash(tmp_path, [(0, 1.0), (9, 0.9)], bases=["ETH"])
    request = plain(tmp_path)._replace(scenario=str(path))
    (found,) = problems(request)
    assert (found.message, found.hint) == ("no price path for BTC", "have ETH; borrow one: --proxy BTC=ETH*1.2")
    result = run_cell(request._replace(proxies=(Proxy("BTC", "ETH", 0.5),)))
    assert result.market.instruments["index"].tolist() == [pytest.approx(47_500.0)]
    assert "BTC moves like ETH times 0.5 (--proxy)" in result.assumptions


def test_a_proxy_that_would_change_nothing_is_an_error(tmp_path: Path) -> None:
    request = plain(tmp_path)._replace(proxies=(Proxy("BTX", "BTC", 1.2),))
    (unheld,) = problems(request._replace(scenario=str(crash(tmp_path, [(0, 1.0), (9, 0.9)]))))
    assert str(unheld) == 'error[usage] --proxy: no account has a position in BTX\n  hint: did you mean "BTC"?'
    (_, idle) = problems(request)
    assert idle.message == "there is no path to lend"


def test_marks_of_the_tape_move_with_the_scenario(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, mark_formula="tape")))
    marks = [Row(START + n * S, "BTC", "mark", 0, 50_100.0, 0.0) for n in range(10)]
    base = tape(tmp_path, more=marks)
    stress = crash(tmp_path, [(0, 1.0), (3, 1.0), (4, 0.9), (9, 0.9)])
    result = run_cell(Request(path, tapes=(str(base),), scenario=str(stress)))
    assert result.market.markets["mark"].tolist() == [pytest.approx(45_090.0)]


def test_the_seed_decides_which_trades_stay(tmp_path: Path) -> None:
    """Half of the trades: another seed keeps other ones, and a bid behind them fills otherwise."""
    prints = [Row(START + S + n * S // 10, "BTC", "trade", -1, 49_999.0, 1.0) for n in range(80)]
    bid = order("bid", type="limit", side="buy", size=90.0, price=49_999.0, tif="post_only")
    path = portfolio(tmp_path, account(position(), bid, collateral="USDC = 1e6"))
    stress = crash(tmp_path, [(0, 1.0), (9, 1.0)], columns={"trade_intensity": [(0, 0.5)]})
    base = str(tape(tmp_path, more=prints, lots=0.5))
    request = Request(path, tapes=(base,), scenario=str(stress))
    fills = [run_cell(request._replace(seed=seed)).fills["ts"].tolist() for seed in (0, 0, 1)]
    assert fills[0] == fills[1] != fills[2]
    assert 20 < len(fills[0]) // 2 < 60


def test_a_base_without_an_index_takes_its_mid_under_a_scenario(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    stress = crash(tmp_path, [(0, 1.0), (9, 0.9)])
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, index=False)),), scenario=str(stress)))
    assert "BTC: the base tape has no index, its mid stands for it" in result.assumptions


def test_the_mid_is_no_index_where_the_scenario_gives_one(tmp_path: Path) -> None:
    """A path one part in 100,000 down: the index is 49,999.5, the ladder cannot move by half a tick."""
    path = portfolio(tmp_path, account(position()))
    stress = crash(tmp_path, [(0, 1.0), (9, 0.999_99)])
    request = Request(path, tapes=(str(tape(tmp_path, index=False)),), scenario=str(stress))
    result = run_cell(request._replace(accept=Acceptances(index_mid=True)))
    assert result.market.instruments["index"].tolist() == [49_999.5]
    assert not result.data.instruments[0].index_from_mid
    assert differences(result, run_cell(request)) == []
    assert "BTC: the base tape has no index, its mid stands for it" in result.assumptions
    assert not any("--assume-index-mid" in line for line in result.assumptions)


def test_the_mid_is_the_index_where_the_scenario_leaves_the_tape_alone(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    calm = crash(tmp_path, [(0, 1.0), (9, 1.0)])
    request = Request(path, tapes=(str(tape(tmp_path, index=False)),), scenario=str(calm))
    assert "no index rows" in problems(request)[0].message
    result = run_cell(request._replace(accept=Acceptances(index_mid=True)))
    assert result.data.instruments[0].index_from_mid
    assert any("(--assume-index-mid)" in line for line in result.assumptions)


def test_a_path_made_of_several(tmp_path: Path) -> None:
    """0.9 · 0.9 = 0.81 of 50,000; the digest is that of both files, the cell is named by both."""
    fall, more = (crash(tmp_path, [(0, 1.0), (3, 0.9), (9, 0.9)], name=name) for name in ("fall", "more"))
    result = run_cell(plain(tmp_path)._replace(scenario=f"{fall}+{more}"))
    assert result.market.instruments["index"].tolist() == [pytest.approx(40_500.0)]
    assert result.scenario is not None and result.scenario.id == "fall+more"
    digests = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in (fall, more))
    assert result.scenario.sha256 == hashlib.sha256(digests.encode()).hexdigest()


def test_a_shock_of_nothing_is_the_tape_as_it_is(tmp_path: Path) -> None:
    request = plain(tmp_path, order("out", at="2s"))
    calm = run_cell(request)
    shocked = run_cell(request._replace(shock=parse_shock("depth=1")))
    assert differences(calm, shocked) == []
    assert (shocked.start_ts, shocked.end_ts) == (calm.start_ts, calm.end_ts)


def test_a_shock_of_the_tape_as_it_is(tmp_path: Path) -> None:
    """200 ms more until the order arrives; a touch of 49,999/50,001 three times as wide."""
    request = plain(tmp_path, order("out", at="2s"))
    calm, shocked = run_cell(request), run_cell(request._replace(shock=parse_shock("latency=+200ms,spread=3")))
    first, second = (fills_of(each, "out") for each in (calm, shocked))
    late = int(second["ts"][0] - first["ts"][0])
    assert late == pytest.approx(200_000_000, abs=70_000_000)  # arrivals are rounded up to blocks
    assert (first["price"][0], second["price"][0]) == (49_999.0, 49_997.0)
    assert shocked.scenario is not None and shocked.scenario.id == "neutral+latency=+200ms,spread=3"


def test_funding_of_the_tape_that_a_shock_takes_away_is_told(tmp_path: Path) -> None:
    """A shock that moves the ladder drives the instrument, and its funding comes from the path alone."""
    rows = [Row(FUNDING_HOUR, "BTC", "funding", 0, 0.001, 3600.0)]
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, funding_premium=False)))
    request = Request(path, tapes=(str(tape(tmp_path, start=FUNDING_HOUR - 5 * S, more=rows)),))
    late = run_cell(request._replace(shock=parse_shock("latency=+1s")))
    assert funding(late) == [-50.0] and not any("left out" in line for line in late.assumptions)
    thin = request._replace(shock=parse_shock("depth=0.5"), accept=Acceptances(funding_zero=True))
    assert "BTC: the funding rows of the tape are left out under the stress" in run_cell(thin).assumptions


def test_a_column_set_by_hand_lies_below_the_shock(tmp_path: Path) -> None:
    """Three times as wide, and twice that: the best bid is 3 below the mid of 50,000, then 6."""
    request = plain(tmp_path, order("out", at="2s"))._replace(overrides=("scenario.spread_mult=3",))
    assert fills_of(run_cell(request), "out")["price"].tolist() == [49_997.0]
    both = run_cell(request._replace(shock=parse_shock("spread=2")))
    assert fills_of(both, "out")["price"].tolist() == [49_994.0]
    assert both.variant == (("scenario.spread_mult", "3"),)


def test_a_tape_of_the_year_1970_has_another_unit(tmp_path: Path) -> None:
    made = tape(tmp_path, start=1_760_130_000_000)
    (found,) = problems(Request(portfolio(tmp_path, account(position())), tapes=(str(made),)))
    assert str(found) == (
        f"error[data] {made}: begins at 1970-01-01T00:29:20.130000000Z, before 2009\n"
        "  hint: is the unit of ts (s, ms, us, ns) the right one?"
    )


def test_a_rebased_portfolio_runs_as_one_written_at_the_mark(tmp_path: Path) -> None:
    stop = order("stop", type="stop_market", trigger_price=94_000.0)
    here = order("stop", type="stop_market", trigger_price="mark-6%", size=1.0)
    there = portfolio(tmp_path, account(position(entry_price=100_000.0), stop))
    request = Request(there, tapes=(str(tape(tmp_path, [50_000] * 4 + [46_900] * 6)),), rebase=True)
    moved = run_cell(request)
    at_mark = run_cell(request._replace(portfolio=portfolio(tmp_path, account(position(size=2.0), here)), rebase=False))
    assert differences(moved, at_mark) == []
    assert fills_of(moved, "stop")["lots"].sum() == 100_000
    assert [line for line in moved.assumptions if "--rebase" in line] == [
        "main BTC: prices × and sizes ÷ 0.5: its entry moves from 100000 to the first mark, 50000 (--rebase)"
    ]


def test_what_is_wrong_with_one_of_several_cells(tmp_path: Path) -> None:
    request = plain(tmp_path)._replace(scenario="2025-10-01", venue="hyperliquid", overrides=("size=2",))
    (failed,) = try_cells(request)
    assert isinstance(failed, RunFailure)
    assert (failed.scenario, failed.venue, failed.variant) == ("2025-10-01", "hyperliquid", (("size", "2"),))
    assert failed.error.diagnostics == problems(request)
    assert isinstance(try_cells(request._replace(scenario=None))[0], RunResult)


# --- variants ------------------------------------------------------------------------------------------------------


def test_set_changes_the_result(tmp_path: Path) -> None:
    request = plain(tmp_path, order("out", type="market", at="1s"))
    base, more = run_cell(request), run_cell(request._replace(overrides=("orders[out].size=0.75",)))
    assert more.variant == (("orders[out].size", "0.75"),)
    sold = [result.fills[result.fills["world"] == ACTUAL]["lots"].sum() for result in (base, more)]
    assert sold == [50_000, 75_000]
    assert more.portfolio_source == base.portfolio_source
    assert set(differences(base, more)) >= {"fills", "ledger", "pools", "positions", "orders"}


def test_a_set_without_a_place(tmp_path: Path) -> None:
    (found,) = problems(plain(tmp_path)._replace(overrides=("sise=2",)))
    assert (found.code, found.hint) == ("usage", 'did you mean "size"?')


def test_the_second_world_is_the_first_without_liquidation() -> None:
    result = demo()
    assert result.index.accounts == [0, 2]
    assert result.state.worlds["liquidation"].tolist() == [1, 0]
    assert not (result.liquidations["world"] == UNLIQUIDATED).any()
    assert (result.liquidations["world"] == ACTUAL).any()


def test_progress_rises_to_the_end(tmp_path: Path) -> None:
    heard: list[float] = []
    run_cell(Request(DEMO, chunk_rows=20_000), heard.append)
    assert len(heard) > 10 and heard == sorted(heard)
    assert 0.0 < heard[0] < 0.2 and heard[-1] == pytest.approx(1.0)


def test_warm_runs_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []
    monkeypatch.setattr("backtester.run.session.run_cell", asked.append)
    warm()
    assert asked == [Request(DEMO, scenario=CRASH)]


def test_the_index_leads_from_the_portfolio_to_the_arrays() -> None:
    result = demo()
    row = result.state.positions[position_number(result, 0, "ETH")]
    market = result.data.markets[row["market"]]
    assert result.instruments[market.instrument].tape.symbol == "ETH"
    held = result.world.accounts[0].positions[1]
    assert row["cost_start"] == pytest.approx(150.0 * held.entry_price)


def test_faults_of_the_tape_stop_the_run(tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"no parquet")
    with pytest.raises(BacktesterError, match="is no readable Parquet file"):
        run_cell(plain(tmp_path)._replace(tapes=(str(bad),)))


def test_sums_of_ticks_and_lots_do_not_wrap(tmp_path: Path) -> None:
    fine = BTC._replace(tick_size=0.01, lot_size=1e-8)
    rules = ("venue.mark_formula=tape", "venue.max_market_quote=0")
    marks = [Row(START + n * S, "BTC", "mark", 0, 100_000.0, 0.0) for n in range(3)]
    book = tape(tmp_path, [100_000] * 3, instrument=fine, lots=9_600.0, more=marks)
    held = account(position(size=9_500.0), order(size=9_500.0), collateral="USDC = 999_000_000.0")
    result = run_cell(Request(portfolio(tmp_path, held), rules, tapes=(str(book),)))
    row = order_row(result, "o")
    assert row["filled"] == 950_000_000_000
    assert row["fill_value"] / row["filled"] * 0.01 == pytest.approx(99_999.0)
    assert row["sweep_value"] / row["sweep_lots"] * 0.01 == pytest.approx(99_999.0)


def test_another_venue_s_order_book_is_named_and_has_to_be_accepted(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), venue="binance-usdm", collateral="USDT = 100_000.0"))
    files = (str(tape(tmp_path)),)
    with pytest.raises(BacktesterError) as caught:
        run_cell(Request(path, tapes=files))
    assert "the tape has BTC of hyperliquid, the account is at binance-usdm" in str(caught.value)
    assert "--assume-order-book" in str(caught.value)
    accepted = run_cell(Request(path, tapes=files, accept=Acceptances(order_book=True)))
    assert any("BTC of hyperliquid is traded under the rules of binance-usdm" in line for line in accepted.assumptions)
