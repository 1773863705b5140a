"""Every code of the project, free of numba: the engine, the reports and the tests share these names.

Values are stored in arrays and files, so a value never changes its meaning; new ones are appended.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class EventKind(IntEnum):
    """What one event record of a tape says. The first nine are the tape's `kind` column."""

    SNAPSHOT = 0
    DELTA = 1
    TRADE = 2
    MARK = 3
    INDEX = 4
    FUNDING = 5
    FUNDING_PREDICTED = 6
    OPEN_INTEREST = 7
    STATUS = 8
    # Control events: only a stressed tape carries them, made by `scenario.apply`.
    PATH_STEP = 9  # the ladder moves: tick = bid translation, lots = ask translation
    LATENCY = 10  # value = extra latency of every message, ns
    REFILL = 11  # value = refill half-life, s
    OUTAGE = 12  # value = bits of Outage that hold from now on


class Outage(IntFlag):
    """What a venue's outage takes away, as bits (RULES 1.7)."""

    NONE = 0
    ORDERS_REFUSED = 1
    CANCELS_REFUSED = 2
    FEED_FROZEN = 4
    MATCHING_HALTED = 8
    LIQUIDATION_SUSPENDED = 16
    MARK_FROZEN = 32
    TRANSFERS_HALTED = 64


class Side(IntEnum):
    """Direction of an order, a level or an aggressor."""

    SELL = -1
    NONE = 0
    BUY = 1


class TradingStatus(IntEnum):
    """Codes of a tape's `status` rows."""

    TRADING = 1
    HALTED = 2
    CANCEL_ONLY = 3
    POST_ONLY = 4


class OrderType(IntEnum):
    """FIX 40 OrdType, as far as the engine goes."""

    MARKET = 0
    LIMIT = 1
    STOP_MARKET = 2
    STOP_LIMIT = 3
    TAKE_PROFIT_MARKET = 4
    TAKE_PROFIT_LIMIT = 5
    TRAILING_STOP = 6


#: Types that wait for a price; of these the take-profits are reached from the other side. Types with a limit.
TAKES_PROFIT = frozenset({OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT})
CONDITIONAL = TAKES_PROFIT | {OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP}
WITH_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})


class TimeInForce(IntEnum):
    """FIX 59 TimeInForce; POST_ONLY is the venues' name for FIX 18=6."""

    GTC = 0
    IOC = 1
    POST_ONLY = 2
    FOK = 3


class Held(IntEnum):
    """Who watches the trigger of a conditional order."""

    VENUE = 0
    CLIENT = 1


class PriceSeries(IntEnum):
    """The three prices that trigger things."""

    MARK = 0
    LAST = 1
    INDEX = 2


class OrderStatus(IntEnum):
    """FIX 39 OrdStatus, with the states before an order reaches the venue."""

    PENDING = 0  # not decided yet
    IN_FLIGHT = 1  # sent, not arrived
    UNTRIGGERED = 2  # a conditional order is waiting
    RESTING = 3
    FILLED = 4
    CANCELLED = 5
    REJECTED = 6


class OrderReason(IntEnum):
    """Why an order ended as it did, or was refused."""

    NONE = 0
    LIQUIDATION = 1  # cancelled by the account's liquidation
    REDUCE_ONLY_VOID = 2  # nothing left to reduce
    POST_ONLY_WOULD_CROSS = 3
    INSUFFICIENT_MARGIN = 4
    LEVERAGE_TIER = 5  # position would exceed what its tier allows at this leverage
    TRIGGER_BREACHED = 6  # triggered or active at once, and the venue refuses that
    VENUE_REFUSED = 7  # halted, cancel-only or post-only
    PRICE_BOUND = 8  # the walk stopped at the limit or at the venue's bound
    BEYOND_VISIBLE_DEPTH = 9  # the walk stopped at the last known level
    CANCEL_REQUEST = 10  # the user asked for it
    PRICE_PROTECTED = 11  # its trigger is held: mark and last lie too far apart
    OUTAGE = 12  # its trigger, or the cancel of it, met an outage
    FOK_KILLED = 13  # fill or kill, and not all of it could be had
    SELF_TRADE = 14  # it would have traded with an order of its own account
    PRICE_BAND = 15  # its limit lies too far from the market
    MAX_SIZE = 16  # larger than the venue takes
    OCO = 17  # another order of its group went first
    PARENT_ENDED = 18  # the order that should have sent it ended otherwise
    NOTHING_DUE = 19  # its plan had nothing left for it to do
    MIN_SIZE = 20  # smaller than the venue takes
    LOST = 21  # a drill keeps it from the venue, without an answer
    RATE_LIMIT = 22  # a drill lets the venue take so few orders
    GUARD = 23  # a guard of the account cancelled it
    PAUSED = 24  # a guard of the account has paused what opens


