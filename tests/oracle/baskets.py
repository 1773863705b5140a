"""Random orders of one account: single ones, groups of which one cancels the others, brackets, chains and plans."""

from __future__ import annotations

from random import Random

from backtester.engine import spec
from backtester.enums import After, Held, OrderType, Peg, PriceSeries, Side, TimeInForce
from tests.oracle.tapes import Scale

Orders = list[spec.Order]

#: Types and how often they are drawn.
TYPES = {
    OrderType.MARKET: 3,
    OrderType.LIMIT: 8,
    OrderType.STOP_MARKET: 3,
    OrderType.STOP_LIMIT: 2,
    OrderType.TAKE_PROFIT_MARKET: 2,
    OrderType.TAKE_PROFIT_LIMIT: 2,
    OrderType.TRAILING_STOP: 4,
}
LIMITED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)

IMMEDIATE = [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]
LASTING = [TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.POST_ONLY, TimeInForce.FOK]


def basket(random: Random, scale: Scale, places: int) -> tuple[tuple[spec.Order, ...], tuple[spec.Plan, ...]]:
    """Orders and plans of an account with so many places."""
    orders = [single(random, scale, places) for _ in range(random.randrange(11))]
    _link_some(random, orders)
    if random.random() < 0.5:
        _add_meeting(random, scale, places, orders)
    if random.random() < 0.4:
        _add_bracket(random, scale, places, orders)
    plans: list[spec.Plan] = []
    for number in range(random.choice([0, 0, 0, 1, 1, 2])):
        plans.append(_plan(random, number, places))
        _add_children(random, scale, plans[number], number, orders)
    return tuple(_shuffled(random, orders)), tuple(plans)


def single(random: Random, scale: Scale, places: int) -> spec.Order:
    """An order that depends on no other."""
    type_ = random.choices(list(TYPES), list(TYPES.values()))[0]
    at_start = random.random() < 0.4
    at_units = random.randint(-2, scale.duration_units)
    cancel_units = at_units + random.choice([-3, 0, 0, 1, 2, 4, 9, 30])
    if at_start:
        cancel_units = random.choice([-2, 0, 1, 3, 9, 30])
    by_rate = random.random() < 0.5
    return spec.Order(
        id="",
        position=random.randrange(places),
        type=type_,
        tif=random.choice(LASTING if type_ in LIMITED else IMMEDIATE),
        side=random.choice([Side.SELL, Side.BUY]),
        lots=random.randint(1, 5),
        limit_tick=random.randint(8, 16),
        trigger_tick=0 if type_ == OrderType.TRAILING_STOP else random.randint(7, 17),
        trigger_by=random.choice(list(PriceSeries)),
        reduce_only=random.random() < 0.2,
        held=random.choice(list(Held)),
        reaction_ns=random.choice([0, 0, 1, 4]) * scale.unit_ns,
        at_ns=spec.START_NS if at_start else scale.start_ns + at_units * scale.unit_ns,
        price_protect=random.random() < 0.5,
        cancel_at_ns=scale.start_ns + cancel_units * scale.unit_ns if random.random() < 0.3 else -1,
        cancel_after_ns=random.choice([0, 0, 0, 0, 1, 3, 9]) * scale.unit_ns,
        bound=random.choice([0.0, 0.0, 0.0, 1 / 16, 1 / 3]),
        callback_rate=random.choice([1 / 16, 1 / 8, 0.1]) if by_rate else 0.0,
        callback_ticks=0 if by_rate else random.choice([1, 1, 2, 3]),
        activation_tick=random.choice([0, 0, random.randint(9, 15)]),
        peg=random.choice(list(Peg)) if type_ == OrderType.LIMIT and random.random() < 0.3 else Peg.NONE,
        key=random.choice([random.randrange(2**63), 0, 2**63 - 1]),
    )


def _add_meeting(random: Random, scale: Scale, places: int, orders: Orders) -> None:
    """One or two orders that rest near the middle, and one on the other side that may reach them (RULES 3.7)."""
    side = random.choice([Side.SELL, Side.BUY])
    for _ in range(random.choice([1, 2])):
        tick = 12 - side * random.choice([0, 1, 1, 2])
        rests = single(random, scale, places)._replace(
            type=OrderType.LIMIT, tif=TimeInForce.GTC, side=side, limit_tick=tick, peg=Peg.NONE, reduce_only=False
        )
        orders.append(rests._replace(lots=1, at_ns=spec.START_NS, cancel_at_ns=-1, cancel_after_ns=0))
    at_ns = scale.start_ns + random.randint(1, 1 + scale.duration_units // 2) * scale.unit_ns
    arrives = single(random, scale, places)._replace(
        type=random.choice([OrderType.MARKET, OrderType.LIMIT]), side=-side, limit_tick=12 - side * 4, peg=Peg.NONE
    )
    tif = random.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK])
    orders.append(arrives._replace(tif=tif, lots=random.randint(2, 9), at_ns=at_ns, reduce_only=False))


