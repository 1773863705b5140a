"""The orders and plans of one account as the engine takes them: numbered, linked, brackets and plans written out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from backtester.config.order_rules import STOP_LOSS_ID, TAKE_PROFIT_ID
from backtester.config.portfolio import Account, Order, Plan
from backtester.config.values import Percent, RelativePrice
from backtester.engine import spec
from backtester.enums import After, OrderType, PriceSeries, Side, TimeInForce
from backtester.errors import BacktesterError, config_error
from backtester.run.plans import Terms, expand
from backtester.run.refusals import PLAIN, refusals
from backtester.run.resolve_values import Values
from backtester.run.volumes import Slices

#: The curve of the trading in instrument n, slice by slice.
Curve = Callable[[int, Slices], tuple[float, ...]]


def no_curve(instrument: int, slices: Slices) -> tuple[float, ...]:
    """The curve where there is no tape."""
    raise config_error(f"instrument {instrument}", "there is no tape to take the curve of a plan from")


class Written(NamedTuple):
    """An order of the portfolio, or one that its `take_profit` or `stop_loss` stands for."""

    order: Order
    place: tuple[str | int, ...]
    trigger_key: str = "trigger_price"
    group: tuple[str, str] | None = None  # whose other orders it cancels
    is_exit: bool = False  # it closes what its parent filled


def resolve_orders(
    account: Account, values: Values, curve: Curve, positions: Sequence[spec.Position]
) -> tuple[tuple[spec.Order, ...], tuple[spec.Plan, ...]]:
    """All orders of an account that holds `positions`, those of its plans behind its own. `values` has the faults."""
    written = list(_written(account, values.profile.rules.exits_after))
    orders = list(_linked(written, [_order(account, each, values, positions) for each in written]))
    _check_brackets(written, orders, values)
    plans: list[spec.Plan] = []
    for number, plan in enumerate(account.plans):
        terms = _terms(account, plan, values, number, len(orders), curve, positions)
        if fault := terms.fault():
            values.fault(fault.message, "plans", number, fault.key, hint=fault.hint)
            continue
        try:
            made = expand(terms)
        except BacktesterError as error:
            values.add(error)
            continue
        plans.append(made.plan)
        orders += made.children
    return tuple(each._replace(key=order_key(account.name, each.id)) for each in orders), tuple(plans)


def _linked(written: Sequence[Written], orders: Sequence[spec.Order]) -> Iterator[spec.Order]:
    """The orders with the numbers of their parents and of their groups."""
    numbers = {order.id: n for n, order in enumerate(orders)}
    groups = {group: n for n, group in enumerate(dict.fromkeys(each.group for each in written if each.group))}
    for (order, _, _, group, is_exit), made in zip(written, orders, strict=True):
        yield made._replace(
            parent=numbers[order.parent] if order.parent else -1,
            after=order.after,
            size_of_parent=is_exit,
            oco=groups[group] if group else -1,
        )


def order_key(account: str, order: str) -> int:
    """What the random numbers of an order are drawn by: 63 bits of a digest of its names, wherever it stands.

    Example: order `cut` of account `main` has the key 7620527829398899737.
    """
    digest = hashlib.sha256(f"{account}\0{order}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def plan_draw(seed: int, account: str, plan: str, n: int) -> float:
    """Random number n of a plan, in [0, 1): 53 bits of a digest of the seed and of names, wherever the plan stands.

    Example: number 0 of plan `exit` of account `main` under seed 0 is 0.7380783377947225.
    """
    digest = hashlib.sha256(f"{seed}\0{account}\0{plan}\0{n}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) * 2.0**-53


def place_of(account: Account, symbol: str, position_side: Side | None) -> int:
    """Number of the position that an order is for. In a one-way account the symbol alone says it."""
    places = enumerate(account.positions)
    return next(n for n, p in places if p.symbol == symbol and position_side in (None, p.side))


def reduces(side: Side, position_side: Side | None, reduce_only: bool) -> bool:
    """Whether an order can only close. In hedge mode every one against its position's side: it never turns that."""
    return reduce_only if position_side is None else side != position_side


def _written(account: Account, exits_after: After) -> Iterator[Written]:
    for n, order in enumerate(account.orders):
        place = ("orders", n)
        yield Written(order, place, group=("oco", order.oco) if order.oco else None)
        exits = (
            (order.take_profit, "take_profit", TAKE_PROFIT_ID, OrderType.TAKE_PROFIT_MARKET),
            (order.stop_loss, "stop_loss", STOP_LOSS_ID, OrderType.STOP_MARKET),
        )
        for price, key, end, kind in exits:
            if price is not None:
                made = _exit(order, f"{order.id}{end}", kind, price, exits_after)
                yield Written(made, place, key, ("exit", order.id), is_exit=True)


