"""One report written by hand, with every kind of record in it; no engine behind it."""

from __future__ import annotations

from array import array

from backtester.config.command import Command
from backtester.config.values import Instant
from backtester.enums import (
    DrillVerdict,
    FillReason,
    GuardEvent,
    Hold,
    Limit,
    LiquidationStage,
    Liquidity,
    OrderReason,
    OrderStatus,
    OrderType,
    Side,
    Verdict,
)
from backtester.formulas.distance import DISTANCES_BPS
from backtester.metrics.slippage import NOT_TAKEN
from backtester.report.drilled import DrillReport
from backtester.report.executions import (
    FillReport,
    ImpactLaw,
    OrderReport,
    PlanReport,
    Shortfall,
    Slippage,
    TradeReport,
)
from backtester.report.flags import Flag
from backtester.report.guarded import ActionReport, BlockedReport, GuardReport
from backtester.report.helped import ExitReport, HeadroomReport, RemedyReport, UnguardedReport
from backtester.report.records import (
    CROSS,
    SCHEMA_VERSION,
    AccountReport,
    Cell,
    DragReport,
    FileInput,
    FundingPayment,
    Inputs,
    LimitReport,
    LiquidationReport,
    MarginPath,
    MarketPath,
    Named,
    Notice,
    PhaseKind,
    PhaseReport,
    PoolReport,
    PortfolioReport,
    PositionReport,
    RealisedPrices,
    Receipt,
    ReportModel,
    ScenarioInput,
    Source,
    SystemReport,
    VenueInput,
)

START_NS = 1_760_130_000_000_000_000  # 2025-10-10T21:00:00Z
MINUTE_NS = 60_000_000_000


def at(minute: float) -> Instant:
    """So many minutes after the start."""
    return Instant(START_NS + round(minute * MINUTE_NS))


POSITION = PositionReport(
    symbol="BTC",
    margin_mode="cross",
    size_start=2.0,
    size_end=0.0,
    entry_price=100_000.0,
    liquidation_price=96_202.53164556962,
    liquidation_price_end=None,
    bankruptcy_price=95_000.0,
    liquidation_distance_min=-0.0025,
    pnl_price=-9_600.0,
    funding=-20.0,
    fees=-86.31,
    slippage=140.0,
    slippage_bps=7.291666666666667,
    bankruptcy_price_end=None,
    position="BTC",
)

POOL = PoolReport(
    pool="cross",
    buffer_min=-480.0,
    buffer_min_ts=at(30),
    margin_ratio_max=1.25,
    breach_ts=at(30),
    required_topup=3_500.5,
    required_topup_by=at(30),
    deficit=0.0,
    drags=(DragReport("BTC", -7_320.0, -7_320.0, 1.0), DragReport("ETH", 250.5, -12.25, None)),
)

MAIN = AccountReport(
    name="main",
    venue="hyperliquid@2026-08-22",
    collateral=10_000.0,
    carried_in=0.0,
    equity_start=10_000.0,
    equity_end=293.69,
    equity_min=293.69,
    equity_min_ts=at(33),
    buffer_min=-480.0,
    buffer_min_ts=at(30),
    margin_ratio_max=1.25,
    required_topup=3_500.5,
    required_topup_by=at(30),
    pnl_total=-9_706.31,
    pnl_price=-9_600.0,
    pnl_funding=-20.0,
    pnl_fees=-86.31,
    pnl_liquidation=0.0,
    slippage=140.0,
    reconciliation_error=0.0,
    positions=(POSITION,),
    equity_end_unliquidated=6_120.0,
    pools=(POOL,),
    fees_maker=0.0,
    fees_taker=-86.31,
    topup_too_little=3_465.5,
    topup_equity_end=6_120.0,
    topup_limit=600_000.0,
    notional=200_000.0,
    remedies=(
        RemedyReport("size", 0.62, 0.63, 4_120.5, "accounts[main].positions.size=*0.62"),
        RemedyReport("stop", 0.03, 0.04, 2_100.75, "type=stop_market size=all trigger_price=mark±3%"),
        RemedyReport("isolated", None, None, 120.25, "accounts[main].positions.margin_mode=isolated"),
    ),
    exit=ExitReport(at(28), 1_250.5, at(29)),
    headroom=None,
    unguarded=UnguardedReport(120.5, at(30), 173.19),
)

