"""The shipped policies over every shipped crash: what README says of them is what comes out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backtester.cli.init import with_policy
from backtester.config.command import Command
from backtester.run.equity import account_equity
from backtester.run.request import requests
from backtester.run.result import ACTUAL, RunResult
from backtester.run.session import run_cells
from backtester.shipped import data_dir, templates_dir

ROOT = Path(__file__).parents[2]
POLICIES = ("conservative", "desk", "market_maker")


def portfolios(directory: Path) -> Iterator[Path]:
    """The portfolio of the demo as it is, and with each policy."""
    demo = (data_dir() / "demo-portfolio.toml").read_text("utf-8")
    for name in ("none", *POLICIES):
        policy = "" if name == "none" else (templates_dir() / "guards" / f"{name}.toml").read_text("utf-8")
        path = directory / f"{name}.toml"
        path.write_text(with_policy(demo, policy))
        yield path


@pytest.mark.slow
def test_each_policy_on_every_crash(tmp_path: Path) -> None:
    command = Command(tuple(map(str, portfolios(tmp_path))), ("crashes",))
    asked = [each._replace(topups=False) for each in requests(command)]
    found: dict[str, list[RunResult]] = {}
    for request, result in zip(asked, run_cells(asked), strict=True):
        assert isinstance(result, RunResult), result
        found.setdefault(request.portfolio.stem, []).append(result)
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `?(none|conservative|desk|market_maker)`? \| (.*) \|$", readme, re.MULTILINE))
    assert rows == {name: " | ".join(told(results)) for name, results in found.items()}


def told(results: list[RunResult]) -> tuple[str, str]:
    """In how many crashes somebody was liquidated, and what all of them end with, millions."""
    lost = sum(bool((each.liquidations["world"] == ACTUAL).any()) for each in results)
    ends = [account_equity(each.state, each.market, n) for each in results for n in range(len(each.portfolio.accounts))]
    return f"{lost} of {len(results)}", f"{math.fsum(ends) / 1e6:.2f}"
