"""What a tape is: its columns, and the facts about its instruments that travel in the Parquet metadata.

Any tool can write a tape: integers, floats and strings of another width than TAPE_SCHEMA are read too, `recv_ts` and
`seq` may be absent, and the instruments may be named on the command line instead of in the metadata.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from backtester.bounds import LARGEST_STEP, SMALLEST_STEP
from backtester.engine.spec import Instrument
from backtester.enums import EventKind
from backtester.errors import BacktesterError, Diagnostic, data_error, usage_error

SCHEMA_VERSION = "1"
PREFIX = "backtester."

#: The words of the `kind` column; the position of a word is its EventKind.
KIND_NAMES = (
    "snapshot",
    "delta",
    "trade",
    "mark",
    "index",
    "funding",
    "funding_predicted",
    "open_interest",
    "status",
)
KIND_CODES = {name: EventKind(code) for code, name in enumerate(KIND_NAMES)}

#: The symbol of a linear contract that names its quote, and the day of delivery if it has one.
_PAIR = re.compile(r".+(USDT|USDC)(?:_\d{6})?")

_TIME = pa.timestamp("ns", tz="UTC")
_WORD = pa.dictionary(pa.int8(), pa.string())
_SYMBOL = pa.dictionary(pa.int32(), pa.string())

TAPE_SCHEMA = pa.schema(
    [
        pa.field("ts", _TIME, nullable=False),
        pa.field("recv_ts", _TIME),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("symbol", _SYMBOL, nullable=False),
        pa.field("kind", _WORD, nullable=False),
        pa.field("side", pa.int8(), nullable=False),
        pa.field("price", pa.float64(), nullable=False),
        pa.field("size", pa.float64(), nullable=False),
    ]
)


class TapeInstrument(NamedTuple):
    """One instrument of a tape. `quote` is empty when nobody said it."""

    venue: str
    symbol: str
    base: str
    tick_size: float
    lot_size: float
    contract: str = "linear"  # linear | inverse | quanto | spot
    multiplier: float = 1.0
    quote: str = ""
    size_unit: str = "base"  # base | contracts | quote

    def names_at(self, venue: str) -> tuple[str, ...]:
        """What the profile of a venue may know it by, the more exact one first.

        Not its base where the symbol names one contract of that venue: BTCUSDC has no rules of BTCUSDT, nor has
        BTCUSDT_250926.
        """
        is_exact = self.venue == venue and _PAIR.fullmatch(self.symbol)
        return (self.symbol,) if is_exact else (self.symbol, self.base)

    def settle_asset(self, venue: str, collateral: str) -> str:
        """The asset in which an account at a venue settles it; `collateral` is the usual one there.

        That of its quote (or of the end of its symbol) at its own venue; at another one it stands for the contract
        there. Example: BTCUSDC of binance-usdm is settled in USDC at binance-usdm; its tape may also stand for the BTC
        of hyperliquid.
        """
        if self.venue not in ("", venue):
            return collateral
        if self.quote not in ("", "USD"):  # a price in USD is no asset
            return self.quote
        pair = _PAIR.fullmatch(self.symbol)
        return pair[1] if pair else collateral

    @property
    def spec(self) -> Instrument:
        """What the engine needs to know of it."""
        return Instrument(self.symbol, self.tick_size, self.lot_size, self.multiplier)


class InstrumentFacts(NamedTuple):
    """What one source says about a symbol; None where it is silent."""

    symbol: str
    venue: str | None = None
    base: str | None = None
    tick_size: float | None = None
    lot_size: float | None = None
    contract: str | None = None
    multiplier: float | None = None
    quote: str | None = None
    size_unit: str | None = None


class TapeMetadata(NamedTuple):
    """The key-value metadata of one tape file."""

    venue: str | None
    source: str
    licence: str
    facts: tuple[InstrumentFacts, ...]


_CHOICES = {"contract": ("linear", "inverse", "quanto", "spot"), "size_unit": ("base", "contracts", "quote")}
_NUMBERS = ("tick_size", "lot_size", "multiplier")
_FIELDS = InstrumentFacts._fields[1:]
_SHORT = {"tick": "tick_size", "lot": "lot_size"}
FLAG = "--instrument"


def parse_instrument(text: str) -> InstrumentFacts:
    """Read `BTC:tick=0.1,lot=0.001`; further keys: venue, base, contract, multiplier, quote, size_unit.

    Raises a usage error that names every fault of the text.
    """
    symbol, colon, rest = text.partition(":")
    if not (symbol and colon and rest):
        raise usage_error(FLAG, f'expected SYMBOL:key=value,…, was "{text}"', "such as BTC:tick=0.1,lot=0.001")
    problems: list[str] = []
    said: dict[str, Any] = {}
    for part in rest.split(","):
        short, equals, value = part.partition("=")
        key = _SHORT.get(short.strip(), short.strip())
        if not equals or key not in _FIELDS:
            problems.append(f'unknown key "{part.strip()}"')
        elif key in said:
            problems.append(f"{key} is said twice")
        else:
            said[key] = _number(value) if key in _NUMBERS else value.strip()
    problems += _value_problems(said)
    if problems:
        keys = ", ".join(["tick", "lot", *(field for field in _FIELDS if field not in _SHORT.values())])
        raise BacktesterError([Diagnostic("usage", f"{FLAG} {symbol}", each, f"keys: {keys}") for each in problems])
    return InstrumentFacts(symbol, **said)


def parse_instruments(texts: Iterable[str]) -> tuple[InstrumentFacts, ...]:
    """Parse every --instrument; a symbol said twice is a usage error."""
    parsed = tuple(parse_instrument(text) for text in texts)
    symbols = [each.symbol for each in parsed]
    twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    if twice:
        raise usage_error(FLAG, f"{', '.join(twice)} is named twice", "one --instrument per symbol")
    return parsed


def ingest_instrument(text: str, symbol: str, venue: str, quote: str) -> TapeInstrument:
    """The instrument of a recording from --instrument, --symbol, --venue and --quote, which must not contradict."""
    facts = parse_instrument(text)
    said = InstrumentFacts(symbol, venue=venue, quote=quote or None)
    problems = [
        f"{field} is {theirs} in {FLAG} but {ours} in --{field}"
        for field, theirs, ours in zip(said._fields, facts, said, strict=True)
        if theirs is not None and ours is not None and theirs != ours
    ]
    problems += [f"{short} is missing" for short, field in _SHORT.items() if getattr(facts, field) is None]
    if problems:
        raise BacktesterError([Diagnostic("usage", FLAG, problem) for problem in problems])
    if facts.contract is None and is_coin_margined(symbol):
        raise coin_margined_error(FLAG, symbol)
    known = {field: value for field, value in facts._asdict().items() if value is not None}
    return TapeInstrument(**{"venue": venue, "base": symbol, "quote": quote} | known)


def is_coin_margined(symbol: str) -> bool:
    """Whether a symbol is one of Binance's COIN-M futures: ETHUSD_PERP, BTCUSD_250926; not BTCUSDT_250926."""
    return re.fullmatch(r"[A-Z0-9]+USD_(PERP|\d{6})", symbol) is not None