CALM = MAIN._replace(
    name="calm",
    collateral=5_000.0,
    carried_in=0.0,
    equity_start=5_000.0,
    equity_end=5_012.25,
    equity_min=5_000.0,
    equity_min_ts=at(0),
    buffer_min=None,
    buffer_min_ts=None,
    margin_ratio_max=None,
    required_topup=0.0,
    required_topup_by=None,
    pnl_total=12.25,
    pnl_price=12.25,
    pnl_funding=0.0,
    pnl_fees=0.0,
    slippage=0.0,
    positions=(
        POSITION._replace(
            size_start=0.0,
            entry_price=None,
            liquidation_price=None,
            bankruptcy_price=None,
            liquidation_distance_min=None,
            pnl_price=12.25,
            funding=0.0,
            fees=0.0,
            slippage=0.0,
            slippage_bps=None,
        ),
    ),
    equity_end_unliquidated=5_012.25,
    fees_taker=0.0,
    topup_too_little=None,
    topup_equity_end=None,
    topup_limit=None,
    notional=0.0,
    remedies=(),
    exit=None,
    headroom=HeadroomReport(3.1, 3.2, "dies", 5_030.5, "accounts[calm].orders.size=*3.1"),
    unguarded=None,
    pools=(PoolReport("cross", None, None, None, None, 0.0, None, 0.0, ()),),
)

LAW = ImpactLaw(
    prefactor=1.0,
    volatility_day=0.6,
    volume_day=250_000.0,
    share=0.000288,
    walk_bps=4.0,
    law_bps=10.392304845413264,
    ratio=0.3849001794597505,
)

STOP = OrderReport(
    id="stop",
    symbol="BTC",
    type=OrderType.STOP_MARKET,
    status=OrderStatus.CANCELLED,
    reason=OrderReason.PRICE_BOUND,
    trigger_ts=at(20),
    trigger_price=97_950.5,
    arrive_ts=Instant(at(20).ts_ns + 450_000_000),
    size=1.0,
    filled_size=0.75,
    vwap=97_800.0,
    unfilled_size=0.25,
    levels=2,
    maker_share=0.0,
    slippage=Slippage(2.0, 0.5, 3.0, 1.0, 4.5, 11.0),
    account="main",
    side=Side.SELL,
    done_ts=Instant(at(20).ts_ns + 450_000_000),
    stop_price=98_000.0,
    result="partial",
    gap_bps=10.2,
    fills=(
        FillReport(at(20), 97_900.0, 0.25, Liquidity.TAKER, FillReason.TAKER_WALK, 0),
        FillReport(at(20), 97_750.0, 0.5, Liquidity.TAKER, FillReason.TAKER_WALK, 0),
    ),
    limit_price=None,
    limit_gap_bps=None,
    activation_price=None,
    peak_price=None,
    fees_maker=0.0,
    fees_taker=-33.01,
    law=LAW,
    plan=None,
)

BID = STOP._replace(
    id="dip-bid",
    type=OrderType.LIMIT,
    status=OrderStatus.RESTING,
    reason=OrderReason.NONE,
    trigger_ts=None,
    trigger_price=None,
    arrive_ts=at(0),
    size=0.5,
    filled_size=0.0,
    vwap=None,
    unfilled_size=0.5,
    levels=0,
    maker_share=None,
    slippage=NOT_TAKEN,
    side=Side.BUY,
    done_ts=None,
    stop_price=None,
    result=None,
    gap_bps=None,
    fills=(),
    limit_price=95_000.0,
    fees_taker=0.0,
    law=None,
)

GAPPED = STOP._replace(
    id="stop-limit",
    type=OrderType.STOP_LIMIT,
    status=OrderStatus.RESTING,
    reason=OrderReason.NONE,
    size=0.25,
    filled_size=0.0,
    vwap=None,
    unfilled_size=0.25,
    levels=0,
    maker_share=None,
    slippage=NOT_TAKEN,
    done_ts=None,
    result="gapped",
    fills=(),
    limit_price=97_990.0,
    limit_gap_bps=12.5,
    fees_taker=0.0,
    law=None,
)

CHILD = BID._replace(id="exit/1", plan="exit")

