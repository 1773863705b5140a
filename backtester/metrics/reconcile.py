"""Does the money add up? Every balance must follow from its start and the ledger (RULES 9.2)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from backtester.enums import Party
from backtester.errors import BacktesterError, Diagnostic, engine_fault
from backtester.formulas.value import worth
from backtester.run import equity
from backtester.run.result import RunResult

TOLERANCE = 1e-9
_MONEY = {
    "ledger": ("amount", "balance"),
    "fills": ("price", "fee", "realised"),
    "liquidations": ("mark", "equity", "maintenance", "fee"),
}


def reconcile(result: RunResult) -> tuple[float, ...]:
    """Prove the money of every world; returns, per account of the arrays, what does not add up (quote, ≥ 0).

    Every pool and every counterparty ends where the ledger leads it, every position where its fills lead it, all
    parties together keep their money, and each account's equity ends at `start + Σ ledger + Δ unrealised`, each within
    1e-9 of max(1, Σ|amount|) and what doubles lose in balances of that size (`_allowed`).
    Raises an engine fault that names all that does not hold, or any number that is not finite.
    """
    problems = [*_not_finite(result)]
    if problems:
        raise BacktesterError([engine_fault(where, "is not a finite number").diagnostics[0] for where in problems])
    for world in range(len(result.state.worlds)):
        problems += _world_problems(result, world)
    for position in range(len(result.state.positions)):
        problems += _position_problems(result, position)
    errors = tuple(account_error(result, number) for number in range(len(result.state.accounts)))
    for number, error in enumerate(errors):
        if error > _allowed(_rows(result, "account", number), *_magnitudes(result, number)):
            problems.append(f"account {number}: equity is off by {error!r}")
    if problems:
        raise BacktesterError([Diagnostic("engine", "money", problem) for problem in problems])
    return errors


def account_error(result: RunResult, account: int) -> float:
    """|equity_end - (equity_start + Σ ledger + Δ unrealised)| of one account's pools added up as they are, quote."""
    booked = math.fsum(_rows(result, "account", account)["amount"])
    before, after = float(result.state.accounts[account]["equity_start"]), added_up(result, account)
    drift = math.fsum(
        sign * unrealised(result, position, at_start)
        for position in np.flatnonzero(result.state.positions["account"] == account).tolist()
        for at_start, sign in ((False, 1.0), (True, -1.0))
    )
    return abs(math.fsum((after, -before, -booked, -drift)))


def account_equity(result: RunResult, account: int, at_start: bool = False) -> float:
    """`run.equity.account_equity` of a result."""
    return equity.account_equity(result.state, result.market, account, at_start)


def added_up(result: RunResult, account: int) -> float:
    """`run.equity.added_up` of a result."""
    return equity.added_up(result.state, result.market, account)


def uncovered(result: RunResult, account: int, at_start: bool = False) -> float:
    """`run.equity.uncovered` of a result."""
    return equity.uncovered(result.state, result.market, account, at_start)


def unrealised(result: RunResult, position: int, at_start: bool = False) -> float:
    """`run.equity.unrealised` of a result."""
    return equity.unrealised(result.state, result.market, position, at_start)


def _world_problems(result: RunResult, world: int) -> Iterator[str]:
    rows = result.ledger[result.ledger["world"] == world]
    parties = result.state.parties[world]
    ended = parties.ravel().tolist()
    allowed = _allowed(rows, *ended, *result.state.pools["balance_start"][result.state.pools["world"] == world])
    pools = np.flatnonzero(result.state.pools["world"] == world)
    for number in pools:
        pool = result.state.pools[number]
        booked = rows["amount"][rows["pool"] == number]
        off = math.fsum((pool["balance"], -pool["balance_start"], *(-booked)))
        if abs(off) > allowed:
            yield f"world {world}, pool {number}: the balance is off by {off!r}"
    for venue, gained in enumerate(parties.tolist()):
        for party in Party:
            off = math.fsum((gained[party], *_booked(rows[rows["venue"] == venue], party)))
            if party is not Party.OWN_MARGIN and abs(off) > allowed:
                yield f"world {world}, venue {venue}, {party.name.lower()}: the balance is off by {off!r}"
    moved = (*result.state.pools["balance"][pools], *(-result.state.pools["balance_start"][pools]))
    total = math.fsum((*moved, *ended))
    if abs(total) > allowed:
        yield f"world {world}: {total!r} came from nowhere"


