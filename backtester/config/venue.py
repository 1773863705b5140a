"""A venue profile as it is written: dated periods of rules and markets, each statement with its source.

Periods are written newest first, because today's rules are the ones that are documented: the newest period is complete,
an older one says what was different and takes over the rest from the period above it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationError

from backtester.bounds import LARGEST_AMOUNT, LONGEST_WINDOW_NS, MOST_DIGITS
from backtester.config.lines import Place
from backtester.config.toml import Document, Fault, Record, did_you_mean, fault_of, faults_error, validate
from backtester.config.values import name_in, one_of, parse_clock_ns, parse_duration_ns
from backtester.enums import (
    After,
    CloseOrder,
    Disposal,
    ForcedPrice,
    FundingWeights,
    MarkFormula,
    OrderMargin,
    OrderMarginPrice,
    PostOnly,
    PriceReference,
    QueueModel,
    RefillModel,
    SelfTrade,
    TriggerRounding,
)

Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Quote = Annotated[float, Field(ge=0, lt=LARGEST_AMOUNT, allow_inf_nan=False)]
Duration = Annotated[int, PlainValidator(parse_duration_ns)]
Clock = Annotated[int, PlainValidator(parse_clock_ns)]  # what ticks
Fee = Annotated[float, Field(gt=-0.01, lt=1)]  # below 0 is a rebate
#: What a venue may do by itself, beside holding stops and take-profits.
Service = Literal["hedge_mode", "trailing_stop", "twap", "vwap", "pov", "iceberg", "passive"]
InForce = Literal["gtc", "ioc", "fok", "post_only"]
Series = Literal["mark", "last", "index"]


class VenueRules(Record):
    """The rules of a venue as far as they hold for all of its markets. Durations are text in TOML ("3s")."""

    taker_fee: Fraction
    maker_fee: Fee
    mark_formula: Annotated[MarkFormula, PlainValidator(name_in(MarkFormula))]
    mark_interval_ns: Clock
    mark_basis_window_ns: Annotated[Duration, Field(le=LONGEST_WINDOW_NS)]  # of the moving average of the basis
    funding_interval_ns: Clock
    funding_price: Annotated[
        PriceReference, PlainValidator(one_of(mark=PriceReference.MARK, index=PriceReference.INDEX))
    ]
    funding_cap: Fraction  # largest |rate| of one interval
    funding_premium: bool  # a stamp without a recorded rate: average the sampled premium
    funding_interest: Fraction  # interest term of the 8 h rate
    funding_clamp: Fraction  # of (interest - premium), 8 h rate
    funding_sample_ns: Clock
    funding_weights: Annotated[FundingWeights, PlainValidator(name_in(FundingWeights))]
    bound_from: Annotated[PriceReference, PlainValidator(one_of(mid=PriceReference.MID, mark=PriceReference.MARK))]
    market_bound: Fraction
    stop_bound: Fraction
    limit_band: Fraction  # how far beyond the reference a limit may be; 0 = any
    post_only: Annotated[PostOnly, PlainValidator(name_in(PostOnly))]
    self_trade: Annotated[SelfTrade, PlainValidator(name_in(SelfTrade))]
    max_market_size: Quote  # largest order without a limit, units of the base; 0 = any
    max_market_quote: Quote  # the same as notional
    max_limit_size: Quote
    max_limit_quote: Quote
    min_order_quote: Quote  # smallest notional of an order, at its limit or at the mark; 0 = any
    min_close_quote: Quote  # the same of a reduce-only one
    times_in_force: Annotated[tuple[InForce, ...], Field(strict=False)]  # of an order with a limit
    trigger_series: Annotated[tuple[Series, ...], Field(strict=False)]  # of a trigger that the venue watches
    callback_min: Fraction  # smallest rate of a trailing stop that the venue watches
    callback_max: Fraction  # the largest; 0 = any, or a distance in price
    reject_breached_trigger: bool  # of a trailing stop: whose activation is passed
    exits_after: Annotated[After, PlainValidator(name_in(After))]  # what an entry must have done before its exits act
    trigger_rounding: Annotated[TriggerRounding, PlainValidator(name_in(TriggerRounding))]
    trigger_protect: Fraction  # largest |mark - last| / mark at which a protected trigger fires; 0 = any
    feed_latency_ns: Duration
    order_latency_ns: Duration
    engine_latency_ns: Duration  # from a venue-held trigger to the arrival of its order
    latency_sigma: Annotated[float, Field(ge=0, le=3)]  # of the logarithm of feed and order latency; 0 = constant
    block_ns: Duration
    services: Annotated[tuple[Service, ...], Field(strict=False)]
    twap_interval_ns: Clock  # least distance of two slices
    twap_last_at_end: bool  # one slice more, at the very end
    twap_min_quote: Quote  # smallest notional of the whole; 0 = any
    twap_min_slice_quote: Quote  # smallest notional of a slice; 0 = any
    twap_stretches: bool  # slices that would be too small lie further apart; otherwise such a TWAP is refused
    twap_randomize: Fraction  # how far the sizes of randomised slices vary; 0 = not offered
    twap_bound: Fraction  # of a slice
    twap_catch_up: Annotated[float, Field(ge=0)]  # largest slice, in slices of an even split; 0 = any
    isolated_fee_from_margin: bool
    isolated_funding_from_margin: bool
    order_margin: Annotated[OrderMargin, PlainValidator(name_in(OrderMargin))]
    order_margin_price: Annotated[OrderMarginPrice, PlainValidator(name_in(OrderMarginPrice))]
    order_margin_markup: Fraction  # how far above the best ask a market order to buy is priced
    margin_at_match: bool  # initial margin of a resting order is checked again when it fills
    liquidation_cancels_orders: bool
    liquidation_close_order: Annotated[CloseOrder, PlainValidator(name_in(CloseOrder))]
    liquidation_partial_above_quote: Quote
    liquidation_partial_share: Annotated[float, Field(gt=0, le=1)]
    liquidation_full_window_ns: Duration
    liquidation_price: Annotated[
        ForcedPrice, PlainValidator(one_of(bound=ForcedPrice.BOUND, bankruptcy=ForcedPrice.BANKRUPTCY))
    ]
    liquidation_bound: Fraction
    liquidation_fee: Fraction
    liquidation_taker_fee: bool  # a forced fill pays the taker fee, too
    takeover_threshold: Annotated[float, Field(ge=0, le=1)]  # of maintenance; 0 = never
    takeover_delay_ns: Duration  # from the order of a breach to the takeover of what it left; 0 = at once
    takeover_price: Annotated[
        ForcedPrice, PlainValidator(one_of(mark=ForcedPrice.MARK, bankruptcy=ForcedPrice.BANKRUPTCY))
    ]
    takeover_disposal: Annotated[Disposal, PlainValidator(name_in(Disposal))]
    refill_model: Annotated[RefillModel, PlainValidator(name_in(RefillModel))]
    refill_half_life_ns: Duration
    queue_model: Annotated[QueueModel, PlainValidator(name_in(QueueModel))]
    queue_power: Annotated[float, Field(gt=0, le=10)]  # of prob_power
    insurance_start: Quote  # balance of the fund or vault that takes over positions
    price_significant_figures: Annotated[int, Field(ge=0, le=MOST_DIGITS)]  # of an order price; 0 = any
    price_decimals: Annotated[int, Field(ge=0, le=MOST_DIGITS)]  # of an order price, less the market's size_decimals


#: Rules that may be stated for single markets beside the value that holds for all others.
BY_MARKET = (
    "funding_cap",
    "liquidation_fee",
    "max_market_size",
    "max_market_quote",
    "max_limit_size",
    "max_limit_quote",
    "min_order_quote",
    "min_close_quote",
)


class Stated(Record):
    """One rule: its value, the markets where it is another one, where it is written, and whether it is a guess.

    `by_leverage` says it by the largest leverage of a market: { 25 = 30_000_000 } is for those of 25x and more.
    """

    value: Any
    by_leverage: dict[str, Any] = Field(default_factory=dict)
    by_market: dict[str, Any] = Field(default_factory=dict)
    source: Text
    assumed: bool = False


class TierRow(Record):
    """One row of a marginal maintenance table: from `floor_quote` of notional on."""

    floor_quote: Quote
    maintenance_rate: Annotated[float, Field(gt=0, le=1)]
    max_leverage: Annotated[float, Field(ge=1)]


class MarketEntry(Record):
    """The margin tiers and figures of some markets that share them."""

    symbols: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    tiers: Annotated[tuple[TierRow, ...], Field(strict=False)]
    impact_notional_quote: Annotated[float, Field(gt=0)]
    size_decimals: Annotated[int, Field(ge=0, le=MOST_DIGITS)] | None = None
    source: Text
    assumed: bool = False


class TableRef(Record):
    """A table of the tiers of many markets, in a file beside the profile."""

    file: Text
    impact_margin_quote: Annotated[float, Field(gt=0)]  # impact notional = this times a market's largest leverage
    source: Text
    assumed: bool = False


class FeeTier(Record):
    """What an account pays that is not a regular user. A rate it leaves out stays as it is."""

    name: Text
    condition: Text
    taker_fee: Fee | None = None
    maker_fee: Fee | None = None
    source: Text
    assumed: bool = False


class LeverageLimit(Record):
    """The largest leverage of markets whose tiers a period takes over from a newer one, when that allowed more."""

    leverage: Annotated[float, Field(ge=1)]
    by_market: dict[str, Annotated[float, Field(ge=1)]] = Field(default_factory=dict)
    source: Text


class Period(Record):
    """The rules from a date on, until the next newer period."""

    valid_from: datetime.date
    basis: Text  # what is known about these dates
    takes_over: Literal["documented", "assumed"] = "assumed"  # what a rule of the newer period is in this one
    notes: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    rules: dict[str, Stated] = Field(default_factory=dict)
    fee_tiers: Annotated[
        tuple[FeeTier, ...], Field(strict=False)
    ] = ()  # none in a period with fees of its own: unknown
    tier_table: TableRef | None = None
    leverage_limit: LeverageLimit | None = None
    markets: Annotated[tuple[MarketEntry, ...], Field(strict=False)] = ()  # before the table's, if in both
    default_market: MarketEntry | None = None


class VenueFile(Record):
    """A profile file: one venue, all of its periods."""

    id: Text
    title: Text
    collateral: Text  # the asset that accounts are kept in
    documents: dict[str, Text]  # what a source `docs: trading/fees.md` calls docs
    periods: Annotated[tuple[Period, ...], Field(strict=False)]


def read_venue(document: Document) -> VenueFile:
    """The profile of a document. Raises one error with all faults, of the rules' values too."""
    venue = validate(VenueFile, document)
    if faults := [*_period_faults(venue), *_rule_faults(venue), *_tier_faults(venue)]:
        raise faults_error(document, faults)
    return venue


