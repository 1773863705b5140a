"""A draft as a facts file: the TOML that `scenarios build` compiles, written for people to go on with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from math import log
from typing import Any

import polars as pl

from backtester.scenario.draft import Draft
from backtester.scenario.facts import ASSUMED, Price
from backtester.scenario.liquidity import Book
from backtester.scenario.others import LARGE
from backtester.scenario.others import RULE as RULE_OF_OTHERS
from backtester.scenario.path import DEPTH
from backtester.scenario.recorded import moment

DAY_S = 86_400
RULE = "OCT"
#: A row of depth is written where some band changes by a quarter (of a logarithm).
MATERIAL = 0.25
#: BTC's spread before the crash that was measured: none is taken to be tighter, so none widens by a larger multiple.
NORMAL_BPS = 0.02
_RULE_TEXT = (
    "Depth of Binance's BTCUSDT against the speed of its price on 2025-10-10, as measured for the scenario of that "
    "day: see there; carried over to this one"
)
_HEAD = """\
# {title}. Drafted from candles: what they do not tell is assumed, and is yours to mend.
#
# Every row ends with its source (candles name it once per table): a key of [sources], several joined by "+", or
# "assumed". Times are UTC. `backtester scenarios build` compiles this file into {id}.parquet.
"""
#: What a draft without any of LARGE says of all names that it has no candles of.
NO_OTHERS = "Nothing here tells how other names move: a portfolio that holds one of them is refused"
_DEPTH = """\
# --- Depth: what is left of the size in a band, by distance from mid. Held between rows. By the speed of {symbol}'s
# --- price, as it was on 2025-10-10 (OCT): -1 % in 5 minutes leaves 0.6 of the bids, -3 % 0.3, -6 % 0.1, and it lasts.
# --- A rise does the same to the asks. Bands: bids <10 bps, <1 %, beyond; then asks. All of it is assumed.
"""


def facts_text(draft: Draft, id: str, title: str, source: str) -> str:
    """The whole file. `source`: where the candles are from."""
    title = title or title_of(draft)
    parts = [
        _HEAD.format(title=title.replace("\n", " "), id=id),
        f'id = {_text(id)}\ntitle = {_text(title)}\ntype = "HIST"\ncalibration = {_text(id + "/1")}\n',
        "\n".join(_window(draft)),
        "\n".join(["[sources]", *(f"{key} = {_text(text)}" for key, text in _sources(draft, source).items()), ""]),
        "\n".join(_prices(draft)),
        "\n".join(_others(draft)),
        *("\n".join(_depth(draft, symbol, course)) for symbol, course in draft.books.items()),
        *("\n".join(_spread(draft, symbol)) for symbol in draft.symbols),
        "\n".join(_speed_of_venue(draft)),
        *("\n".join(block) for block in _candles(draft)),
    ]
    return "\n".join(parts)


def title_of(draft: Draft) -> str:
    """Day and largest move. Examples: `2021-05-19: BTC -23.1 % within 60 minutes`; `2024-01-01: USDC calm`."""
    day = moment(draft.start)[:10]
    if draft.largest is None:
        return f"{day}: {f'{draft.symbols[0]} calm' if draft.is_calm else ' '.join(draft.symbols)}"
    return f"{day}: {draft.symbols[0]} {draft.largest.size * 100:+.1f} % within 60 minutes"


def _text(value: str) -> str:
    """A TOML string: what JSON escapes, TOML escapes alike."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _clock(draft: Draft, t: int) -> str:
    whole = moment(draft.start + t)[:-1]
    return _text(whole[11:] if t < DAY_S else whole)


