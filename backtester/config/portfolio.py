"""What the user holds and does: accounts, collateral, positions, orders and plans, from TOML to frozen records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator

from backtester.bounds import LARGEST_AMOUNT, LARGEST_LEVERAGE
from backtester.config.automation import Automation
from backtester.config.conditions import Condition
from backtester.config.guard_actions import Action, parse_action, parse_confirm, parse_rearm
from backtester.config.limits import Limits, Written, parse_guard
from backtester.config.order_rules import misfits_of_order
from backtester.config.overrides import override
from backtester.config.plan_rules import ALGOS, misfits_of_plan
from backtester.config.portfolio_rules import misfits_of_position, portfolio_faults
from backtester.config.tolerance_tables import Tolerances
from backtester.config.toml import Document, Judge, Record, Where, read_document, validate
from backtester.config.values import (
    Collateral,
    Instant,
    Notional,
    Offset,
    Percent,
    PositionShare,
    RelativePrice,
    name_in,
    one_of,
    parse_amount,
    parse_collateral,
    parse_curve,
    parse_distance,
    parse_duration_ns,
    parse_moment,
    parse_percent,
    parse_price,
    parse_prices,
    parse_size,
)
from backtester.enums import After, GuardDo, Held, OrderType, PriceSeries, Side, TimeInForce

Algo = Literal["market", "twap", "vwap", "pov", "iceberg", "passive"]
Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0, lt=LARGEST_AMOUNT, allow_inf_nan=False)]
Price = Annotated[float | RelativePrice, PlainValidator(parse_price)]
Amount = Annotated[float | Notional, PlainValidator(parse_amount)]
Size = Annotated[float | Notional | PositionShare, PlainValidator(parse_size)]
Direction = Annotated[Side, PlainValidator(one_of(long=Side.BUY, short=Side.SELL))]
Trade = Annotated[Side, PlainValidator(one_of(buy=Side.BUY, sell=Side.SELL))]
Duration = Annotated[int, PlainValidator(parse_duration_ns)]
Moment = Annotated[Offset | Instant, PlainValidator(parse_moment)]
Share = Annotated[Percent, PlainValidator(parse_percent)]
Holder = Annotated[Held, PlainValidator(name_in(Held))]


class Position(Record):
    """A position before the first event. Size 0 only says how the market is traded."""

    symbol: Text
    side: Direction
    size: Amount  # units of the base, or a notional at the first mark
    entry_price: Price = RelativePrice("mark", 0.0)
    margin_mode: Literal["isolated", "cross"]
    leverage: Annotated[float, Field(ge=1, le=LARGEST_LEVERAGE)] | None = None  # initial margin = notional / leverage
    margin: Positive | None = None  # quote: what an isolated position has behind it, a cross one as initial margin

    @classmethod
    def accepts(cls, table: Mapping[str, Any], key: str) -> bool:
        """Leverage or margin: the one that is there already keeps the other out."""
        return key not in misfits_of_position(table)


class Order(Record):
    """An order. Without `at` and `parent` it works when the run starts."""

    id: Text
    symbol: Text
    type: Annotated[OrderType, PlainValidator(name_in(OrderType))]
    side: Trade
    position_side: Direction | None = None  # hedge mode: which of two positions it is for
    size: Size
    price: Price | None = None
    tif: Annotated[TimeInForce, PlainValidator(name_in(TimeInForce))] = TimeInForce.GTC
    bound: Share | None = None  # without a limit: how far it may go, instead of the venue's bound
    trigger_price: Price | None = None
    trigger_by: Annotated[PriceSeries, PlainValidator(name_in(PriceSeries))] = PriceSeries.MARK
    callback: Annotated[Percent | float, PlainValidator(parse_distance)] | None = None  # trailing: behind the peak
    activation_price: Price | None = None  # trailing: active from here on; none: at once
    reduce_only: bool = False
    held: Holder = Held.VENUE  # who watches its trigger, or its parent
    price_protect: bool = False  # do not trigger while mark and last lie far apart, where the venue offers that
    at: Moment | None = None
    cancel_at: Moment | None = None  # when the user cancels it
    cancel_after_ns: Duration = 0  # the same, counted from its decision
    reaction_ns: Duration = 0  # what the client takes to decide; of no account for what the venue sends
    parent: Text | None = None  # id of the order that this one waits for
    after: Annotated[After, PlainValidator(name_in(After))] = After.ALL  # what must have become of the parent
    oco: Text | None = None  # one of the orders with this word cancels the others
    take_profit: Price | None = None  # triggers of two orders that close what this one filled, one cancels the other
    stop_loss: Price | None = None

    @classmethod
    def accepts(cls, table: Mapping[str, Any], key: str) -> bool:
        """A market order has no price, a limit order no trigger, a one-way account no position side."""
        return key not in misfits_of_order(table) and (key != "position_side" or key in table)


class Plan(Record):
    """A size that is worked off by orders of the plan's own. Keys of other algorithms than `algo` are of no account."""

    unsupported: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("take_profit", "stop_loss"),
        "no bracket stands behind a plan; protect it by an order of its size with trigger_price and reduce_only = true",
    )

    id: Text
    symbol: Text
    side: Trade
    position_side: Direction | None = None
    size: Size
    algo: Annotated[Algo, PlainValidator(one_of(**{word: word for word in ALGOS}))]
    start: Moment = Offset(0)
    duration_ns: Duration | None = None
    interval_ns: Duration | None = None  # between two slices; none: 30 s, or what the venue takes
    randomize: bool = False  # twap: slices of varied sizes
    bound: Share | None = None  # of what goes to the market, instead of the venue's bound
    reduce_only: bool = False
    held: Holder | None = None  # who sends the slices; none: the venue, if it offers the algorithm
    participation: Share | None = None  # pov: of what the tape trades
    curve: Annotated[Literal["tape"] | tuple[float, ...], PlainValidator(parse_curve)] | None = None  # vwap
    price: Price | None = None  # iceberg: the limit
    display: Size | None = None  # iceberg: what is shown of it
    wait_ns: Duration = 20 * 10**9  # passive: how long one order rests
    attempts: Annotated[int, Field(ge=1, le=1000)] = 3  # passive: orders that rest, before the rest goes to the market

    @classmethod
    def accepts(cls, table: Mapping[str, Any], key: str) -> bool:
        """What its algorithm needs, and what is there for another one."""
        return key in table or (key not in misfits_of_plan(table) and key != "position_side")