# -- links (RULES 4.6) -------------------------------------------------------------------------------------------------


def _link_some(random: Random, orders: Orders) -> None:
    """Some are children of an earlier one, some belong to a group."""
    for number, order in enumerate(orders):
        if number and random.random() < 0.25:
            child = order._replace(size_of_parent=random.random() < 0.3)
            orders[number] = child_of(child, random.randrange(number), random.choice(list(After)))
        if random.random() < 0.25:
            orders[number] = orders[number]._replace(oco=random.randrange(2))


def child_of(order: spec.Order, parent: int, after: After) -> spec.Order:
    """The same order, sent when its parent has ended."""
    return order._replace(parent=parent, after=after, at_ns=spec.START_NS)


def _add_bracket(random: Random, scale: Scale, places: int, orders: Orders) -> None:
    """An entry, and behind it a stop and a take-profit of which one cancels the other."""
    entry = single(random, scale, places)._replace(type=random.choice([OrderType.MARKET, OrderType.LIMIT]))
    if entry.type == OrderType.MARKET:
        entry = entry._replace(tif=TimeInForce.IOC, peg=Peg.NONE)
    parent, after = len(orders), random.choice([After.ALL, After.ANY, After.FIRST, After.FIRST])
    if after == After.FIRST:  # one that rests at the touch, for more than a trade has
        entry = entry._replace(type=OrderType.LIMIT, tif=TimeInForce.GTC, peg=Peg.NONE, limit_tick=12)
        entry = entry._replace(lots=30, at_ns=spec.START_NS, reduce_only=False, cancel_at_ns=-1, cancel_after_ns=0)
    orders.append(entry)
    stops = [OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP]
    takes = [OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT, OrderType.LIMIT]
    for types in (stops, takes):
        type_ = random.choice(types)
        leg = single(random, scale, places)._replace(
            type=type_,
            position=entry.position,
            side=-entry.side,
            lots=entry.lots,
            trigger_tick=0 if type_ == OrderType.TRAILING_STOP else random.randint(7, 17),
            oco=7,
        )
        tif = random.choice([TimeInForce.GTC, TimeInForce.IOC])
        leg = leg._replace(tif=tif, peg=Peg.NONE, size_of_parent=random.random() < 0.7 or after == After.FIRST)
        orders.append(child_of(leg, parent, after))


# -- plans (RULES 4.7) -------------------------------------------------------------------------------------------------


def _plan(random: Random, number: int, places: int) -> spec.Plan:
    return spec.Plan(
        id=f"p{number}",
        position=random.randrange(places),
        side=random.choice([Side.SELL, Side.BUY]),
        lots=random.randint(1, 9),
        max_child_lots=random.choice([0, 0, 1, 2, 3]),
        rate=random.choice([0.0, 0.0, 1 / 8, 1 / 2]),
    )


def _add_children(random: Random, scale: Scale, plan: spec.Plan, number: int, orders: Orders) -> None:
    """Slices at times of their own, each the next's parent (an iceberg), or a mixture; now and then all at once."""
    slices = random.randint(2, 5)
    chained = random.choice([0.0, 0.5, 1.0])
    at_units = random.randint(-1, scale.duration_units // 2)
    for n in range(1, slices + 1):
        child = single(random, scale, 1)._replace(
            position=plan.position, side=plan.side, plan=number, target=n / slices, oco=-1
        )
        if child.type not in (OrderType.MARKET, OrderType.LIMIT) and random.random() < 0.7:
            child = child._replace(type=OrderType.LIMIT)
        if child.type == OrderType.LIMIT and random.random() < 0.5:
            child = child._replace(peg=random.choice([Peg.PRIMARY, Peg.MARKET]))
        if random.random() < 0.3:
            child = child._replace(target=1.0)
        if n > 1 and random.random() < chained:
            after = random.choice([After.END, After.END, After.ANY, After.ALL])
            child = child_of(child, len(orders) - 1, after)
        elif child.at_ns != spec.START_NS:
            child = child._replace(at_ns=scale.start_ns + at_units * scale.unit_ns)
        at_units += random.choice([0, 1, 3, 8])
        orders.append(child)


def _shuffled(random: Random, orders: Orders) -> Orders:
    """In another order, and named: a parent may stand behind its child."""
    places = list(range(len(orders)))
    if random.random() < 0.5:
        random.shuffle(places)
    placed = {old: new for new, old in enumerate(places)}
    found = [orders[old] for old in places]
    return [order._replace(id=f"o{number}", parent=placed.get(order.parent, -1)) for number, order in enumerate(found)]
