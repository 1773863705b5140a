"""`[tolerances]` of a suite or a portfolio: how far a result may go from its baseline, `money = "0.5%, 100"`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, ValidationError

from backtester.config.tolerance import UNITS, Tolerance, parse_tolerance
from backtester.config.toml import Document, Record, fault_of, faults_error


def _of(unit: str | None) -> PlainValidator:
    return PlainValidator(partial(parse_tolerance, unit=unit))


Unitless = Annotated[Tolerance, _of("")]
InBps = Annotated[Tolerance, _of("bps")]
InSeconds = Annotated[Tolerance, _of("s")]


class Stated(Record):
    """Tolerances by kind of figure, and of single figures by their place: `"accounts.buffer_min" = "1%"`."""

    money: Unitless | None = None  # in the reporting currency
    bps: InBps | None = None
    share: InBps | None = None  # fractions and percents
    rate: InBps | None = None  # of funding
    size: Unitless | None = None  # in units of the base
    price: Unitless | None = None
    number: Unitless | None = None
    time: InSeconds | None = None
    figures: dict[str, Annotated[Tolerance, _of(None)]] = Field(default_factory=dict)

    def kinds(self) -> dict[str, Tolerance]:
        """Those of kinds, as far as they are stated."""
        found = {kind: getattr(self, kind) for kind in UNITS}
        return {kind: each for kind, each in found.items() if each is not None}


class Tolerances(Stated):
    """`[tolerances]`: a change beyond one fails; beyond one of `warn`, which are smaller, it is said."""

    direction: Literal["both", "worse"] | None = None  # worse: only changes for the worse fail
    warn: Stated = Stated()


def stated_tolerances(document: Document) -> Tolerances:
    """The `[tolerances]` of a file, whatever else is wrong with it. Raises a configuration error with all faults."""
    try:
        return Tolerances.model_validate(document.data.get("tolerances", {}))
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise faults_error(document, [fault_of(each, Tolerances, ("tolerances",)) for each in found]) from None
