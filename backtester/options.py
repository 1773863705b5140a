"""What the options of `run` are called, by the field of a command that each of them fills (config.command)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Fields of a Command, in the order in which they are typed; its portfolios are named without an option.
OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "scenarios": "--scenario",
        "venues": "--venue",
        "shock": "--shock",
        "tapes": "--tape",
        "instruments": "--instrument",
        "set": "--set",
        "compare": "--compare",
        "prices": "--price",
        "proxies": "--proxy",
        "fail_on": "--fail-on",
        "warn_on": "--warn-on",
        "stale_after": "--stale-after",
        "rebase": "--rebase",
        "drills": "--drill",
    }
)
#: Fields of its Acceptances.
ACCEPTANCES: Mapping[str, str] = MappingProxyType(
    {
        "as_written": "--as-written",
        "funding_zero": "--assume-funding-zero",
        "index_mid": "--assume-index-mid",
        "order_book": "--assume-order-book",
        "frozen_order_book": "--assume-order-book-frozen",
    }
)
