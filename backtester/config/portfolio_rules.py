"""What the keys of a portfolio must say together: rules that no single key can break.

They read the raw tables and leave what a single key gets wrong to the records, so that one look finds both kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from backtester.config.automation import automation_faults
from backtester.config.guard_rules import guard_faults
from backtester.config.lines import Place
from backtester.config.order_rules import link_faults, order_faults, side_faults
from backtester.config.plan_rules import plan_faults
from backtester.config.tables import Table, amount, duplicates, tables, text
from backtester.config.toml import Fault


def misfits_of_position(position: Table) -> set[str]:
    """The keys that make no sense in this position: it says its margin or its leverage, the other one follows."""
    if is_empty(position):
        return {"margin"}
    return {"leverage"} if "margin" in position else {"margin"} if "leverage" in position else set()


def is_empty(position: Table) -> bool:
    """Whether the position only says how its market is traded."""
    return position.get("size") in (0, 0.0)


def portfolio_faults(portfolio: Table) -> Iterator[Fault]:
    """All contradictions of a portfolio, its accounts, positions, orders and plans."""
    if portfolio.get("accounts") == []:
        yield Fault(("accounts",), "expected at least one account")
    yield from duplicates(portfolio, (), "accounts", "name", "another account has this name")
    for number, account in tables(portfolio, "accounts"):
        yield from _account_faults(account, ("accounts", number))


def _account_faults(account: Table, place: Place) -> Iterator[Fault]:
    yield from _same_market_faults(account, place)
    yield from duplicates(account, place, "plans", "id", "another plan of the account has this id")
    yield from duplicates(account, place, "guards", "id", "another guard of the account has this id")
    yield from guard_faults(account, place)
    yield from automation_faults(account, place)
    yield from _margin_faults(account, place)
    for index, position in tables(account, "positions"):
        yield from _position_faults(position, (*place, "positions", index))
    for index, order in tables(account, "orders"):
        yield from order_faults(order, (*place, "orders", index))
        yield from side_faults(order, (*place, "orders", index), account)
    yield from link_faults(account, place)
    for index, plan in tables(account, "plans"):
        yield from plan_faults(plan, (*place, "plans", index))
        yield from side_faults(plan, (*place, "plans", index), account)


def _same_market_faults(account: Table, place: Place) -> Iterator[Fault]:
    """One-way: one position in a symbol. Hedge mode: one long and one short."""
    if account.get("position_mode") != "hedge":
        message = "the account has another position in this symbol"
        yield from duplicates(account, place, "positions", "symbol", message)
        return
    seen = set()
    for number, position in tables(account, "positions"):
        held = (text(position, "symbol"), text(position, "side"))
        if held in seen:
            yield Fault((*place, "positions", number, "symbol"), f"the account has another {held[1]} position in it")
        seen.add(held)


def _position_faults(position: Table, place: Place) -> Iterator[Fault]:
    said = {"margin", "leverage"} & position.keys()
    if "margin" in said and is_empty(position):
        yield Fault((*place, "margin"), "a position of size 0 has no margin", "say its leverage")
    elif len(said) == 2:
        yield Fault((*place, "margin"), "a position says its leverage or its margin, not both", "keep one of them")
    if not said:
        yield Fault((*place, "leverage"), "missing key", "a position needs its leverage or its margin")


def _margin_faults(account: Table, place: Place) -> Iterator[Fault]:
    isolated = (position for _, position in tables(account, "positions") if position.get("margin_mode") == "isolated")
    margin = sum(_decimal(position.get("margin")) for position in isolated)
    collateral = account.get("collateral")
    amounts = list(collateral.values()) if isinstance(collateral, dict) else []
    if len(amounts) == 1 and 0 < _decimal(amounts[0]) < margin:
        message = f"isolated margins of {margin:,.2f} exceed the collateral of {amount(amounts[0]):,.2f}"
        yield Fault((*place, "collateral"), message)


def _decimal(value: object) -> Decimal:
    """An amount as it is written: as binary fractions 70.1 and 29.9 times a factor may be more than 100 times it."""
    return Decimal(repr(amount(value)))
