"""Cells that are done are stored one by one: a second run of the same takes them, and comes out the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from backtester.config.command import Command
from backtester.errors import BacktesterError, data_error
from backtester.results.parts import Parts
from backtester.results.produce import Produced, produce
from backtester.run.plan import Rider
from backtester.run.result import RunFailure, RunResult
from backtester.run.ride import Progress, ride
from backtester.run.session import Done
from backtester.run.sources import sources
from tests.unit.run_cases import account, crash, order, portfolio, position, tape

pytestmark = pytest.mark.compiled


@pytest.fixture
def ridden(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What every cell that is run was told."""
    said: list[tuple[str, ...]] = []

    def watched(riders: Sequence[Rider], progress: Progress) -> Iterator[RunResult | RunFailure]:
        said.extend(rider.variant.overrides for rider in riders)
        return ride(riders, progress)

    monkeypatch.setattr("backtester.run.session.ride", watched)
    return said


@pytest.fixture
def command(tmp_path: Path) -> Command:
    path = portfolio(tmp_path, account(position(), order("out", at="1s")))
    return Command((str(path),), tapes=(str(tape(tmp_path)),), compare=("leverage=5,10,20",))


def made(command: Command, directory: Path, seed: int = 0) -> Produced:
    return produce(command, seed, with_tables=True, parts=Parts(directory / "parts", command, seed))


def stored(found: Produced, directory: Path) -> dict[str, bytes]:
    found.write(directory)
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_is_stored_is_not_run_again(command: Command, tmp_path: Path, ridden: list[tuple[str, ...]]) -> None:
    first = made(command, tmp_path)
    assert len(ridden) == 3
    again = made(command, tmp_path)
    assert len(ridden) == 3 and again.model == first.model
    plain = produce(command, with_tables=True)
    assert stored(again, tmp_path / "a") == stored(first, tmp_path / "b") == stored(plain, tmp_path / "c")


def test_cells_that_lack_or_were_changed_are_run(
    command: Command, tmp_path: Path, ridden: list[tuple[str, ...]]
) -> None:
    first = made(command, tmp_path)
    one, other, _ = sorted((tmp_path / "parts").iterdir())
    (one / "SHA256SUMS").unlink()
    (other / "path.parquet").write_bytes(b"")
    ridden.clear()
    assert made(command, tmp_path).model == first.model
    assert len(ridden) == 2


def test_cells_of_other_inputs_are_not_taken(command: Command, tmp_path: Path, ridden: list[tuple[str, ...]]) -> None:
    made(command, tmp_path)
    made(command._replace(set=("severe_loss=10%",)), tmp_path)
    made(command, tmp_path, seed=1)
    file = Path(command.portfolios[0])
    file.write_text(file.read_text() + "# a word more\n")
    made(command, tmp_path)
    tape(tmp_path, [50_000] * 4 + [50_001] * 6)
    made(command, tmp_path)
    assert len(ridden) == 5 * 3


def test_stored_from_several_threads(command: Command, tmp_path: Path) -> None:
    falls = [crash(tmp_path, [(0, 1.0), (9, 1.0 - n / 100)], name=f"fall-{n}") for n in range(12)]
    many = command._replace(scenarios=tuple(map(str, falls)))
    made = produce(many, with_tables=True, parts=Parts(tmp_path / "parts", many, 0), jobs=8)
    assert len(made.model.finished) == 36 == len([*(tmp_path / "parts").iterdir()])


def test_files_of_one_name_are_told_apart(command: Command, tmp_path: Path, ridden: list[tuple[str, ...]]) -> None:
    falls = []
    for name, low in (("x", 0.9), ("y", 0.8)):
        (tmp_path / name).mkdir()
        falls.append(crash(tmp_path / name, [(0, 1.0), (9, low)], name="fall"))
    both = command._replace(scenarios=tuple(map(str, falls)))
    made(both, tmp_path)
    crash(tmp_path / "x", [(0, 1.0), (9, 0.7)], name="fall")
    ridden.clear()
    made(both, tmp_path)
    assert len(ridden) == 3


def test_a_tape_that_changes_while_it_is_run(command: Command, tmp_path: Path) -> None:
    changed = iter([tape])

    def change(done: Done) -> None:
        for make in changed:
            make(tmp_path, [50_000] * 4 + [40_000] * 6)

    parts = Parts(tmp_path / "parts", command, 0)
    with pytest.raises(BacktesterError, match="was changed while it was run"):
        produce(command, with_tables=True, parts=parts, listener=change)
    assert not (tmp_path / "parts").exists()


def test_a_file_that_cannot_be_read_at_first(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody knows what the cell was made from."""
    unreadable = iter([data_error("tape.parquet", "cannot be read")] * 3)

    def busy(rider: Rider) -> Sequence[object]:
        for error in unreadable:
            raise error
        return sources(rider)

    monkeypatch.setattr("backtester.results.parts.sources", busy)
    with pytest.raises(BacktesterError, match="was changed while it was run"):
        made(command, tmp_path)
    assert not (tmp_path / "parts").exists()


def test_a_failed_cell_is_tried_again(command: Command, tmp_path: Path, ridden: list[tuple[str, ...]]) -> None:
    bad = command._replace(compare=("leverage=5,99",))
    first = made(bad, tmp_path)
    assert [cell.status for cell in first.model.cells] == ["ok", "failed"]
    ridden.clear()
    assert made(bad, tmp_path).model == first.model
    assert ridden == [("leverage=99",)]