def _period_faults(venue: VenueFile) -> Iterator[Fault]:
    if not venue.periods:
        yield Fault(("periods",), "expected at least one period")
        return
    newest = venue.periods[0]
    for name in VenueRules.key_names():
        if name not in newest.rules:
            yield Fault(("periods", 0, "rules", name), "missing key", "the newest period states every rule")
    if newest.default_market is None:
        yield Fault(("periods", 0, "default_market"), "missing key", "the newest period states it")
    for number, (newer, older) in enumerate(pairwise(venue.periods), start=1):
        if older.valid_from >= newer.valid_from:
            yield Fault(("periods", number, "valid_from"), "periods are written newest first")


def _rule_faults(venue: VenueFile) -> Iterator[Fault]:
    """Every stated value, read as the rule it is for."""
    for number, period in enumerate(venue.periods):
        place: Place = ("periods", number, "rules")
        known = {name: stated.value for name, stated in period.rules.items() if name in VenueRules.key_names()}
        for name in period.rules.keys() - known.keys():
            yield Fault((*place, name), "unknown key", did_you_mean(name, VenueRules.key_names()))
        yield from _value_faults(known, place)
        for name, stated in period.rules.items():
            own = {"by_leverage": stated.by_leverage, "by_market": stated.by_market}
            for key, values in own.items():
                yield from _own_value_faults(name, values, (*place, name, key))
            for text in stated.by_leverage:
                if not text.isdecimal():
                    yield Fault((*place, name, "by_leverage", text), "expected a leverage such as 25")


