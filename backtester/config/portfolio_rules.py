"""What the keys of a portfolio must say together: rules that no single key can break.

They read the raw tables and leave what a single key gets wrong to the records, so that one look finds both kinds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from backtester.config.lines import Place
from backtester.config.toml import Fault, did_you_mean
from backtester.config.values import LARGEST

Table = Mapping[str, Any]

_KEYS_OF_TYPE: dict[str, set[str]] = {
    "market": set(),
    "limit": {"price", "tif"},
    "stop_market": {"trigger_price", "trigger_by", "held", "price_protect"},
}
_NEEDED_BY_TYPE = {"limit": ("price",), "stop_market": ("trigger_price",)}
_NAMES_OF_TYPE = {"market": "a market order", "limit": "a limit order", "stop_market": "a stop-market order"}


def misfits_of_position(position: Table) -> set[str]:
    """The keys that make no sense in this position: cross has no margin, isolated has it or a leverage."""
    if position.get("margin_mode") != "isolated":
        return {"margin"}
    return {"leverage"} if "margin" in position else {"margin"} if "leverage" in position else set()


def misfits_of_order(order: Table) -> set[str]:
    """The keys that make no sense in this order, by its type. An unknown type takes all."""
    of_type = _KEYS_OF_TYPE.get(_text(order, "type"))
    return set() if of_type is None else set().union(*_KEYS_OF_TYPE.values()) - of_type


def portfolio_faults(portfolio: Table) -> Iterator[Fault]:
    """All contradictions of a portfolio, its accounts, positions and orders."""
    if portfolio.get("accounts") == []:
        yield Fault(("accounts",), "expected at least one account")
    yield from _duplicates(portfolio, (), "accounts", "name", "another account has this name")
    for number, account in _tables(portfolio, "accounts"):
        place = ("accounts", number)
        yield from _duplicates(account, place, "positions", "symbol", "the account has another position in this symbol")
        yield from _duplicates(account, place, "orders", "id", "another order of the account has this id")
        yield from _margin_faults(account, place)
        for index, position in _tables(account, "positions"):
            yield from _position_faults(position, (*place, "positions", index))
        symbols = [_text(position, "symbol") for _, position in _tables(account, "positions")]
        for index, order in _tables(account, "orders"):
            yield from _order_faults(order, (*place, "orders", index), symbols)


def _position_faults(position: Table, place: Place) -> Iterator[Fault]:
    mode, has = position.get("margin_mode"), position.keys()
    if mode == "cross" and "margin" in has:
        yield Fault((*place, "margin"), "a cross position has no margin of its own", 'say margin_mode = "isolated"')
    if mode == "cross" and "leverage" not in has:
        yield Fault((*place, "leverage"), "missing key", "a cross position needs its leverage setting")
    if mode == "isolated" and {"margin", "leverage"} <= has:
        yield Fault((*place, "margin"), "an isolated position has leverage or margin, not both", "keep one of them")
    if mode == "isolated" and not {"margin", "leverage"} & has:
        yield Fault((*place, "margin"), "missing key", "an isolated position needs margin or leverage")


def _order_faults(order: Table, place: Place, symbols: list[str]) -> Iterator[Fault]:
    order_type = _text(order, "type")
    for key in sorted(misfits_of_order(order) & order.keys()):
        yield Fault((*place, key), f"{_NAMES_OF_TYPE[order_type]} has no {key}")
    for key in _NEEDED_BY_TYPE.get(order_type, ()):
        if key not in order:
            yield Fault((*place, key), "missing key", f"{_NAMES_OF_TYPE[order_type]} needs it")
    symbol = _text(order, "symbol")
    if symbol and symbol not in symbols:
        hint = did_you_mean(symbol, symbols) or "add a position of size 0 to say its margin mode and leverage"
        yield Fault((*place, "symbol"), f'the account has no position in "{symbol}"', hint)


def _margin_faults(account: Table, place: Place) -> Iterator[Fault]:
    isolated = (position for _, position in _tables(account, "positions") if position.get("margin_mode") == "isolated")
    margin = math.fsum(_amount(position.get("margin")) for position in isolated)
    collateral = account.get("collateral")
    amounts = list(collateral.values()) if isinstance(collateral, dict) else []
    if len(amounts) == 1 and 0 < _amount(amounts[0]) < margin:
        message = f"isolated margins of {margin:,.2f} exceed the collateral of {_amount(amounts[0]):,.2f}"
        yield Fault((*place, "collateral"), message)


def _duplicates(table: Table, place: Place, key: str, identity: str, message: str) -> Iterator[Fault]:
    seen = set()
    for number, item in _tables(table, key):
        name = _text(item, identity)
        if name and name in seen:
            yield Fault((*place, key, number, identity), message)
        seen.add(name)


def _tables(table: Table, key: str) -> Iterator[tuple[int, Table]]:
    """The tables of an array, numbered; nothing where the document is malformed."""
    items = table.get(key)
    return ((n, item) for n, item in enumerate(items if isinstance(items, list) else ()) if isinstance(item, dict))


def _text(table: Table, key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _amount(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < LARGEST else 0.0
