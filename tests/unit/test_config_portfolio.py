"""The portfolio file: what a good one becomes, and the exact line that each fault gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.portfolio import Order, Position, load_portfolio
from backtester.config.toml import did_you_mean
from backtester.config.values import Collateral, Instant, Offset, RelativePrice
from backtester.enums import Held, OrderType, PriceSeries, Side, TimeInForce
from backtester.errors import BacktesterError, ExitCode

GOOD = """\
name = "test"
[[accounts]]
name = "main"
venue = "hyperliquid"
collateral = { USDC = 250_000.0 }
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
  entry_price = "mark-1.5%"
  margin_mode = "isolated"
  margin = 60_000.0
  [[accounts.orders]]
  id = "cut"
  symbol = "BTC"
  type = "market"
  side = "sell"
  size = 1.0
  at = "90s"
  [[accounts.orders]]
  id = "bid"
  symbol = "BTC"
  type = "limit"
  side = "buy"
  size = 1.0
  price = 100_000
  tif = "post_only"
  at = 2025-10-10T21:15:00Z
  [[accounts.orders]]
  id = "stop"
  symbol = "BTC"
  type = "stop_market"
  side = "sell"
  size = 5.0
  trigger_price = "mark-6%"
  trigger_by = "last"
  reduce_only = true
  held = "client"
  reaction = "200ms"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(text: str | bytes, *overrides: str) -> list[str]:
    """What the user reads for a portfolio.toml in the current directory; hints stand on lines of their own."""
    Path("portfolio.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BacktesterError) as caught:
        load_portfolio("portfolio.toml", overrides)
    assert caught.value.exit_code is ExitCode.CONFIG
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def test_a_good_portfolio(folder: Path) -> None:
    Path("portfolio.toml").write_text(GOOD)
    file = load_portfolio("portfolio.toml")
    [account] = file.portfolio.accounts
    assert (account.name, account.venue, account.collateral) == ("main", "hyperliquid", Collateral("USDC", 250_000.0))
    btc, eth = account.positions
    assert btc == Position(symbol="BTC", side="long", size=5.0, margin_mode="cross", leverage=20.0)  # type: ignore[arg-type]
    assert (btc.side, btc.entry_price, btc.margin) == (Side.BUY, RelativePrice("mark", 0.0), None)
    assert (eth.side, eth.entry_price, eth.leverage, eth.margin) == (
        Side.SELL, RelativePrice("mark", -0.015), None, 60_000.0,
    )  # fmt: skip
    cut, bid, stop = account.orders
    assert (cut.type, cut.at, cut.reduce_only, cut.reaction_ns) == (OrderType.MARKET, Offset(90 * 10**9), False, 0)
    assert (bid.type, bid.price, bid.tif, bid.side) == (OrderType.LIMIT, 100_000.0, TimeInForce.POST_ONLY, Side.BUY)
    assert bid.at == Instant(1_760_130_900_000_000_000)
    assert (stop.trigger_price, stop.trigger_by, stop.held) == (
        RelativePrice("mark", -0.06), PriceSeries.LAST, Held.CLIENT,
    )  # fmt: skip
    assert (stop.reduce_only, stop.reaction_ns, stop.at) == (True, 200_000_000, None)
    assert isinstance(stop, Order)
    assert str(file.where("accounts", 0, "positions", 1, "size")) == "portfolio.toml:15 accounts.0.positions.1.size"
    assert len(file.sha256) == 64


ONE_FAULT = [
    ('name = "test"\n', 'nme = "test"\nname = "test"\n', "1 nme: unknown key", 'did you mean "name"?'),
    ('name = "test"\n', "", "1 name: missing key", ""),
    ('name = "test"\n', 'name = ""\n', '1 name: expected a text that is not empty, was ""', ""),
    ('venue = "hyperliquid"\n', "", "2 accounts.0.venue: missing key", ""),
    ('venue = "hyperliquid"', "venue = 7", "4 accounts.0.venue: expected a text, was 7", ""),
    ("USDC = 250_000.0", "", "5 accounts.0.collateral: expected a table such as { USDC = 250_000.0 }, was a table", ""),
    (
        "USDC = 250_000.0",
        "USDC = 250_000.0, BTC = 1.0",
        "5 accounts.0.collateral: one collateral asset is supported, found USDC, BTC",
        "",
    ),
    ("USDC = 250_000.0", "USDC = -1", "5 accounts.0.collateral: the amount of USDC must be a number above 0", ""),
    (
        "USDC = 250_000.0",
        "USDC = 59_999.5",
        "5 accounts.0.collateral: isolated margins of 60,000.00 exceed the collateral of 59,999.50",
        "",
    ),
    (
        'side = "long"',
        'side = "lon"',
        '8 accounts.0.positions.0.side: expected "long" or "short", was "lon"',
        'did you mean "long"?',
    ),
    (
        "size = 5\n",
        "size = -5\n",
        "9 accounts.0.positions.0.size: expected at least 0, was -5",
        "side says the direction",
    ),
    (
        "size = 5\n",
        "size = true\n",
        '9 accounts.0.positions.0.size: expected a number or a notional such as "50_000 USD", was true',
        "",
    ),
    (
        "size = 5\n",
        'size = "5"\n',
        '9 accounts.0.positions.0.size: expected a number or a notional such as "50_000 USD", was "5"',
        "",
    ),
    ("size = 5\n", "size = inf\n", "9 accounts.0.positions.0.size: expected a number below 1e+18, was Infinity", ""),
    (
        '"cross"',
        '"croos"',
        '10 accounts.0.positions.0.margin_mode: expected "isolated" or "cross", was "croos"',
        'did you mean "cross"?',
    ),
    ("leverage = 20", "leverage = 0.5", "11 accounts.0.positions.0.leverage: expected at least 1, was 0.5", ""),
    (
        "leverage = 20",
        "leverage = 1e9",
        "11 accounts.0.positions.0.leverage: expected at most 1000, was 1000000000.0",
        "",
    ),
    (
        "leverage = 20",
        "",
        "6 accounts.0.positions.0.leverage: missing key",
        "a position needs its leverage or its margin",
    ),
    (
        "leverage = 20",
        "leverage = 20\nmargin = 1.0",
        "12 accounts.0.positions.0.margin: a position says its leverage or its margin, not both",
        "keep one of them",
    ),
    (
        'symbol = "ETH"',
        'symbol = "BTC"',
        "13 accounts.0.positions.1.symbol: the account has another position in this symbol",
        "",
    ),
    (
        '"mark-1.5%"',
        '"mrk"',
        '16 accounts.0.positions.1.entry_price: expected a price above 0, "mark" or "mark-1.5%", was "mrk"',
        'did you mean "mark"?',
    ),
    (
        "margin = 60_000.0",
        "",
        "12 accounts.0.positions.1.leverage: missing key",
        "a position needs its leverage or its margin",
    ),
    (
        "margin = 60_000.0",
        "margin = 60_000.0\nleverage = 3",
        "18 accounts.0.positions.1.margin: a position says its leverage or its margin, not both",
        "keep one of them",
    ),
    (
        "size = 150.0",
        "size = 0",
        "18 accounts.0.positions.1.margin: a position of size 0 has no margin",
        "say its leverage",
    ),
    ("margin = 60_000.0", "margin = 0", "18 accounts.0.positions.1.margin: expected more than 0, was 0", ""),
    ('id = "bid"', 'id = "cut"', "27 accounts.0.orders.1.id: another order of the account has this id", ""),
    (
        'id = "cut"\n  symbol = "BTC"',
        'id = "cut"\n  symbol = "BTCC"',
        '21 accounts.0.orders.0.symbol: the account has no position in "BTCC"',
        'did you mean "BTC"?',
    ),
    (
        'id = "cut"\n  symbol = "BTC"',
        'id = "cut"\n  symbol = "SOL"',
        '21 accounts.0.orders.0.symbol: the account has no position in "SOL"',
        "add a position of size 0 to say its margin mode and leverage",
    ),
    (
        'type = "market"',
        'type = "markt"',
        '22 accounts.0.orders.0.type: expected "market", "limit", "stop_market", "stop_limit", '
        '"take_profit_market", "take_profit_limit" or "trailing_stop", was "markt"',
        'did you mean "market"?',
    ),
    (
        'at = "90s"',
        'at = "90"',
        '25 accounts.0.orders.0.at: expected an offset such as "90s" or a time such as "2025-10-10T21:15:00Z", '
        'was "90"',
        'did you mean "90s"?',
    ),
    ('at = "90s"', "price = 1.0", "25 accounts.0.orders.0.price: a market order has no price", ""),
    ("price = 100_000", "", "26 accounts.0.orders.1.price: missing key", "a limit order needs it"),
    (
        'tif = "post_only"',
        'tif = "fak"',
        '33 accounts.0.orders.1.tif: expected "gtc", "ioc", "post_only" or "fok", was "fak"',
        'did you mean "fok"?',
    ),
    ('tif = "post_only"', 'held = "client"', "33 accounts.0.orders.1.held: a limit order has no held", ""),
    (
        'trigger_price = "mark-6%"',
        "",
        "35 accounts.0.orders.2.trigger_price: missing key",
        "a stop-market order needs it",
    ),
    ('trigger_by = "last"', 'tif = "gtc"', "42 accounts.0.orders.2.tif: a stop-market order has no tif", ""),
    (
        '"200ms"',
        '"200 ms"',
        '45 accounts.0.orders.2.reaction: expected a duration such as "200ms", "90s" or "10m", was "200 ms"',
        'did you mean "200ms"?',
    ),
    (
        'reaction = "200ms"',
        '[[accounts.rules]]\nid = "buffer"',
        "45 accounts.0.rules: unknown key",
        "protective rules are guards: [[accounts.guards]]",
    ),
    (
        'reaction = "200ms"',
        '[[accounts]]\nname = "main"\nvenue = "x"\ncollateral = { USDC = 1 }',
        "46 accounts.1.name: another account has this name",
        "",
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "hint"), ONE_FAULT, ids=lambda value: str(value)[:40])
def test_one_fault_gives_one_line(folder: Path, old: str, new: str, line: str, hint: str) -> None:
    found = [
        text
        for text in lines_of(changed(old, new))
        if "levrage" not in text and text != '  hint: did you mean "leverage"?'
    ]
    assert found == [f"error[config] portfolio.toml:{line}", *([f"  hint: {hint}"] if hint else [])]


def test_all_faults_of_a_file_come_at_once_in_the_order_of_its_lines(folder: Path) -> None:
    text = GOOD.replace('"cross"', '"croos"').replace("size = 150.0", "size = nan").replace("price = 100_000\n", "")
    text = text.replace('id = "stop"', 'id = "cut"').replace('"last"', '"lost"').replace('name = "test"', "naem = 1")
    assert [line.partition(": ")[0] for line in lines_of(text) if not line.startswith("  hint")] == [
        "error[config] portfolio.toml:1 name",
        "error[config] portfolio.toml:1 naem",
        "error[config] portfolio.toml:10 accounts.0.positions.0.margin_mode",
        "error[config] portfolio.toml:15 accounts.0.positions.1.size",
        "error[config] portfolio.toml:26 accounts.0.orders.1.price",
        "error[config] portfolio.toml:35 accounts.0.orders.2.id",
        "error[config] portfolio.toml:41 accounts.0.orders.2.trigger_by",
    ]


def test_a_table_in_place_of_an_array_of_tables(folder: Path) -> None:
    assert lines_of('name = "x"\n[accounts]\nname = "main"\n') == [
        "error[config] portfolio.toml:2 accounts: expected an array of tables, was a table",
        "  hint: write [[accounts]]",
    ]


def test_a_portfolio_without_accounts(folder: Path) -> None:
    assert lines_of('name = "x"\naccounts = []\n') == [
        "error[config] portfolio.toml:2 accounts: expected at least one account"
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name = "x"\nname = "y"\n', "portfolio.toml:2: not TOML: cannot overwrite a value"),
        ("name = \n", "portfolio.toml:1: not TOML: invalid value"),
        (b'name = "\xff"', "portfolio.toml: not UTF-8 at byte 8"),
    ],
)
def test_what_is_no_toml(folder: Path, text: str | bytes, line: str) -> None:
    assert lines_of(text) == [f"error[config] {line}"]


