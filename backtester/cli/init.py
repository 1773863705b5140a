"""`backtester init`: files to begin with, each with what it may say in its comments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backtester.cli.console import check_file, emit, settings, written_for
from backtester.files import write_text


def init(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Where they go; made if it is missing.", metavar="[DIR]")] = Path(),
) -> None:
    """Write a commented portfolio.toml, suite.toml and .github/workflows/stress.yml, and say what to type next.

    Example: backtester init stress
    """
    chosen = settings(ctx)
    texts = _texts(directory)
    for path in filter(Path.exists, texts):
        check_file("DIR", path, chosen.force)
    with written_for("DIR", directory, "name a directory of yours"):
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
    emit(_next(directory, list(texts)), chosen)


def _texts(directory: Path) -> dict[Path, str]:
    """The files and what they say; the portfolio is the one of the demo."""
    from backtester.shipped import data_dir, templates_dir

    demo = (data_dir() / "demo-portfolio.toml").read_text("utf-8")
    return {
        directory / "portfolio.toml": demo.replace("data/demo-portfolio.toml", "portfolio.toml"),
        directory / "suite.toml": (templates_dir() / "suite.toml").read_text("utf-8"),
        directory / ".github" / "workflows" / "stress.yml": (templates_dir() / "stress.yml").read_text("utf-8"),
    }


def _next(directory: Path, written: list[Path]) -> str:
    """What was written, and the three commands to type next."""
    portfolio, suite = directory / "portfolio.toml", directory / "suite.toml"
    return "".join(f"wrote {path}\n" for path in written) + (
        "next:\n"
        f"  backtester run {portfolio} --scenario 2025-10-10\n"
        f"  backtester suite run {suite}\n"
        f"  backtester check {suite} --baseline {directory / 'baseline'} --update\n"
    )
