"""Figures, times and names as a reader wants them: few digits, units, offsets from the start."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from backtester.config.values import Instant
from backtester.enums import Verdict
from backtester.report.flags import Flag
from backtester.report.naming import titled_name
from backtester.report.pools import fates
from backtester.report.records import CROSS, Cell, FailedCell, LimitReport, ReportModel

NONE = "–"
_SECOND = 1_000_000_000
_MOST_NOTICES = 8
_SUMS = ("price", "funding", "fees", "liquidation")


def money(amount: float | None) -> str:
    """Quote currency with cents; whole above ten million. Example: -1234.5 is −1,234.50."""
    if amount is None:
        return NONE
    amount += 0.0  # no minus before a zero
    return _minus(f"{amount:,.0f}" if abs(amount) >= 1e7 else f"{amount:,.2f}")


def signed(amount: float) -> str:
    """Money with its sign. Example: +2,000.00."""
    return f"+{money(amount)}" if amount > 0.0 else money(amount)


def price(value: float | None) -> str:
    """At least two decimals above 1, six significant digits below. Example: a price less another, −4,411.76."""
    if value is None:
        return NONE
    magnitude = abs(value)
    return _minus(f"{value:,.2f}" if magnitude >= 100 else f"{value:.4f}" if magnitude >= 1 else f"{value:.6g}")


def size(units: float | None) -> str:
    """Units of the base, as many digits as it has, at most eight."""
    return NONE if units is None else _minus(f"{units:,.8g}" if abs(units) < 1e6 else f"{units:,.0f}")


def bps(value: float | None) -> str:
    """One decimal and a sign. Example: 12.34 is +12.3."""
    return NONE if value is None else _minus(f"{value:+.1f}" if round(value, 1) else "0.0")


def percent(fraction: float | None) -> str:
    """One decimal. Example: 0.1234 is 12.3 %."""
    return NONE if fraction is None else _minus(f"{100 * fraction:,.1f} %")


def changed(fraction: float | None) -> str:
    """One decimal and a sign: of what is gained (+) or lost (−). Example: -0.796 is −79.6 %."""
    return NONE if fraction is None else _minus(f"{100 * fraction:+,.1f} %" if round(fraction, 3) else "0.0 %")


def share(fraction: float) -> str:
    """Two decimals, four digits below 1 %. Examples: 0.796283 is 79.63 %, 0.000012 is 0.0012 %."""
    percents = 100 * fraction + 0.0
    return _minus(f"{percents:,.2f} %" if abs(percents) >= 1 else f"{percents:.4g} %")


def amount(value: float) -> str:
    """What may be money, a price, a size or a count: with cents from 100 on, a whole number as it is."""
    return money(value) if isinstance(value, float) and abs(value) >= 100 else size(value + 0.0)


def rate(fraction: float | None) -> str:
    """A funding rate, four decimals and a sign. Example: 0.0001 is +0.0100 %."""
    return NONE if fraction is None else _minus(f"{100 * fraction:+,.4f} %")


def clock(ts: Instant | None) -> str:
    """Time of day, UTC. Example: 21:13:39."""
    return NONE if ts is None else f"{datetime.fromtimestamp(ts.ts_ns // _SECOND, UTC):%H:%M:%S}"


def stretch(begin: Instant, end: Instant) -> str:
    """From the second it begins in to the one it has ended by. Examples: between 21:20:12 and 21:20:20, at 21:20:12."""
    first, last = clock(begin), clock(Instant(end.ts_ns + _SECOND - 1))
    return f"at {first}" if first == last else f"between {first} and {last}"


def offset(ts: Instant, start: Instant) -> str:
    """Time since the start. Examples: +43:39, +1:02:03, +2d 01:02:03."""
    minutes, seconds = divmod((ts.ts_ns - start.ts_ns) // _SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"+{days}d {hours:02d}:{minutes:02d}:{seconds:02d}"
    return f"+{hours}:{minutes:02d}:{seconds:02d}" if hours else f"+{minutes:02d}:{seconds:02d}"


def when(ts: Instant | None, start: Instant) -> str:
    """Time of day and offset. Example: 21:13:39 +43:39."""
    return NONE if ts is None else f"{clock(ts)} {offset(ts, start)}"


def lead(seconds: float | None) -> str:
    """How much earlier, as a clock tells it. Examples: 7:03, −0:12, 2:08:07."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    told = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"−{told}" if seconds < 0.0 else told


def delay(later: Instant | None, earlier: Instant | None) -> str:
    """A latency. Example: +90 ms."""
    return NONE if later is None or earlier is None else f"+{(later.ts_ns - earlier.ts_ns) / 1e6:,.0f} ms"


def word(code: str) -> str:
    """A code as a reader reads it. Example: in_flight_at_end is in flight at end."""
    return code.replace("_", " ")


def headline(cell: Cell | FailedCell) -> str:
    """The verdict of a cell and what it is about. Example: `SURVIVED  book, 2025-10-10 on hyperliquid@2026-08-22`."""
    word = verdict_words(cell) if isinstance(cell, Cell) else cell.status.replace("_", " ").upper()
    return f"{word}  {titled_name(cell)}"


def verdict_words(cell: Cell) -> str:
    """The verdict in capitals. Example: PARTLY LIQUIDATED."""
    return f"PARTLY {cell.verdict.name}" if is_partly(cell) else cell.verdict.name


def is_partly(cell: Cell) -> bool:
    """Whether every liquidated account lost a margin pool and kept another: none was liquidated whole."""
    pools = fates(cell.accounts, cell.liquidations)
    hurt = {account for account, _, died in pools if died}
    kept = {account for account, _, died in pools if not died}
    return bool(hurt) and hurt <= kept and cell.verdict is Verdict.LIQUIDATED


