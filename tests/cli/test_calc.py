"""`backtester calc`: one document, four formats, positions of a portfolio, and what is wrong with a command line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backtester.cli.app import main

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "data" / "demo-portfolio.toml"
ONE = "--venue hyperliquid --symbol BTC --side long --size 1 --entry 100000 --margin 2500"


def printed(capsys: pytest.CaptureFixture[str], line: str, *more: str) -> str:
    assert main(["calc", *line.split(), *more]) == 0, capsys.readouterr().err
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def document_of(capsys: pytest.CaptureFixture[str], line: str, *more: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(printed(capsys, line, *more, "--format", "json"))
    return document


def test_the_document_of_one_position(capsys: pytest.CaptureFixture[str]) -> None:
    document = document_of(capsys, f"liquidation {ONE}")
    assert list(document) == [
        "kind", "schema_version", "engine_version", "calc", "formula", "inputs", "venue", "rules_date", "source",
        "assumed", "liquidation_price", "bankruptcy_price", "takeover_price", "liquidation_distance",
        "maintenance_margin", "initial_margin", "margin_ratio", "equity", "buffer", "notional", "tier", "tier_at_mark",
        "warnings",
    ]  # fmt: skip
    assert (document["kind"], document["schema_version"], document["calc"]) == ("calc", 1, "liquidation")
    assert document["inputs"] == {
        "account": None, "symbol": "BTC", "side": "long", "size": 1.0, "entry_price": 1e5, "mark_price": 1e5,
        "margin_mode": "isolated", "margin": 2500.0, "leverage": 40.0, "other_maintenance": 0.0, "other_pnl": 0.0,
        "opposite": 0.0,
    }  # fmt: skip
    assert document["tier"] == document["tier_at_mark"] == {
        "number": 1, "floor_quote": 0.0, "maintenance_rate": 0.0125, "deduction": 0.0, "max_leverage": 40.0,
    }  # fmt: skip
    figures = ("equity", "maintenance_margin", "buffer", "margin_ratio", "initial_margin", "notional")
    assert [document[name] for name in figures] == [2500.0, 1250.0, 1250.0, 0.5, 2500.0, 1e5]
    assert (document["venue"], document["rules_date"], document["assumed"]) == (
        "hyperliquid@2026-08-22", "2026-08-22", False,
    )  # fmt: skip
    assert document["warnings"] == []


def test_a_price_that_does_not_exist_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    document = document_of(capsys, f"liquidation {ONE.replace('2500', '200000')}")
    assert (document["liquidation_price"], document["tier"], document["bankruptcy_price"]) == (None, None, None)


def test_a_date_picks_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    document = document_of(capsys, f"liquidation {ONE.replace('hyperliquid', 'hyperliquid@2024-06-01')}")
    assert document["liquidation_price"] == pytest.approx(97_500 / 0.99)
    assert (document["rules_date"], document["tier"]["max_leverage"]) == ("2024-03-11", 50.0)


def test_a_portfolio_breaks_where_its_run_says(capsys: pytest.CaptureFixture[str]) -> None:
    [cell] = json.loads((ROOT / "tests" / "golden" / "demo-2025-10-10.json").read_text("utf-8"))
    of_run = [(account["name"], each) for account in cell["accounts"] for each in account["positions"]]
    marks = ",".join({f"{each['symbol']}={each['entry_price']}": None for _, each in of_run})
    document = document_of(capsys, f"liquidation --portfolio {DEMO} --mark {marks}")
    assert document["portfolio"]["name"] == str(DEMO)
    assert len(document["portfolio"]["sha256"]) == 64
    for found, (account, expected) in zip(document["positions"], of_run, strict=True):
        assert (found["account"], found["symbol"]) == (account, expected["symbol"])
        for name in ("liquidation_price", "bankruptcy_price"):
            assert found[name] == pytest.approx(expected[name], rel=1e-12)


def test_a_portfolio_on_another_venue_and_changed(capsys: pytest.CaptureFixture[str]) -> None:
    line = f"maintenance --portfolio {DEMO} --mark BTC=100000,ETH=4000 --venue binance-usdm@2020-03-12"
    first, *_ = document_of(capsys, line, "--set", "positions[BTC].size=20")["positions"]
    # 2 M at 2.5 % less 16,300; leverage 20 as the file says.
    assert (first["maintenance_margin"], first["initial_margin"]) == (2e6 * 0.025 - 16_300, 1e5)
    assert first["venue"] == "binance-usdm@2020-01-13"


def test_every_calculation_tells_the_legs_of_a_hedge_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    legs = "".join(
        f'[[accounts.positions]]\nsymbol = "BTCUSDT"\nside = "{side}"\nsize = 1.0\nmargin_mode = "cross"\n'
        "leverage = 10.0\nentry_price = 100_000.0\n"
        for side in ("long", "short")
    )
    head = '[[accounts]]\nname = "main"\nvenue = "binance-usdm"\ncollateral = { USDT = 50_000 }\n'
    file = tmp_path / "p.toml"
    file.write_text(f'name = "p"\n{head}position_mode = "hedge"\n{legs}')
    lines = {
        "liquidation": "--mark BTCUSDT=100000",
        "maintenance": "--mark BTCUSDT=100000",
        "leverage": "--mark BTCUSDT=100000 --move 5%",
        "funding": "--index BTCUSDT=100000 --mark BTCUSDT=100000 --rate BTCUSDT=0.01%",
    }
    for calc, options in lines.items():
        document = document_of(capsys, f"{calc} --portfolio {file} {options}")
        assert [each["inputs"]["side"] for each in document["positions"]] == ["long", "short"], calc
        text = printed(capsys, f"{calc} --portfolio {file} {options}")
        assert "long BTCUSDT 1" in text and "short BTCUSDT 1" in text, calc


def test_every_calculation_of_a_portfolio_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    prices = "BTC=116963.5,ETH=4019.55"
    lines = {
        "liquidation": f"--mark {prices}",
        "maintenance": f"--mark {prices}",
        "leverage": f"--mark {prices} --move 15%",
        "funding": f"--index {prices} --rate BTC=0.01%,ETH=0.02%",
    }
    for calc, options in lines.items():
        line = f"{calc} --portfolio {DEMO} {options}"
        document = document_of(capsys, line)
        assert [each["symbol"] for each in document["positions"]] == ["BTC", "ETH", "ETH"], calc
        table = list(csv.DictReader(io.StringIO(printed(capsys, line, "--format", "csv"))))
        assert [(row["account"], row["symbol"]) for row in table] == [
            ("main", "BTC"),
            ("main", "ETH"),
            ("hedge", "ETH"),
        ]
        header = printed(capsys, line, "--format", "csv").splitlines()[0].split(",")
        assert len(header) == len(set(header)), calc
        assert printed(capsys, line, "--format", "markdown").count("\n| ") == 5, calc
        assert printed(capsys, line).startswith(f"{calc} of {DEMO}\n"), calc


def test_csv_columns_do_not_depend_on_what_exists(capsys: pytest.CaptureFixture[str]) -> None:
    [row] = csv.DictReader(io.StringIO(printed(capsys, f"liquidation {ONE}", "--format", "csv")))
    safe = f"liquidation {ONE.replace('2500', '200000')}"
    [without] = csv.DictReader(io.StringIO(printed(capsys, safe, "--format", "csv")))
    assert list(row) == list(without)
    assert float(row["liquidation_price"]) == pytest.approx(97_500 / 0.9875)
    assert (row["tier.number"], without["tier.number"], without["liquidation_price"]) == ("1", "", "")


def test_the_table_puts_the_numbers_in(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, f"liquidation {ONE}")
    lines = text.splitlines()
    assert lines[0] == "long BTC 1 from 100,000, isolated with 2,500, mark 100,000 · hyperliquid@2026-08-22"
    assert lines[1] == "liquidation price   98,734.177  (1 × 100,000 − 2,500) / (1 − 1 × 1.25 %)"
    assert "tier                         1  at the liquidation price, from 0: 1.25 %, deduction 0, up to 40x" in lines
    assert "\nformula  P = (q·entry − margin" in text
    assert "\nsource   hyperliquid@2026-08-22: tiers: docs: trading/margin-tiers.md" in text


def test_the_table_of_funding_shows_the_way_from_premium_to_rate(capsys: pytest.CaptureFixture[str]) -> None:
    given = "--impact-bid 10100 --impact-ask 10110 --index 10000"
    text = printed(capsys, f"funding --venue hyperliquid --symbol BTC --side long --size 2 {given} --intervals 24")
    rows = [[part.strip() for part in line.split("  ") if part.strip()] for line in text.splitlines()]
    assert ["premium", "1 %", "(max(0, 10,100 − 10,000) − max(0, 10,000 − 10,110)) / 10,000"] in rows
    assert ["8 h rate", "0.95 %", "1 % + clamp(0.01 % − 1 %, ±0.05 %)"] in rows
    assert ["rate", "0.11875 %", "of 1 h, cap ±4 %"] in rows
    assert ["payment", "−23.75", "−1 × 20,000 × 0.11875 %"] in rows
    assert ["in all", "−570", "24 intervals"] in rows


def test_warnings_stand_in_the_document_and_below_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    line = "maintenance --venue hyperliquid --symbol NEWCOIN --size 1 --mark 10 --leverage 9"
    document = document_of(capsys, line)
    assert document["assumed"] is True
    assert document["warnings"][1] == "9x exceeds the 5x that hyperliquid@2026-08-22 allows at this size"
    assert f"\nwarning  {document['warnings'][1]}\n" in printed(capsys, line)


def test_leverage_without_a_move_says_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    line = "leverage --venue hyperliquid --symbol BTC --side long --size 2000 --mark 1e5"
    document = document_of(capsys, line)
    assert (document["max_leverage"], document["effective_leverage"], document["safe"]) == (20.0, None, None)
    assert document_of(capsys, line, "--margin", "5e7")["effective_leverage"] == 4.0


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (f"liquidation --portfolio {DEMO} --mark BTC=1e5,SOL=200", 2,
         "error[usage] --mark: missing for ETH\n  hint: --mark ETH=…\n"
         "error[usage] --mark: there is no position in SOL\n"),
        (f"liquidation --portfolio {DEMO} --side long", 2,
         "error[usage] --side: the portfolio says it\n  hint: change it there with --set\n"),
        (f"liquidation {ONE} --set a=b", 2,
         "error[usage] --set: changes a portfolio, and there is none\n  hint: add --portfolio\n"),
        (f"liquidation {ONE.replace('hyperliquid', 'hyperliqid')}", 3,
         'error[config] venue hyperliqid: unknown venue\n  hint: did you mean "hyperliquid"?\n'),
        (f"liquidation {ONE.replace('hyperliquid', 'hyperliquid@scenario')}", 2,
         "error[usage] venue hyperliquid@scenario: there is no scenario here\n"
         "  hint: name a date: hyperliquid@2025-10-10\n"),
        ("funding --venue hyperliquid --symbol BTC --side long --size 2 --rate 0.01% --mark 50000", 2,
         "error[usage] --index: missing for BTC\n"
         "  hint: funding is paid on, or measured from, the index price here: --index BTC=…\n"),
        ("funding --venue binance-usdm --symbol BTC --side long --size 2 --mark 50000", 2,
         "error[usage] --rate: is missing\n"
         "  hint: give one of --rate, --premium, or --impact-bid with --impact-ask and --index\n"),
        ("funding --venue binance-usdm --symbol BTC --side long --size 2 --mark 50000 --rate 1bps --premium 1%", 2,
         "error[usage] --rate: is said twice\n"
         "  hint: give one of --rate, --premium, or --impact-bid with --impact-ask and --index\n"),
        ("funding --venue binance-usdm --symbol BTC --side long --size 2 --mark 5e4 --impact-bid 2 --index 5e4", 2,
         "error[usage] --impact-bid: expected 0 < --impact-bid <= --impact-ask\n"),
        ("funding --venue hyperliquid --symbol BTC --side long --size 2 --impact-bid 2 --impact-ask 3", 2,
         "error[usage] --index: missing for BTC\n"
         "  hint: funding is paid on, or measured from, the index price here: --index BTC=…\n"),
        ("maintenance --venue hyperliquid --symbol BTC --size 1 --mark 0", 2,
         'error[usage] --mark: expected a number above 0, was "0"\n'),
    ],
)  # fmt: skip
def test_errors(capsys: pytest.CaptureFixture[str], line: str, code: int, message: str) -> None:
    assert main(["calc", *line.split()]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", message)


def test_it_needs_neither_engine_nor_tape() -> None:
    code = (
        "import sys; from backtester.cli.app import main; "
        f"main('calc liquidation {ONE} --format json'.split()); print(*sys.modules, file=sys.stderr)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stderr
    assert "backtester.calc.liquidation" in loaded.split()
    assert not set(loaded.split()) & {"numba", "numpy", "polars", "pyarrow", "rich"}


def test_a_value_that_cannot_be_read_is_echoed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calc", "leverage", "--venue", "hyperliquid", "--symbol", "BTC", "--size", "ab\x1bc"]) == 2
    error = capsys.readouterr().err
    assert "'--size'" in error
    assert 'was "ab\\x1bc"' in error


def test_leverage_above_that_of_the_tier_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    line = "leverage --venue hyperliquid --symbol BTC --side long --size 100 --mark 100000 --margin"
    (warning,) = document_of(capsys, line, "100000")["warnings"]
    assert warning == "100x exceeds the 40x that hyperliquid@2026-08-22 allows at this size"
    assert document_of(capsys, line, "250000")["warnings"] == []


def test_a_notional_of_a_portfolio_is_of_the_mark(capsys: pytest.CaptureFixture[str]) -> None:
    """50,000 USD at a mark of 100,000 are 0.5 BTC."""
    chosen = ["--portfolio", str(DEMO), "--set", "positions[BTC].size=50_000 USD", "--format", "json"]
    document = json.loads(printed(capsys, "maintenance --mark BTC=100000,ETH=4000", *chosen))
    assert document["positions"][0]["inputs"]["size"] == 0.5
