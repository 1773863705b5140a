"""`backtester venues`: the dated rules of each exchange, with their sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.cli.completion import symbols, venues
from backtester.cli.console import Cell, emit_rows, settings
from backtester.texts import counted

if TYPE_CHECKING:
    from backtester.venue.profile import MarketRules, VenueProfile

app = typer.Typer(
    help="The dated rules of each exchange: list them, show them with their sources, compare two dates.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Venue = Annotated[
    str,
    typer.Argument(
        metavar="ID[@DATE]", autocompletion=venues, help="A venue of `venues list`, or a .toml file of yours."
    ),
]


@app.command("list")
def list_venues(ctx: typer.Context) -> None:
    """List every venue and the dates from which its rules hold."""
    from backtester.venue.loader import load_profiles, venue_ids

    columns = ("venue", "rules_date", "until", "assumed_share", "markets", "basis")
    rows: list[tuple[Cell, ...]] = [
        (
            profile.id,
            str(profile.rules_date),
            str(profile.until) if profile.until else None,
            round(profile.assumed_share, 3),
            len(profile.markets),
            profile.basis,
        )
        for venue_id in venue_ids()
        for profile in load_profiles(venue_id)
    ]
    emit_rows("venues", columns, rows, settings(ctx))


@app.command()
def show(
    ctx: typer.Context,
    venue: Venue,
    symbol: Annotated[
        str | None,
        typer.Option(
            metavar="SYMBOL", autocompletion=symbols, help="Only this market, as BTCUSDT or BTC; also one of a table."
        ),
    ] = None,
) -> None:
    """Show every rule of a venue on a date: value, whether it is assumed, source. Example: hyperliquid@2025-10-10.

    Markets of a tier table are counted; `--symbol` shows one of them.
    """
    profile = _profile(venue)
    markets = _written_out(profile) if symbol is None else (profile.market(symbol),)
    rows: list[tuple[Cell, ...]] = [
        ("rules_date", str(profile.rules_date), None, profile.basis),
        ("assumed_share", round(profile.assumed_share, 3), None, "of the rules below, without the markets"),
        *((stated.rule, _text(stated.value), stated.assumed, stated.source) for stated in profile.provenance),
        *(() if symbol else _fee_rows(profile)),
        *((name, value, market.assumed, market.source) for name, market, value in _market_values(markets)),
        *(() if symbol else _table_rows(profile)),
        *(("note", note, None, None) for note in profile.notes),
        *((f"document {document.key}", document.title, None, None) for document in profile.documents),
        ("sha256", profile.sha256, None, "of the values of these rules and markets"),
    ]
    emit_rows("venue", ("rule", "value", "assumed", "source"), rows, settings(ctx))


@app.command()
def diff(ctx: typer.Context, left: Venue, right: Venue) -> None:
    """Show the rules in which two dates, or two venues, differ."""
    one, other = _profile(left), _profile(right)
    before, after = dict(_values(one)), dict(_values(other))
    rows = [
        (rule, before.get(rule), after.get(rule))
        for rule in dict.fromkeys((*before, *after))
        if before.get(rule) != after.get(rule)
    ]
    emit_rows("venue_diff", ("rule", one.name, other.name), rows, settings(ctx))


def _profile(text: str) -> VenueProfile:
    from backtester.errors import usage_error
    from backtester.venue.loader import VenueRef, load_profile

    ref = VenueRef.parse(text)
    if ref.at_scenario:
        raise usage_error(f"venue {text}", "there is no scenario here", f"name a date: {ref.id}@2025-10-10")
    return load_profile(ref.id, ref.on)


def _values(profile: VenueProfile) -> Iterator[tuple[str, Cell]]:
    """Everything that decides a result, by name."""
    yield from ((stated.rule, _text(stated.value)) for stated in profile.provenance)
    yield from ((str(name), value) for name, value, *_ in _fee_rows(profile))
    yield from ((name, value) for name, _, value in _market_values((*profile.markets, profile.default_market)))


def _fee_rows(profile: VenueProfile) -> Iterator[tuple[Cell, ...]]:
    """The fee tiers: `taker 0.04 %, maker 0.012 %: above 5 million`."""
    for tier in profile.fee_tiers:
        rates = {"taker": tier.taker_fee, "maker": tier.maker_fee}
        said = ", ".join(f"{name} {100.0 * rate:.6g} %" for name, rate in rates.items() if rate is not None)
        yield f"fee tier {tier.name}", f"{said}: {tier.condition}", tier.assumed, tier.source


def _market_values(markets: Iterable[MarketRules]) -> Iterator[tuple[str, MarketRules, str]]:
    for market in markets:
        yield f"market {market.symbol or '(any other)'}", market, _market_text(market)


def _written_out(profile: VenueProfile) -> tuple[MarketRules, ...]:
    """The markets that are not of a table, and those of which a table does not say all."""
    has_own_rule = (market for market in profile.markets if not market.table or market.own)
    return (*has_own_rule, profile.default_market)


def _table_rows(profile: VenueProfile) -> Iterator[tuple[Cell, ...]]:
    of_table = [market for market in profile.markets if market.table]
    for file in dict.fromkeys(market.table for market in of_table):
        markets = [market for market in of_table if market.table == file]
        value = f"{counted(len(markets), 'market')}; --symbol {markets[0].symbol} shows one"
        yield f"table {file}", value, all(market.assumed for market in markets), markets[0].source


def _market_text(market: MarketRules) -> str:
    """`40x, maintenance 0.0125; from 150,000,000: 20x, maintenance 0.025 less 1,875,000; impact 20,000`."""
    from backtester.venue.margin import tier_table

    parts = []
    for tier in tier_table(market.tiers):
        start = f"from {tier.floor_quote:,.0f}: " if tier.floor_quote else ""
        less = f" less {tier.deduction:,.0f}" if tier.deduction else ""
        parts.append(f"{start}{tier.max_leverage:g}x, maintenance {tier.maintenance_rate:.6g}{less}")
    parts.append(f"impact {market.impact_notional_quote:,.0f}")
    if market.size_decimals is not None:
        parts.append(counted(market.size_decimals, "size decimal"))
    parts += (f"{own.rule} {own.value:,.10g}" for own in market.own)
    return "; ".join(parts)


def _text(value: str | float | bool | tuple[str, ...]) -> Cell:
    """As TOML writes it; words of a list side by side."""
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else value
