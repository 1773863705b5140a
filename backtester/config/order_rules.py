"""What the keys of an order must say together, and how the orders of an account may be linked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from backtester.config.lines import Place
from backtester.config.tables import Table, tables, text
from backtester.config.toml import Fault, did_you_mean

#: What the ids of the orders end with that `take_profit` and `stop_loss` stand for.
TAKE_PROFIT_ID, STOP_LOSS_ID = ".tp", ".sl"
#: Stands between the id of a plan and the number of its child.
CHILD_MARK = "#"

_TRIGGER = {"trigger_price", "trigger_by", "held", "price_protect"}
_TRAILING = {"callback", "activation_price", "trigger_by", "held", "price_protect"}
_LIMIT = {"price", "tif"}
_EXIT = {"take_profit", "stop_loss"}
_KEYS_OF_TYPE: dict[str, set[str]] = {
    "market": {"bound"} | _EXIT,
    "limit": _LIMIT | _EXIT,
    "stop_market": _TRIGGER | {"bound"} | _EXIT,
    "stop_limit": _TRIGGER | _LIMIT | _EXIT,
    "take_profit_market": _TRIGGER | {"bound"},
    "take_profit_limit": _TRIGGER | _LIMIT,
    "trailing_stop": _TRAILING | {"bound"},
}
_KEYS_OF_SOME_TYPE = set().union(*_KEYS_OF_TYPE.values())
_NEEDED_BY_TYPE = {
    "limit": ("price",),
    "stop_market": ("trigger_price",),
    "stop_limit": ("trigger_price", "price"),
    "take_profit_market": ("trigger_price",),
    "take_profit_limit": ("trigger_price", "price"),
    "trailing_stop": ("callback",),
}
_NAMES_OF_TYPE = {
    "market": "a market order",
    "limit": "a limit order",
    "stop_market": "a stop-market order",
    "stop_limit": "a stop-limit order",
    "take_profit_market": "a take-profit market order",
    "take_profit_limit": "a take-profit limit order",
    "trailing_stop": "a trailing stop",
}


def misfits_of_order(order: Table) -> dict[str, str]:
    """The keys that make no sense in this order, and why: by its type and its parent. An unknown type takes all."""
    kind = text(order, "type")
    of_type = _KEYS_OF_TYPE.get(kind)
    found = {}
    if of_type is not None:
        strangers = _KEYS_OF_SOME_TYPE - of_type - ({"held"} if "parent" in order else set())
        found = {key: f"{_NAMES_OF_TYPE[kind]} has no {key}" for key in strangers}
    if "parent" in order:
        found["at"] = "an order with a parent waits for that one, not for a time"
    else:
        found["after"] = "only an order with a parent has it"
    if order.get("reduce_only") is True:
        found |= dict.fromkeys(_EXIT, "an order that only reduces leaves nothing to take profit on")
    return found


def order_faults(order: Table, place: Place) -> Iterator[Fault]:
    """What is wrong with a single order."""
    kind = text(order, "type")
    misfits = misfits_of_order(order)
    for key in sorted(misfits.keys() & order.keys()):
        yield Fault((*place, key), misfits[key])
    for key in _NEEDED_BY_TYPE.get(kind, ()):
        if key not in order:
            yield Fault((*place, key), "missing key", f"{_NAMES_OF_TYPE[kind]} needs it")
    yield from id_faults(order, place)


def id_faults(table: Table, place: Place) -> Iterator[Fault]:
    """An order or a plan whose id could be that of a plan's child."""
    if CHILD_MARK in text(table, "id"):
        yield Fault((*place, "id"), f'an id has no "{CHILD_MARK}"', "it stands between a plan and its child orders")


def side_faults(item: Table, place: Place, account: Table) -> Iterator[Fault]:
    """An order or a plan whose position the account does not have; in hedge mode it must say which of two."""
    positions = [position for _, position in tables(account, "positions")]
    symbol, side = text(item, "symbol"), text(item, "position_side")
    hedged = account.get("position_mode") == "hedge"
    symbols = [text(position, "symbol") for position in positions]
    if symbol and symbol not in symbols:
        hint = did_you_mean(symbol, symbols) or "add a position of size 0 to say its margin mode and leverage"
        yield Fault((*place, "symbol"), f'the account has no position in "{symbol}"', hint)
    elif hedged and side and symbol and (symbol, side) not in [(text(p, "symbol"), text(p, "side")) for p in positions]:
        hint = f'add one of size 0 with side = "{side}"'
        yield Fault((*place, "position_side"), f"the account has no {side} position in {symbol}", hint)
    if hedged and "position_side" not in item:
        yield Fault((*place, "position_side"), "missing key", 'in hedge mode an order is for "long" or "short"')
    if hedged and "reduce_only" in item:
        yield Fault((*place, "reduce_only"), "in hedge mode side and position_side say whether an order reduces")
    if not hedged and "position_side" in item:
        hint = 'say position_mode = "hedge" in the account'
        yield Fault((*place, "position_side"), "a one-way account has one position in a symbol", hint)


def link_faults(account: Table, place: Place) -> Iterator[Fault]:
    """Ids that are not one order's own, parents that are not there or are in a circle, groups of one."""
    orders = list(tables(account, "orders"))
    seen: set[str] = set()
    for number, order in orders:
        ids = list(ids_of(order))
        if seen & set(ids):
            yield Fault((*place, "orders", number, "id"), "another order of the account has this id")
        seen.update(ids)
    parents = {text(order, "id"): text(order, "parent") for _, order in orders}
    groups = Counter(text(order, "oco") for _, order in orders)
    circular = _circular(parents)
    for number, order in orders:
        parent, group = text(order, "parent"), text(order, "oco")
        if parent and parent not in parents:
            plans = [text(plan, "id") for _, plan in tables(account, "plans")]
            is_plan = "that is a plan: an order waits for another order, or for a time (at)"
            hint = is_plan if parent in plans else did_you_mean(parent, parents)
            yield Fault((*place, "orders", number, "parent"), f'the account has no order "{parent}"', hint)
        elif parent and text(order, "id") in circular:
            yield Fault((*place, "orders", number, "parent"), "the order waits for itself")
        if group and groups[group] == 1:
            hint = did_you_mean(group, groups.keys() - {group}) or "give another order of the account the same oco"
            yield Fault((*place, "orders", number, "oco"), f'no other order is in the group "{group}"', hint)


def ids_of(order: Table) -> Iterator[str]:
    """The id of an order, and those of the orders that its take_profit and stop_loss stand for."""
    if name := text(order, "id"):
        yield name
        yield from (f"{name}{end}" for key, end in _ENDS.items() if key in order)


_ENDS = {"take_profit": TAKE_PROFIT_ID, "stop_loss": STOP_LOSS_ID}


def _circular(parents: Mapping[str, str]) -> set[str]:
    """Names that are their own ancestors. Every name is walked over once, however long the chains are."""
    found: set[str] = set()
    walked: set[str] = set()
    for name in parents:
        way: dict[str, None] = {}  # ordered
        while name in parents and name not in walked:
            walked.add(name)
            way[name] = None
            name = parents[name]
        if name in way:  # back on the way that was just walked: a circle from there on
            names = list(way)
            found.update(names[names.index(name) :])
    return found
