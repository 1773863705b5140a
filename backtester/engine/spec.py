"""What the engine is told, before it becomes arrays: plain values in ticks, lots, ns and quote currency.

`run.resolve` writes these from a portfolio and the venue profiles; `engine.state` turns them into arrays.
An index such as `market` is a position in the tuple it names. Nothing here needs numba.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, get_type_hints, overload

import numpy as np

from backtester import enums
from backtester.enums import (
    After,
    CloseOrder,
    Disposal,
    ForcedAction,
    ForcedPrice,
    FundingWeights,
    GuardDo,
    GuardMetric,
    GuardScope,
    Held,
    MarkFormula,
    OrderMargin,
    OrderMarginPrice,
    OrderType,
    Peg,
    PostOnly,
    PriceReference,
    PriceSeries,
    QueueModel,
    Rearm,
    RefillModel,
    SelfTrade,
    TimeInForce,
    TriggerRounding,
    Withdraw,
)


class Instrument(NamedTuple):
    """One L2 ladder of the tape. Notional of n lots at a price = n · lot_size · multiplier · price."""

    symbol: str
    tick_size: float
    lot_size: float
    multiplier: float = 1.0
    index_from_mid: bool = False  # accepted on request when a tape has no index


class Tier(NamedTuple):
    """One row of a marginal maintenance table: from `floor_quote` of notional on."""

    floor_quote: float
    maintenance_rate: float
    max_leverage: float


class Step(NamedTuple):
    """One row of a venue's liquidation: when it acts on a pool in breach, and what it does then (RULES 8.2)."""

    do: ForcedAction
    once: bool = False  # in the first round of a breach, in none of the later ones
    after_ns: int = 0  # not before the first round is so long ago
    equity_below: float = math.inf  # only while equity is less than this part of maintenance
    scope: CloseOrder = CloseOrder.ALL  # ORDER: which positions, in what order
    share: float = 1.0  # ORDER: so much of a position ...
    share_above_quote: float = 0.0  # ... whose notional exceeds this, all of any other
    full_window_ns: int = 0  # ORDER: for so long after a part was sent, orders of the account are for all
    price: ForcedPrice = ForcedPrice.BOUND  # ORDER: BOUND or BANKRUPTCY, its limit; TAKEOVER: MARK or BANKRUPTCY
    bound: float = 0.0  # how far an order, and one of a disposal, may go, as a fraction
    taker_fee: bool = True  # ORDER: what it fills pays the taker fee, beside the market's liquidation fee
    disposal: Disposal = Disposal.HOLD  # TAKEOVER


class Rules(NamedTuple):
    """The rules of one venue on one date, as far as they hold for all of its markets."""

    taker_fee: float
    maker_fee: float  # negative: a rebate
    mark_formula: MarkFormula
    mark_interval_ns: int
    mark_basis_window_ns: int  # of the moving average in MEDIAN_BASIS_MA, sampled at the mark interval
    funding_interval_ns: int
    funding_price: PriceReference  # MARK or INDEX: the price of the notional that pays
    assume_funding_zero: bool  # a stamp without a rate is charged nothing (True) or stops the run (False)
    funding_premium: bool  # a stamp without a rate is computed from the sampled premium (RULES 7.3)
    funding_interest: float  # interest term of the 8 h rate
    funding_clamp: float  # clamp of (interest - premium), 8 h rate
    funding_sample_ns: int
    funding_weights: FundingWeights
    bound_from: PriceReference  # MID or MARK: what the three bounds are measured from
    market_bound: float  # a market order is an IOC this far away, as a fraction
    stop_bound: float  # the same for one that a trigger sent
    limit_band: float  # how far beyond the reference a limit may be; 0 = any
    post_only: PostOnly
    self_trade: SelfTrade
    reject_breached_trigger: bool  # also of a trailing stop whose activation is passed
    trigger_rounding: TriggerRounding
    trigger_protect: float  # a protected trigger is held while |mark - last| exceeds this part of the mark; 0 = never
    feed_latency_ns: int
    order_latency_ns: int
    engine_latency_ns: int  # from a venue-held trigger to the arrival of its order
    latency_sigma: float  # of the logarithm of feed and order latency; 0 = constant
    block_ns: int  # arrivals are rounded up to a multiple of this; 0 = at once
    isolated_fee_from_margin: bool
    isolated_funding_from_margin: bool
    order_margin: OrderMargin
    order_margin_price: OrderMarginPrice
    order_margin_markup: float  # of ORDER: how far above the best ask a market order to buy is priced, as a fraction
    margin_at_match: bool  # initial margin of a resting order is checked again when it fills
    liquidation: tuple[Step, ...]  # tried in order
    refill_model: RefillModel
    refill_half_life_ns: int
    queue_model: QueueModel
    queue_power: float  # of PROB_POWER