def test_a_missing_file(folder: Path) -> None:
    with pytest.raises(BacktesterError, match="cannot be read: No such file or directory"):
        load_portfolio("absent.toml")


def test_windows_line_ends_keep_their_lines(folder: Path) -> None:
    text = b"\xef\xbb\xbf" + changed('"cross"', '"croos"').replace("\n", "\r\n").encode()
    assert lines_of(text)[0].startswith("error[config] portfolio.toml:10 accounts.0.positions.0.margin_mode")


def test_the_demo_portfolio_is_valid() -> None:
    demo = load_portfolio(Path(__file__).parents[2] / "data" / "demo-portfolio.toml").portfolio
    orders = [order for account in demo.accounts for order in account.orders]
    assert {order.held for order in orders} == {Held.VENUE, Held.CLIENT}
    assert {order.type for order in orders} >= {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_MARKET}
    assert {position.margin_mode for account in demo.accounts for position in account.positions} == {
        "cross",
        "isolated",
    }


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [("buy", ["long", "short"], "long"), ("long", ["buy", "sell"], "buy"), ("SELL", ["buy", "sell"], "sell"),
     ("stop", ["market", "stop_market", "stop_limit"], "stop_market"), ("Sell", ["long", "short"], "short")],
)  # fmt: skip
def test_words_of_other_venues_and_tickets(word: str, known: list[str], meant: str) -> None:
    assert did_you_mean(word, known) == f'did you mean "{meant}"?'


@pytest.mark.parametrize("array", ["positions", "orders", "plans"])
def test_what_belongs_to_an_account_and_stands_above_it(tmp_path: Path, array: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f'name = "p"\n[[{array}]]\nsymbol = "BTC"\n')
    with pytest.raises(BacktesterError) as caught:
        load_portfolio(path)
    (missing, found) = caught.value.diagnostics
    assert (found.message, found.hint) == (
        "unknown key", f"{array} belong to an account: [[accounts.{array}]]",
    )  # fmt: skip
    assert missing.message == "missing key"
