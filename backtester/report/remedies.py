"""What would have helped: for every account that was lost all that was seen to save it, the best end first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from backtester.report.records import AccountReport, Cell, PoolReport, RemedyReport
from backtester.report.sheet import Column, Sheet
from backtester.report.text import NONE, money, pool_name


class Help(NamedTuple):
    """One thing that would have helped an account, in words; `equity_end` is without the money that it put in."""

    account: str
    words: str
    equity_end: float | None
    better_by: float | None  # than doing nothing
    not_enough: str  # the nearest that was seen not to help
    settings: str  # as --set takes them; nothing for money


def helps(account: AccountReport) -> list[Help]:
    """All of them, the best end first. An account that needed nothing has none."""
    if account.topup_limit is None:
        return []
    found = [_topup(account), *(_remedy(account, each) for each in account.remedies)]
    return sorted(found, key=lambda each: -each.better_by if each.better_by is not None else float("inf"))


def _topup(account: AccountReport) -> Help:
    if account.required_topup is None or account.topup_equity_end is None:
        most = f"no money up to {money(account.topup_limit)}, all that it trades"
        return Help(account.name, most, None, None, "", "")
    short = [pool for pool in account.pools if pool.required_topup]
    enough, too_little = _apart(account.required_topup, account.topup_too_little or 0.0)
    where = f": {', '.join(map(_pool_need, short))}" if len(short) > 1 else ""
    words = f"{enough} more from the start{where}"
    end = account.topup_equity_end
    return Help(account.name, words, end, end - account.equity_end, too_little, "")


def _remedy(account: AccountReport, each: RemedyReport) -> Help:
    words, not_enough = _WORDS.get(each.id, _in_mode)(each)
    return Help(account.name, words, each.equity_end, each.equity_end - account.equity_end, not_enough, each.settings)


def _smaller(each: RemedyReport) -> tuple[str, str]:
    rest = ", the rest closed at the first mark" if ".collateral." in each.settings else ""
    return f"{each.value:g} of every size{rest}", f"{each.not_enough:g}"


def _stopped(each: RemedyReport) -> tuple[str, str]:
    """Example: stops up to 6 % from the first mark, beside its orders; 7 %."""
    words = f"stops up to {100 * (each.value or 0.0):g} % from the first mark, beside its orders"
    return words, NONE if each.not_enough is None else f"{100 * each.not_enough:g} %"


def _in_mode(each: RemedyReport) -> tuple[str, str]:
    return f"all positions {each.id}", NONE


_WORDS: Mapping[str, Callable[[RemedyReport], tuple[str, str]]] = MappingProxyType({"size": _smaller, "stop": _stopped})


def remedies_sheet(cell: Cell, currency: str) -> Sheet:
    """A row per help; one that leads to a worse end than doing nothing says so."""
    return Sheet(f"What would have helped, {currency} net of money put in; each was run", _HELPS, tuple(_rows(cell)))


_HELPS = (
    Column("account", is_text=True),
    Column("with", is_text=True),
    Column("ends with"),
    Column("better by"),
    Column("not enough", rank=2),
    Column("", rank=1, is_text=True),
)


def _rows(cell: Cell) -> Iterator[tuple[str, ...]]:
    for account in cell.accounts:
        for each in helps(account):
            worth_it = "" if each.better_by is None or each.better_by > 0.0 else "not worth it"
            figures = (money(each.equity_end), money(each.better_by))
            yield (each.account, each.words, *figures, each.not_enough, worth_it)


def _apart(more: float, less: float) -> tuple[str, str]:
    """Two amounts with as many digits as tell them apart. Example: 11,020.800 and 11,020.799."""
    decimals = 2
    while decimals < 9 and more > less and f"{more:,.{decimals}f}" == f"{less:,.{decimals}f}":
        decimals += 1
    return (money(more), money(less)) if decimals == 2 else (f"{more:,.{decimals}f}", f"{less:,.{decimals}f}")


def _pool_need(pool: PoolReport) -> str:
    return f"{pool_name(pool.pool)} {money(pool.required_topup)}"