class Market(NamedTuple):
    """One instrument under one set of rules: it has a mark of its own."""

    instrument: int
    rules: int
    tiers: tuple[Tier, ...]
    impact_notional_quote: float  # notional of the impact bid and ask of the premium
    funding_cap: float  # largest |rate| of one interval
    liquidation_fee: float  # of the liquidated notional, to the insurance fund, capped by the margin left
    funding_interval_ns: int = 0  # until a funding record says another; 0 = that of the rules
    funding_ns: int = 0  # one of its funding times, the others are intervals before and after it
    max_market_lots: int = 0  # largest order without a limit; 0 = any
    max_market_quote: float = 0.0  # the same as notional at the mark
    max_limit_lots: int = 0
    max_limit_quote: float = 0.0
    min_order_quote: float = 0.0  # smallest notional of an order, at its limit or at the mark; 0 = any
    min_close_quote: float = 0.0  # the same of a reduce-only one
    base: int = -1  # number that markets of one base share, what is held of them nets; -1 = none other has it


class Position(NamedTuple):
    """A place where a position is or may come to be: every market an account trades has one.

    An isolated place has a margin pool of its own, the others share the account's cross pool.
    """

    market: int
    lots: int  # signed
    entry_price: float
    leverage: float  # the setting: initial margin = notional / leverage
    isolated: bool = False
    margin: float = 0.0  # isolated: part of the account's balance that backs this position


class Order(NamedTuple):
    """One order of a portfolio. `at_ns` and `cancel_at_ns` are absolute; START_NS = working when the run starts."""

    id: str
    position: int  # index into the account's positions
    type: OrderType
    tif: TimeInForce
    side: int
    lots: int  # of a plan's child, or with the size of its parent: ignored, that says it
    limit_tick: int = 0  # of types with a limit
    trigger_tick: int = 0  # of types with a trigger; trailing: none before it is active
    trigger_by: PriceSeries = PriceSeries.MARK
    reduce_only: bool = False
    held: Held = Held.VENUE
    reaction_ns: int = 0
    at_ns: int = -1
    price_protect: bool = False  # its trigger is held while mark and last lie far apart
    cancel_at_ns: int = -1  # when the user decides to cancel it; -1 = never
    cancel_after_ns: int = 0  # the same, counted from its decision; 0 = never
    bound: float = 0.0  # without a limit: how far it may go, as a fraction; 0 = as the venue says
    callback_rate: float = 0.0  # TRAILING_STOP: distance from the peak as a fraction, or ...
    callback_ticks: int = 0  # ... in ticks
    activation_tick: int = 0  # TRAILING_STOP: 0 = active at once
    oco: int = -1  # number of a group of the account's orders, of which one cancels the others; -1 = none
    parent: int = -1  # index of another order of the account, before which it is not sent; -1 = none
    after: After = After.ALL  # what must have become of the parent
    size_of_parent: bool = False  # its lots are those that the parent has filled
    plan: int = -1  # index into the account's plans, of which it is a child; -1 = none
    target: float = 1.0  # part of the plan that should be done with this child
    peg: Peg = Peg.NONE  # LIMIT: where the limit is taken from at the decision
    key: int = 0  # of its random numbers, 0 ... 2^63 - 1: depends on names, not on places


class GuardOp(NamedTuple):
    """One step of a condition of a guard, worked on a stack (RULES 11.3)."""

    code: enums.GuardOp
    metric: GuardMetric = GuardMetric.EQUITY
    scope: GuardScope = GuardScope.ACCOUNT
    place: int = 0  # POOL: 0 cross, then isolated positions in order; POSITION: index into them; MARKET: its index
    value: float = 0.0  # of a NUMBER, or the SHARE
    ns: int = 0  # how long: of FOR, and of a RETURN


class GuardAction(NamedTuple):
    """One thing that a guard does (RULES 11.5)."""

    do: GuardDo
    scope: GuardScope = GuardScope.ACCOUNT  # of a REDUCE: which positions
    place: int = 0  # as of a GuardOp
    value: float = 0.0  # share of each position, quote, or what `metric` shall be at most (BUFFER: at least)
    metric: GuardMetric = GuardMetric.LEVERAGE  # REDUCE_TO
    share_of: int = -1  # GuardMetric that `value` is a share of, -1 = none
    bound: float = 0.0  # how far its orders may go, as a fraction; 0 = as the venue says
    orders: Withdraw = Withdraw.OPENING  # CANCEL: which of the account, or of the MARKET that is the scope
    ns: int = 0  # how long it is, of a PAUSE


class Guard(NamedTuple):
    """A protective rule of the user's: when it fires, and what it does then (RULES 11.4, 11.5)."""

    id: str
    when: tuple[GuardOp, ...]
    rearm: Rearm = Rearm.WHEN_FALSE
    rearm_when: tuple[GuardOp, ...] = ()  # WHEN
    cool_down_ns: int = 0
    confirm_ns: int = 0
    max_fires: int = 0  # 0 = any
    do: tuple[GuardAction, ...] = (GuardAction(GuardDo.ALERT),)
    reaction_ns: int = 0
    key: int = 0  # of the random numbers of its orders, as of an Order


