"""The report model and its parts, field by field in the order of the result document.

Money is in the reporting currency, a payment of the user is negative; prices are quote currency per unit of the base;
sizes are in units of the base, positions signed; bps count 1/10,000 and a cost is positive. Unknown is None, never NaN.
"""

from __future__ import annotations

from array import array
from enum import StrEnum
from typing import NamedTuple

from backtester.config.command import Command
from backtester.config.values import Instant
from backtester.enums import LiquidationStage, Side, Verdict
from backtester.report.drilled import DrillReport
from backtester.report.executions import OrderReport, PlanReport, TradeReport
from backtester.report.flags import Flag
from backtester.report.guarded import ActionReport, GuardReport
from backtester.report.helped import ExitReport, HeadroomReport, RemedyReport, UnguardedReport

#: Margin modes of a position; also the name of the pool of all cross positions.
CROSS, ISOLATED = "cross", "isolated"
#: Of the result document; another number where a reader of this one would go wrong.
SCHEMA_VERSION = 4


class Named(NamedTuple):
    """Names and values, in order: an object of the document whose keys are data. As text: `BTC=0.5 ETH=-1.0`."""

    items: tuple[tuple[str, str | float], ...]

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.items)


class FileInput(NamedTuple):
    """A portfolio or a tape, by its name without the directory: a result is the same from anywhere."""

    name: str
    sha256: str


class RealisedPrices(NamedTuple):
    """Lows and highs of one instrument's mid: what the tape did, and what the path asked for (None: nothing)."""

    symbol: str
    low: float | None
    high: float | None
    path_low: float | None
    path_high: float | None


class Source(NamedTuple):
    """What figures or rules come from: the key that they name, and what it stands for."""

    key: str
    text: str


class ScenarioInput(NamedTuple):
    """The stress path, and what its transform of the tape came to."""

    name: str
    sha256: str
    assumed_share: float
    title: str
    type: str
    tiles: int  # how often the base tape was laid end to end
    realised: tuple[RealisedPrices, ...]
    sources: tuple[Source, ...]


class VenueInput(NamedTuple):
    """The rules of a venue."""

    name: str
    sha256: str
    rules_date: str
    assumed_share: float
    sources: tuple[Source, ...]  # that the rules of this date name


class Inputs(NamedTuple):
    """Everything a result depends on besides the program, the seed and the command."""

    portfolios: tuple[FileInput, ...]
    tape: FileInput
    scenarios: tuple[ScenarioInput, ...]
    venues: tuple[VenueInput, ...]


class PortfolioReport(NamedTuple):
    """All accounts together."""

    name: str  # of its file, without the ending
    title: str  # what it calls itself
    equity_start: float
    equity_end: float
    equity_end_exit: float | None  # after closing everything through the final order book; None: it is not deep enough
    equity_min: float
    loss: float  # equity_start - equity_end
    loss_pct: float | None
    net_delta: Named  # at the end: units by base asset
    pools: int  # margin pools that held something (report.pools)
    pools_liquidated: int
    buffer_min: float | None  # of the worst account
    fees: float  # all that were paid, of trading and of liquidation, wherever the books of a venue have them


class PositionReport(NamedTuple):
    """One place of the portfolio. Prices at the start, and `_end`."""

    symbol: str
    margin_mode: str
    size_start: float
    size_end: float
    entry_price: float | None
    liquidation_price: float | None
    liquidation_price_end: float | None
    bankruptcy_price: float | None
    liquidation_distance_min: float | None  # fraction of the mark
    pnl_price: float
    funding: float
    fees: float
    slippage: float
    slippage_bps: float | None
    bankruptcy_price_end: float | None
    position: str  # its name (metrics.names.Names.position): the symbol, in hedge mode with its side


class DragReport(NamedTuple):
    """What one position had come to when its pool first fell below maintenance: price, funding and fees."""

    position: str  # its name, as in PositionReport
    since_entry: float
    since_start: float  # of the run
    share: float | None  # of what the losers of the pool had lost since entry; None of a winner