class Guard(Record):
    """A protective rule: when its condition holds it fires, and alerts or makes positions smaller."""

    id: Text
    when: Annotated[Written, PlainValidator(parse_guard)]
    do: Annotated[tuple[Annotated[Action, PlainValidator(parse_action)], ...], Field(strict=False)] = (
        Action("alert", GuardDo.ALERT),
    )
    rearm: Annotated[bool | Condition | None, PlainValidator(parse_rearm)] = None  # again: as long as it holds (True),
    # once it has been false (False), by a condition; None: False if it only alerts, else True
    cool_down_ns: Duration = 30 * 10**9
    confirm_ns: Annotated[int, PlainValidator(parse_confirm)] = 0  # before it acts; somebody has to look
    max_fires: Annotated[int, Field(ge=1)] | None = None


class Account(Record):
    """Collateral on one venue, and what it backs."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "rules": "protective rules are guards: [[accounts.guards]]",
    }

    name: Text
    venue: Text
    collateral: Annotated[Collateral, PlainValidator(parse_collateral)]
    position_mode: Literal["one_way", "hedge"] = "one_way"
    fee_tier: Text | None = None  # of `venues show`, several joined by `+`; none: the base tier
    positions: Annotated[tuple[Position, ...], Field(strict=False)] = ()
    orders: Annotated[tuple[Order, ...], Field(strict=False)] = ()
    plans: Annotated[tuple[Plan, ...], Field(strict=False)] = ()
    guards: Annotated[tuple[Guard, ...], Field(strict=False)] = ()
    automation: Automation = Automation()


class Portfolio(Record):
    """All accounts that a run stresses."""

    unsupported: ClassVar[Mapping[str, str]] = {
        array: f"{array} belong to an account: [[accounts.{array}]]"
        for array in ("positions", "orders", "plans", "guards")
    }

    name: Text
    severe_loss: Share = Percent(0.5)  # of an account's equity: from there on the loss is named, however it came
    prices: Annotated[dict[str, float], PlainValidator(parse_prices)] = Field(default_factory=dict)  # the tape's first
    limits: Limits = Limits()  # on the result; which figures there are is known to the report
    tolerances: Tolerances = Tolerances()  # on how far the result may go from that of a baseline
    accounts: Annotated[tuple[Account, ...], Field(strict=False)]


@dataclass(frozen=True)
class PortfolioFile:
    """A portfolio and where it came from."""

    portfolio: Portfolio
    document: Document

    @property
    def name(self) -> str:
        """The file as the user named it."""
        return self.document.name

    @property
    def sha256(self) -> str:
        """Of the file's bytes; overrides are not in it."""
        return self.document.sha256

    def where(self, *place: str | int) -> Where:
        """The place of a value for a message: `where("accounts", 0, "positions", 1, "symbol")`."""
        return self.document.where(place)


def load_portfolio(path: str | Path, overrides: Sequence[str] = (), judge: Judge = lambda _: ()) -> PortfolioFile:
    """Read a portfolio and take it as `as_portfolio` does."""
    return as_portfolio(read_document(path), overrides, judge)


def as_portfolio(document: Document, overrides: Sequence[str] = (), judge: Judge = lambda _: ()) -> PortfolioFile:
    """Override what was read (`key=value`, see config.overrides) and validate.

    `judge` knows what its names stand for (venues, fee tiers, symbols). Raises one error with all faults.
    """
    made = override(document, overrides, Portfolio)
    return PortfolioFile(validate(Portfolio, made, portfolio_faults, judge), made)
