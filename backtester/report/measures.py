"""What each field of a cell measures, and which way it gets worse: the one table for whoever compares results.

A field is named as in the document; with its record before it, `Shortfall.fees`, where it means something else there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple


class Quantity(Enum):
    """What a figure is. The value is its name in a document."""

    VERDICT = "verdict"
    COUNT = "count"  # of rows or pools, where it is a figure of its own
    ROW = "row"  # of an array: new, gone, or compared field by field
    OUTCOME = "outcome"  # a word for what became of something
    MONEY = "money"  # in the reporting currency
    SHARE = "share"  # a fraction of a whole
    RATE = "rate"  # a fraction, too, of the few bps of a funding rate
    PERCENT = "percent"
    BPS = "bps"
    SIZE = "size"  # in units of the base
    PRICE = "price"
    NUMBER = "number"
    TIME = "time"  # counted from the start of the run
    DATE = "date"  # of the calendar
    DURATION = "duration"  # in ns
    WORD = "word"
    VENUE = "venue"  # by its id: the date of its rules is an input
    TEXT = "text"  # says in words what the figures say


class Worse(Enum):
    """The direction in which a figure gets worse."""

    UP = 1
    DOWN = -1
    NEITHER = 0


class Measure(NamedTuple):
    """What a field measures, and which way it gets worse."""

    quantity: Quantity
    worse: Worse


_Q, _UP, _DOWN, _NEITHER = Quantity, Worse.UP, Worse.DOWN, Worse.NEITHER
_TABLE = {
    Measure(_Q.VERDICT, _DOWN): "verdict",  # counted from the worst
    Measure(_Q.COUNT, _UP): "liquidations pools_liquidated missed",
    Measure(_Q.COUNT, _NEITHER): "Cell.funding fills actions PortfolioReport.pools",
    Measure(_Q.ROW, _UP): "flags notices",
    Measure(_Q.ROW, _DOWN): "remedies",
    Measure(_Q.ROW, _NEITHER): """
        accounts positions pools drags exit headroom unguarded guards drills orders plans trades limits ids law
        shortfall blocked""",
    Measure(_Q.OUTCOME, _UP): "stage outcome",
    Measure(_Q.OUTCOME, _NEITHER): "status result",
    Measure(_Q.MONEY, _UP): """
        loss harm false_notional deficit slippage required_topup delay spread depth impact
        Shortfall.trading Shortfall.opportunity Shortfall.fees Shortfall.total""",
    Measure(_Q.MONEY, _DOWN): """
        equity_end equity_end_exit equity_end_unliquidated equity_min buffer_min topup_equity_end
        since_entry since_start pnl_total pnl_price pnl_funding pnl_fees pnl_liquidation price_pnl net
        effect funding amount fee fees fees_maker fees_taker fees_liquidation""",
    Measure(_Q.MONEY, _NEITHER): """
        equity_start collateral carried_in notional topup_too_little topup_limit reconciliation_error
        insurance_start insurance_end RemedyReport.equity_end HeadroomReport.equity_end UnguardedReport.equity_end
        ExitReport.equity_end""",
    Measure(_Q.SHARE, _UP): "margin_ratio_max share_60s",
    Measure(_Q.SHARE, _DOWN): "liquidation_distance_min RemedyReport.value multiple",
    Measure(_Q.SHARE, _NEITHER): "maker_share participation share not_enough dies_at volatility_day",
    Measure(_Q.RATE, _NEITHER): "rate breakeven_funding",
    Measure(_Q.PERCENT, _UP): "loss_pct",
    Measure(_Q.BPS, _UP): """
        slippage_bps delay_bps spread_bps depth_bps impact_bps fee_bps total_bps trading_bps opportunity_bps fees_bps
        arrival_slippage_bps vwap_slippage_bps gap_bps walk_bps""",
    Measure(_Q.BPS, _NEITHER): "limit_gap_bps law_bps",
    Measure(_Q.SIZE, _UP): "PlanReport.unfilled_size",
    Measure(_Q.SIZE, _NEITHER): """
        net_delta size size_start size_end filled_size unfilled_size closed_size largest_child market_volume
        volume_day wanted""",
    Measure(_Q.PRICE, _NEITHER): """
        price vwap market_vwap worst_price entry_price exit_price mark_price liquidation_price liquidation_price_end
        bankruptcy_price bankruptcy_price_end trigger_price trigger_mark stop_price limit_price activation_price
        peak_price decision_price arrival_price end_price breakeven_price""",
    Measure(_Q.NUMBER, _UP): "children_refused false_fires",
    Measure(_Q.NUMBER, _NEITHER): """
        levels children children_filled funding_intervals prefactor ratio seen bound fires blind
        halted stale collar max_order max_notional max_orders""",
    Measure(_Q.TIME, _DOWN): "breach_ts LiquidationReport.ts",
    Measure(_Q.TIME, _NEITHER): """
        ts buffer_min_ts equity_min_ts required_topup_by trigger_ts arrive_ts done_ts end_ts PlanReport.start_ts
        first_fill_ts last_fill_ts first_ts by too_late_ts blind_first_ts blind_last_ts limit_ts""",
    Measure(_Q.DATE, _NEITHER): "start_ts",
    Measure(_Q.DURATION, _NEITHER): "age_ns",
    Measure(_Q.NUMBER, _DOWN): "lead_s",
    Measure(_Q.WORD, _NEITHER): """
        name id pool account symbol position flag margin_mode type side reason liquidity plan algo cause level
        reached beyond guard event held limit order when liquidated""",
    Measure(_Q.VENUE, _NEITHER): "AccountReport.venue",
    Measure(_Q.TEXT, _NEITHER): "text figure error settings",
}
#: Field -> what it measures.
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {name: measure for measure, names in _TABLE.items() for name in names.split()}
)
#: Quantity -> its kind as tolerances name it (config.tolerance); of all others a change is a change.
KINDS: Mapping[Quantity, str] = MappingProxyType(
    {
        Quantity.MONEY: "money",
        Quantity.BPS: "bps",
        Quantity.SHARE: "share",
        Quantity.PERCENT: "share",
        Quantity.RATE: "rate",
        Quantity.SIZE: "size",
        Quantity.PRICE: "price",
        Quantity.NUMBER: "number",
        Quantity.TIME: "time",
        Quantity.DURATION: "time",
    }
)
#: How far a figure may go from that of a baseline where nobody says otherwise.
TOLERANCES: Mapping[str, str] = MappingProxyType(
    {
        "money": "0.5%, 1",
        "bps": "0.5%, 0.1bps",
        "share": "0.5%, 1bps",
        "rate": "0.5%",
        "size": "0.5%",
        "price": "0.1%",
        "number": "0.5%",
        "time": "1s",
    }
)
#: What a cell is matched by, and series whose lows and highs are figures.
NOT_COMPARED = frozenset(
    {
        "Cell.scenario",
        "Cell.venue",
        "Cell.variant",
        "PortfolioReport.name",
        "PortfolioReport.title",
        "Cell.margin_paths",
        "Cell.market_paths",
        "Cell.phases",
    }
)
#: How bad it is not to be known: no top-up saves, no order book takes what is left; never breached.
_UNKNOWN = {"required_topup": math.inf, "equity_end_exit": math.inf, "breach_ts": -math.inf}
#: How bad a word is, where it is a matter of words: a limit that nobody watches is no better than one that is breached.
_WORDS = {"ok": 0.0, "not_applicable": 0.0, "breached": 1.0, "unknown": 1.0}


def measure_of(record: type, name: str) -> Measure | None:
    """What a field of a record measures; None for one that is not compared."""
    full = f"{record.__name__}.{name}"
    return None if full in NOT_COMPARED else MEASURES.get(full) or MEASURES[name]


def badness(measure: Measure, name: str, value: Any) -> float | None:
    """How bad a value is beside others of its field; None where that cannot be said.

    Example: of a buffer of 20 that is -20.0.
    """
    if measure.worse is Worse.NEITHER:
        return None
    if value is None:
        return _UNKNOWN.get(name)
    if isinstance(value, str):
        return _WORDS.get(value)
    sign: int = measure.worse.value
    return sign * float(value)
