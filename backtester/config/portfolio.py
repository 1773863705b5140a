"""What the user holds and does: accounts, collateral, positions and orders, from TOML to frozen records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator

from backtester.config.overrides import override
from backtester.config.portfolio_rules import misfits_of_order, misfits_of_position, portfolio_faults
from backtester.config.toml import Document, Record, read_document, validate
from backtester.config.values import (
    Collateral,
    Instant,
    Offset,
    RelativePrice,
    name_in,
    one_of,
    parse_collateral,
    parse_duration_ns,
    parse_moment,
    parse_price,
)
from backtester.enums import Held, OrderType, PriceSeries, Side, TimeInForce

Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float | RelativePrice, PlainValidator(parse_price)]
Direction = Annotated[Side, PlainValidator(one_of(long=Side.BUY, short=Side.SELL))]
Duration = Annotated[int, PlainValidator(parse_duration_ns)]


class Position(Record):
    """A position before the first event, in units of the base asset. Size 0 only says how the market is traded."""

    symbol: Text
    side: Direction
    size: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    entry_price: Price = RelativePrice("mark", 0.0)
    margin_mode: Literal["isolated", "cross"]
    leverage: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None  # initial margin = notional / leverage
    margin: Positive | None = None  # isolated: quote currency behind this position

    @classmethod
    def accepts(cls, table: Mapping[str, Any], key: str) -> bool:
        """Leverage or margin: the one that is there already keeps the other out."""
        return key not in misfits_of_position(table)


class Order(Record):
    """An order. Without `at` it works when the run starts."""

    id: Text
    symbol: Text
    type: Annotated[OrderType, PlainValidator(name_in(OrderType))]
    side: Annotated[Side, PlainValidator(one_of(buy=Side.BUY, sell=Side.SELL))]
    size: Positive
    price: Price | None = None
    tif: Annotated[TimeInForce, PlainValidator(name_in(TimeInForce))] = TimeInForce.GTC
    trigger_price: Price | None = None
    trigger_by: Annotated[PriceSeries, PlainValidator(name_in(PriceSeries))] = PriceSeries.MARK
    reduce_only: bool = False
    held: Annotated[Held, PlainValidator(name_in(Held))] = Held.VENUE
    price_protect: bool = False  # do not trigger while mark and last lie far apart, where the venue offers that
    at: Annotated[Offset | Instant, PlainValidator(parse_moment)] | None = None
    cancel_at: Annotated[Offset | Instant, PlainValidator(parse_moment)] | None = None  # when the user cancels it
    reaction_ns: Duration = 0  # what the client takes to decide; of no account for a stop held at the venue

    @classmethod
    def accepts(cls, table: Mapping[str, Any], key: str) -> bool:
        """A market order has no price, a limit order no trigger."""
        return key not in misfits_of_order(table)


class Account(Record):
    """Collateral on one venue, and what it backs."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "plans": "execution plans are not supported yet",
        "rules": "protective rules are not supported yet",
    }

    name: Text
    venue: Text
    collateral: Annotated[Collateral, PlainValidator(parse_collateral)]
    positions: Annotated[tuple[Position, ...], Field(strict=False)] = ()
    orders: Annotated[tuple[Order, ...], Field(strict=False)] = ()


class Portfolio(Record):
    """All accounts that a run stresses."""

    name: Text
    accounts: Annotated[tuple[Account, ...], Field(strict=False)]


@dataclass(frozen=True)
class PortfolioFile:
    """A portfolio and where it came from."""

    portfolio: Portfolio
    document: Document

    @property
    def name(self) -> str:
        """The file as the user named it."""
        return self.document.name

    @property
    def sha256(self) -> str:
        """Of the file's bytes; overrides are not in it."""
        return self.document.sha256

    def where(self, *place: str | int) -> str:
        """The place of a value for a message: `where("accounts", 0, "positions", 1, "symbol")`."""
        return self.document.where(place)


def load_portfolio(path: str | Path, overrides: Iterable[str] = ()) -> PortfolioFile:
    """Read, override (`key=value`, see config.overrides) and validate. Raises one error with all faults."""
    document = override(read_document(path), overrides, Portfolio)
    return PortfolioFile(validate(Portfolio, document, portfolio_faults), document)