class FillReason(IntEnum):
    """Why we were filled."""

    TAKER_WALK = 0
    TRADE_AT_LEVEL = 1
    TRADE_THROUGH = 2
    BBO_CROSS = 3
    PATH_STEP = 4
    LIQUIDATION = 5
    TAKEOVER = 6


class Liquidity(IntEnum):
    """FIX 851 LastLiquidityInd: added or removed."""

    MAKER = 0
    TAKER = 1


class LedgerKind(IntEnum):
    """What a cash change is for."""

    REALISED_PNL = 0
    FEE = 1
    FUNDING = 2
    LIQUIDATION_FEE = 3
    TAKEOVER = 4  # margin that passes to the backstop
    DEFICIT = 5  # a negative balance that somebody else pays
    MARGIN_TRANSFER = 6  # between two margin pools of one account


class Party(IntEnum):
    """The other side of a cash change."""

    MARKET = 0
    VENUE_FEES = 1
    FUNDING_POOL = 2
    INSURANCE_FUND = 3
    RESERVE = 4
    OWN_MARGIN = 5  # another margin pool of the same account


class LiquidationStage(IntEnum):
    """How far a liquidation step went."""

    PARTIAL = 0
    FULL = 1
    TAKEOVER = 2


class PoolState(IntEnum):
    """A margin pool between two margin checks."""

    HEALTHY = 0
    LIQUIDATING = 1
    STUCK = 2  # a liquidation order found nothing to trade with
    CLOSED = 3  # taken over


class MarkFormula(IntEnum):
    """How a venue makes its mark price."""

    TAPE = 0  # the tape's mark rows
    MEDIAN_BASIS_EMA = 1  # median(index + EMA of basis, median(bid, ask, last), EMA of that)
    MEDIAN_BASIS_MA = 2  # median(index with the funding basis, index + moving average of basis, last)
    FUNDING_BASIS = 3  # index · (1 + funding rate · part of the interval that is left)


class RefillModel(IntEnum):
    """How liquidity that we took comes back."""

    HALF_LIFE = 0
    NEVER = 1
    NEXT_UPDATE = 2


class QueueModel(IntEnum):
    """Where in the queue of a level its cancels were."""

    PESSIMISTIC = 0  # behind us
    PROB_POWER = 1  # ahead with probability f(ahead) / (f(ahead) + f(behind)), f(x) = x^n
    PROB_LOG = 2  # the same with f(x) = log(1 + x)


class SelfTrade(IntEnum):
    """Self-trade prevention: what goes when an order meets one of its own account."""

    CANCEL_MAKER = 0
    CANCEL_TAKER = 1
    CANCEL_BOTH = 2
    NONE = 3


class PostOnly(IntEnum):
    """What a venue does with a post-only order that would take."""

    REJECT = 0
    REPRICE = 1


class After(IntEnum):
    """What must have become of the parent of an order before it is sent."""

    ALL = 0  # filled completely
    ANY = 1  # ended with a fill
    END = 2  # ended
    FIRST = 3  # filled for the first time, ended or not


class Peg(IntEnum):
    """FIX 1094 PegPriceType: where an order takes its limit from when it is decided."""

    NONE = 0
    PRIMARY = 1  # the best price of its own side
    MARKET = 2  # the best price of the opposite side


class PriceReference(IntEnum):
    """What a price band or a payment is measured from."""

    MARK = 0
    INDEX = 1
    MID = 2


class OrderMargin(IntEnum):
    """How resting orders of one position tie up initial margin."""

    EACH = 0  # each for itself, with the part that would open something
    LARGER_SIDE = 1  # the position with all buys, or with all sells: whichever is larger


class OrderMarginPrice(IntEnum):
    """What an order is worth for its initial margin."""

    MARK = 0
    ORDER = 1  # its own price; what it would lose at once against the mark is asked for, too


class FundingWeights(IntEnum):
    """How the premium samples of an interval are averaged."""

    EQUAL = 0
    LINEAR = 1  # 1, 2, … n in order of time


class TriggerRounding(IntEnum):
    """How a mark or an index becomes ticks, for a trigger to be compared with it."""

    NEAREST = 0
    DOWN = 1


class ForcedAction(IntEnum):
    """What a row of a venue's liquidation does."""

    CANCEL = 0  # orders on the positions of the pool
    ORDER = 1  # through the order book
    TAKEOVER = 2  # by the backstop


class ForcedPrice(IntEnum):
    """The price at which a position is closed by force."""

    BOUND = 0  # as far from mid or mark as a liquidation order may go
    BANKRUPTCY = 1  # where the margin is gone
    MARK = 2


class CloseOrder(IntEnum):
    """Which positions of a breached cross pool are closed first."""

    ALL = 0
    LARGEST_MAINTENANCE = 1


class Disposal(IntEnum):
    """What a backstop does with the inventory it took."""

    WALK = 0
    HOLD = 1