def _rows(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """The rows of a table: times are text already, numbers as short as ten digits allow."""
    yield "rows = ["
    for time, *cells in rows:
        shown = [cell if isinstance(cell, str) else f"{cell:.10g}" for cell in cells]
        yield f"  [{', '.join([time, *shown])}],"
    yield "]"
    yield ""


def _window(draft: Draft) -> Iterator[str]:
    yield "[window]"
    yield f"start = {moment(draft.start)}"
    yield f"end = {moment(draft.start + draft.span_s)}"
    yield f"step_s = {draft.step_s}"
    move = draft.largest
    told = ""
    if move:
        told = f"{draft.symbols[0]} goes from {move.start_price:.10g} ({moment(move.start)[11:-1]}) to "
        told += f"{move.price_there:.10g} ({moment(move.at)[11:-1]}); "
    elif draft.is_calm:
        told = f"{draft.symbols[0]} is calm: it has one price throughout; "
    yield f"why = {_text(told + 'say here why the window begins and ends where it does')}"
    yield ""


def _sources(draft: Draft, source: str) -> dict[str, str]:
    keys = draft.candles.filter(pl.col("venue") != ASSUMED).select("venue", "price", "seconds").unique().sort(pl.all())
    found = {
        source_key(venue, price, seconds): f"{source}: {venue + ', ' if venue else ''}{price}, candles of {seconds} s"
        for venue, price, seconds in keys.iter_rows()
    }
    return found | {
        RULE: _RULE_TEXT,
        "STEP": f"One step of the prices in the candles, at the first of them, or {NORMAL_BPS} bps",
    }


def source_key(venue: str, price: str, seconds: int) -> str:
    """Example: binance_usdm, perp, 60 → BINANCE_USDM-PERP-60S."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", venue).upper().strip("_") or "CANDLES"
    return f"{name}-{price.upper()}-{seconds}S"


def _prices(draft: Draft) -> Iterator[str]:
    why = (
        "The finest candles draw each price; the index goes with the perp where it has no candles of its own. The "
        "baseline is the calmest stretch of the first hour. More volume means more trades of the same size (assumed)."
    )
    yield "[prices]"
    yield "# Trade intensity 1 = the mean volume per second between these times."
    yield f"baseline = [{', '.join(_clock(draft, t) for t in draft.baseline)}]"
    yield f"why = {_text(why)}"
    yield ""


def _others(draft: Draft) -> Iterator[str]:
    """Like which large name others move; where there is none, that a run of them is refused, and what would help."""
    if large := next((name for name in LARGE if name in draft.symbols), ""):
        yield "# Names without candles here. All of it is assumed."
        yield "[others]"
        yield f"of = {_text(large)}"
        yield f"why = {_text(RULE_OF_OTHERS)}"
    else:
        yield f"# {NO_OTHERS}."
        yield f"# Draft it again with candles of {' or '.join(LARGE)} beside these, or say here how they move:"
        yield "#"
        yield "# [others]"
        yield f"# of = {_text(draft.symbols[0])}"
        yield "# beta = 1.0"
        yield '# why = "assumed: …"'
    yield ""


def _source(book: Book) -> str:
    return _text(f"{RULE}+{ASSUMED}" if max(book.bids, book.asks) else ASSUMED)


def _note(book: Book) -> list[str]:
    return [_text(f"{book.move * 100:+.1f} % in 5 minutes")] if book.move and max(book.bids, book.asks) else []


def _depth(draft: Draft, symbol: str, course: Sequence[Book]) -> Iterator[str]:
    stands_for_all = symbol == draft.symbols[0]
    yield _DEPTH.format(symbol=symbol).rstrip() if stands_for_all else f"# {symbol} was faster than that."
    yield "[[held]]"
    yield f"symbol = {_text('*' if stands_for_all else symbol)}"
    yield f"columns = [{', '.join(map(_text, DEPTH))}]"
    told: list[Book] = []
    for book in course:
        if not told or any(abs(log(a / b)) > MATERIAL for a, b in zip(book.depth(), told[-1].depth(), strict=True)):
            told.append(book)
    yield from _rows([(_clock(draft, b.t), *b.depth(), _source(b), *_note(b)) for b in told])


def _spread(draft: Draft, symbol: str) -> Iterator[str]:
    """Spreads by the level of the symbol's own order book; wider than that on one whose step is wide already."""
    tick, price = draft.ticks[symbol]
    normal = max(float(f"{tick / price * 1e4:.3g}"), NORMAL_BPS)
    rows: list[tuple[str, float, str]] = []
    for book in draft.books.get(symbol, draft.books[draft.symbols[0]]):
        bps = max(normal, book.level.spread_bps)
        if not rows or bps != rows[-1][1]:
            rows.append((_clock(draft, book.t), bps, _source(book) if bps > normal else _text("STEP+assumed")))
    yield "[[spread]]"
    yield f"symbol = {_text(symbol)}"
    yield f"normal_bps = {normal:.10g}"
    yield 'normal_source = "STEP"'
    yield from _rows(rows)


def _speed_of_venue(draft: Draft) -> Iterator[str]:
    rows: list[tuple[Any, ...]] = []
    for book in draft.books[draft.symbols[0]]:
        row = (book.level.latency_ms, book.level.refill_s, _source(book))
        if not rows or row[:2] != rows[-1][1:3]:
            rows.append((_clock(draft, book.t), *row))
    yield "[[held]]"
    yield 'symbol = "*"'
    yield 'columns = ["extra_latency_ms", "refill_half_life_s"]'
    yield from _rows(rows)


def _candles(draft: Draft) -> Iterator[list[str]]:
    """A table for each symbol, price, interval, venue and look, finest first."""
    tables = draft.candles.partition_by("symbol", "price", "seconds", "venue", "like", as_dict=True)
    order = {symbol: n for n, symbol in enumerate(draft.symbols)}

    def finest_first(key: tuple[object, ...]) -> tuple[object, ...]:
        symbol, price, seconds, venue, like = key
        return order[str(symbol)], seconds, price == Price.INDEX, venue, like

    for key in sorted(tables, key=finest_first):
        symbol, price, seconds, venue, like = key
        source = ASSUMED if venue == ASSUMED else source_key(str(venue), str(price), int(seconds))
        lines = ["[[candles]]", f"symbol = {_text(str(symbol))}", f"price = {_text(str(price))}"]
        lines += [f"like = {_text(str(like))}"] if like else []
        lines += [f"interval_s = {seconds}", f"source = {_text(source)}"]
        prices = tables[key].sort("t").select("t", "open", "high", "low", "close", "volume").iter_rows()
        yield [*lines, *_rows([(_clock(draft, t), *values) for t, *values in prices])]
