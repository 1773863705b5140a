"""Find a venue profile, pick the period in force, and fill what that period takes over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from backtester.config.command import venue_and_day
from backtester.config.toml import Document, Fault, did_you_mean, faults_error, read_document
from backtester.config.venue import (
    BY_MARKET,
    FeeTier,
    LeverageLimit,
    MarketEntry,
    Period,
    Stated,
    TableRef,
    VenueFile,
    VenueRules,
    read_venue,
)
from backtester.errors import config_error, usage_error
from backtester.shipped import venues_dir
from backtester.venue.profile import MarketRules, OwnRule, Provenance, SourceDocument, VenueProfile
from backtester.venue.tier_table import TierTable, read_tier_table

SHIPPED = venues_dir()


class VenueRef(NamedTuple):
    """A venue as named on the command line: `ID`, `ID@DATE` or `ID@scenario`."""

    id: str
    on: date | None = None  # None: the newest rules
    at_scenario: bool = False  # the rules of the scenario's first day

    @classmethod
    def parse(cls, text: str) -> VenueRef:
        """Raises a usage error for a date that is none."""
        venue_id, at, when = venue_and_day(text)
        if when == "scenario":
            return cls(venue_id, at_scenario=True)
        try:
            return cls(venue_id, date.fromisoformat(when) if at else None)
        except ValueError:
            raise usage_error(f"venue {text}", f'"{when}" is no date', f"for example {venue_id}@2025-10-10") from None


def venue_ids() -> tuple[str, ...]:
    """The shipped venues."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def load_profile(venue_id: str, on: date | None = None) -> VenueProfile:
    """The rules of a venue on a date, the newest without one. `venue_id` is a shipped venue or the path of a TOML file.

    Raises a configuration error for an unknown venue, a faulty file, or a date before the first period.
    """
    path = _path_of(venue_id)
    document, venue = _read(path)
    if found := next(_profiles(path, document, venue, on or date.max), None):
        return found
    dates = ", ".join(str(period.valid_from) for period in reversed(venue.periods))
    raise config_error(f"venue {venue_id}@{on}", "no rules are known for this date", f"rules start at: {dates}")


def load_profiles(venue_id: str) -> tuple[VenueProfile, ...]:
    """Every period of a venue, newest first."""
    path = _path_of(venue_id)
    return tuple(_profiles(path, *_read(path), date.max))


def _path_of(venue_id: str) -> Path:
    if venue_id.endswith(".toml"):
        return Path(venue_id)
    if venue_id not in venue_ids():
        hint = did_you_mean(venue_id, venue_ids()) or f"shipped: {', '.join(venue_ids())}; or the path of a .toml file"
        raise config_error(f"venue {venue_id}", "unknown venue", hint)
    return SHIPPED / f"{venue_id}.toml"


def _read(path: Path) -> tuple[Document, VenueFile]:
    document = read_document(path)
    return document, read_venue(document)


def _profiles(path: Path, document: Document, venue: VenueFile, on: date) -> Iterator[VenueProfile]:
    """The periods from the one in force on a date back to the oldest.

    A tier table is read when its period is reached: the newest rules need one at most.
    """
    rules: dict[str, Stated] = {}
    markets: dict[str, MarketRules] = {}
    default_market: MarketRules | None = None
    fee_tiers: tuple[FeeTier, ...] = ()
    until: date | None = None
    for number, period in enumerate(venue.periods):
        taken_as_assumed = period.takes_over == "assumed"
        rules = {name: _taken(rule, taken_as_assumed) for name, rule in rules.items()} | period.rules
        markets = {symbol: _taken_market(market, taken_as_assumed) for symbol, market in markets.items()}
        if period.leverage_limit is not None:
            markets = {symbol: _limited(market, period.leverage_limit) for symbol, market in markets.items()}
        if period.tier_table is not None:
            table = read_tier_table(path.parent / period.tier_table.file)
            markets.update(_table_markets(table, period.tier_table))
        for entry in period.markets:
            markets.update((symbol, _market(entry, symbol)) for symbol in entry.symbols)
        if period.default_market is not None:
            default_market = _market(period.default_market, "", listed=False)
        fee_tiers = _fee_tiers(period, fee_tiers)
        after, until = until, period.valid_from
        if period.valid_from > on:
            continue
        assert default_market is not None, "read_venue has checked the newest period"
        names = VenueRules.key_names()
        provenance = tuple(Provenance.of(n, rules[n].value, rules[n].source, rules[n].assumed) for n in names)
        of_markets, of_others = _with_own_rules(markets, rules, document, number), _with_steps(default_market, rules)
        yield VenueProfile(
            id=venue.id,
            title=venue.title,
            collateral=venue.collateral,
            documents=tuple(SourceDocument(key, title) for key, title in venue.documents.items()),
            rules_date=period.valid_from,
            until=after,
            basis=period.basis,
            notes=period.notes,
            rules=VenueRules.model_validate({name: rules[name].value for name in names}),
            provenance=provenance,
            markets=of_markets,
            default_market=of_others,
            fee_tiers=fee_tiers,
            sha256=_digest(venue, provenance, (*of_markets, of_others), fee_tiers),
        )


