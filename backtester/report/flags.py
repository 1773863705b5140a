"""What deserves a second look at a cell: one word each, and one sentence that says what it means."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self


class Flag(StrEnum):
    """The word as documents have it; metrics.verdict and metrics.notices say when it holds."""

    sentence: str

    def __new__(cls, word: str, sentence: str) -> Self:
        """A member is its word; a line of a list of both fits into 80 characters."""
        made = str.__new__(cls, word)
        made._value_, made.sentence = word, sentence
        return made

    DEFICIT = "deficit", "losses went beyond the margin: others bear them"
    FILLED_IN_A_PATH_STEP = "filled_in_a_path_step", "the scenario moved the order book past a resting order"
    FILLED_ON_STALE_ORDER_BOOK = "filled_on_stale_order_book", "an order met an order book that was too old"
    FIRED_BEHIND_A_GAP = "fired_behind_a_gap", "a stop fired at the first price after a hole in the tape"
    IN_FLIGHT_AT_END = "in_flight_at_end", "an order had not reached the venue when the run ended"
    LEFT_OPEN_WITHOUT_DEPTH = "left_open_without_depth", "an order that closes found no more order book"
    LIQUIDATION_STUCK = "liquidation_stuck", "a liquidation filled nothing: no order book, or a halt"
    NO_EXIT_AT_END = "no_exit_at_end", "the final order book cannot take what is still open"
    OCO_PARTIAL = "oco_partial", "a partial fill cancelled its partner: the rest is unprotected"
    ORDER_CANCELLED_BY_LIQUIDATION = (
        "order_cancelled_by_liquidation",
        "the venue cancelled it to liquidate its pool",
    )
    ORDER_CUT_SHORT = "order_cut_short", "an order ended at a price bound or the last known level"
    ORDER_NOT_SENT = "order_not_sent", "an order is due after the end of the run"
    ORDER_REFUSED = "order_refused", "the venue did not take an order"
    PARTICIPATION_ABOVE_20_PCT = "participation_above_20_pct", "so large a share of what was traded moves prices"
    PARTICIPATION_UNKNOWN = "participation_unknown", "no trades on the tape: the size of a plan is not judged"
    PLAN_NOT_STARTED = "plan_not_started", "a plan begins after the end of the run"
    PLAN_UNFINISHED = "plan_unfinished", "a plan did not do all of its size"
    POSITION_FLIPPED = "position_flipped", "an order turned a position long to short, or short to long"
    SEVERE_LOSS = "severe_loss", "an account lost a large part of its equity (key severe_loss)"
    STOP_NEVER_IN_PLACE = "stop_never_in_place", "a stop was refused as it was placed: it protected nothing"
    STOP_REFUSED = "stop_refused", "a stop fired and was refused: it protected nothing"
    TAKEN_OVER = "taken_over", "the venue took a position over, and its margin with it"
    TRAILING_ACTIVE_FROM_START = "trailing_active_from_start", "its activation price was passed at the start"


def flag_lines(flags: Iterable[Flag]) -> tuple[str, ...]:
    """Example: `plan_unfinished: a plan did not do all of its size`."""
    return tuple(f"{flag}: {flag.sentence}" for flag in flags)
