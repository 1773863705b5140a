"""Portfolios at the start of a run on BTC and ETH, for tests of what is resolved and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.config.portfolio import load_portfolio
from backtester.engine import spec
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.schema import TapeInstrument
from backtester.run.resolve import (
    Holder,
    resolve_markets,
    resolve_world,
    take_mid_as_index,
)
from backtester.run.resolve_values import Resolved, Start
from backtester.venue.loader import load_profile
from tests.unit.run_cases import BTC, START

ETH = TapeInstrument("hyperliquid", "ETH", "ETH", tick_size=0.1, lot_size=0.0001, quote="USDC")
MARKS = (50_000.0, 2_000.0)
BOTH = (BTC, ETH)


def markets(path: Path, *instruments: TapeInstrument) -> Resolved:
    """The markets of a portfolio on BTC and ETH, or on other instruments."""
    file = load_portfolio(path)
    profiles = [load_profile(each.venue) for each in file.portfolio.accounts]
    return resolve_markets([Holder(file, profiles)], instruments or BOTH, Acceptances())[0]


def world(
    path: Path, *overrides: str, marks: tuple[float, ...] = MARKS, without_index: tuple[int, ...] = ()
) -> spec.World:
    """The portfolio at the marks of its markets, in the order in which they are first named."""
    file = load_portfolio(path, overrides)
    profiles = [load_profile(each.venue) for each in file.portfolio.accounts]
    accept = Acceptances(order_book=True)  # the instruments are Hyperliquid's whatever the venue
    resolved = take_mid_as_index(resolve_markets([Holder(file, profiles)], BOTH, accept)[0], without_index)
    return resolve_world(file, resolved, Start(START, marks, (True,) * len(BOTH)))


def faults(path: Path, *overrides: str, marks: tuple[float, ...] = MARKS) -> list[Diagnostic]:
    """What the portfolio is refused for at the start."""
    with pytest.raises(BacktesterError) as caught:
        world(path, *overrides, marks=marks)
    assert {each.code for each in caught.value.diagnostics} == {"config"}
    return list(caught.value.diagnostics)


def fault(path: Path, *overrides: str, marks: tuple[float, ...] = MARKS) -> str:
    """The one line (and hint) of the one fault, without the directory."""
    (found,) = faults(path, *overrides, marks=marks)
    return str(found).replace(f"{path.parent}/", "")
