"""`backtester venues`: lists, values with sources, and differences, in every format."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from backtester.cli.app import main


def rows_of(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, Any]]:
    assert main(["venues", *args, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema_version"] == 1
    rows: list[dict[str, Any]] = document["rows"]
    return rows


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    every = rows_of(capsys, "list")
    assert {row["venue"] for row in every} == {"binance-usdm", "hyperliquid"}
    rows = [row for row in every if row["venue"] == "hyperliquid"]
    assert [row["rules_date"] for row in rows] == [
        "2026-08-22", "2025-10-10", "2025-05-05", "2025-03-15", "2024-03-11", "2023-07-01",
    ]  # fmt: skip
    assert [row["until"] for row in rows] == [None, *(row["rules_date"] for row in rows[:-1])]
    assert rows[0]["assumed_share"] < rows[2]["assumed_share"]


def test_show_gives_each_rule_its_value_source_and_doubt(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["rule"]: row for row in rows_of(capsys, "show", "hyperliquid@2025-10-11")}
    assert rows["rules_date"]["value"] == "2025-10-10"
    assert rows["taker_fee"] == {
        "rule": "taker_fee",
        "value": 0.00045,
        "assumed": False,
        "source": "docs: trading/fees.md, base tier",
    }
    assert rows["liquidation_bound"]["assumed"] is True
    assert rows["mark_interval"]["value"] == "3s"
    assert rows["funding_premium"]["value"] == "true"
    assert rows["market BTC"]["value"] == (
        "40x, maintenance 0.0125; from 150,000,000: 20x, maintenance 0.025 less 1,875,000; "
        "impact 20,000; 5 size decimals; max_market_quote 15,000,000; max_limit_quote 150,000,000"
    )
    assert rows["market (any other)"]["assumed"] is True
    assert "dzmbs/hyperliquid-docs" in rows["document docs"]["value"]


def test_diff_shows_what_changed_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(capsys, "diff", "hyperliquid@2025-03-14", "hyperliquid@2025-03-15")
    assert {row["rule"] for row in rows} == {"market BTC", "market DOGE", "market ETH"}
    assert rows[0]["hyperliquid@2024-03-11"].startswith("50x")
    assert rows[0]["hyperliquid@2025-03-15"].startswith("40x")
    rows = rows_of(capsys, "diff", "hyperliquid@2025-10-10", "hyperliquid")
    rules, markets = rows[:2], rows[2:]
    assert {row["rule"] for row in rules} == {"twap_min_quote", "twap_stretches"}
    assert {row["rule"] for row in markets} == {
        f"market {symbol}" for symbol in ("BTC", "ETH", "INJ", "LDO", "OP", "POPCAT", "SEI", "TIA", "WIF")
    }
    newest = [row["hyperliquid@2026-08-22"] for row in markets]
    assert [value is None for value in newest] == [False, False, *[True] * 7]


def test_show_counts_the_markets_of_a_table_and_shows_one_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["rule"]: row for row in rows_of(capsys, "show", "binance-usdm@2026-02-01")}
    assert rows["table binance-usdm-2026-02.csv"]["value"] == "667 markets; --symbol 0GUSDT shows one"
    assert rows["table binance-usdm-2026-09.csv"]["assumed"] is False
    assert "market ADAUSDT" not in rows
    assert rows["market BTCUSDT"]["value"].startswith("150x, maintenance 0.004; from 300,000: 100x, maintenance 0.005")
    assert rows["market BTCUSDT"]["value"].endswith(
        "; impact 30,000; funding_cap 0.003; liquidation_fee 0.0125; max_market_size 120; min_order_quote 100"
    )

    rows = {row["rule"]: row for row in rows_of(capsys, "show", "binance-usdm@2020-03-12", "--symbol", "BTC")}
    assert rows["rules_date"]["value"] == "2020-01-13"
    assert [rule for rule in rows if rule.startswith(("market ", "table "))] == ["market BTCUSDT"]
    assert rows["market BTCUSDT"]["value"].endswith(
        "; impact 25,000; funding_cap 0.003; liquidation_fee 0.003; max_market_size 120"
    )

    rows = {row["rule"]: row for row in rows_of(capsys, "show", "binance-usdm", "--symbol", "NEWCOIN")}
    assert rows["market NEWCOIN"]["assumed"] is True


def test_diff_sees_the_markets_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["rule"]: row for row in rows_of(capsys, "diff", "binance-usdm@2024-11-01", "binance-usdm@2025-05-02")}
    assert rows["market BTCUSDT"]["binance-usdm@2024-10-24"].startswith("125x")
    assert rows["market BTCUSDT"]["binance-usdm@2025-05-02"].startswith("150x")
    assert "mark_basis_window" not in rows
    rows = {row["rule"]: row for row in rows_of(capsys, "diff", "binance-usdm@2025-05-02", "binance-usdm@2025-09-18")}
    assert {*rows} == {"mark_basis_window", "insurance_start"}


def test_the_other_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["venues", "show", "hyperliquid", "--format", "csv"]) == 0
    table = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert table[0] == ["rule", "value", "assumed", "source"]
    assert {len(row) for row in table} == {4}
    assert main(["venues", "list", "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("| venue | rules_date | until |")
    assert main(["venues", "list"]) == 0
    assert "hyperliquid" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["show", "hyperliqid"], 3,
         'error[config] venue hyperliqid: unknown venue\n  hint: did you mean "hyperliquid"?\n'),
        (["show", "hyperliquid@x"], 2,
         'error[usage] venue hyperliquid@x: "x" is no date\n  hint: for example hyperliquid@2025-10-10\n'),
        (["show", "hyperliquid@scenario"], 2,
         "error[usage] venue hyperliquid@scenario: there is no scenario here\n"
         "  hint: name a date: hyperliquid@2025-10-10\n"),
        (["diff", "hyperliquid@2020-03-12", "hyperliquid"], 3,
         "error[config] venue hyperliquid@2020-03-12: no rules are known for this date\n"
         "  hint: rules start at: 2023-07-01, 2024-03-11, 2025-03-15, 2025-05-05, 2025-10-10, 2026-08-22\n"),
    ],
)  # fmt: skip
def test_errors(capsys: pytest.CaptureFixture[str], args: list[str], code: int, message: str) -> None:
    assert main(["venues", *args]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", message)


def test_fee_tiers_and_rules_of_orders_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["rule"]: row for row in rows_of(capsys, "show", "hyperliquid")}
    assert rows["fee tier volume-1"]["value"].startswith("taker 0.04 %, maker 0.012 %: above 5 million USDC")
    assert rows["fee tier maker-3"]["value"].startswith("maker -0.003 %: above 3 %")
    assert rows["fee tier maker-3"]["source"] == "docs: trading/fees.md"
    assert (rows["self_trade"]["value"], rows["services"]["value"]) == ("cancel_maker", "twap")
    changed = {row["rule"] for row in rows_of(capsys, "diff", "hyperliquid@2025-05-05", "hyperliquid@2025-10-10")}
    assert {f"fee tier volume-{n}" for n in range(1, 7)} <= changed