class PoolReport(NamedTuple):
    """Margin that stands or falls together: `cross`, or one isolated position by its name."""

    pool: str
    buffer_min: float | None
    buffer_min_ts: Instant | None
    margin_ratio_max: float | None
    breach_ts: Instant | None
    required_topup: float | None  # as of the account: its part in this pool
    required_topup_by: Instant | None  # last moment at which its part saves, the start where none was shown
    deficit: float
    drags: tuple[DragReport, ...]  # in the order of its positions; none where it never fell, or has only one


class AccountReport(NamedTuple):
    """One account. Buffer and margin ratio are those of its worst pool."""

    name: str
    venue: str
    collateral: float
    carried_in: float  # unrealised PnL of its positions at the start: collateral + carried_in = equity_start
    equity_start: float
    equity_end: float
    equity_min: float
    equity_min_ts: Instant | None
    buffer_min: float | None
    buffer_min_ts: Instant | None
    margin_ratio_max: float | None
    required_topup: float | None  # smallest that was seen to save it; None: nothing up to `topup_limit` does
    required_topup_by: Instant | None  # the first of its pools'
    pnl_total: float
    pnl_price: float
    pnl_funding: float
    pnl_fees: float
    pnl_liquidation: float
    slippage: float
    reconciliation_error: float
    positions: tuple[PositionReport, ...]
    equity_end_unliquidated: float  # had nobody liquidated it: pools below 0 count as they are
    pools: tuple[PoolReport, ...]
    fees_maker: float  # of resting orders; a rebate is positive
    fees_taker: float
    topup_too_little: float | None  # largest amount below it that was seen not to save it
    topup_equity_end: float | None  # with the required top-up by then, less what it added
    topup_limit: float | None  # what its positions and orders are worth: more was not tried
    notional: float  # gross: what its positions at the start are worth at the first mark, longs and shorts added
    remedies: tuple[RemedyReport, ...]  # that save it without more money
    exit: ExitReport | None  # of one that was lost
    headroom: HeadroomReport | None  # of one that survived, where it could have been larger
    unguarded: UnguardedReport | None  # where its guards send orders


class LiquidationReport(NamedTuple):
    """One liquidation order, or one position taken over."""

    ts: Instant
    account: str
    symbol: str
    stage: LiquidationStage
    cause: str
    trigger_mark: float
    size: float
    filled_size: float
    vwap: float | None
    worst_price: float | None  # of its fills; None of a takeover
    bankruptcy_price: float | None
    slippage_bps: float | None
    fee: float
    levels: int
    side: Side
    position: str  # its name, as in PositionReport
    margin_mode: str


class FundingPayment(NamedTuple):
    """What one position paid (-) or received (+) at one funding time."""

    ts: Instant
    account: str
    symbol: str
    size: float
    rate: float  # of this interval
    price: float  # mark or index, as the venue charges
    notional: float
    amount: float
    position: str  # its name, as in PositionReport


class SystemReport(NamedTuple):
    """The other side: who paid what the accounts could not."""

    insurance_start: float
    insurance_end: float
    deficit: float


class MarginPath(NamedTuple):
    """The margin path of an account, or of a pool of one that has several, for charts: columns over its buckets.

    The document leaves it to path.parquet.
    """

    account: str
    pool: str | None  # as PoolReport names it; None: all of the account
    ts_ns: array[int]  # where each bucket begins
    equity_min: array[float]
    equity_max: array[float]
    maintenance_max: array[float]
    buffer_min: array[float]  # of an account that of its tightest pool; infinite while it held nothing


class MarketPath(NamedTuple):
    """The mark of one market over its buckets, and over some of them the least that was displayed, units.

    A market is an order book under the rules of a venue: two venues may have one of the same symbol.
    """

    symbol: str
    venue: str  # whose rules it has, as its accounts name it
    width_ns: int  # of a bucket
    ts_ns: array[int]  # where each bucket begins
    lowest: array[float]
    highest: array[float]
    walked_ns: array[int]  # where each bucket begins in which the order book was walked
    bids: tuple[array[float], ...]  # within each of DISTANCES_BPS of mid
    asks: tuple[array[float], ...]


