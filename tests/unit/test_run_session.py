"""One cell from files to a result: which tape, which rules, which scenario, and what is said when something lacks."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.enums import OrderStatus
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.schema import InstrumentFacts
from backtester.run.request import Request
from backtester.run.result import ACTUAL, UNLIQUIDATED
from backtester.run.session import Done, run_cell, warm
from backtester.shipped import data_dir
from backtester.venue.loader import load_profile
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
    order,
    order_row,
    plain,
    portfolio,
    position,
    position_number,
    problems,
    tape,
    venue,
)

pytestmark = pytest.mark.compiled


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
    stated = "; those of ADA, AVAX, BNB, DOGE, LINK, SOL, XRP are scaled from ETH"
    path = portfolio(tmp_path, account(position("WIF"), position("PUMP"), position()))
    assert [str(each) for each in problems(Request(path))] == [
        f"error[data] {path}:7 accounts.0.positions.0.symbol: no base tape is shipped for WIF on hyperliquid\n"
        f"  hint: give one with --tape, or lend it another's: --proxy WIF=BTC --price WIF=PRICE{stated}",
        f"error[data] {path}:13 accounts.0.positions.1.symbol: no base tape is shipped for PUMP on hyperliquid\n"
        f"  hint: give one with --tape, or lend it another's: --proxy PUMP=BTC --price PUMP=PRICE{stated}",
    ]


def many_faults(tmp_path: Path) -> Path:
    """A missing key, a value that cannot be read, and names that nobody knows, each in a place of its own."""
    first = account(position("WIF", leverage=None), position(size="many")).replace(
        "[[accounts.", 'fee_tier = "vip"\n[[accounts.', 1
    )
    return portfolio(tmp_path, first, account(position("PUMP"), name="b", venue="hyperliqid"))


def test_one_run_tells_all_that_is_wrong(tmp_path: Path) -> None:
    path = many_faults(tmp_path)
    assert [str(each).splitlines()[0] for each in problems(Request(path))] == [
        f'error[config] {path}:6 accounts.0.fee_tier: hyperliquid@2026-08-22 has no fee tier "vip"',
        f"error[config] {path}:7 accounts.0.positions.0.leverage: missing key",
        f"error[data] {path}:8 accounts.0.positions.0.symbol: no base tape is shipped for WIF on hyperliquid",
        f"error[config] {path}:15 accounts.0.positions.1.size: expected a number or a notional such as "
        '"50_000 USD", was "many"',
        f"error[config] {path}:20 accounts.1.venue: venue hyperliqid: unknown venue",
    ]


def test_with_a_tape_its_symbols_are_judged_beside_the_rest(tmp_path: Path) -> None:
    path, there = many_faults(tmp_path), tape(tmp_path)
    found = [str(each).splitlines()[0] for each in problems(Request(path, tapes=(str(there),)))]
    assert f"error[config] {path}:8 accounts.0.positions.0.symbol: the tape has no WIF" in found and len(found) == 5
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


# --- rules ---------------------------------------------------------------------------------------------------------


def test_the_venue_of_the_command_line_stands_in_for_every_account(tmp_path: Path) -> None:
    request = plain(tmp_path)
    mine = str(venue(tmp_path, taker_fee=0.01))
    result = run_cell(request._replace(venue=mine))
    assert result.data.rules[0].taker_fee == 0.01
    assert [each.sha256 for each in result.profiles] == [load_profile(mine).sha256]


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
    told: list[Done] = []
    run_cell(Request(DEMO, chunk_rows=20_000), told.append)
    heard = [each.fraction for each in told]
    assert [each.cells for each in told] == [0] * (len(told) - 1) + [1] and {each.of for each in told} == {1}
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
