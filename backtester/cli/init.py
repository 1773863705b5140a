"""`backtester init`: files to begin with, each with what it may say in its comments."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

import typer

from backtester.cli.console import check_file, emit, emit_rows, settings, written_for
from backtester.files import write_text

#: Where an account begins, with the comment ahead of it.
_ACCOUNT = re.compile(r"(?m)(?:^#.*\n)*^\[\[accounts\]\]$")


def init(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Where they go; made if it is missing.", metavar="[DIR]")] = Path(),
    guards: Annotated[
        Literal["conservative", "desk", "market_maker"] | None,
        typer.Option("--guards", help="A policy of protective rules in every account of the portfolio."),
    ] = None,
) -> None:
    """Write a commented portfolio.toml, suite.toml and .github/workflows/stress.yml, and say what to type next.

    Examples: backtester init stress
    backtester init stress --guards desk
    """
    chosen = settings(ctx)
    texts = _texts(directory, guards)
    for path in filter(Path.exists, texts):
        check_file("DIR", path, chosen.force)
    with written_for("DIR", directory, "name a directory of yours"):
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
    commands = _commands(directory, guards)
    if chosen.format == "table":
        emit(_told(directory, list(texts), commands), chosen)
    else:
        rows = [*(("file", str(path)) for path in texts), *(("next", command) for command in commands)]
        emit_rows("init", ("what", "text"), rows, chosen)


def _texts(directory: Path, guards: str | None) -> dict[Path, str]:
    """The files and what they say; the portfolio is the one of the demo, with a policy if one is named."""
    from backtester.shipped import data_dir, templates_dir

    demo = (data_dir() / "demo-portfolio.toml").read_text("utf-8")
    if guards is not None:
        demo = with_policy(demo, (templates_dir() / "guards" / f"{guards}.toml").read_text("utf-8"))
    return {
        directory / "portfolio.toml": demo.replace("data/demo-portfolio.toml", "portfolio.toml"),
        directory / "suite.toml": (templates_dir() / "suite.toml").read_text("utf-8"),
        directory / ".github" / "workflows" / "stress.yml": (templates_dir() / "stress.yml").read_text("utf-8"),
    }


def with_policy(portfolio: str, policy: str) -> str:
    """The text of a portfolio with the text of a policy behind the last table of each of its accounts."""
    begins = [each.start() for each in _ACCOUNT.finditer(portfolio)]
    pieces = [portfolio[begin:end].rstrip() for begin, end in pairwise([*begins, len(portfolio)])]
    return portfolio[: begins[0]] + "\n".join(f"{piece}\n\n{policy}" for piece in pieces)


def _commands(directory: Path, guards: str | None) -> tuple[str, ...]:
    """What to type next."""
    portfolio, suite, baseline = (quote(str(directory / name)) for name in ("portfolio.toml", "suite.toml", "baseline"))
    return (
        f"backtester {'rehearse' if guards else 'run'} {portfolio} --scenario 2025-10-10",
        f"backtester suite run {suite}",
        f"backtester check {suite} --baseline {baseline} --update",
    )


def _told(directory: Path, written: list[Path], commands: tuple[str, ...]) -> str:
    """What was written, where it may have to go, and what to type next."""
    lines = [f"wrote {path}" for path in written]
    if not (directory / ".git").exists():
        lines.append("GitHub reads .github at the root of a repository alone: move it there, its paths begin there")
    return "\n".join([*lines, "next:", *(f"  {command}" for command in commands), ""])