class Notice(NamedTuple):
    """What came out otherwise than the portfolio's words suggest (metrics.notices); `flag` is one of the cell's."""

    flag: Flag
    ts: Instant | None
    account: str
    symbol: str
    ids: tuple[str, ...]  # of the orders or the plan that it is about, the one that did it first
    size: float  # filled on an old order book, opened on the other side, unprotected, not done, left, or of the order
    text: str  # all of it in words


class LimitReport(NamedTuple):
    """What became of a condition on the result (report.gates)."""

    text: str  # as it was written
    level: str  # fail or warn
    outcome: str  # ok, breached, unknown or not_applicable
    figure: str  # what decided it, in words


class PhaseKind(StrEnum):
    """What is not as usual."""

    OUTAGE = "outage"
    LATENCY = "latency"
    FUNDING_INTERVAL = "funding_interval"


class PhaseReport(NamedTuple):
    """A stretch of the scenario in which more than price and depth is not as usual (scenario.phases)."""

    start_ts: Instant
    end_ts: Instant
    kind: PhaseKind
    symbol: str  # "": of every market of the cell
    value: float  # bits of Outage, ms more for every message, s between two funding times
    text: str  # in words


class Cell(NamedTuple):
    """One world's outcome: a scenario, the rules of a venue, a variant of the portfolio."""

    scenario: str | None
    venue: str
    variant: Named
    status: str
    error: str | None
    verdict: Verdict
    flags: tuple[Flag, ...]
    portfolio: PortfolioReport
    accounts: tuple[AccountReport, ...]
    orders: tuple[OrderReport, ...]
    liquidations: tuple[LiquidationReport, ...]
    funding: tuple[FundingPayment, ...]
    plans: tuple[PlanReport, ...]
    system: SystemReport
    start_ts: Instant
    end_ts: Instant
    trades: tuple[TradeReport, ...]
    notices: tuple[Notice, ...]
    margin_paths: tuple[MarginPath, ...]
    market_paths: tuple[MarketPath, ...]
    reached: Named  # where the portfolio took a key of `variant`: `main BTC, hedge ETH`
    limits: tuple[LimitReport, ...]  # those of the portfolio, then those of the command line
    actions: tuple[ActionReport, ...]
    guards: tuple[GuardReport, ...]
    phases: tuple[PhaseReport, ...]
    missed: int | None  # drills that did harm; None: nothing was rehearsed
    drills: tuple[DrillReport, ...]


class PortfolioName(NamedTuple):
    """All that is known of a portfolio without a result."""

    name: str  # of its file, without the ending
    title: str  # what it calls itself; "" where that cannot be read


class ErrorText(str):
    """What went wrong, with files by their names alone, as a result is the same from any directory.

    `typed` names them as the user did: for a terminal, not stored.
    """

    typed: str

    def __new__(cls, text: str, typed: str) -> ErrorText:
        """Both ways of saying it."""
        made = super().__new__(cls, text)
        made.typed = typed
        return made


class FailedCell(NamedTuple):
    """One of several cells that came to nothing; `error` in the words of the command line, hints included.

    An error of this run is an ErrorText, one of a stored result its text alone.

    `status` is `failed`, or `not_applicable` where one of all scenarios says nothing of the markets.
    """

    portfolio: PortfolioName
    scenario: str | None
    venue: str
    variant: Named
    status: str
    error: str
    exit_code: int
    limits: tuple[LimitReport, ...] = ()  # all of them unknown; none where it is not applicable


class Receipt(NamedTuple):
    """Digests (sha256) that vouch for a result (results.receipt): of what it was made from, of what came out."""

    inputs: str
    results: str


class ReportModel(NamedTuple):
    """A whole result: the fields of the result document, in its order."""

    kind: str
    schema_version: int
    engine_version: str
    seed: int
    reporting_currency: str
    command: Command
    inputs: Inputs
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    cells: tuple[Cell | FailedCell, ...]
    receipt: Receipt

    @property
    def finished(self) -> tuple[Cell, ...]:
        """The cells that have a result."""
        return tuple(cell for cell in self.cells if isinstance(cell, Cell))

    @property
    def failed(self) -> tuple[FailedCell, ...]:
        """The cells that came to nothing."""
        return tuple(cell for cell in self.cells if isinstance(cell, FailedCell))