def coin_margined_error(where: str, symbol: str) -> BacktesterError:
    """A contract that pays in its base, taken for one that pays in its quote."""
    message = f"{symbol} is coin-margined: its sizes are contracts of a value in USD, it pays in its base"
    hint = f"{FLAG} {symbol}:…,contract=inverse,size_unit=contracts,multiplier=(USD per contract)"
    return data_error(where, message, hint)


def read_metadata(raw: dict[bytes, bytes] | None, where: str) -> tuple[TapeMetadata, list[Diagnostic]]:
    """Decode the Parquet key-value metadata of a tape; returns it with every problem found."""
    own = {key: value for key, value in (raw or {}).items() if key.startswith(PREFIX.encode())}
    problems: list[str] = []
    try:
        said = {key.decode(): value.decode() for key, value in own.items()}
    except UnicodeDecodeError:
        return TapeMetadata(None, "", "", ()), [Diagnostic("data", where, f"metadata {PREFIX}… is not UTF-8")]
    version = said.get(PREFIX + "schema_version")
    if version not in (None, SCHEMA_VERSION):
        problems.append(f"{PREFIX}schema_version is {version}, this program reads {SCHEMA_VERSION}")
    facts: tuple[InstrumentFacts, ...] = ()
    text = said.get(PREFIX + "instruments")
    if text is not None:
        facts, more = _read_instruments(text)
        problems += more
    metadata = TapeMetadata(
        said.get(PREFIX + "venue"), said.get(PREFIX + "source", ""), said.get(PREFIX + "licence", ""), facts
    )
    return metadata, [Diagnostic("data", where, problem) for problem in problems]


def write_metadata(instruments: Sequence[TapeInstrument], source: str, licence: str) -> dict[str, str]:
    """The key-value metadata of a tape file; all of its instruments trade at one venue."""
    fields = [field for field in _FIELDS if field != "venue"]
    listed = {
        each.symbol: {field: getattr(each, field) for field in fields if getattr(each, field) != ""}
        for each in instruments
    }
    said = {
        "schema_version": SCHEMA_VERSION,
        "venue": instruments[0].venue,
        "source": source,
        "licence": licence,
        "instruments": json.dumps(listed, ensure_ascii=False),
    }
    return {PREFIX + key: value for key, value in said.items() if value}