#: To sell 2, decided at 100,000, arrived at 99,900, 1.5 filled at 99,800, ended at 98,000, fees 67.365.
PLAN = PlanReport(
    id="exit",
    account="main",
    symbol="BTC",
    side=Side.SELL,
    status="ended",
    size=2.0,
    filled_size=1.5,
    unfilled_size=0.5,
    vwap=99_800.0,
    start_ts=at(5),
    end_ts=at(15),
    first_fill_ts=at(5),
    last_fill_ts=at(14),
    decision_price=100_000.0,
    arrival_price=99_900.0,
    end_price=98_000.0,
    arrival_slippage_bps=10.01001001001001,
    market_vwap=99_850.0,
    vwap_slippage_bps=5.007511266900351,
    market_volume=12.0,
    participation=0.125,
    maker_share=0.4,
    fees=-67.365,
    fees_maker=-7.365,
    fees_taker=-60.0,
    children=4,
    children_filled=3,
    children_refused=1,
    largest_child=0.5,
    shortfall=Shortfall(150.0, 150.0, 1_000.0, 67.365, 1_367.365, 7.5, 7.5, 50.0, 3.36825, 68.36825),
    law=LAW,
    algo="twap",
)

TRADE = TradeReport(
    account="main",
    symbol="BTC",
    margin_mode="cross",
    price_pnl=-9_600.0,
    fees_maker=0.0,
    fees_taker=-86.31,
    fees_liquidation=-20.0,
    funding=-20.0,
    net=-9_726.31,
    delay=20.0,
    spread=10.0,
    depth=60.0,
    impact=50.0,
    carried_in=0.0,
    size=2.0,
    closed_size=2.0,
    entry_price=100_000.0,
    exit_price=95_200.0,
    mark_price=None,
    breakeven_price=100_063.155,
    breakeven_funding=-0.0485,
    funding_intervals=1,
    position="BTC",
)

UNDONE = Notice(
    flag=Flag.PLAN_UNFINISHED,
    ts=at(15),
    account="main",
    symbol="BTC",
    ids=("exit",),
    size=0.5,
    text="plan exit (main BTC) left 0.5 of 2 undone; it ended 21:15:00 +15:00; 1 of 4 children: venue refused",
)

LIQUIDATION = LiquidationReport(
    ts=at(30),
    account="main",
    symbol="BTC",
    stage=LiquidationStage.FULL,
    cause="below_maintenance",
    trigger_mark=95_950.0,
    size=1.25,
    filled_size=1.25,
    vwap=95_800.0,
    worst_price=95_710.0,
    bankruptcy_price=95_566.0,
    slippage_bps=12.5,
    fee=-53.89,
    levels=7,
    side=Side.SELL,
    position="BTC",
    margin_mode=CROSS,
)


def _margin_path(name: str, equities: list[float], maintenance: float) -> MarginPath:
    equity = array("d", equities)
    needed = array("d", (maintenance if each > 300.0 else 0.0 for each in equities))
    buffer = array("d", (each - least for each, least in zip(equity, needed, strict=True)))
    return MarginPath(name, None, _minutes(equities), equity, equity, needed, buffer)


def _market_path(symbol: str, marks: list[float]) -> MarketPath:
    """The further the mark fell, the less is displayed; near the mid more is gone, of the bids most."""
    mark = array("d", marks)
    left = [max(0.0, 1.0 - (marks[0] - each) / 4_000.0) for each in marks]
    bids = tuple(array("d", (bps * each ** (20 / bps) for each in left)) for bps in DISTANCES_BPS)
    asks = tuple(array("d", (bps * (0.5 + each / 2) for each in left)) for bps in DISTANCES_BPS)
    return MarketPath(symbol, MAIN.venue, 60_000_000_000, _minutes(marks), mark, mark, _minutes(marks), bids, asks)


def _minutes(column: list[float]) -> array[int]:
    return array("q", (at(minute).ts_ns for minute in range(len(column))))


#: 60 minutes: calm, a fall that is sold into, the end.
MARKS = [100_000.0] * 10 + [100_000.0 - 100.0 * i for i in range(1, 41)] + [97_000.0] * 10
EQUITY = [10_000.0] * 10 + [10_000.0 - 240.0 * i for i in range(1, 31)] + [293.69] * 20

ALERT = ActionReport(
    at(29), "main", "low-buffer", GuardEvent.ALERT, Hold.NONE, Limit.NONE, "", "", None, None, seen=812.5, bound=1_000.0
)
NOTHING_BLOCKED = BlockedReport(0, 0, 0, 0, 0, 0)