#: So many orders the guards of an account send within so long at most, unless it says otherwise.
MOST_SENT, SENT_WITHIN_NS = 20, 60 * 10**9


class Automation(NamedTuple):
    """Limits on what the guards of an account send (RULES 11.6): 0 and infinity say that there is none."""

    window_ns: int = SENT_WITHIN_NS
    kill_empty: int = 0  # orders of one guard in a row that end without a fill
    kill_loss: float = math.inf  # quote
    resume_ns: int = 0  # how long it is halted then; 0 = for ever
    stale_ns: int = 0
    collar: float = math.inf  # how far the mark may be from another price, as a fraction of that
    collar_by: PriceSeries = PriceSeries.INDEX  # or LAST
    max_order: float = math.inf  # quote
    max_notional: float = math.inf  # quote within the window
    max_share: float = math.inf  # the same as a share of the notional
    max_orders: int = MOST_SENT  # within the window

    @property
    def asks(self) -> bool:
        """Whether a limit asks for the mark that is seen: any but that on how many there are."""
        return self._replace(window_ns=0, max_orders=0) != Automation(window_ns=0, max_orders=0)


class Plan(NamedTuple):
    """A size that child orders work off."""

    id: str
    position: int  # index into the account's positions
    side: int
    lots: int
    max_child_lots: int = 0  # 0 = any
    rate: float = 0.0  # part of what the tape trades that is wanted; 0 = the targets of the children say it


START_NS = -1


def columns_of(kinds: Mapping[str, type]) -> list[tuple[str, str]]:
    """Of a table: floats as they are, everything else, bools and codes, as integers."""
    return [(name, "f8" if kind is float else "i8") for name, kind in kinds.items()]


_KINDS = get_type_hints(Order)
del _KINDS["id"]
#: An order in a table: everything but its id.
ORDER_ROW = np.dtype(columns_of(_KINDS))
#: A position in a table.
POSITION_ROW = np.dtype(columns_of(get_type_hints(Position)))


def order_table(orders: Iterable[Order]) -> np.ndarray:
    """ORDER_ROW[n] of `orders`, one after the other.

    Example: [Order("a", 0, OrderType.MARKET, TimeInForce.IOC, -1, 20)] → one row with side -1, lots 20, at_ns -1.
    """
    return np.fromiter(map(itemgetter(slice(1, None)), orders), ORDER_ROW)


def position_table(positions: Iterable[Position]) -> np.ndarray:
    """POSITION_ROW[n] of `positions`, one after the other.

    Example: [Position(0, -3, 90.0, 10.0)] → one row with lots -3, entry_price 90, isolated 0.
    """
    return np.fromiter(positions, POSITION_ROW)


class Orders(Sequence[Order]):
    """Very many orders as a table: to be read as a sequence of `Order`, without an object for each.

    ids    n names
    table  ORDER_ROW[n], order n in row n
    """

    def __init__(self, ids: Sequence[str], table: np.ndarray) -> None:
        self.ids, self.table = ids, table

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, place: int) -> Order: ...
    @overload
    def __getitem__(self, place: slice) -> Orders: ...
    def __getitem__(self, place: int | slice) -> Order | Orders:
        if isinstance(place, slice):
            return Orders(self.ids[place], self.table[place])
        values = zip(_KINDS.values(), self.table[place].item(), strict=True)
        return Order(self.ids[place], *(kind(value) for kind, value in values))


class Account(NamedTuple):
    """Collateral, positions and orders under one venue's rules. `balance` includes all isolated margins."""

    name: str
    rules: int
    balance: float
    positions: tuple[Position, ...]
    orders: Sequence[Order] = ()  # a tuple of them, or `Orders`
    plans: tuple[Plan, ...] = ()
    guards: tuple[Guard, ...] = ()
    automation: Automation = Automation()
    venue: int = 0  # number, in its world, of the venue whose fund and fees are its counterparties


class Drill(NamedTuple):
    """What breaks for the guards of a world, in from_ns ≤ t < to_ns (RULES 12)."""

    kind: enums.Drill = enums.Drill.NONE
    from_ns: int = 0
    to_ns: int = 0


class World(NamedTuple):
    """One independent copy of accounts on the tape, with insurance funds of its own, one a venue."""

    accounts: tuple[Account, ...]
    liquidation: bool = True
    record: bool = True
    watched: bool = True  # whether the paths of its accounts are kept; without a record they are not
    insurance_start: tuple[float, ...] = (0.0,)  # what each venue's fund has, by venue number
    drill: Drill = Drill()
    limits: bool = True  # whether those on automation hold (RULES 11.5)


class MarketData(NamedTuple):
    """What all worlds share."""

    instruments: tuple[Instrument, ...]
    rules: tuple[Rules, ...]
    markets: tuple[Market, ...]
    seed: int = 0  # of latencies