def _position_problems(result: RunResult, number: int) -> Iterator[str]:
    """Lots follow from the fills exactly; `cost_end - cost_start = Σ lots · unit · price + Σ realised` (RULES 5.1)."""
    row = result.state.positions[number]
    fills = result.fills[result.fills["position"] == number]
    lots = fills["side"] * fills["lots"]
    if row["lots_start"] + sum(lots.tolist()) != row["lots"]:
        yield f"position {number}: its fills do not lead to {int(row['lots'])} lots"
    values = worth(lots, result.market.markets[row["market"]]["unit"], fills["price"])
    off = math.fsum((row["cost"], -row["cost_start"], *(-values), *(-fills["realised"])))
    booked = math.fsum((row["realised"], *(-fills["realised"])))
    allowed = TOLERANCE * max(1.0, math.fsum(np.abs(values)), abs(float(row["cost_start"])))
    if abs(off) > allowed or abs(booked) > allowed:
        yield f"position {number}: cost is off by {off!r}, realised PnL by {booked!r}"


def _booked(rows: np.ndarray, party: Party) -> Iterator[float]:
    """What the ledger took from a party, negated: it adds up to 0 with the change of its balance."""
    yield from rows["amount"][rows["party"] == party].tolist()
    if party is Party.INSURANCE_FUND:
        yield from (-rows["amount"][rows["pool"] < 0]).tolist()


def _allowed(rows: np.ndarray, *magnitudes: float) -> float:
    """What may be missing after the rows of a ledger: a share of what was moved, and an ulp of the largest value a row.

    A double near 10,000,000 cannot keep a fee of 0.0585 to 1e-9: each addition may lose half of its last bit, 9e-10.
    `magnitudes`: further values that the amounts were added to or taken from, quote.
    """
    largest = max(map(abs, (*magnitudes, *rows["balance"][rows["pool"] >= 0].tolist())), default=0.0)
    moved = math.fsum(np.abs(rows["amount"]))
    return TOLERANCE * max(1.0, moved) + (len(rows) + len(magnitudes) + 1) * math.ulp(largest)


def _magnitudes(result: RunResult, account: int) -> Iterator[float]:
    """Balances at the start, costs and notionals between which an account's PnL is a difference, quote."""
    pools, positions = result.state.pools, result.state.positions
    yield from pools["balance_start"][pools["account"] == account].tolist()
    units = result.market.markets["unit"][positions["market"]]
    held = positions["account"] == account
    yield from worth(positions["lots_start"], units, positions["mark_start"])[held].tolist()
    yield from worth(positions["lots"], units, result.market.markets["mark"][positions["market"]])[held].tolist()
    yield from (*positions["cost_start"][held].tolist(), *positions["cost"][held].tolist())
    fills = result.fills[result.fills["account"] == account]
    yield float(worth(fills["lots"], units[fills["position"]], fills["price"]).max(initial=0.0))


def _rows(result: RunResult, column: str, number: int) -> np.ndarray:
    rows: np.ndarray = result.ledger[result.ledger[column] == number]
    return rows


def _not_finite(result: RunResult) -> Iterator[str]:
    for name, columns in _MONEY.items():
        table = getattr(result, name)
        yield from (f"{name}.{column}" for column in columns if not np.isfinite(table[column]).all())
    for name in ("balance", "balance_start"):
        if not np.isfinite(result.state.pools[name]).all():
            yield f"pools.{name}"
    if not np.isfinite(result.state.parties).all():
        yield "parties"
    if not np.isfinite(result.market.markets["mark"]).all():
        yield "markets.mark"