def _exit(entry: Order, name: str, kind: OrderType, price: float | RelativePrice, after: After) -> Order:
    """An order of the venue that closes what `entry` has filled, from the moment on at which the venue places it."""
    return Order.model_construct(
        id=name,
        symbol=entry.symbol,
        type=kind,
        side=Side(-entry.side),
        position_side=entry.position_side,
        size=entry.size,
        trigger_price=price,
        reduce_only=True,
        parent=entry.id,
        after=after,
    )


def _order(account: Account, written: Written, values: Values, positions: Sequence[spec.Position]) -> spec.Order:
    order, place = written.order, written.place
    market, position = values.market(order.symbol), place_of(account, order.symbol, order.position_side)

    def tick(price: float | RelativePrice | None, key: str) -> int:
        return 0 if price is None else values.tick(price, order.side, market, *place, key)

    at_ns = values.moment(order.at, *place, "at")
    cancel_ns = values.moment(order.cancel_at, *place, "cancel_at")
    if order.cancel_at is not None and cancel_ns <= max(at_ns, values.start.ts_ns):
        values.fault("lies before the order itself", *place, "cancel_at")
    callback = order.callback
    made = spec.Order(
        id=order.id,
        position=position,
        type=order.type,
        tif=order.tif if order.price is not None else TimeInForce.GTC,
        side=int(order.side),
        lots=values.lots(order.size, market, *place, "size", held=abs(positions[position].lots)),
        limit_tick=tick(order.price, "price"),
        trigger_tick=tick(order.trigger_price, written.trigger_key),
        trigger_by=order.trigger_by,
        reduce_only=reduces(order.side, order.position_side, order.reduce_only),
        held=order.held,
        reaction_ns=order.reaction_ns,
        at_ns=at_ns,
        price_protect=order.price_protect,
        cancel_at_ns=cancel_ns,
        cancel_after_ns=order.cancel_after_ns,
        bound=order.bound.fraction if order.bound else 0.0,
        callback_rate=callback.fraction if isinstance(callback, Percent) else 0.0,
        callback_ticks=values.distance(callback, market, *place, "callback") if isinstance(callback, float) else 0,
        activation_tick=tick(order.activation_price, "activation_price"),
    )
    _check_trigger(written, made, market, values)
    for key, message, hint in () if written.is_exit else refusals(order, made, market, values):
        values.fault(message, *place, key, hint=hint)
    return made


def _check_trigger(written: Written, made: spec.Order, market: int, values: Values) -> None:
    """A price that the tape does not have, or a trailing distance that leaves no price."""
    order, data = written.order, values.resolved.data
    instrument = data.markets[market].instrument
    known = values.start.has_index[instrument] and not data.instruments[instrument].index_from_mid
    if order.type not in PLAIN and order.trigger_by is PriceSeries.INDEX and not known:
        values.fault("the tape has no index to trigger on", *written.place, "trigger_by", hint="use mark or last")
    start = made.activation_tick * values.instrument(market).tick_size or values.mark(market)
    if order.side is Side.SELL and isinstance(order.callback, float) and order.callback >= start:
        message = f"{order.callback:.10g} below {start:.10g} is no price: the stop would never be reached"
        values.fault(message, *written.place, "callback")


def _check_brackets(written: Sequence[Written], orders: Sequence[spec.Order], values: Values) -> None:
    """Take-profit and stop-loss the wrong way round would close a position as soon as it is there."""
    made = list(zip(written, orders, strict=True))
    for (upper, profit), (lower, stop) in pairwise(made):
        is_bracket = (upper.trigger_key, lower.trigger_key) == ("take_profit", "stop_loss")
        if is_bracket and profit.trigger_tick * profit.side >= stop.trigger_tick * stop.side:
            values.fault("lies beyond take_profit", *lower.place, "stop_loss")


def _terms(
    account: Account,
    plan: Plan,
    values: Values,
    number: int,
    first: int,
    curve: Curve,
    positions: Sequence[spec.Position],
) -> Terms:
    """A plan in numbers. What only its algorithm needs is read for that one."""
    market, place, iceberg = values.market(plan.symbol), ("plans", number), plan.algo == "iceberg"
    position = place_of(account, plan.symbol, plan.position_side)
    held = abs(positions[position].lots)
    lots = values.lots(plan.size, market, *place, "size", held=held)
    limit = plan.price if iceberg else None
    shown = plan.display if iceberg else None
    return Terms(
        plan=plan,
        number=number,
        first=first,
        position=position,
        lots=lots,
        notional_quote=abs(values.worth(lots, market, values.mark(market))),
        start_ns=values.moment(plan.start, *place, "start"),
        reduce_only=reduces(plan.side, plan.position_side, plan.reduce_only),
        rules=values.profile.rules,
        limit_tick=0 if limit is None else values.tick(limit, plan.side, market, *place, "price"),
        display_lots=0 if shown is None else values.lots(shown, market, *place, "display", held=held),
        curve=lambda slices: curve(values.resolved.data.markets[market].instrument, slices),
        draw=lambda n: plan_draw(values.resolved.data.seed, account.name, plan.id, n),
    )
