"""What guards do, as it is written (RULES 11.5), and which positions and orders it is about.

close, reduce 25% of BTC within 50 bps, reduce to leverage 5
cancel opening, cancel resting of ETH, pause 10m
"""

from __future__ import annotations

import re
from typing import NamedTuple

from backtester.config.conditions import Comparison, Condition, Field, Share, Wrong, comparisons, parse
from backtester.config.guards import CROSS, METRICS, Holdings, Of
from backtester.config.judging import Kind
from backtester.config.toml import did_you_mean
from backtester.config.values import Misread, parse_clock_ns, parse_duration_ns
from backtester.enums import GuardDo, Withdraw


def parse_rearm(value: object) -> bool | Condition:
    """`"always"`: True, `false`: False, or a condition. Raises ValueError."""
    if value == "always":
        return True
    if value is False:
        return False
    if not isinstance(value, str):
        raise ValueError('expected "always", false or a condition')
    try:
        return parse(value, clocks=True)
    except Wrong as wrong:
        raise Misread(str(wrong), wrong.hint) from None


def parse_confirm(value: object) -> int:
    """A duration, or `"human"`: 30 s, what a person takes who has to be woken. ns; raises ValueError."""
    return 30 * 10**9 if value == "human" else parse_duration_ns(value)


class Action(NamedTuple):
    """One thing that a guard does, as it is written."""

    text: str
    do: GuardDo
    value: float = 0.0  # share, quote, or what `metric` shall be at most (buffer: at least)
    metric: str = ""
    share_of: str = ""  # metric that `value` is a share of
    of: str = ""  # scope, "" for that of the condition
    bound: float = 0.0
    orders: Withdraw = Withdraw.OPENING  # which a CANCEL is about; `of` is the symbol, "" for all
    ns: int = 0  # how long a PAUSE is


#: What a position can be reduced to.
TARGETS = ("leverage", "margin_ratio", "notional", "buffer")
_NUMBER = r"(?P<number>\d+(?:_\d+)*(?:\.\d+)?)\s*(?P<percent>%?)"
_ACTION = re.compile(
    rf"(?:(?P<close>close)|reduce\s+(?:to\s+(?P<metric>[a-z_]+)\s+)?{_NUMBER}(?:\s+(?P<share_of>[a-z_]+))??)"
    r"(?:\s+of\s+(?P<of>[^\s]+))?(?:\s+within\s+(?P<bps>\d+(?:\.\d+)?)\s*bps)?",
    re.ASCII,
)
_CANCEL = re.compile(r"cancel\s+(?P<orders>[a-z]+)(?:\s+of\s+(?P<of>[^\s]+))?", re.ASCII)
_PAUSE = re.compile(r"pause\s+(?P<length>\S+)", re.ASCII)
_EXAMPLES = '"alert", "close", "reduce 25% of BTC within 50 bps", "reduce to leverage 5", "cancel opening", "pause 10m"'


def parse_action(value: object) -> Action:
    """What a guard does. Raises ValueError.

    Examples: alert; close; reduce 25%; reduce 50_000 of cross; reduce to buffer 3% notional of ETH within 100 bps.
    """
    if value == "alert":
        return Action("alert", GuardDo.ALERT)
    if not isinstance(value, str):
        raise ValueError(f"expected one of {_EXAMPLES}")
    if withdrawn := _CANCEL.fullmatch(value.strip()):
        return _cancel(value, withdrawn)
    if paused := _PAUSE.fullmatch(value.strip()):
        return Action(value, GuardDo.PAUSE, ns=parse_clock_ns(paused["length"]))
    found = _ACTION.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"expected one of {_EXAMPLES}")
    of, bound = found["of"] or "", float(found["bps"] or 0.0) / 10_000
    if found["bps"] and not bound:
        raise Misread(f"an order that goes 0 bps far fills nothing: {value}", "without it: as far as the venue lets it")
    if found["close"]:
        return Action(value, GuardDo.REDUCE_SHARE, 1.0, of=of, bound=bound)
    number = float(found["number"].replace("_", "")) / (100.0 if found["percent"] else 1.0)
    if metric := found["metric"]:
        return _target(Action(value, GuardDo.REDUCE_TO, number, metric, found["share_of"] or "", of, bound), found)
    if found["share_of"] or not number or (found["percent"] and number > 1.0):
        raise ValueError(f"expected one of {_EXAMPLES}")
    do = GuardDo.REDUCE_SHARE if found["percent"] else GuardDo.REDUCE_AMOUNT
    return Action(value, do, number, of=of, bound=bound)


def _cancel(written: str, found: re.Match[str]) -> Action:
    words = [each.name.lower() for each in Withdraw]
    if found["orders"] not in words:
        hint = did_you_mean(found["orders"], words) or f"known: {', '.join(words)}"
        raise Misread(f"which orders are {found['orders']}? {written}", hint)
    return Action(written, GuardDo.CANCEL, of=found["of"] or "", orders=Withdraw[found["orders"].upper()])


def _target(action: Action, found: re.Match[str]) -> Action:
    if action.metric not in TARGETS:
        raise Misread(f"nothing is reduced to {action.metric}", did_you_mean(action.metric, TARGETS))
    of_money = {action.metric, action.share_of} <= {"notional", "buffer"}
    if action.share_of and (not of_money or not found["percent"]):
        raise Misread(f"a share of what? {action.text}", "write buffer 3% notional")
    if not action.value:
        raise Misread(f"nothing is left then: {action.text}", "write close")
    is_share = METRICS[action.metric].kind is Kind.FRACTION
    if bool(found["percent"]) != (is_share or bool(action.share_of)):
        raise Misread(f"{action.metric} is {'a share' if is_share else 'no share'}: {action.text}", "")
    return action


def scope_of(action: Action, condition: Condition, held: Holdings) -> str:
    """Which positions an action is about: those it names, else those of its condition. Raises Wrong.

    Of a CANCEL the symbol, "" where it is about all of them.
    """
    if action.do in (GuardDo.ALERT, GuardDo.PAUSE):
        return ""
    if action.do is GuardDo.CANCEL:
        if action.of and action.of not in held.symbols:
            hint = did_you_mean(action.of, held.symbols) or f"known: {', '.join(held.symbols)}"
            raise Wrong(1, f"there are no orders of {action.of} to cancel", hint)
        return action.of
    of = action.of or _only_one(action, condition, held)
    known = held.of(Of.POSITIONS)
    if of not in known:
        raise Wrong(1, f"there is no {of} to reduce", did_you_mean(of, known) or f"known: {', '.join(known)}")
    if action.metric and action.metric != "notional" and held.isolated and of not in (CROSS, *held.crossed):
        why = "what is closed of an isolated position takes its margin along, and that does not change"
        raise Wrong(1, f"{action.text} of {of}: {why}", "say cross, a share, an amount or to notional")
    return of


def _only_one(action: Action, condition: Condition, held: Holdings) -> str:
    """What a condition is of, if that is one thing. Raises Wrong."""
    known = held.of(Of.POSITIONS)
    named = {
        (each.steps[0].selector or "").partition(",")[0]
        for comparison in comparisons(condition)
        if isinstance(comparison, Comparison)
        for side in (comparison.left, comparison.right)
        if isinstance(each := side.of if isinstance(side, Share) else side, Field)
    }
    if len(named) != 1 or not named <= {*known}:
        ways = ", ".join(f"{action.text} of {each}" for each in known[:4])
        raise Wrong(1, f"{action.text} of what?", f"write {ways}")
    return named.pop()
