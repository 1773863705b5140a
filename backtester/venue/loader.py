"""Find a venue profile, pick the period in force, and fill what that period takes over."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

from backtester.config.toml import did_you_mean, read_document
from backtester.config.venue import MarketEntry, Stated, VenueFile, VenueRules, read_venue
from backtester.errors import config_error, usage_error
from backtester.venue.profile import MarketRules, Provenance, SourceDocument, VenueProfile

SHIPPED = Path(__file__).parent


class VenueRef(NamedTuple):
    """A venue as named on the command line: `ID`, `ID@DATE` or `ID@scenario`."""

    id: str
    on: date | None = None  # None: the newest rules
    at_scenario: bool = False  # the rules of the scenario's first day

    @classmethod
    def parse(cls, text: str) -> VenueRef:
        """Raises a usage error for a date that is none."""
        venue_id, _, when = text.partition("@")
        if when == "scenario":
            return cls(venue_id, at_scenario=True)
        try:
            return cls(venue_id, date.fromisoformat(when) if "@" in text else None)
        except ValueError:
            raise usage_error(f"venue {text}", f'"{when}" is no date', f"for example {venue_id}@2025-10-10") from None


def venue_ids() -> tuple[str, ...]:
    """The shipped venues."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def load_profile(venue_id: str, on: date | None = None) -> VenueProfile:
    """The rules of a venue on a date, the newest without one. `venue_id` is a shipped venue or the path of a TOML file.

    Raises a configuration error for an unknown venue, a faulty file, or a date before the first period.
    """
    profiles = load_profiles(venue_id)
    found = next((profile for profile in profiles if on is None or profile.rules_date <= on), None)
    if found is None:
        dates = ", ".join(str(profile.rules_date) for profile in reversed(profiles))
        raise config_error(f"venue {venue_id}@{on}", "no rules are known for this date", f"rules start at: {dates}")
    return found


def load_profiles(venue_id: str) -> tuple[VenueProfile, ...]:
    """Every period of a venue, newest first."""
    document = read_document(_path_of(venue_id))
    venue = read_venue(document)
    return tuple(_profile(venue, number, document.sha256) for number in range(len(venue.periods)))


def _path_of(venue_id: str) -> Path:
    if venue_id.endswith(".toml"):
        return Path(venue_id)
    if venue_id not in venue_ids():
        hint = did_you_mean(venue_id, venue_ids()) or f"shipped: {', '.join(venue_ids())}; or the path of a .toml file"
        raise config_error(f"venue {venue_id}", "unknown venue", hint)
    return SHIPPED / f"{venue_id}.toml"


def _profile(venue: VenueFile, number: int, sha256: str) -> VenueProfile:
    """Period `number`, with all that it takes over from the newer ones."""
    rules: dict[str, Stated] = {}
    markets: dict[str, MarketRules] = {}
    default_market = None
    for period in venue.periods[: number + 1]:
        taken_as_assumed = period.takes_over == "assumed"
        rules = {name: _taken(rule, taken_as_assumed) for name, rule in rules.items()} | period.rules
        markets = {symbol: _taken_market(market, taken_as_assumed) for symbol, market in markets.items()}
        for entry in period.markets:
            markets |= {symbol: _market(entry, symbol) for symbol in entry.symbols}
        if period.default_market is not None:
            default_market = _market(period.default_market, "", listed=False)
    assert default_market is not None, "read_venue has checked the newest period"
    period = venue.periods[number]
    names = VenueRules.key_names()
    return VenueProfile(
        id=venue.id,
        title=venue.title,
        collateral=venue.collateral,
        documents=tuple(SourceDocument(key, title) for key, title in venue.documents.items()),
        rules_date=period.valid_from,
        until=venue.periods[number - 1].valid_from if number else None,
        basis=period.basis,
        notes=period.notes,
        rules=VenueRules.model_validate({name: rules[name].value for name in names}),
        provenance=tuple(Provenance(n, rules[n].value, rules[n].source, rules[n].assumed) for n in names),
        markets=tuple(markets[symbol] for symbol in sorted(markets)),
        default_market=default_market,
        sha256=sha256,
    )


def _market(entry: MarketEntry, symbol: str, *, listed: bool = True) -> MarketRules:
    return MarketRules(
        symbol, entry.tiers, entry.impact_notional_quote, entry.size_decimals, entry.source, entry.assumed, listed
    )


def _taken(rule: Stated, as_assumed: bool) -> Stated:
    return rule.model_copy(update={"assumed": rule.assumed or as_assumed})


def _taken_market(market: MarketRules, as_assumed: bool) -> MarketRules:
    return market._replace(assumed=market.assumed or as_assumed)
