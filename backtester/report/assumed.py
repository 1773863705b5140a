"""What a result rests on, in few lines: what is alike of many scenarios as one, and whose figures were lent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from backtester.report.records import Inputs, ReportModel
from backtester.texts import listed

#: Lines that every scenario has (run.stress). Of more than so many one line is made.
_SHARE = re.compile(r"scenario (?P<id>.+): (?P<percent>\d+)% (?P<told>of its figures are assumed, .*)")
_LAID = re.compile(r"the base tape is shorter than the scenario and was laid end to end .+")
_OTHER = re.compile(r"(?P<pair>\S+ moves like \S+) times (?P<beta>\S+) \(assumed\)")
_FEW = 2

#: Lines that name what is not a market's own (run.stress, run.prices; the source that a tape names), and how they are
#: told in a word.
_SYNTHETIC = re.compile(r"(?P<symbols>\S.*?): .+, synthetic: .*")
_LENT = re.compile(r"(?P<symbol>\S+) has no order book of its own, that of (?P<lender>\S+) stands for it: .*")
_SCALED = re.compile(r"(?P<symbol>\S+) order book: (?P<lender>\S+)'s, scaled: .*")
_PROXY = re.compile(r"(?P<told>\S+ moves like \S+ times \S+( to \S+)?( \(assumed\))?)( \(--proxy\))?")


def folded_assumptions(model: ReportModel) -> tuple[str, ...]:
    """The assumptions in their order, those of many scenarios together where the first of them stands."""
    shares = [found for line in model.assumptions if (found := _SHARE.fullmatch(line))]
    laid = [line for line in model.assumptions if _LAID.fullmatch(line)]
    others = _others(model.assumptions)
    folds = [(_SHARE, _shares(shares))] if len(shares) > _FEW else []
    folds += [(_LAID, _times(model.inputs))] if len(laid) > _FEW else []
    said = (next((fold for shape, fold in folds if shape.fullmatch(line)), line) for line in model.assumptions)
    return tuple(dict.fromkeys(others.get(line, line) for line in said))


def _shares(found: Sequence[re.Match[str]]) -> str:
    """Example: 35 scenarios: 67% (2020-03-12) to 76% (2025-10-10) of its figures are assumed, …"""
    least, most = (bound(found, key=lambda each: int(each["percent"])) for bound in (min, max))
    told = f"{least['percent']}% of"
    if least["percent"] != most["percent"]:
        told = f"from {least['percent']}% ({least['id']}) to {most['percent']}% ({most['id']}) of"
    return f"{len(found)} scenarios: {told}{found[0]['told'].removeprefix('of').replace(' its ', ' the ', 1)}"


def _others(lines: Sequence[str]) -> Mapping[str, str]:
    """Each line of a factor that a scenario assumes, as all of that name. Example: AVAX moves like ETH times 1 to 2."""
    found = [each for line in lines if (each := _OTHER.fullmatch(line))]
    betas: dict[str, list[str]] = {}
    for each in found:
        betas.setdefault(each["pair"], []).append(each["beta"])
    return {each.string: f"{each['pair']} times {_range(betas[each['pair']])} (assumed)" for each in found}


def _range(numbers: Sequence[str]) -> str:
    least, most = (bound(numbers, key=float) for bound in (min, max))
    return least if least == most else f"{least} to {most}"


def _times(inputs: Inputs) -> str:
    times = [each.tiles for each in inputs.scenarios if each.tiles > 1]
    return (
        f"the base tape is shorter than {len(times)} of the scenarios and was laid end to end "
        f"{min(times)} to {max(times)} times"
    )


def caution(assumptions: Sequence[str]) -> str:
    """What a reader must know before any figure: whose order books and paths are not of their market; else nothing.

    Example: CAUTION: BTC order book synthetic; XRP moves like ETH times 1.7 (assumed).
    """
    folded = _others(assumptions)
    said = "; ".join(_foreign(tuple(dict.fromkeys(folded.get(line, line) for line in assumptions))))
    return f"CAUTION: {said}" if said else ""


def _foreign(assumptions: Sequence[str]) -> Iterator[str]:
    made = [found["symbols"] for line in assumptions if (found := _SYNTHETIC.fullmatch(line))]
    if synthetic := [*dict.fromkeys(symbol for symbols in made for symbol in symbols.split(", "))]:
        yield f"{listed(synthetic)} order book{'s' if len(synthetic) > 1 else ''} synthetic"
    lent = [found for line in assumptions if (found := _LENT.fullmatch(line) or _SCALED.fullmatch(line))]
    if lent:
        whose = [f"{each['symbol']} from {each['lender']}" for each in lent]
        yield f"order book{'s' if len(lent) > 1 else ''} lent: {listed(whose)}"
    if moved := [found["told"] for line in assumptions if (found := _PROXY.fullmatch(line))]:
        yield listed(moved)
