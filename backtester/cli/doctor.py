"""`backtester doctor`: is everything here that a run needs, and what to do where it is not."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from backtester.cli.console import Settings, emit_rows, settings, talk
from backtester.errors import ExitCode
from backtester.texts import counted

PACKAGES = ("numba", "numpy", "polars", "pyarrow", "pydantic", "rich", "typer")
OLDEST_PYTHON = (3, 11)
REINSTALL = "incomplete installation: in a checkout, make clean install; else install the wheel again"


class Check(NamedTuple):
    """One finding: what was looked at, how it is, what to do."""

    check: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    hint: str = ""


def doctor(
    ctx: typer.Context,
    warm: Annotated[bool, typer.Option("--warm", help="Compile the kernels now, so that no run waits for it.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Remove kernels compiled for other versions.")] = False,
) -> int:
    """Check the installation; exit 1 if a check fails."""
    options = settings(ctx)
    if clean:
        for directory in stale_kernels(_kernel_dir()):
            shutil.rmtree(directory)
            talk(f"removed {directory}", options)
    if warm:
        from backtester.run.session import warm as compile_kernels

        talk("compiling the kernels (once per machine and version)", options)
        compile_kernels()
    checks = list(examine(options))
    emit_rows("doctor", Check._fields, checks, options)
    return ExitCode.GATE if any(check.status == "fail" for check in checks) else ExitCode.OK


def examine(options: Settings) -> Iterator[Check]:
    """Every check, in the order in which they depend on each other."""
    yield check_python(sys.version_info[:3])
    packages = [check_package(name) for name in PACKAGES]
    yield from packages
    if all(check.status == "ok" for check in packages):
        directory = _kernel_dir()
        yield check_writable(directory.parent)
        yield Check("kernel set", "ok", directory.name)  # another engine or compiler has another: the key of a CI cache
        yield check_kernels()
        yield check_stale(directory)
    yield from check_shipped()
    yield check_terminal(options)


def check_python(found: tuple[int, ...]) -> Check:
    """Whether this Python is new enough."""
    version = ".".join(map(str, found))
    if found >= OLDEST_PYTHON:
        return Check("python", "ok", version)
    return Check("python", "fail", version, f"use Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer")


def check_package(name: str) -> Check:
    """Whether a package that backtester is built on is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return Check(name, "ok", version(name))
    except PackageNotFoundError:
        return Check(name, "fail", "not installed", REINSTALL)


def check_writable(root: Path) -> Check:
    """Whether compiled kernels can be kept, and in a place that lasts."""
    hint = "set BACKTESTER_CACHE_DIR to a directory that you can write"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return Check("kernel cache", "fail", f"{root}: {error.strerror}", hint)
    if root.is_relative_to(tempfile.gettempdir()) and not os.environ.get("BACKTESTER_CACHE_DIR"):
        return Check("kernel cache", "warn", f"{root} is temporary: your cache directory is not writable", hint)
    return Check("kernel cache", "ok", str(root))


def check_kernels() -> Check:
    """Whether the first run has to compile."""
    from backtester.engine.jit import is_warm

    if is_warm():
        return Check("kernels", "ok", "compiled")
    return Check("kernels", "warn", "not compiled yet: the first run will, once", "backtester doctor --warm")


def check_stale(directory: Path) -> Check:
    """How much the kernels of other versions and settings take up."""
    stale = stale_kernels(directory)
    if not stale:
        return Check("old kernels", "ok", "none")
    size_mb = sum(file.stat().st_size for root in stale for file in root.rglob("*") if file.is_file()) / 1e6
    return Check("old kernels", "ok", f"{counted(len(stale), 'set')}, {size_mb:.0f} MB", "backtester doctor --clean")


def check_shipped() -> Iterator[Check]:
    """Whether the scenarios, tapes and venue profiles came along."""
    from backtester import shipped

    facts = {path.stem for path in shipped.scenarios_dir().glob("*.toml")}
    paths = {path.stem for path in shipped.scenarios_dir().glob("*.parquet")}
    if missing := sorted(facts - paths):
        hint = f"backtester scenarios build {missing[0]}"
        yield Check("scenarios", "fail", f"not compiled: {', '.join(missing)}", hint)
    else:
        yield _count("scenarios", len(facts))
    yield _count("tapes", sum(1 for _ in shipped.data_dir().glob("*.parquet")))
    yield _count("venue profiles", sum(1 for _ in (Path(shipped.__file__).parent / "venue").rglob("*.toml")))


def check_terminal(options: Settings) -> Check:
    """How results are shown here."""
    encoding = (sys.stdout.encoding or "ascii").lower()
    if not encoding.startswith("utf"):
        return Check("terminal", "warn", f"encoding {encoding}", "set PYTHONUTF8=1 or a UTF-8 locale")
    if not sys.stdout.isatty():
        return Check("terminal", "ok", "none: plain tables")
    width, height = shutil.get_terminal_size()
    return Check("terminal", "ok", f"{width}x{height}, {'colour' if options.color else 'no colour'}")


def stale_kernels(current: Path) -> list[Path]:
    """Directories beside `current` that are named like it: by the 16 hex digits of a fingerprint."""
    if not current.parent.is_dir():
        return []
    beside = (path for path in current.parent.iterdir() if path.is_dir() and path.name != current.name)
    return sorted(path for path in beside if re.fullmatch(r"[0-9a-f]{16}", path.name))


def _kernel_dir() -> Path:
    from backtester.engine import jit

    return jit.CACHE_DIR


def _count(name: str, found: int) -> Check:
    return Check(name, "ok", str(found)) if found else Check(name, "fail", "none found", REINSTALL)
