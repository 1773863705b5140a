"""What a world writes down as it goes: fills, ledger rows, liquidations, what guards did."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from backtester.enums import FillReason, GuardEvent, Hold, LedgerKind, LiquidationStage, Liquidity, Party


class Fill(NamedTuple):
    """One fill. `order` is the order number, −1 for liquidations and takeovers; `lots` is signed."""

    ts: int
    account: int
    position: int
    order: int
    lots: int
    price: float
    reason: FillReason
    liquidity: Liquidity
    age_ns: int


class LedgerRow(NamedTuple):
    """One change of a pool's balance, or of the insurance fund's if `pool` is −1 (RULES 9.1)."""

    ts: int
    pool: int
    venue: int
    party: Party
    kind: LedgerKind
    amount: Fraction
    balance: Fraction


class Liquidation(NamedTuple):
    """One liquidation order or takeover of one position."""

    ts: int
    pool: int
    position: int
    stage: LiquidationStage
    lots: int
    filled: int
    mark: Fraction
    fee: Fraction
    takeover_price: Fraction = Fraction(0)


class GuardRow(NamedTuple):
    """What a guard did, or that it was held back; both sides of what was seen, None where nothing was true."""

    ts: int
    account: int
    guard: int
    event: GuardEvent
    held: Hold
    order: int
    seen: Fraction | float | None
    bound: Fraction | float | None
