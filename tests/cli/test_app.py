"""The command line around the verbs: global options, the two ways out, errors and exit codes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from backtester import __version__
from backtester.cli.app import app, main, split_arguments
from backtester.cli.console import (
    Settings,
    emit,
    emit_rows,
    make_console,
    settings,
    talk,
    wants_color,
)
from backtester.errors import BacktesterError, Diagnostic, ExitCode

ROOT = Path(__file__).resolve().parents[2]
AddVerb = Callable[[Callable[..., Any]], None]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> AddVerb:
    """Adds a verb to the command line, for one test."""
    monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])

    def add(function: Callable[..., Any]) -> None:
        app.command()(function)

    return add


@pytest.fixture
def told(verb: AddVerb) -> list[Settings]:
    """The settings that the verb `tell` was called with."""
    seen: list[Settings] = []

    def tell(ctx: typer.Context, name: str = "") -> None:
        seen.append(settings(ctx))

    verb(tell)
    return seen


def in_new_process(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False
    )


# Start


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"backtester {__version__}\n"


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    commands = capsys.readouterr().out.split("Commands:")[1]
    for name in ("run", "scenarios", "venues", "data", "doctor"):
        assert f"\n  {name} " in commands


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from backtester.cli.app import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    loaded = set(in_new_process("-c", code).stderr.split())
    assert "backtester.cli.run" in loaded
    assert not loaded & {"numba", "numpy", "polars", "pyarrow", "pydantic", "rich"}


def test_help_costs_less_than_300_ms_of_processor() -> None:
    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert in_new_process("-m", "backtester", "--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert any(cost() < 0.3 for _ in range(8))  # the least counts: neighbours may be at work


def test_without_a_verb_there_is_help_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: backtester")


# Global options


@pytest.mark.parametrize(
    ("args", "shared", "rest"),
    [
        ("run p.toml --format json", "--format json", "run p.toml"),
        ("--seed 7 run p.toml", "--seed 7", "run p.toml"),
        ("run --format=json p.toml --output=-", "--format=json --output=-", "run p.toml"),
        ("run p.toml -qv --set a=b", "-q -v", "run p.toml --set a=b"),
        (
            "data list --no-color --no-progress --quiet --verbose",
            "--no-color --no-progress --quiet --verbose",
            "data list",
        ),
        ("run p.toml --out dir --formatted", "", "run p.toml --out dir --formatted"),
        ("run -- --format json -q", "", "run -- --format json -q"),
        ("run -", "", "run -"),
    ],
)
def test_global_options_are_found_wherever_they_stand(args: str, shared: str, rest: str) -> None:
    assert split_arguments(args.split()) == (shared.split(), rest.split())


def test_a_global_option_means_the_same_before_and_after_the_verb(told: list[Settings]) -> None:
    options = ["--format", "json", "--seed", "7", "-q", "-v", "--no-color"]
    assert main([*options, "tell", "--name", "x"]) == 0
    assert main(["tell", *options, "--name", "x"]) == 0
    assert told == [Settings(format="json", quiet=True, verbose=True, seed=7)] * 2


def test_a_flag_wins_over_the_environment_and_that_over_the_default(
    told: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["tell"])
    monkeypatch.setenv("BACKTESTER_FORMAT", "csv")
    monkeypatch.setenv("BACKTESTER_SEED", "3")
    main(["tell"])
    main(["tell", "--format", "markdown"])
    assert [(one.format, one.seed) for one in told] == [("table", 0), ("csv", 3), ("markdown", 3)]


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["runn"], "backtester: No such command 'runn'. Did you mean 'run'?"),
        (["tell", "--nmae", "x"], "backtester tell: No such option: --nmae (Possible options: --name)"),
        (["tell", "--format"], "--format: needs a value"),
        (["tell", "--format", "yaml"], "backtester: Invalid value for '--format'"),
        (["tell", "--seed", "-1"], "backtester: Invalid value for '--seed'"),
        (["tell", "--seed", str(2**63)], "backtester: Invalid value for '--seed'"),
        (["tell", "--output", "missing/dir/out.json"], "--output: cannot write missing/dir/out.json"),
        (["tell", "--output", "."], "--output: . is a directory"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_a_hint(
    told: list[Settings], capsys: pytest.CaptureFixture[str], args: list[str], what: str
) -> None:
    assert main(args) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert lines[0].startswith(f"error[usage] {what}")
    assert all(line.startswith("  hint: ") for line in lines[1:])
    assert len(lines) <= 2
    assert (out, told) == ("", [])


# Errors


def test_every_problem_of_an_error_is_printed(verb: AddVerb, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise BacktesterError([Diagnostic("data", "row 1", "bad", "mend it"), Diagnostic("config", "row 2", "worse")])

    verb(fail)
    assert main(["fail"]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error[data] row 1: bad\n  hint: mend it\nerror[config] row 2: worse\n"


def test_an_unexpected_exception_is_one_line(verb: AddVerb, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("two\nlines")

    verb(fail)
    assert main(["fail"]) == 5
    assert capsys.readouterr().err == (
        "error[engine] internal: ValueError: two lines\n  hint: rerun with -v for the traceback\n"
    )


@pytest.mark.parametrize("args", [["fail", "-v"], ["--verbose", "fail"], ["fail", "-qv"]])
def test_the_traceback_comes_with_v(verb: AddVerb, capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    def fail() -> None:
        raise ValueError("x")

    verb(fail)
    assert main(args) == 5
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("\nerror[engine] internal: ValueError: x\n")


def test_the_traceback_comes_with_the_environment_too(
    verb: AddVerb, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("x")

    verb(fail)
    monkeypatch.setenv("BACKTESTER_VERBOSE", "1")
    main(["fail"])
    assert "Traceback" in capsys.readouterr().err


def test_interruption_is_130(verb: AddVerb) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    verb(fail)
    assert main(["fail"]) == 130


def test_a_verb_returns_its_exit_code(verb: AddVerb) -> None:
    def gate() -> int:
        return 1

    verb(gate)
    assert main(["gate"]) == 1


# The two ways out


def test_output_is_replaced_in_one_step(verb: AddVerb, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def say(ctx: typer.Context) -> None:
        emit("new", settings(ctx))

    verb(say)
    target = tmp_path / "result.txt"
    target.write_text("old and longer")
    assert main(["say", "--output", str(target)]) == 2
    assert target.read_text() == "old and longer"
    assert capsys.readouterr().err == (
        f"error[usage] --output: {target} exists\n  hint: name another file, or replace it with --force\n"
    )
    assert main(["say", "--output", str(target), "--force"]) == 0
    assert target.read_text() == "new\n"
    assert os.listdir(tmp_path) == ["result.txt"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "format"),
    [
        ("--output x.json", "json"),
        ("--output deep.x/y.CSV", "csv"),
        ("--output x.md", "markdown"),
        ("--output x.txt", "table"),
        ("--output x.md --format markdown", "markdown"),
        ("--format json --output x.txt", "json"),
        ("--output -", "table"),
    ],
)
def test_the_ending_of_the_output_says_the_format(
    told: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, format: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep.x").mkdir()
    assert main(["tell", *options.split()]) == 0
    assert told[0].format == format


@pytest.mark.parametrize("options", ["--output x.md --format json", "--format table --output x.md"])
def test_a_format_that_the_ending_denies_is_refused(
    told: list[Settings], capsys: pytest.CaptureFixture[str], options: str
) -> None:
    assert main(["tell", *options.split()]) == ExitCode.USAGE
    assert told == [] and "does not go into x.md" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["--format html", "--output {}/list.html"])
def test_a_verb_without_a_page_refuses_html(capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str) -> None:
    assert main(["venues", "list", *words.format(tmp_path).split()]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("error[usage] --format: venues writes no html")
    assert list(tmp_path.iterdir()) == []


def test_an_ending_wins_over_the_environment(
    told: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKTESTER_FORMAT", "csv")
    main(["tell", "--output", str(tmp_path / "x.json")])
    main(["tell", "--output", str(tmp_path / "x")])
    assert [each.format for each in told] == ["json", "csv"]


@pytest.mark.parametrize(("columns", "width"), [("100", 100), ("7", 40), ("wide", 160), ("", 160), ("-5", 160)])
def test_a_pipe_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert make_console(Settings()).width == width


def test_talk_is_silent_off_a_terminal_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    talk("a", Settings())
    talk("b", Settings(verbose=True))
    talk("c", Settings(verbose=True, quiet=True))
    assert capsys.readouterr() == ("", "b\n")


def test_talk_is_heard_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    talk("a", Settings())
    talk("b", Settings(quiet=True))
    assert capsys.readouterr().err == "a\n"


LIST = f"{sys.executable} -m backtester venues list"
WRONG = f"{sys.executable} -m backtester runn"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{LIST} >&-", 0),
        (f"{LIST} 2>&-", 0),
        (f"{LIST} >/dev/full", 5),
        (f"{LIST} --help >/dev/full", 5),
        (f"{LIST} -v 2>/dev/full", 0),
        (f"{WRONG} >&-", 2),
        (f"{WRONG} 2>&-", 2),
        (f"{WRONG} 2>/dev/full", 2),
        (f"{LIST} --output /dev/full", 5),
        (f"{LIST} --output /dev/null", 0),
        (f"{LIST} --output /dev/stdout >/dev/null", 0),
    ],
)
def test_streams_that_take_nothing_do_not_change_what_happened(line: str, code: int) -> None:
    """Only a result that is lost on a full disk is an error: nobody would know."""
    done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("line", [LIST, f"{LIST} --help", f"{LIST} --format json"])
def test_a_reader_that_leaves_early_does_not_change_the_exit_code(line: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(line.split(), cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("option", ["--output", "--out"])
def test_an_empty_name_is_no_place(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "p.toml", option, ""]) == 2
    assert capsys.readouterr().err.startswith(f"error[usage] {option}: is empty\n")


INTERRUPTED = """
import os, sys
from backtester.cli import app

