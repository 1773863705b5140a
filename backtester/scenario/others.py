"""How a name moves that a scenario has no prices of: like one that it has, times a factor. Assumed, and told so.

    ratio = 1 + beta · (the other's ratio − 1)

A stress test must not flatter. Where facts state no beta of their own, it is that of the farthest of the names that the
scenario does have minutes of, and never less than LEAST: three of four names fell no farther than that in the shipped
history. Names are measured by the index, at its farthest from the start on the side where the other one went farther.

Example: ETH falls 15 % and rises 1 %, XRP falls 50 % and LINK 60 %: any other name falls 4 times as far as ETH.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backtester.scenario.path import Series

#: The upper quartile of other names' moves over ETH's in the shipped history.
LEAST = 1.7
RULE = (
    f"As far as the farthest of the names here that are neither BTC nor ETH, and no less than {LEAST:g} times: three "
    "of four names went no farther in the shipped history."
)
#: Names that others move like, the likelier first. How these move says nothing of others.
LARGE = ("ETH", "BTC")


def how_to_borrow(name: str, have: Sequence[str]) -> str:
    """What a name without a path may do: move like one that is more liquid; there is none for those of LARGE but others
    of LARGE."""
    if not have:
        return ""
    large = [each for each in LARGE if each in have]
    if large or name not in LARGE:
        return f"have {', '.join(have)}; borrow one: --proxy {name}={(large or have)[0]}*1.2"
    said = f"none is as liquid as {name}: give it a path of its own"
    return f"have {', '.join(have)}; {said}, or state how far it goes beside one: --proxy {name}={have[0]}*FACTOR"


def beta_of(series: Iterable[Series], of: str) -> float:
    """The factor by which a name without prices moves like `of`, in hundredths."""
    return round(max((LEAST, *moves_over(series, of).values())), 2)


def moves_over(series: Iterable[Series], of: str) -> Mapping[str, float]:
    """How far each other name goes, over how far `of` does; nothing where that one stays where it is."""
    prices = {each.symbol: each.values - 1.0 for each in series if each.column == "price_ratio"}
    up, down = float(prices[of].max()), float(-prices[of].min())
    side, farthest = (1.0 if up > down else -1.0), max(up, down)
    names = sorted(prices.keys() - {*LARGE, of}) if farthest > 0.0 else []
    return {name: float((side * prices[name]).max()) / farthest for name in names}