def pools_words(cell: Cell) -> str:
    """How many margin pools were liquidated. Example: 1 of 3."""
    return f"{cell.portfolio.pools_liquidated} of {cell.portfolio.pools}"


def story(cell: Cell, currency: str) -> list[str]:
    """What happened and what it cost: one line each."""
    whole = cell.portfolio
    lines = [_reason(cell, currency)]
    lost = f" ({changed(-whole.loss_pct / 100.0)})" if whole.loss_pct is not None else ""
    lowest = f"lowest {money(whole.equity_min)}"
    if whole.equity_end_exit is None:
        left = "the final order book cannot take what is left"
    else:
        left = f"{money(whole.equity_end_exit)} after closing everything through the final order book"
    lines.append(f"equity {money(whole.equity_start)} → {money(whole.equity_end)} {currency}{lost}; {lowest}; {left}")
    return [*lines, _sums(cell), *_guarded(cell, currency)]


def _guarded(cell: Cell, currency: str) -> Iterator[str]:
    """Example: guards of main: 104,903.87 USDC with them, 3,593.44 without: they saved 101,310.43."""
    for account in cell.accounts:
        if (without := account.unguarded) is not None:
            did = f"saved {money(without.effect)}" if without.effect >= 0.0 else f"cost {money(-without.effect)}"
            ends = f"{money(account.equity_end)} {currency} with them, {money(without.equity_end)} without"
            yield f"guards of {account.name}: {ends}: they {did}"


def _sums(cell: Cell) -> str:
    """What the end is made of. Example: price −223,529.16, funding −37.18, fees −667.71, liquidation −6,688.04."""
    parts = [(each.pnl_price, each.pnl_funding, each.pnl_fees, each.pnl_liquidation) for each in cell.accounts]
    sums = [math.fsum(amounts) for amounts in zip(*parts, strict=True)]
    return ", ".join(f"{name} {money(total)}" for name, total in zip(_SUMS, sums, strict=True))


def noticed(cell: Cell) -> list[str]:
    """What came out otherwise than written, one line each; of many the first ones, and how many more there are."""
    lines = [f"{word(each.flag)}: {each.text}" for each in cell.notices[:_MOST_NOTICES]]
    if more := len(cell.notices) - len(lines):
        lines.append(f"and {more} more, all in the JSON document")
    return lines


def limit_line(limit: LimitReport) -> str:
    """A limit and whether it is kept. Example: `limit breached: loss_pct > 40 (loss_pct is 64.63 %)`."""
    level = ", a warning" if limit.level == "warn" else ""
    return f"limit {'kept' if limit.outcome == 'ok' else word(limit.outcome)}{level}: {limit.text} ({limit.figure})"


def _borne(cell: Cell, currency: str) -> str:
    return f"others bear {money(cell.system.deficit)} {currency} of losses beyond the margin"


def _reason(cell: Cell, currency: str) -> str:
    """Why the verdict is what it is."""
    if cell.liquidations:
        first = cell.liquidations[0]
        symbols = ", ".join(dict.fromkeys(f"{each.account} {each.position}" for each in cell.liquidations))
        orders = f"{len(cell.liquidations)} liquidation order{'s' if len(cell.liquidations) > 1 else ''}"
        text = f"{orders} ({symbols}), first at {clock(first.ts)} ({offset(first.ts, cell.start_ts)})"
        return f"{text}; {_borne(cell, currency)}" if cell.verdict is Verdict.INSOLVENT else text
    if cell.verdict is Verdict.INSOLVENT:
        return _borne(cell, currency) if cell.system.deficit > 0.0 else "an account ended below 0"
    measured = [account for account in cell.accounts if account.buffer_min is not None]
    tightest = min(measured, key=lambda account: account.buffer_min or 0.0, default=None)
    text = "no liquidation"
    if cell.verdict is Verdict.REDUCED:
        closed = all(each.size_end == 0.0 for account in cell.accounts for each in account.positions)
        done = "closed every position" if closed else "made positions smaller"
        text += f"; conditional and reduce-only orders {done}"
    if cell.verdict is Verdict.ALERTED:
        text += f"; first alert by {cell.actions[0].guard} at {clock(cell.actions[0].ts)}"
    if Flag.SEVERE_LOSS in cell.flags:
        text = f"severe loss without a liquidation{text.removeprefix('no liquidation')}"
    if Flag.LEFT_OPEN_WITHOUT_DEPTH in cell.flags:
        text += "; what should have been closed stayed open, the order book was empty"
    if tightest is not None and tightest.buffer_min_ts is not None:
        at = f"{clock(tightest.buffer_min_ts)} ({offset(tightest.buffer_min_ts, cell.start_ts)})"
        text += f"; tightest: {tightest.name}, {money(tightest.buffer_min)} {currency} above maintenance at {at}"
    return text


def pool_name(pool: str) -> str:
    """A pool as a reader reads it. Example: cross, or ETH isolated."""
    return pool if pool == CROSS else f"{pool} isolated"


def _minus(text: str) -> str:
    """A minus as wide as a plus; none before what is 0 as it is shown. Examples: −0.5, 0.00."""
    return text.replace("-", "−" if re.search("[1-9]", text) else "")


def vouchers(model: ReportModel) -> tuple[str, ...]:
    """The last lines of every report: the program, and the receipt."""
    return (
        f"seed {model.seed}, backtester {model.engine_version}",
        f"receipt of inputs  {model.receipt.inputs}",
        f"receipt of results {model.receipt.results}",
    )