def resolve_instrument(
    facts: InstrumentFacts, venue: str | None, override: InstrumentFacts | None, where: str
) -> tuple[TapeInstrument | None, list[Diagnostic]]:
    """Join what a file and the command line say; None if tick or lot remain unknown or the two contradict."""
    own = facts._replace(venue=venue if facts.venue is None else facts.venue)
    said: dict[str, Any] = {}
    problems: list[Diagnostic] = []
    for field in _FIELDS:
        of_file, of_flag = getattr(own, field), getattr(override, field) if override else None
        if of_file is not None and of_flag is not None and of_file != of_flag:
            message = f"{field} of {facts.symbol} is {of_file} in the tape but {of_flag} in {FLAG}"
            problems.append(Diagnostic("data", where, message, "the tape decides: drop the flag or mend the tape"))
        value = of_file if of_file is not None else of_flag
        if value is not None:
            said[field] = value
    missing = [short for short, field in _SHORT.items() if field not in said]
    if missing:
        message = f"nobody says the {' and '.join(missing)} of {facts.symbol}"
        problems.append(Diagnostic("data", where, message, f"{FLAG} {facts.symbol}:tick=…,lot=…"))
    if problems:
        return None, problems
    return TapeInstrument(symbol=facts.symbol, **{"venue": "", "base": facts.symbol} | said), []


def column_problems(schema: pa.Schema, where: str) -> list[Diagnostic]:
    """Columns that are missing or of a type that cannot be read as a tape's."""
    kinds = {
        "ts": (_is_utc, "a timestamp with a time zone"),
        "recv_ts": (_is_utc, "a timestamp with a time zone"),
        "seq": (pa.types.is_integer, "an integer"),
        "symbol": (_is_word, "a string"),
        "kind": (_is_word, "a string"),
        "side": (pa.types.is_integer, "an integer"),
        "price": (_is_number, "a number"),
        "size": (_is_number, "a number"),
    }
    problems = []
    for name, (accepts, wanted) in kinds.items():
        found = schema.get_all_field_indices(name)
        if len(found) > 1:
            problems.append(Diagnostic("data", where, f"column {name} exists {len(found)} times"))
        elif not found and name not in ("recv_ts", "seq"):
            problems.append(Diagnostic("data", where, f"column {name} is missing: {wanted}"))
        elif found and not accepts(schema.field(name).type):
            problems.append(Diagnostic("data", where, f"column {name} must be {wanted}, is {schema.field(name).type}"))
    return problems


def _read_instruments(text: str) -> tuple[tuple[InstrumentFacts, ...], list[str]]:
    """Decode the instruments JSON: {symbol: {field: value}}."""
    key = PREFIX + "instruments"
    try:
        listed = json.loads(text)
    except ValueError as error:
        return (), [f"{key} is no JSON: {error}"]
    except RecursionError:
        return (), [f"{key} is nested too deeply"]
    if not isinstance(listed, dict) or not all(isinstance(each, dict) for each in listed.values()):
        return (), [f"{key} must map each symbol to an object"]
    facts, problems = [], []
    for symbol, said in listed.items():
        own = [f'unknown key "{field}"' for field in said if field not in _FIELDS] + _value_problems(said)
        problems += [f"{key} {symbol}: {problem}" for problem in own]
        if not own:
            floats = {field: float(said[field]) for field in _NUMBERS if field in said}
            facts.append(InstrumentFacts(symbol, **said | floats))
    return tuple(facts), problems


def _value_problems(said: dict[str, Any]) -> list[str]:
    problems = []
    for field, value in said.items():
        if field in _NUMBERS:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and SMALLEST_STEP <= value <= LARGEST_STEP):
                problems.append(f"{field} must be a positive number, {SMALLEST_STEP:g} to {LARGEST_STEP:g}")
        elif field in _FIELDS and not (isinstance(value, str) and value):
            problems.append(f"{field} must be a word")
        elif field in _CHOICES and value not in _CHOICES[field]:
            problems.append(f'{field} must be one of {", ".join(_CHOICES[field])}, was "{value}"')
    return problems


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_utc(type_: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(type_)) and type_.tz is not None


def _is_word(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return type_ in (pa.string(), pa.large_string(), pa.string_view())


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_floating(type_) or pa.types.is_integer(type_))
