"""What one position pays or gets for being held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from backtester.calc.answer import Answer, Line, direction, grounds, number, percent, warnings
from backtester.config.venue import VenueRules
from backtester.enums import PriceReference, Side
from backtester.formulas.funding import eight_hour_rate, interval_rate, payment, premium
from backtester.venue.profile import VenueProfile

FORMULA = (
    "payment = −side·size·price·rate; rate = (P + clamp(interest − P, ±clamp))·interval / 8 h, within ±cap; "
    "P = average of (max(0, impact bid − index) − max(0, index − impact ask)) / index"
)

DAY_S = 24 * 3600
DAYS_PER_YEAR = 365
BP = 1e-4


class FixedRate(NamedTuple):
    """The rate of one interval, as it was charged."""

    rate: float


class AveragePremium(NamedTuple):
    """The mean premium of one interval, as a fraction of the index."""

    average_premium: float


class ImpactPrices(NamedTuple):
    """Average prices of selling and of buying the venue's impact notional, and the index; quote."""

    impact_bid: float
    impact_ask: float
    index_price: float


Given: TypeAlias = FixedRate | AveragePremium | ImpactPrices


class Inputs(NamedTuple):
    """`price` is the one that the venue pays on, `price_by` says which that is."""

    account: str | None
    symbol: str
    side: Side
    size: float
    price: float
    price_by: PriceReference
    given: Given
    intervals: int  # how many the position is held
    cost: float | None  # of entering and leaving, as a fraction of notional; None: two taker fees


class Figures(NamedTuple):
    """Cash in quote currency, below 0 when the position pays."""

    funding_rate: float  # of one interval
    eight_hour_rate: float | None  # before the cap; null if the rate was given
    premium: float | None
    interval_s: float
    cap: float
    notional: float
    payment: float  # of one interval
    payment_total: float  # of all intervals held
    per_day: float
    per_year: float
    per_bp: float  # of one interval, for 1 bp more of rate
    at_cap: float  # of one interval, with the rate at the cap against the position
    breakeven_cost: float  # as a fraction of notional
    breakeven_rate: float  # of one interval: over the intervals held it earns the cost


class Rate(NamedTuple):
    """A rate and what it was made of, as far as it was."""

    value: float
    eight_hours: float | None = None
    premium: float | None = None


def funding(profile: VenueProfile, asked: Inputs) -> Answer[Inputs, Figures]:
    """Example: long 2 BTC at an index of 50,000 and 0.01 % an hour pays 10 an hour, 240 a day."""
    rules, market = profile.rules, profile.market(asked.symbol)
    notional, side = asked.size * asked.price, asked.side
    cap = profile.market_rule("funding_cap", market)
    rate = _rate(asked.given, rules, cap)
    paid = payment(side * notional, rate.value)
    interval_s = rules.funding_interval_ns / 1e9
    cost = 2.0 * rules.taker_fee if asked.cost is None else asked.cost
    per_day = paid * (DAY_S / interval_s)
    figures = Figures(
        funding_rate=rate.value,
        eight_hour_rate=rate.eight_hours,
        premium=rate.premium,
        interval_s=interval_s,
        cap=cap,
        notional=notional,
        payment=paid,
        payment_total=paid * asked.intervals,
        per_day=per_day,
        per_year=per_day * DAYS_PER_YEAR,
        per_bp=payment(side * notional, BP),
        at_cap=payment(side * notional, side * cap),
        breakeven_cost=cost,
        breakeven_rate=-side * cost / asked.intervals,
    )
    used = ["funding_interval", "funding_price", "funding_cap"]
    used += ["funding_interest", "funding_clamp"] if rate.eight_hours is not None else []
    used += ["taker_fee"] if asked.cost is None else []
    price = f"{asked.price_by.name.lower()} {number(asked.price)}"
    return Answer(
        position=f"{direction(side)} {asked.symbol} {number(asked.size)}",
        title=f"{direction(side)} {asked.symbol} {number(asked.size)}, {price}",
        inputs=asked,
        grounds=grounds(profile, None, *used),
        figures=figures,
        lines=tuple(_lines(asked, figures, rules)),
        warnings=(*warnings(profile, market), *_beyond(figures)),
    )


def _rate(given: Given, rules: VenueRules, cap: float) -> Rate:
    """The rate as it is given, or as the venue makes it of a premium."""
    if isinstance(given, FixedRate):
        return Rate(given.rate)
    average = premium(*given) if isinstance(given, ImpactPrices) else given.average_premium
    eight_hours = eight_hour_rate(average, rules.funding_interest, rules.funding_clamp)
    return Rate(interval_rate(eight_hours, rules.funding_interval_ns, cap), eight_hours, average)


def _lines(asked: Inputs, figures: Figures, rules: VenueRules) -> Iterator[Line]:
    if isinstance(asked.given, ImpactPrices):
        yield Line("premium", percent(figures.premium), _premium_working(asked.given))
    if figures.eight_hour_rate is not None and figures.premium is not None:
        parts = (percent(rules.funding_interest), percent(figures.premium), percent(rules.funding_clamp))
        clamped = "clamp({} − {}, ±{})".format(*parts)
        yield Line("8 h rate", percent(figures.eight_hour_rate), f"{percent(figures.premium)} + {clamped}")
    yield Line(
        "rate",
        percent(figures.funding_rate),
        f"of {number(figures.interval_s / 3600.0)} h, cap ±{percent(figures.cap)}",
    )
    yield Line("notional", number(figures.notional), f"{number(asked.size)} × {number(asked.price)}")
    factors = (number(-asked.side), number(figures.notional), percent(figures.funding_rate))
    yield Line("payment", number(figures.payment), " × ".join(factors))
    if asked.intervals > 1:
        yield Line("  in all", number(figures.payment_total), f"{asked.intervals} intervals")
    yield Line("  per day", number(figures.per_day), f"{number(DAY_S / figures.interval_s)} intervals")
    yield Line("  per year", number(figures.per_year), f"{DAYS_PER_YEAR} days")
    yield Line("  per bp", number(figures.per_bp), "of one interval, for 0.01 % more")
    yield Line("  at the cap", number(figures.at_cap), "of one interval, against the position")
    working = f"of one interval: earns costs of {percent(figures.breakeven_cost)} of notional in {asked.intervals}"
    yield Line("breakeven rate", percent(figures.breakeven_rate), working)


def _premium_working(given: ImpactPrices) -> str:
    bid, ask, index = map(number, given)
    return f"(max(0, {bid} − {index}) − max(0, {index} − {ask})) / {index}"


def _beyond(figures: Figures) -> Iterator[str]:
    """A given rate that the venue would not charge."""
    if abs(figures.funding_rate) > figures.cap:
        yield f"a rate of {percent(figures.funding_rate)} is beyond the venue's cap of ±{percent(figures.cap)}"