def swallow():  # as a library does: one that it cannot pass on, one that becomes an error of its own
    class Closed:
        def __del__(self):
            os.kill(os.getpid(), {signal})
    try:
        Closed()
        os.kill(os.getpid(), {signal})
    except KeyboardInterrupt:
        raise ValueError("library") from None
    for _ in range(10**6):
        pass
    raise ValueError("library")

app.app.command()(swallow)
sys.exit(app.main(["swallow"]))
"""


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_a_signal_ends_the_run_without_a_word_of_a_library(signal: int, code: int) -> None:
    done = in_new_process("-c", INTERRUPTED.format(signal=signal))
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


SENT = """
import os, sys
from backtester.cli import app

def wait():
    os.kill(os.getpid(), {signal})
    for _ in range(10**6):
        pass

app.app.command()(wait)
sys.exit(app.main(["wait"]))
"""


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_a_signal_is_told_by_the_exit_code(signal: int, code: int) -> None:
    assert in_new_process("-c", SENT.format(signal=signal)).returncode == code


def test_a_full_disk_is_told_as_one(verb: AddVerb, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device", "tape.parquet")

    verb(fail)
    assert main(["fail"]) == 5
    line, hint = capsys.readouterr().err.splitlines()
    assert line == "error[disk] tape.parquet: cannot be written: No space left on device"
    assert hint == "  hint: make room on that disk, or name a place on another"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert wants_color(no_color=False)
    assert not wants_color(no_color=True)
    monkeypatch.setenv(name, value)
    assert not wants_color(no_color=False)


@pytest.mark.parametrize("variable", ["CI", "GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS", "TTY_COMPATIBLE"])
def test_a_pipe_is_not_a_terminal_whatever_ci_says(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    console = make_console(Settings(color=True))
    assert not console.is_terminal
    assert console.color_system is None


# Lists


ROWS = [("BTC", 1.5, None), ("a|b,c", 20, "long")]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Settings(format="csv"), 'id,size,side\nBTC,1.5,\n"a|b,c",20,long\n'),
        (
            Settings(format="markdown"),
            "| id | size | side |\n| --- | --- | --- |\n| BTC | 1.5 |  |\n| a\\|b,c | 20 | long |\n",
        ),
        (Settings(format="table"), "id     size  side\nBTC     1.5\na|b,c    20  long\n"),
    ],
)
def test_rows_are_written_in_each_format(options: Settings, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    emit_rows("list", ("id", "size", "side"), ROWS, options)
    assert capsys.readouterr().out == expected


def test_rows_as_json_are_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    emit_rows("list", ("id", "size", "side"), ROWS, Settings(format="json"))
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "kind": "list",
        "schema_version": 1,
        "engine_version": __version__,
        "rows": [{"id": "BTC", "size": 1.5, "side": None}, {"id": "a|b,c", "size": 20, "side": "long"}],
    }
