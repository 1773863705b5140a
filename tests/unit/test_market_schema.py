"""What a tape says about itself, what the command line adds, and where the two contradict."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from backtester.engine.spec import Instrument
from backtester.enums import EventKind
from backtester.errors import BacktesterError
from backtester.market.schema import (
    KIND_CODES,
    PREFIX,
    TAPE_SCHEMA,
    InstrumentFacts,
    TapeInstrument,
    column_problems,
    ingest_instrument,
    parse_instrument,
    parse_instruments,
    read_metadata,
    resolve_instrument,
    write_metadata,
)

INVERSE = TapeInstrument("bitmex", "XBTUSD", "BTC", 0.5, 1.0, "inverse", 1.0, "USD", "contracts")


def encoded(metadata: dict[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in metadata.items()}


def test_kinds_are_the_words_of_the_codes() -> None:
    assert {name: code.name.lower() for name, code in KIND_CODES.items()} == {name: name for name in KIND_CODES}
    assert KIND_CODES["status"] == EventKind.STATUS and len(KIND_CODES) == 9


def test_metadata_come_back_as_they_were_written() -> None:
    metadata, problems = read_metadata(encoded(write_metadata([INVERSE], "own", "CC0-1.0")), "x")
    assert not problems
    assert (metadata.venue, metadata.source, metadata.licence) == ("bitmex", "own", "CC0-1.0")
    assert resolve_instrument(metadata.facts[0], metadata.venue, None, "x") == (INVERSE, [])
    assert INVERSE.spec == Instrument("XBTUSD", 0.5, 1.0, 1.0)


def test_metadata_of_another_tool_need_only_tick_and_lot() -> None:
    text = '{"BTC": {"tick_size": 1, "lot_size": 0.001}}'
    metadata, problems = read_metadata({b"backtester.instruments": text.encode()}, "x")
    assert not problems
    instrument, _ = resolve_instrument(metadata.facts[0], metadata.venue, None, "x")
    assert instrument == TapeInstrument("", "BTC", "BTC", 1.0, 0.001)
    assert type(metadata.facts[0].tick_size) is float


def test_every_problem_of_the_metadata_is_named() -> None:
    listed = {"A": {"tick_size": 0, "lot_size": True}, "B": {"tik": 1, "contract": "future"}}
    raw = {"schema_version": "2", "instruments": json.dumps(listed)}
    _, problems = read_metadata(encoded({PREFIX + key: value for key, value in raw.items()}), "tape.parquet")
    said = [problem.message for problem in problems]
    assert len(said) == 5 and all(problem.where == "tape.parquet" for problem in problems)
    for part in ("schema_version is 2", "A: tick_size", "A: lot_size", 'B: unknown key "tik"', "B: contract must be"):
        assert any(part in message for message in said), part


@pytest.mark.parametrize("text", ["{", "[]", '{"BTC": 1}'])
def test_instruments_that_are_no_objects(text: str) -> None:
    _, problems = read_metadata({b"backtester.instruments": text.encode()}, "x")
    assert len(problems) == 1 and "backtester.instruments" in problems[0].message


def test_instrument_flag() -> None:
    facts = parse_instrument("BTC:tick=0.1,lot=0.001,venue=binance,contract=linear,multiplier=2")
    assert facts == InstrumentFacts("BTC", "binance", None, 0.1, 0.001, "linear", 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("BTC", "expected SYMBOL:key=value"),
        (":tick=1", "expected SYMBOL:key=value"),
        ("BTC:tick=x", "tick_size must be a positive number"),
        ("BTC:tick=-1", "tick_size must be a positive number"),
        ("BTC:tick=inf", "tick_size must be a positive number"),
        ("BTC:tik=1", 'unknown key "tik=1"'),
        ("BTC:tick=1,tick=2", "said twice"),
        ("BTC:quote=", "quote must be a word"),
        ("BTC:size_unit=coins", "must be one of base, contracts, quote"),
    ],
)
def test_instrument_flag_that_cannot_be_meant(text: str, message: str) -> None:
    with pytest.raises(BacktesterError, match="error\\[usage\\]") as caught:
        parse_instrument(text)
    assert message in caught.value.diagnostics[0].message


def test_a_symbol_is_described_once() -> None:
    assert len(parse_instruments(["A:tick=1,lot=1", "B:tick=1,lot=1"])) == 2
    with pytest.raises(BacktesterError, match="A is named twice"):
        parse_instruments(["A:tick=1", "A:lot=1"])


def test_flag_completes_the_tape_but_never_contradicts_it() -> None:
    facts = InstrumentFacts("BTC", tick_size=0.1)
    joined, _ = resolve_instrument(facts, "binance", parse_instrument("BTC:lot=0.001,tick=0.1"), "t")
    assert joined == TapeInstrument("binance", "BTC", "BTC", 0.1, 0.001)
    nothing, problems = resolve_instrument(facts, "binance", parse_instrument("BTC:lot=1,tick=0.5,venue=okx"), "t")
    assert nothing is None
    said = [problem.message for problem in problems]
    assert "tick_size of BTC is 0.1 in the tape but 0.5 in --instrument" in said
    assert "venue of BTC is binance in the tape but okx in --instrument" in said


def test_unknown_tick_or_lot_is_an_error() -> None:
    nothing, problems = resolve_instrument(InstrumentFacts("BTC", tick_size=0.1), None, None, "t")
    assert nothing is None and problems[0].message == "nobody says the lot of BTC"


def test_ingest_instrument_joins_the_options() -> None:
    made = ingest_instrument("BTC:tick=1,lot=0.00001", "BTC", "hyperliquid", "USDC")
    assert made == TapeInstrument("hyperliquid", "BTC", "BTC", 1.0, 1e-5, quote="USDC")
    with pytest.raises(BacktesterError) as caught:
        ingest_instrument("ETH:tick=1,venue=okx", "BTC", "hyperliquid", "USDC")
    assert [each.message for each in caught.value.diagnostics] == [
        "symbol is ETH in --instrument but BTC in --symbol",
        "venue is okx in --instrument but hyperliquid in --venue",
        "lot is missing",
    ]


def test_own_schema_is_accepted_and_every_bad_column_is_named() -> None:
    assert column_problems(TAPE_SCHEMA, "x") == []
    bad = pa.schema(
        [
            ("ts", pa.timestamp("ns")),  # no time zone
            ("symbol", pa.int64()),
            ("kind", pa.large_string()),
            ("side", pa.float64()),
            ("price", pa.string()),
            ("price", pa.float64()),
        ]
    )
    said = {problem.message.split()[1]: problem.message for problem in column_problems(bad, "x")}
    assert set(said) == {"ts", "symbol", "side", "price", "size"}
    assert "time zone" in said["ts"] and "exists 2 times" in said["price"] and "is missing" in said["size"]


@pytest.mark.parametrize("symbol", ["ETHUSD_PERP", "BTCUSD_250926"])
def test_a_coin_margined_symbol_is_linear_only_if_somebody_says_so(symbol: str) -> None:
    text = f"{symbol}:tick=0.1,lot=1"
    with pytest.raises(BacktesterError, match=f"{symbol} is coin-margined"):
        ingest_instrument(text, symbol, "binance", "")
    assert ingest_instrument(f"{text},contract=inverse", symbol, "binance", "").contract == "inverse"
    assert ingest_instrument("BTCUSDT_250926:tick=0.1,lot=1", "BTCUSDT_250926", "binance", "").contract == "linear"
