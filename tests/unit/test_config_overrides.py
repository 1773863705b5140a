"""`--set`: which places a key reaches, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtester.config.overrides import override
from backtester.config.portfolio import Portfolio, load_portfolio
from backtester.config.toml import parse_document
from backtester.errors import BacktesterError, ExitCode

TEXT = b"""\
name = "test"
[[accounts]]
name = "main"
venue = "hyperliquid"
collateral = { USDC = 250_000.0 }
positions = [
  { symbol = "BTC", side = "long", size = 5.0, margin_mode = "cross", leverage = 20 },
  { symbol = "ETH", side = "short", size = 9.0, margin_mode = "isolated", margin = 60_000.0 },
]
orders = [
  { id = "cut", symbol = "BTC", type = "market", side = "sell", size = 1.0 },
  { id = "bid", symbol = "BTC", type = "limit", side = "buy", size = 1.0, price = 9.0 },
  { id = "stop", symbol = "BTC", type = "stop_market", side = "sell", size = 5.0, trigger_price = 8.0 },
]
[[accounts]]
name = "other"
venue = "hyperliquid"
collateral = { USDC = 1_000.0 }
positions = [{ symbol = "BTC", side = "long", size = 1.0, margin_mode = "isolated", leverage = 5 }]
"""


def changes(*overrides: str) -> dict[str, Any]:
    """Every value that overrides changed or added, by its place."""
    before = parse_document(TEXT, "p.toml")
    after = override(before, overrides, Portfolio)
    old, new = flat(before.data), flat(after.data)
    assert old == flat(parse_document(TEXT, "p.toml").data), "the document itself is never changed"
    assert all(key in new for key in old)
    return {key: value for key, value in new.items() if old.get(key) != value}


def flat(value: Any, place: str = "") -> dict[str, Any]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {place: value}
    return {k: v for key, item in items for k, v in flat(item, f"{place}.{key}".lstrip(".")).items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A bare key: every place where it may stand.
        ("venue=other", {"accounts.0.venue": "other", "accounts.1.venue": "other"}),
        ("leverage=10", {"accounts.0.positions.0.leverage": 10, "accounts.1.positions.0.leverage": 10}),
        ("margin=5.5", {"accounts.0.positions.1.margin": 5.5}),
        ("price=mark-1%", {"accounts.0.orders.1.price": "mark-1%"}),
        ("held=client", {"accounts.0.orders.2.held": "client"}),
        ("margin_mode=isolated", {"accounts.0.positions.0.margin_mode": "isolated"}),
        ("reduce_only=true", {f"accounts.0.orders.{n}.reduce_only": True for n in range(3)}),
        # A path, with and without selectors, from any table.
        ("accounts[main].positions[BTC].margin_mode=isolated", {"accounts.0.positions.0.margin_mode": "isolated"}),
        ("accounts[main].positions.size=2", {"accounts.0.positions.0.size": 2, "accounts.0.positions.1.size": 2}),
        ("positions[BTC].size=2", {"accounts.0.positions.0.size": 2, "accounts.1.positions.0.size": 2}),
        ("orders[BTC].size=2", {f"accounts.0.orders.{n}.size": 2 for n in range(3)}),
        ("orders[cut].at=10m", {"accounts.0.orders.0.at": "10m"}),
        ("accounts[other].collateral.USDC=7", {"accounts.1.collateral.USDC": 7}),
        ('accounts[other].name="x = [1]"', {"accounts.1.name": "x = [1]"}),
        # What is there, multiplied: only where something is.
        ("positions.size=*1.5", {
            "accounts.0.positions.0.size": 7.5, "accounts.0.positions.1.size": 13.5, "accounts.1.positions.0.size": 1.5
        }),
        ("leverage=*2", {"accounts.0.positions.0.leverage": 40, "accounts.1.positions.0.leverage": 10}),
        ("leverage=+10%", {"accounts.0.positions.0.leverage": 22, "accounts.1.positions.0.leverage": 5.5}),
        ("collateral.USDC=-10%", {"accounts.0.collateral.USDC": 225_000.0, "accounts.1.collateral.USDC": 900.0}),
        ("orders[cut].size=*0.3", {"accounts.0.orders.0.size": 0.3}),
        ('accounts[other].name="*2"', {"accounts.1.name": "*2"}),
        # A path names a place: it reaches it even if the key makes no sense there, and validation says so.
        ("orders[cut].price=3", {"accounts.0.orders.0.price": 3}),
    ],
)  # fmt: skip
def test_where_a_key_reaches(text: str, expected: dict[str, Any]) -> None:
    assert changes(text) == expected


def test_a_bare_key_of_several_kinds_of_tables_must_say_which() -> None:
    with pytest.raises(BacktesterError) as caught:
        changes("size=2")
    assert str(caught.value) == (
        "error[usage] --set size=2: positions and orders have this key\n"
        "  hint: say positions.size or orders.size, or *.size"
    )
    sizes = {f"accounts.0.orders.{n}.size": 2 for n in range(3)} | changes("positions.size=2")
    assert changes("*.size=2") == sizes


def test_what_was_there_is_said() -> None:
    after = override(parse_document(TEXT, "p.toml"), ["orders[cut].at=10m", "*.size=2"], Portfolio)
    assert after.changes == (
        "--set orders[cut].at=10m: main cut at was not said",
        "--set *.size=2: main BTC size was 5.0, main ETH size was 9.0, main cut size was 1.0, main bid size was 1.0, "
        "and 2 more",
    )
    assert after.reached == (
        ("orders[cut].at", "main cut"),
        ("*.size", "main BTC, main ETH, main cut, main bid, and 2 more"),
    )


def test_a_factor_multiplies_what_overrides_before_it_say() -> None:
    assert changes("positions[ETH].size=4", "positions[ETH].size=*1.5") == {"accounts.0.positions.1.size": 6}


def test_a_share_of_a_position_follows_the_position() -> None:
    shares = TEXT.replace(b'"sell", size = 1.0', b'"sell", size = "50%"').replace(
        b'"buy", size = 1.0', b'"buy", size = "all"'
    )
    after = override(parse_document(shares, "p.toml"), ["*.size=*2"], Portfolio)
    assert [order["size"] for order in after.data["accounts"][0]["orders"]] == ["50%", "all", 10.0]
    assert after.reached == (("*.size", "main BTC, main ETH, main stop, other BTC"),)
    with pytest.raises(BacktesterError) as caught:
        override(parse_document(shares, "p.toml"), ["orders[cut].size=*2"], Portfolio)
    assert "there is nothing to multiply: shares of positions follow those" in str(caught.value)


def test_later_overrides_win() -> None:
    assert changes("positions.size=2", "positions[ETH].size=3") == {
        "accounts.0.positions.0.size": 2,
        "accounts.0.positions.1.size": 3,
        "accounts.1.positions.0.size": 2,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("margn_mode=cross", '--set margn_mode=cross: no place takes this key\n  hint: did you mean "margin_mode"?'),
        ("leverage", "--set leverage: expected key=value\n  hint: for example --set leverage=10"),
        ("=10", "--set =10: expected key=value\n  hint: for example --set leverage=10"),
        ("positions[].size=1", "--set positions[].size=1: expected key=value\n  hint: for example --set leverage=10"),
        (
            "positions[BTX].size=1",
            '--set positions[BTX].size=1: there is no positions[BTX]\n  hint: did you mean "BTC"?',
        ),
        ("positions[SOL].size=1", "--set positions[SOL].size=1: there is no positions[SOL]\n  hint: known: BTC, ETH"),
        (
            "positions[BTC]=1",
            "--set positions[BTC]=1: the key ends at a table\n  hint: add a key of it: positions[BTC].size=1",
        ),
        (
            "positions.size=*x",
            "--set positions.size=*x: *x is no factor\n"
            "  hint: *1.5 is half as much again, -10% a tenth less; a text stands in quotes",
        ),
        (
            "positions.size=-100%",
            "--set positions.size=-100%: -100% leaves nothing\n"
            "  hint: a factor is above 0; what shall be 0 is said as 0",
        ),
        (
            "orders[cut].price=*2",
            "--set orders[cut].price=*2: there is nothing to multiply: no place of it says price\n"
            "  hint: say the value itself",
        ),
        (
            "accounts[main].positions.side=*2",
            '--set accounts[main].positions.side=*2: main BTC side "long" is no number that can be multiplied\n'
            "  hint: say the value itself\n"
            'error[usage] --set accounts[main].positions.side=*2: main ETH side "short" is no number that can be '
            "multiplied\n  hint: say the value itself",
        ),
        ("accounts[other].orders[cut].size=1", "--set accounts[other].orders[cut].size=1: no place takes this key"),
    ],
)
def test_a_key_without_a_place_is_a_usage_error(text: str, message: str) -> None:
    with pytest.raises(BacktesterError) as caught:
        changes(text)
    assert str(caught.value) == f"error[usage] {message}"
    assert caught.value.exit_code is ExitCode.USAGE


def test_an_invalid_value_names_the_override_as_its_place(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(TEXT)
    with pytest.raises(BacktesterError) as caught:
        load_portfolio(path, ["leverage=0", "positions[ETH].margin_mode=croos"])
    assert str(caught.value).splitlines() == [
        "error[config] --set leverage=0 accounts.0.positions.0.leverage: expected at least 1, was 0",
        "error[config] --set positions[ETH].margin_mode=croos accounts.0.positions.1.margin_mode: "
        'expected "isolated" or "cross", was "croos"',
        '  hint: did you mean "cross"?',
        "error[config] --set leverage=0 accounts.1.positions.0.leverage: expected at least 1, was 0",
    ]


def test_a_good_override_reaches_the_portfolio(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(TEXT)
    file = load_portfolio(path, ["accounts[main].positions[BTC].margin_mode=isolated"])
    assert [position.margin_mode for position in file.portfolio.accounts[0].positions] == ["isolated", "isolated"]
    assert file.sha256 == load_portfolio(path).sha256
