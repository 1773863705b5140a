"""The layers, read from the sources: who may import whom, and who may import what."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "backtester"

#: layer -> the layers it may import, besides itself. A layer is a subpackage or a module beside them.
#: "" is backtester/__init__.py: the version.
BASE = frozenset({"", "bounds", "enums", "errors", "filekinds", "files", "options", "shipped", "texts"})
ALLOWED = {
    "": frozenset(),
    "bounds": frozenset(),
    "enums": frozenset(),
    "texts": frozenset(),
    "errors": frozenset({"texts"}),
    "filekinds": frozenset({"errors"}),
    "files": frozenset(),
    "options": frozenset(),
    "shipped": frozenset(),
    "config": BASE,
    "venue": BASE | {"config", "formulas"},
    "calc": BASE | {"config", "formulas", "venue"},
    "formulas": frozenset(),
    "engine": frozenset({"bounds", "enums", "formulas"}),
    "market": BASE | {"config", "engine"},
    "scenario": BASE | {"config", "engine", "market"},
    "run": BASE | {"config", "formulas", "venue", "engine", "market", "scenario"},
    "report": BASE | {"config", "formulas"},
    "metrics": BASE | {"config", "formulas", "venue", "engine", "market", "run", "report"},
    "results": BASE | {"config", "formulas", "engine", "run", "report", "metrics"},
    "sweep": BASE | {"config", "scenario", "run", "report", "metrics", "results"},
    "regress": BASE | {"config", "run", "report", "results"},
    "suite": BASE | {"config", "run", "report", "results", "regress"},
    "cli": BASE
    | {"config", "venue", "calc", "engine", "market", "scenario", "run", "report", "results", "sweep", "regress"}
    | {"suite"},
    "__main__": frozenset({"cli"}),
}

#: third-party package -> the only layers that may import it. Whatever is not listed may not be imported at all.
THIRD_PARTY = {
    "numpy": {"engine", "market", "scenario", "run", "metrics", "results"},
    "numba": {"engine"},
    "pyarrow": {"market", "scenario", "run", "results"},
    "polars": {"market", "scenario", "metrics"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "typer": {"cli"},
    "filelock": {"suite"},
    "rich": {"cli", "report", "regress", "sweep"},
}
#: What the command line may load before it knows the verb, and what it may not.
LIGHT = {"", "bounds", "cli", "enums", "errors", "files", "options", "texts"}
HEAVY = {"numba", "numpy", "polars", "pyarrow", "pydantic", "rich"}


class Import(NamedTuple):
    """One imported module. `deferred`: inside a function or a TYPE_CHECKING block, so not run at import."""

    importer: str
    line: int
    imported: str
    deferred: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def top(module: str) -> str:
    return module.partition(".")[0]


def is_own(module: str) -> bool:
    return top(module) == "backtester"


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def walk(node: ast.AST, deferred: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        inside = deferred or is_type_checking(child) or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield child, inside
        yield from walk(child, inside)


def imports_in(source: str, importer: str) -> Iterator[Import]:
    for node, deferred in walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(importer, node.lineno, alias.name, deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}:{node.lineno}: relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                imported = submodule if submodule in modules() else str(node.module)
                yield Import(importer, node.lineno, imported, deferred)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(found for name, path in modules().items() for found in imports_in(path.read_text(), name))


def reached_from(start: str) -> set[str]:
    """Everything that `start` imports, directly or not, at import or in a function."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo.extend(found.imported for found in all_imports() if found.importer == module)
    return seen


def test_the_reader_sees_every_kind_of_import() -> None:
    source = """
import numpy as np
from backtester.errors import data_error
from backtester import errors
if TYPE_CHECKING:
    import polars
def f():
    if True:
        from pyarrow import parquet
"""
    found = [(one.imported, one.deferred) for one in imports_in(source, "x")]
    assert found == [
        ("numpy", False),
        ("backtester.errors", False),
        ("backtester.errors", False),
        ("polars", True),
        ("pyarrow", True),
    ]


@pytest.mark.parametrize("name", sorted({layer(module) for module in modules()}))
def test_a_layer_imports_only_layers_below_it(name: str) -> None:
    assert name in ALLOWED, f"backtester/{name} is not a layer: add it to the table"
    wrong = [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in all_imports()
        if layer(found.importer) == name
        and is_own(found.imported)
        and layer(found.imported) not in ALLOWED[name] | {name}
    ]
    assert not wrong, "\n".join(wrong)


def test_third_party_packages_stay_in_their_layers() -> None:
    wrong = []
    for found in all_imports():
        known = is_own(found.imported) or top(found.imported) in sys.stdlib_module_names
        if not known and layer(found.importer) not in THIRD_PARTY.get(top(found.imported), set()):
            wrong.append(f"{found.importer}:{found.line} imports {found.imported}")
    assert not wrong, "\n".join(wrong)


def test_engine_package_is_empty() -> None:
    assert not (PACKAGE / "engine" / "__init__.py").read_text().strip()


def test_cli_loads_nothing_heavy_at_import() -> None:
    wrong = [
        f"{found.importer}:{found.line} imports {found.imported}"
        for found in all_imports()
        if layer(found.importer) == "cli" and not found.deferred
        if top(found.imported) in HEAVY or (is_own(found.imported) and layer(found.imported) not in LIGHT)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_run_loads_pyarrow_and_not_polars() -> None:
    packages = {top(module) for module in reached_from("backtester.cli.run")}
    assert "pyarrow" in packages
    assert "polars" not in packages


@pytest.mark.parametrize("verb", ["report", "diff"])
def test_a_stored_result_is_told_without_the_engine(verb: str) -> None:
    reached = reached_from(f"backtester.cli.{verb}")
    assert "backtester.results.document" in reached
    assert not {top(module) for module in reached} & {"numba", "polars", "pydantic"}
    assert not {layer(module) for module in reached if is_own(module)} & {"engine", "market", "run"}


@pytest.mark.parametrize("module", ["baseline", "rulebook", "check", "check_report", "annotations", "junit"])
def test_a_stored_result_is_checked_without_the_engine(module: str) -> None:
    reached = reached_from(f"backtester.regress.{module}")
    assert not {top(each) for each in reached} & {"numba", "polars"}
    assert not {layer(each) for each in reached if is_own(each)} & {"engine", "market", "run"}


@pytest.mark.parametrize("module", ["archive", "history"])
def test_months_are_told_without_the_engine(module: str) -> None:
    reached = reached_from(f"backtester.suite.{module}")
    assert not {top(each) for each in reached} & {"numba", "polars"}
    assert not {layer(each) for each in reached if is_own(each)} & {"engine", "market", "run"}


def test_no_module_is_a_drawer_for_leftovers() -> None:
    names = {part for module in modules() for part in module.split(".")}
    assert not names & {"utils", "util", "helpers", "misc", "common"}
