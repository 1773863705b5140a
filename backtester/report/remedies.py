"""What would have helped: for every account that was lost all that was seen to save it, the best end first, each with
what it costs where no crash comes; and how much more of everything those that lived would have borne.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from backtester.config.values import Instant
from backtester.report.helped import HeadroomReport, RemedyReport
from backtester.report.records import CROSS, AccountReport, Cell, PoolReport
from backtester.report.sheet import Column, Sheet
from backtester.report.text import NONE, clock, money, pool_name, when


class Help(NamedTuple):
    """One thing that would have helped an account, in words; `equity_end` is without the money that it put in."""

    account: str
    words: str
    equity_end: float | None
    better_by: float | None  # than doing nothing
    cost: str  # where no crash comes, in words
    not_enough: str  # the nearest that was seen not to help
    settings: str  # as --set takes them; nothing for money


def helps(account: AccountReport, start: Instant) -> list[Help]:
    """All of them, the best end first; `start` of the run. An account that needed nothing has none."""
    if account.topup_limit is None:
        return []
    found = [
        _topup(account, start),
        *_exit(account, start),
        *(_remedy(account, each) for each in account.remedies),
    ]
    return sorted(found, key=lambda each: -each.better_by if each.better_by is not None else float("inf"))


def _topup(account: AccountReport, start: Instant) -> Help:
    if account.required_topup is None or account.topup_equity_end is None:
        most = f"no money up to {money(account.topup_limit)}, all that it trades"
        return Help(account.name, most, None, None, "", "", "")
    short = [pool for pool in account.pools if pool.required_topup]
    enough, too_little = _apart(account.required_topup, account.topup_too_little or 0.0)
    by = account.required_topup_by
    if by is None or by == start:
        where = f" from the start{_each(short, _pool_need)}"
    else:  # of less it was only tried what it does when it is there all along
        where = _each(short, _pool_need_by) or f" by {when(by, start)}"
        too_little = f"{too_little} from the start"
    end, cost = account.topup_equity_end, f"{money(account.required_topup)} tied up"
    return Help(account.name, f"{enough} more{where}", end, end - account.equity_end, cost, too_little, "")


def _exit(account: AccountReport, start: Instant) -> Iterator[Help]:
    """Example: everything closed by 21:12:33 +42:33; flat, whatever comes after."""
    if account.exit is None:
        return
    by, end = account.exit.by, account.exit.equity_end
    if by is None or end is None:
        yield Help(account.name, "closing everything: too late from the start", None, None, "", "", "")
        return
    words, too_late = f"everything closed by {when(by, start)}", clock(account.exit.too_late_ts)
    yield Help(account.name, words, end, end - account.equity_end, "flat, whatever comes after", too_late, "")


def _each(short: Sequence[PoolReport], told: Callable[[PoolReport], str]) -> str:
    """The parts of several pools, the one that is wanted first ahead."""
    ordered = sorted(short, key=lambda pool: pool.required_topup_by.ts_ns if pool.required_topup_by else 0)
    return f": {', '.join(map(told, ordered))}" if len(short) > 1 else ""


def _remedy(account: AccountReport, each: RemedyReport) -> Help:
    words, cost, not_enough = _WORDS.get(each.id, _in_mode)(account, each)
    end = each.equity_end
    return Help(account.name, words, end, end - account.equity_end, cost, not_enough, each.settings)


def _smaller(account: AccountReport, each: RemedyReport) -> tuple[str, str, str]:
    rest = ", the rest closed at the first mark" if ".collateral." in each.settings else ""
    given_up = f"{100 * (1.0 - (each.value or 0.0)):.3g} % of every gain"
    return f"{each.value:g} of every size{rest}", given_up, f"{each.not_enough:g}"


def _stopped(account: AccountReport, each: RemedyReport) -> tuple[str, str, str]:
    """Example: stops up to 6 % from the first mark, beside its orders; sold at −6 %, whatever comes after; 7 %."""
    far = f"{100 * (each.value or 0.0):g} %"
    words = f"stops up to {far} from the first mark, beside its orders"
    sides = {place.size_start > 0.0 for place in account.positions if place.size_start}
    sold = [f"{_CLOSED[is_long]}{far}" for is_long in sorted(sides, reverse=True)]
    cost = f"{', '.join(sold)}, whatever comes after"
    return words, cost, NONE if each.not_enough is None else f"{100 * each.not_enough:g} %"


#: What a stop does, by whether its position is long.
_CLOSED = {True: "sold at −", False: "bought at +"}


def _in_mode(account: AccountReport, each: RemedyReport) -> tuple[str, str, str]:
    at_stake = f"all {money(account.collateral)} at stake" if each.id == CROSS else "margin set apart"
    return f"all positions {each.id}", at_stake, NONE


_Words = Callable[[AccountReport, RemedyReport], tuple[str, str, str]]
_WORDS: Mapping[str, _Words] = MappingProxyType({"size": _smaller, "stop": _stopped})


def remedies_sheet(cell: Cell, currency: str) -> Sheet:
    """A row per help; one that leads to a worse end than doing nothing says so."""
    return Sheet(f"What would have helped, {currency} net of money put in; each was run", _HELPS, tuple(_rows(cell)))


def run_again_lines(cell: Cell) -> tuple[str, ...]:
    """How a run shows each of them, and how far sizes could have grown: options, or the keys of an order.

    Example: main, 0.62 of every size: --set 'accounts[main].positions.size=*0.62'.
    """
    return tuple(f"{name}, {words}: {options}" for name, words, options in _run_again(cell))


def _run_again(cell: Cell) -> Iterator[tuple[str, str, str]]:
    for account in cell.accounts:
        for each in helps(account, cell.start_ts):
            if each.settings:
                yield account.name, each.words, _options(each.settings)
        if more := account.headroom:
            yield account.name, f"{more.multiple:g} of every size", _options(more.settings)


def _options(settings: str) -> str:
    if not settings.startswith("accounts["):
        return f"to every position an order of {settings}"
    return shlex.join(word for setting in settings.split() for word in ("--set", setting))


def sizing_sheet(cell: Cell, currency: str) -> Sheet:
    """A row for every account that lived: how far all of its sizes could have been larger."""
    rows = [
        (
            account.name,
            f"{each.multiple:g}",
            _dies_at(each),
            money(each.equity_end),
        )
        for account in cell.accounts
        if (each := account.headroom) is not None
    ]
    return Sheet(
        f"How far sizes could have grown, times; each was run, initial margin not asked, {currency}",
        _SIZES,
        tuple(rows),
    )


def _dies_at(each: HeadroomReport) -> str:
    """Where it dies; where more cannot be had, or was not tried, that."""
    return each.beyond if each.dies_at is None else f"{each.dies_at:g}"


_SIZES = (Column("account", is_text=True), Column("lives at"), Column("not at"), Column("ends with"))
_HELPS = (
    Column("account", is_text=True),
    Column("with", is_text=True),
    Column("ends with"),
    Column("better by"),
    Column("if no crash comes", is_text=True),
    Column("not enough", rank=2),
)


def _rows(cell: Cell) -> Iterator[tuple[str, ...]]:
    for account in cell.accounts:
        for each in helps(account, cell.start_ts):
            worth_it = "" if each.better_by is None or each.better_by > 0.0 else " (not worth it)"
            figures = (money(each.equity_end), money(each.better_by))
            yield (each.account, f"{each.words}{worth_it}", *figures, each.cost, each.not_enough)


def _apart(more: float, less: float) -> tuple[str, str]:
    """Two amounts with as many digits as tell them apart. Example: 11,020.800 and 11,020.799."""
    decimals = 2
    while decimals < 9 and more > less and f"{more:,.{decimals}f}" == f"{less:,.{decimals}f}":
        decimals += 1
    return (money(more), money(less)) if decimals == 2 else (f"{more:,.{decimals}f}", f"{less:,.{decimals}f}")


def _pool_need(pool: PoolReport) -> str:
    return f"{pool_name(pool.pool)} {money(pool.required_topup)}"


def _pool_need_by(pool: PoolReport) -> str:
    """Example: cross 13,824.93 by 21:19:45."""
    return f"{_pool_need(pool)} by {clock(pool.required_topup_by)}"