def _own_value_faults(name: str, values: Mapping[str, Any], place: Place) -> Iterator[Fault]:
    """Values of single markets, of a rule that may have them."""
    if values and name not in BY_MARKET:
        allowed = f"{', '.join(BY_MARKET[:-1])} and {BY_MARKET[-1]}"
        yield Fault(place, "this rule is one for all markets", f"single markets: {allowed}")
        return
    for market, value in values.items():
        yield from (fault._replace(place=(*place, market)) for fault in _value_faults({name: value}, place))


def _value_faults(values: Mapping[str, Any], place: Place) -> Iterator[Fault]:
    try:
        VenueRules.model_validate(values)
    except ValidationError as error:
        for details in error.errors():
            if details["type"] != "missing":
                yield fault_of(details, VenueRules, inside=place)


def _tier_faults(venue: VenueFile) -> Iterator[Fault]:
    """Of the markets that are written out."""
    for number, period in enumerate(venue.periods):
        place: Place = ("periods", number)
        entries: Mapping[Place, MarketEntry | None] = {
            **{(*place, "markets", index): entry for index, entry in enumerate(period.markets)},
            (*place, "default_market"): period.default_market,
        }
        for where, entry in entries.items():
            if entry is not None:
                yield from tier_faults(entry.tiers, (*where, "tiers"))


def tier_faults(tiers: tuple[TierRow, ...], place: Place) -> Iterator[Fault]:
    """What is wrong with the order of a market's tiers."""
    if not tiers or tiers[0].floor_quote != 0:
        yield Fault(place, "the first tier starts at 0")
    for low, high in pairwise(tiers):
        if not (low.floor_quote < high.floor_quote and low.maintenance_rate <= high.maintenance_rate):
            yield Fault(place, "tiers rise in floor_quote and maintenance_rate")
