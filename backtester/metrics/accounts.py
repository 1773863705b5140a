"""Accounts, pools, positions and the portfolio: from the final arrays to figures.

Sums are `math.fsum` or exact integers, so that a figure has the same last digit on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from backtester.config.values import Instant
from backtester.enums import LedgerKind, Liquidity, Party
from backtester.formulas.margin import pool_share
from backtester.formulas.value import price_of, worth
from backtester.metrics.exit_value import exit_cost
from backtester.metrics.names import Names, known, moment, rows_of
from backtester.metrics.reconcile import account_equity, added_up, uncovered, unrealised
from backtester.metrics.slippage import fees_of
from backtester.metrics.trade_costs import Slipped
from backtester.metrics.verdict import account_deficit
from backtester.report.executions import BPS, TradeReport
from backtester.report.helped import ExitReport, HeadroomReport, RemedyReport, UnguardedReport
from backtester.report.pools import Fate
from backtester.report.records import (
    CROSS,
    ISOLATED,
    AccountReport,
    DragReport,
    Named,
    PoolReport,
    PortfolioReport,
    PositionReport,
    SystemReport,
)
from backtester.run.result import ACTUAL, UNLIQUIDATED, Exit, Headroom, Remedy, RunResult, TopUp, Unguarded
from backtester.venue.margin import bankruptcy_price, liquidation_price, maintenance_margin


def account_reports(
    result: RunResult, names: Names, errors: Sequence[float], costs: Mapping[int, Slipped]
) -> Iterator[AccountReport]:
    """Every account of the portfolio, in its order.

    errors  what `reconcile` found, per account of the arrays
    costs   what `slipped` found, per position
    """
    for account in range(len(result.world.accounts)):
        yield _account_report(result, names, account, errors[account], costs)


def _account_report(
    result: RunResult, names: Names, account: int, error: float, costs: Mapping[int, Slipped]
) -> AccountReport:
    row = result.state.accounts[account]
    pools = tuple(_pool_reports(result, names, account))
    measured = [pool for pool in pools if pool.buffer_min is not None]
    worst = min(measured, key=lambda pool: pool.buffer_min or 0.0, default=None)
    ratios = [math.inf if pool.margin_ratio_max is None else pool.margin_ratio_max for pool in measured]
    topup = result.saved[account].topup
    needed = [pool.required_topup for pool in pools if pool.required_topup is not None]
    held = result.index.positions[account]
    positions = tuple(_position_report(result, names, number, costs[number]) for number in held)
    before, after = account_equity(result, account, at_start=True), account_equity(result, account)
    lost_before, lost = uncovered(result, account, at_start=True), uncovered(result, account)
    paid = _paid_by_kind(result, account)
    own = list(rows_of(result.fills[result.fills["account"] == account], "liquidity", "fee"))
    forced = (paid[LedgerKind.LIQUIDATION_FEE], paid[LedgerKind.TAKEOVER], paid[LedgerKind.DEFICIT])
    return AccountReport(
        name=names.account(account),
        venue=result.profiles[account].name,
        collateral=result.world.accounts[account].balance,
        carried_in=math.fsum((*(unrealised(result, n, at_start=True) for n in held), lost_before)),
        equity_start=before,
        equity_end=after,
        equity_min=min(before, float(row["equity_min"])),
        equity_min_ts=moment(row["equity_min_ts"]) if row["equity_min"] < before else Instant(result.start_ts),
        buffer_min=worst.buffer_min if worst else None,
        buffer_min_ts=worst.buffer_min_ts if worst else None,
        margin_ratio_max=known(max(ratios, default=math.nan)),
        required_topup=math.fsum(needed) if len(needed) == len(pools) else None,
        required_topup_by=min((pool.required_topup_by for pool in pools if pool.required_topup_by), default=None),
        pnl_total=after - before,
        pnl_price=math.fsum(position.pnl_price for position in positions),
        pnl_funding=paid[LedgerKind.FUNDING],
        pnl_fees=paid[LedgerKind.FEE],
        pnl_liquidation=math.fsum((*forced, lost, -lost_before)),
        slippage=math.fsum(position.slippage for position in positions),
        reconciliation_error=error,
        positions=positions,
        equity_end_unliquidated=added_up(result, account + result.index.accounts[UNLIQUIDATED]),
        pools=pools,
        fees_maker=fees_of(own, Liquidity.MAKER),
        fees_taker=fees_of(own, Liquidity.TAKER),
        topup_too_little=topup.too_little if topup else None,
        topup_equity_end=topup.equity_end if topup else None,
        topup_limit=topup.limit if topup else None,
        notional=math.fsum(abs(_worth_start(result, number)) for number in held),
        remedies=tuple(map(_remedy_report, result.saved[account].remedies)),
        exit=_exit_report(result.saved[account].exit),
        headroom=_headroom_report(result.saved[account].headroom),
        unguarded=_unguarded_report(result.saved[account].unguarded, account_equity(result, account)),
    )


def _remedy_report(remedy: Remedy) -> RemedyReport:
    settings = " ".join(remedy.settings)
    return RemedyReport(remedy.id, remedy.value, remedy.not_enough, remedy.equity_end, settings)


def _exit_report(found: Exit | None) -> ExitReport | None:
    if found is None:
        return None
    by, too_late = (None if ts is None else moment(ts) for ts in (found.by, found.too_late))
    return ExitReport(by, found.equity_end, too_late)


def _headroom_report(found: Headroom | None) -> HeadroomReport | None:
    return None if found is None else HeadroomReport(*found[:-1], " ".join(found.settings))


def _unguarded_report(found: Unguarded | None, equity_end: float) -> UnguardedReport | None:
    if found is None:
        return None
    breach_ts = moment(found.breaches[0]) if found.breaches else None
    return UnguardedReport(found.equity_end, breach_ts, equity_end - found.equity_end)


def _worth_start(result: RunResult, number: int) -> float:
    """Value of a position at the start, signed like it, quote."""
    lots = _lots(result, number, at_start=True)
    return float(worth(lots, _unit(result, number), _mark(result, number, at_start=True))) if lots else 0.0


def _paid_by_kind(result: RunResult, account: int) -> list[float]:
    rows = result.ledger[result.ledger["account"] == account]
    return [math.fsum(rows["amount"][rows["kind"] == kind]) for kind in LedgerKind]


def _pool_reports(result: RunResult, names: Names, account: int) -> Iterator[PoolReport]:
    """Each pool, with its part of what would have saved the account."""
    first = int(result.state.accounts[account]["pool_first"])
    topup = result.saved[account].topup
    for number in range(first, first + int(result.state.accounts[account]["pool_count"])):
        row = result.state.pools[number]
        needed = _needed(topup, number - first)
        yield PoolReport(
            pool=names.pool(number),
            buffer_min=known(row["buffer_min"]),
            buffer_min_ts=moment(row["buffer_min_ts"]),
            margin_ratio_max=known(row["margin_ratio_max"]),
            breach_ts=moment(row["breach_ts"]),
            required_topup=needed,
            required_topup_by=_needed_by(topup, number - first, result.start_ts) if needed else None,
            deficit=float(row["deficit"]),
            drags=tuple(_drags(result, names, row)),
        )


def _drags(result: RunResult, names: Names, pool: np.void) -> Iterator[DragReport]:
    """What each of the positions that share a POOL had come to when it first fell below maintenance.

    Nothing where it never did, or where there is one alone, whose result that is.

    Example: two that lost 96,000 and 13,000 and one that won 2,000 → shares of 88.1 %, 11.9 % and none.
    """
    if pool["breach_ts"] < 0 or pool["position_count"] < 2:
        return
    first = int(pool["position_first"])
    members = range(first, first + int(pool["position_count"]))
    won = {number: float(result.state.positions[number]["breach_pnl"]) for number in members}
    lost = math.fsum(pnl for pnl in won.values() if pnl < 0.0)
    for number, pnl in won.items():
        share = pnl / lost if pnl < 0.0 else None
        yield DragReport(names.position(number), pnl, pnl - unrealised(result, number, at_start=True), share)


def _needed(topup: TopUp | None, pool: int) -> float | None:
    """What pool `pool` of an account needed: 0 if nothing, None if no amount is enough."""
    if topup is None:
        return 0.0
    return topup.amounts[pool] if topup.amounts is not None else None


def _needed_by(topup: TopUp | None, pool: int, start_ts: int) -> Instant:
    """The last moment for the part of a pool; the start where none was shown."""
    ts = topup.by[pool] if topup is not None and topup.by is not None else None
    return Instant(start_ts if ts is None else ts)


class _Stand(NamedTuple):
    """A position and its pool at one moment; sizes times the multiplier, prices at the mark."""

    size: float
    opposite: float  # the contract's other leg in the pool (hedge mode)
    mark: float
    equity: float
    own_maintenance: float  # of both legs
    other_maintenance: float


def _stand(result: RunResult, names: Names, number: int, at_start: bool) -> _Stand:
    when = "_start" if at_start else ""
    row = result.state.positions[number]
    pool = result.state.pools[int(row["pool"])]
    first, count = int(pool["position_first"]), int(pool["position_count"])
    members = range(first, first + count)
    balance = float(pool["balance" + when])
    equity = math.fsum((balance, *(unrealised(result, member, at_start) for member in members)))
    legs = [member for member in members if result.state.positions[member]["market"] == row["market"]]
    own, others = (
        math.fsum(_maintenance(result, names, member, at_start) for member in chosen)
        for chosen in (legs, [member for member in members if member not in legs])
    )
    opposite = math.fsum(_units(result, leg, at_start) for leg in legs if leg != number)
    return _Stand(_units(result, number, at_start), opposite, _mark(result, number, at_start), equity, own, others)


def _lots(result: RunResult, number: int, at_start: bool) -> int:
    return int(result.state.positions[number]["lots_start" if at_start else "lots"])


def _unit(result: RunResult, number: int) -> float:
    return float(result.market.markets[result.state.positions[number]["market"]]["unit"])


def _units(result: RunResult, number: int, at_start: bool) -> float:
    return _lots(result, number, at_start) * _unit(result, number)


def _mark(result: RunResult, number: int, at_start: bool) -> float:
    row = result.state.positions[number]
    return float(row["mark_start"] if at_start else result.market.markets[row["market"]]["mark"])


def _maintenance(result: RunResult, names: Names, number: int, at_start: bool) -> float:
    value = worth(_lots(result, number, at_start), _unit(result, number), _mark(result, number, at_start))
    return maintenance_margin(names.tiers(number), abs(value))


def _break_prices(result: RunResult, names: Names, number: int, at_start: bool) -> tuple[float | None, float | None]:
    """(liquidation price, bankruptcy price) of a position; None for none, or without a position."""
    stand = _stand(result, names, number, at_start)
    if stand.size == 0.0:
        return None, None
    tiers = names.tiers(number)
    return (
        liquidation_price(stand.size, stand.mark, stand.equity, tiers, stand.other_maintenance, stand.opposite),
        bankruptcy_price(
            stand.size + stand.opposite,
            stand.mark,
            stand.equity,
            pool_share(stand.own_maintenance, stand.own_maintenance + stand.other_maintenance),
        ),
    )


def _position_report(result: RunResult, names: Names, number: int, cost: Slipped) -> PositionReport:
    row = result.state.positions[number]
    grid = names.grid(number)
    start, end = (_break_prices(result, names, number, at_start) for at_start in (True, False))
    lots = _lots(result, number, at_start=True)
    drift = (unrealised(result, number), -unrealised(result, number, at_start=True))
    return PositionReport(
        symbol=names.symbol(number),
        margin_mode=ISOLATED if row["isolated"] else CROSS,
        size_start=grid.size(int(row["lots_start"])),
        size_end=grid.size(int(row["lots"])),
        entry_price=price_of(float(row["cost_start"]), lots, _unit(result, number)) if lots else None,
        liquidation_price=start[0],
        liquidation_price_end=end[0],
        bankruptcy_price=start[1],
        liquidation_distance_min=known(row["distance_min"]),
        pnl_price=math.fsum((float(row["realised"]), *drift)),
        funding=float(row["funding"]),
        fees=float(row["fee"]),
        slippage=cost.slippage,
        slippage_bps=BPS * cost.slippage / cost.notional if cost.notional else None,
        bankruptcy_price_end=end[1],
        position=names.position(number),
    )


def portfolio_report(
    result: RunResult,
    names: Names,
    accounts: Sequence[AccountReport],
    fates: Sequence[Fate],
    trades: Sequence[TradeReport],
) -> PortfolioReport:
    """All accounts together; equity_end_exit pays what `exit_cost` says."""
    before, after = math.fsum(a.equity_start for a in accounts), math.fsum(a.equity_end for a in accounts)
    cost = exit_cost(result)
    return PortfolioReport(
        name=result.name,
        title=result.portfolio.name,
        equity_start=before,
        equity_end=after,
        equity_end_exit=None if cost is None else after - cost,
        equity_min=_equity_min(result, accounts),
        loss=before - after,
        loss_pct=100.0 * (before - after) / before if before > 0.0 else None,
        net_delta=Named(tuple(_net_delta(result, names))),
        pools=len(fates),
        pools_liquidated=sum(fate.is_liquidated for fate in fates),
        buffer_min=min((a.buffer_min for a in accounts if a.buffer_min is not None), default=None),
        fees=math.fsum(fee for each in trades for fee in (each.fees_maker, each.fees_taker, each.fees_liquidation)),
    )


def _net_delta(result: RunResult, names: Names) -> Iterator[tuple[str, float]]:
    """Units held at the end, by base asset, sorted."""
    held = np.flatnonzero(result.state.positions["world"] == ACTUAL).tolist()
    for base in sorted({names.base(number) for number in held}):
        yield base, math.fsum(_units(result, number, False) for number in held if names.base(number) == base)


def _equity_min(result: RunResult, accounts: Sequence[AccountReport]) -> float:
    """Lowest equity of all accounts at one time: exact for one account, for several the lowest that the buckets of the
    margin paths allow (their minima need not have come at the same moment of a bucket)."""
    if len(accounts) == 1:
        return accounts[0].equity_min
    paths = [result.state.path[int(row["path"])] for row in result.state.accounts[: len(accounts)]]
    levels = [_levels(account.equity_start, path).tolist() for account, path in zip(accounts, paths, strict=True)]
    return min(map(math.fsum, zip(*levels, strict=True)))


def _levels(start: float, path: np.ndarray) -> np.ndarray:
    """The equity at the start, then the lowest of each bucket of PATH[b], or that before where nothing was measured."""
    levels = np.concatenate([[start], path["equity_min"]])
    measured = np.concatenate([[0], np.where(path["count"] > 0, np.arange(1, len(levels)), 0)])
    last: np.ndarray = levels[np.maximum.accumulate(measured)]
    return last


def system_report(result: RunResult) -> SystemReport:
    """The insurance funds of ACTUAL, all venues together, and what is borne for the accounts."""
    funds = math.fsum(result.world.insurance_start)
    accounts = range(len(result.world.accounts))
    return SystemReport(
        insurance_start=funds,
        insurance_end=funds + math.fsum(result.state.parties[ACTUAL, :, Party.INSURANCE_FUND].tolist()),
        deficit=math.fsum(account_deficit(result, account) for account in accounts),
    )