def _digest(
    venue: VenueFile, provenance: Sequence[Provenance], markets: Sequence[MarketRules], fee_tiers: Sequence[FeeTier]
) -> str:
    """Of the values that are in force (sha256): not of sources, notes, or what holds on another date."""
    said = (
        (venue.id, venue.collateral),
        [(rule.rule, rule.value) for rule in provenance],
        [
            (
                each.symbol,
                [(tier.floor_quote, tier.maintenance_rate, tier.max_leverage) for tier in each.tiers],
                (each.impact_notional_quote, each.size_decimals, each.own),
            )
            for each in markets
        ],
        [(tier.name, tier.taker_fee, tier.maker_fee) for tier in fee_tiers],
    )
    return hashlib.sha256(json.dumps(said).encode("utf-8", "surrogatepass")).hexdigest()


def _table_markets(table: TierTable, ref: TableRef) -> Iterator[tuple[str, MarketRules]]:
    for block in table.blocks:
        impact = ref.impact_margin_quote * block.tiers[0].max_leverage
        for symbol in block.symbols:
            market = MarketRules(symbol, block.tiers, impact, None, ref.source, ref.assumed, table=ref.file)
            yield symbol, market


def _with_own_rules(
    markets: Mapping[str, MarketRules], rules: Mapping[str, Stated], document: Document, number: int
) -> tuple[MarketRules, ...]:
    """The markets by symbol, each with the rules that are stated for it alone."""
    if faults := [
        Fault(("periods", number, "rules", name, "by_market", symbol), "no such market", did_you_mean(symbol, markets))
        for name in BY_MARKET
        for symbol in rules[name].by_market.keys() - markets.keys()
    ]:
        raise faults_error(document, faults)
    return tuple(_with_steps(markets[symbol], rules) for symbol in sorted(markets))


def _with_steps(market: MarketRules, rules: Mapping[str, Stated]) -> MarketRules:
    """A market with what is stated for it by its name, or else by its largest leverage."""
    own = []
    for name in BY_MARKET:
        stated, reached = rules[name], market.tiers[0].max_leverage
        steps = sorted((int(step), value) for step, value in stated.by_leverage.items() if int(step) <= reached)
        found = stated.by_market.get(market.symbol, steps[-1][1] if steps else None)
        own += [OwnRule(name, float(found))] if found is not None else []
    return market._replace(own=tuple(own)) if own else market


def _fee_tiers(period: Period, newer: tuple[FeeTier, ...]) -> tuple[FeeTier, ...]:
    """A period has the tiers it states. It takes over those above it, unless it has fees of its own."""
    if period.fee_tiers or period.rules.keys() & {"taker_fee", "maker_fee"}:
        return period.fee_tiers
    if period.takes_over == "documented":
        return newer
    return tuple(tier.model_copy(update={"assumed": True}) for tier in newer)


def _market(entry: MarketEntry, symbol: str, *, listed: bool = True) -> MarketRules:
    return MarketRules(
        symbol, entry.tiers, entry.impact_notional_quote, entry.size_decimals, entry.source, entry.assumed, listed
    )


def _taken(rule: Stated, as_assumed: bool) -> Stated:
    return rule.model_copy(update={"assumed": rule.assumed or as_assumed})


def _limited(market: MarketRules, limit: LeverageLimit) -> MarketRules:
    """The market without the tiers that allow more leverage than a period did: the next one begins at 0.

    Example: 100x at 0.5 %, from 10,000 on 75x at 0.65 %, under a limit of 75x: 75x at 0.65 % from 0 on.
    """
    most = limit.by_market.get(market.symbol, limit.leverage)
    kept = [tier for tier in market.tiers if tier.max_leverage <= most]
    if len(kept) in (0, len(market.tiers)):
        return market
    tiers = (kept[0].model_copy(update={"floor_quote": 0.0}), *kept[1:])
    return market._replace(tiers=tiers, source=f"{market.source}; {limit.source}", assumed=True)


def _taken_market(market: MarketRules, as_assumed: bool) -> MarketRules:
    return market._replace(assumed=True) if as_assumed and not market.assumed else market