class Advance(IntEnum):
    """Why the engine returned to its shell."""

    CHUNK_DONE = 0
    STARTED = 1  # every market has a mark: portfolios can be resolved
    NEED_LADDER = 2
    NEED_RECORD = 3
    NEED_OVERLAY = 4
    NEED_PATH = 5
    FAULT = 6
    NEED_ORDER = 7


class Fault(IntEnum):
    """Why the pass stopped."""

    NONE = 0
    TIME_BACKWARDS = 1
    CROSSED = 2
    MISSING_FUNDING = 3
    MISSING_INDEX = 4


class Verdict(IntEnum):
    """The outcome of a cell, worst first."""

    INSOLVENT = 0
    LIQUIDATED = 1
    ADL = 2
    REDUCED = 3
    ALERTED = 4
    SURVIVED = 5


class DrillVerdict(IntEnum):
    """What came of a drill, worst first."""

    MISSED = 0  # it did harm
    CAUGHT = 1  # a limit on automation kept it from that
    HARMLESS = 2
    NOT_REACHED = 3  # nothing was any different


class GuardOp(IntEnum):
    """One step of a guard's condition, which is judged on a stack (RULES 11.3)."""

    NUMBER = 0
    METRIC = 1
    SHARE = 2  # so much of what is on top
    BELOW = 3
    AT_MOST = 4
    ABOVE = 5
    AT_LEAST = 6
    NOT = 7
    AND = 8
    OR = 9
    FOR = 10  # has been true for so long


class GuardMetric(IntEnum):
    """What a guard can look at (RULES 11.2)."""

    # of pools: one, the worst, all of an account
    EQUITY = 0
    EQUITY_START = 1
    MAINTENANCE = 2
    BUFFER = 3
    LEVERAGE = 4
    MARGIN_RATIO = 5
    # of positions: one, those of a pool, all of an account
    NOTIONAL = 6
    NET_NOTIONAL = 7
    FUNDING_24H = 8
    # of the account
    LOSS = 9
    DRAWDOWN = 10
    # of a position
    DISTANCE = 11
    # of a market
    MARK = 12
    INDEX = 13
    LAST = 14
    BASIS = 15
    SPREAD = 16
    RETURN = 17
    FUNDING = 18
    TIME_TO_FUNDING = 19
    AGE = 20


class Drill(IntEnum):
    """What breaks for the guards of a world, between two times (RULES 12.2)."""

    NONE = 0
    # what is seen of markets
    BAD_TICK = 1
    STALE_VIEW = 2
    # what is seen of accounts
    FROZEN_EQUITY = 3
    BLIND = 4
    # when guards act
    LOOP = 5
    NO_HUMAN = 6
    # what they send
    UNIT = 7
    TRIPLE = 8
    FLIP = 9
    LATE = 10
    # what becomes of that
    LOST = 11
    REFUSED = 12
    RATE_LIMITED = 13


class GuardScope(IntEnum):
    """What a guard looks at a metric of."""

    ACCOUNT = 0
    WORST = 1  # the pool with lots and the highest margin ratio
    POOL = 2
    POSITION = 3
    MARKET = 4


class Rearm(IntEnum):
    """When a guard that has fired may fire again."""

    ALWAYS = 0  # as long as its condition holds
    WHEN_FALSE = 1  # once its condition has been false
    WHEN = 2  # once another condition has been true


class GuardDo(IntEnum):
    """What a guard does when it acts (RULES 11.5)."""

    ALERT = 0
    REDUCE_SHARE = 1  # by so much of the position
    REDUCE_AMOUNT = 2  # by so much notional
    REDUCE_TO = 3  # until a metric is within a bound
    CANCEL = 4  # orders of the account
    PAUSE = 5  # what makes positions larger, for a while


class Withdraw(IntEnum):
    """Which orders of an account a guard cancels."""

    OPENING = 0  # that can make a position larger
    RESTING = 1  # in the order book
    ALL = 2


class GuardEvent(IntEnum):
    """What a guard did."""

    ALERT = 0
    HELD = 1  # its condition held, but it may not fire, or an order of it may not be sent
    PASSED = 2  # it fired, and its condition was false when it was confirmed
    ORDER = 3  # it sent one
    NOTHING = 4  # there was nothing left to send
    CANCEL = 5  # it cancels an order
    PAUSE = 6  # it pauses the orders that open


class Hold(IntEnum):
    """What held a guard back."""

    NONE = 0
    COOL_DOWN = 1
    MAX_FIRES = 2
    MAX_ORDERS = 3  # the account's guards have sent as many as they may


class Limit(IntEnum):
    """What held back an order of a guard or made it smaller, in the order in which it is judged (RULES 11.6)."""

    NONE = 0
    HALTED = 1  # the guards of the account have lost too much, or their orders do not fill
    STALE = 2  # what they see is too old
    COLLAR = 3  # the mark is too far from another price
    MAX_ORDER = 4  # the order is too large
    MAX_NOTIONAL = 5  # they have sent as much as they may
    MAX_ORDERS = 6  # they have sent as many as they may