CRASH = Cell(
    scenario="2025-10-10",
    venue="hyperliquid@2026-08-22",
    variant=Named(()),
    status="ok",
    error=None,
    verdict=Verdict.LIQUIDATED,
    flags=(Flag.PLAN_UNFINISHED, Flag.ORDER_CUT_SHORT),
    portfolio=PortfolioReport(
        name="book",
        title="the desk's hedge",
        equity_start=15_000.0,
        equity_end=5_305.94,
        equity_end_exit=5_305.94,
        equity_min=5_293.69,
        loss=9_694.06,
        loss_pct=64.62706666666666,
        net_delta=Named((("BTC", 0.0),)),
        pools=1,
        pools_liquidated=1,
        buffer_min=-480.0,
        fees=-106.31,
    ),
    accounts=(MAIN, CALM),
    orders=(STOP, GAPPED, BID, CHILD),
    liquidations=(LIQUIDATION,),
    funding=(FundingPayment(at(0), "main", "BTC", 2.0, 0.0001, 100_000.0, 200_000.0, -20.0, "BTC"),),
    plans=(PLAN,),
    system=SystemReport(300e6, 300e6, 0.0),
    start_ts=at(0),
    end_ts=at(60),
    trades=(TRADE,),
    notices=(UNDONE,),
    margin_paths=(_margin_path("main", EQUITY, 2_400.0),),
    market_paths=(_market_path("BTC", MARKS),),
    reached=Named(()),
    limits=(
        LimitReport("loss_pct > 40", "fail", "breached", "loss_pct is 64.63 %"),
        LimitReport("accounts[main].buffer_min < 1.5% notional", "warn", "unknown", "what | is not known"),
        LimitReport("system.deficit > 0", "fail", "ok", "system.deficit is 0"),
    ),
    actions=(ALERT,),
    guards=(GuardReport("main", "low-buffer", "buffer < 1_000", 1, at(29), 60.0, 0, NOTHING_BLOCKED, 2, at(3), at(4)),),
    phases=(
        PhaseReport(at(20), at(40), PhaseKind.LATENCY, "", 150.0, "messages take 150 ms longer"),
        PhaseReport(at(28), at(34), PhaseKind.OUTAGE, "BTC", 5.0, "the venue refuses orders, the feed is frozen"),
    ),
    missed=1,
    drills=(
        DrillReport("late", at(29), DrillVerdict.MISSED, Limit.NONE, None, 120.5, 173.19, 500.0, 0.25, 0.0, "main"),
        DrillReport(
            "triple", at(29), DrillVerdict.CAUGHT, Limit.MAX_ORDERS, at(30), 293.69, 0.0, -12.5, 0.75, 1_000.0, ""
        ),
    ),
)

SMALLER = CRASH._replace(
    scenario=None,
    variant=Named((("positions[BTC].size", "0.5"),)),
    verdict=Verdict.SURVIVED,
    flags=(Flag.NO_EXIT_AT_END,),
    portfolio=CRASH.portfolio._replace(
        equity_end=14_500.0, equity_end_exit=None, loss=500.0, loss_pct=None, buffer_min=3_000.0, fees=0.0
    ),
    accounts=(MAIN._replace(buffer_min=3_000.0, required_topup=0.0, required_topup_by=None, topup_limit=None),),
    orders=(),
    liquidations=(),
    funding=(),
    plans=(PLAN._replace(status="done", filled_size=2.0, unfilled_size=0.0, maker_share=0.0),),
    trades=(),
    notices=(),
    margin_paths=(),
    market_paths=(),
    reached=Named(()),
    limits=(),
    actions=(),
    guards=(),
    phases=(),
    missed=None,
    drills=(),
)

RULES = (Source("docs", "github.com/owner/docs @24c1248, read in 2026"), Source("latency", "measured"))
MODEL = ReportModel(
    kind="run",
    schema_version=SCHEMA_VERSION,
    engine_version="0.0.0",
    seed=7,
    reporting_currency="USDC",
    command=Command(("portfolio.toml",), ("2025-10-10",), set=("size=4",)),
    inputs=Inputs(
        portfolios=(FileInput("portfolio.toml", "a" * 64),),
        tape=FileInput("btc.parquet", "b" * 64),
        scenarios=(
            ScenarioInput(
                "2025-10-10",
                "c" * 64,
                0.36,
                "10 October 2025",
                "HIST",
                5,
                (RealisedPrices("BTC", 95_900.0, 100_100.0, 95_899.5, None),),
                (Source("BN-1M", "klines of one minute (https://data.example.org/klines/BTC)"),),
            ),
        ),
        venues=(VenueInput("hyperliquid", "d" * 64, "2026-08-22", 0.38, RULES),),
    ),
    assumptions=("tape btc.parquet: synthetic | by hand",),
    warnings=("nothing is what it seems",),
    cells=(CRASH, SMALLER),
    receipt=Receipt("e" * 64, "f" * 64),
)
