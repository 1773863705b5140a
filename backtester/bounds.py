"""How large a number may be where it enters.

What lies beyond is refused there, so that further in no sum wraps and no index leaves its array; each bound says why
nothing that is meant lies beyond it. Times are ns since the epoch, UTC.
"""

from __future__ import annotations

_SECOND_NS = 1_000_000_000
_DAY_NS = 86_400 * _SECOND_NS

#: 1970-01-01 and 2100-01-01: the sum of the later one and the longest duration is still before the "never" of the
#: engine's clocks (2^62 ns, in 2116).
FIRST_NS = 0
#: 2009-01-01, the year of the first block of Bitcoin: a recording that is older has its times in another unit.
FIRST_MARKET_NS = 1_230_768_000 * _SECOND_NS
LAST_NS = 4_102_444_800 * _SECOND_NS
#: Of a latency, a plan, an interval: nobody waits longer than ten years.
LONGEST_NS = 3_650 * _DAY_NS
LONGEST_S = LONGEST_NS // _SECOND_NS
#: A tape without a row of any kind for a day tells of no market: its clocks would only tick through the hole.
LONGEST_HOLE_NS = _DAY_NS
#: A mark, premium or slice every millisecond is finer than any venue's; finer clocks would never arrive.
SHORTEST_CLOCK_NS = 1_000_000
#: Of a moving average: an hour of samples.
LONGEST_WINDOW_NS = 3_600 * _SECOND_NS

#: A ladder holds a cell for every tick from 0: 2 GiB of addresses a side. Bitcoin at a tick of 0.001 fits.
MOST_TICKS = 1 << 27
#: Lots of a row, position or order: half a million rows of this size add up inside int64.
MOST_LOTS = 1 << 44
#: Tick, lot and multiplier of an instrument.
SMALLEST_STEP, LARGEST_STEP = 1e-12, 1e12
#: Digits of a price or size: more have no exact float.
MOST_DIGITS = 15
#: A mark or index in quote currency; what somebody asks for is no smaller than the smallest tick.
SMALLEST_PRICE, LARGEST_PRICE = 1e-12, 1e12
#: A price, a size or an amount of money as somebody writes it down: beyond it nothing is meant seriously.
LARGEST_AMOUNT = 1e18
#: More than any venue lends.
LARGEST_LEVERAGE = 1_000.0
#: Seeds are int64.
LARGEST_SEED = (1 << 63) - 1

#: A price path may rise to a thousand times its start and stand at twice the index.
LARGEST_RATIO = 1_000.0
LARGEST_BASIS_BPS = 10_000.0
#: Depth, volume and number of trades of a scenario, and its spread, as multiples of the tape's: about the worst crashes
#: on record laid over each other.
LARGEST_FACTOR = 10_000.0
LARGEST_SPREAD = 1_000_000.0
#: Latency that a scenario adds, refill half-lives and funding intervals: a month.
LONGEST_HELD_NS = 31 * _DAY_NS
#: Quote currency that a forced flow trades at once: more than all derivatives are worth.
LARGEST_FLOW = 1e15
#: Steps of a scenario times instruments, and its funding times: what they take (90 bytes each) fits a usual machine.
MOST_POINTS = 1 << 24
