"""The root command: global options, the verbs, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.main import get_command

from backtester import __version__
from backtester.bounds import LARGEST_SEED
from backtester.cli import (
    calc,
    check,
    data,
    diff,
    doctor,
    init,
    postmortem,
    rehearse,
    report,
    run,
    scenarios,
    schema,
    solve,
    suite,
    venues,
    verify,
)
from backtester.cli.console import FORMAT_OF, STDOUT, Format, Settings, check_output, wants_color
from backtester.cli.signals import interruptible
from backtester.cli.streams import lost, open_streams
from backtester.errors import DISK_FAULTS, BacktesterError, ExitCode, engine_fault, usage_error, write_error
from backtester.texts import shortened

GLOBAL_FLAGS = frozenset({"-q", "--quiet", "-v", "--verbose", "--no-color", "--no-progress", "--force"})
GLOBAL_OPTIONS = frozenset({"--format", "--output", "--seed"})

#: The verbs that write a page.
PAGES = frozenset({"run", "report", "postmortem", "diff", "check", "solve", "suite", "rehearse"})

app = typer.Typer(
    name="backtester",
    help="Stress tester for perpetual-futures portfolios: had this crash hit this portfolio on this venue, what then?",
    epilog="These options may stand before or after the verb, and can be set as BACKTESTER_FORMAT, BACKTESTER_SEED and "
    "so on. Exit codes: 0 fine, 1 a gate failed or results differ, 2 usage, 3 configuration, 4 data, 5 engine or disk, "
    "130 and 143 interrupted.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: no colour forced by CI variables, and half the start-up time
)
app.command()(init.init)
app.command()(run.run)
app.command()(report.report)
app.command()(postmortem.postmortem)
app.command()(schema.schema)
app.command()(diff.diff)
app.command()(check.check)
app.command()(solve.solve)
app.command()(rehearse.rehearse)
app.command()(verify.verify)
app.add_typer(suite.app, name="suite")
app.add_typer(scenarios.app, name="scenarios")
app.add_typer(venues.app, name="venues")
app.add_typer(data.app, name="data")
app.add_typer(calc.app, name="calc")
app.command()(doctor.doctor)


def _option(name: str, *more: str, **details: Any) -> Any:
    """A global option that BACKTESTER_<NAME> can set as well."""
    envvar = "BACKTESTER_" + name.removeprefix("--").replace("-", "_").upper()
    return typer.Option(name, *more, envvar=envvar, show_envvar=False, **details)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"backtester {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    format: Annotated[
        Format, _option("--format", help="How to write the result; else the ending of --output says it.")
    ] = "table",
    output: Annotated[str, _option("--output", metavar="FILE|-", help="Where to write the result.")] = STDOUT,
    quiet: Annotated[bool, _option("--quiet", "-q", help="Say nothing but results and errors.")] = False,
    verbose: Annotated[bool, _option("--verbose", "-v", help="Say more; tracebacks with errors.")] = False,
    no_color: Annotated[bool, _option("--no-color", help="No colours (also NO_COLOR).")] = False,
    no_progress: Annotated[bool, _option("--no-progress", help="No progress on the terminal.")] = False,
    seed: Annotated[int, _option("--seed", metavar="N", min=0, max=LARGEST_SEED, help="Seed of everything drawn.")] = 0,
    force: Annotated[bool, _option("--force", help="Replace what is written if it exists.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Resolve the global options and prove that the output can be written."""
    if ctx.invoked_subcommand is None:
        print(ctx.get_help(), file=sys.stderr)
        raise typer.Exit(ExitCode.USAGE)
    progress = sys.stderr.isatty() and not (quiet or no_progress)
    source, ending = ctx.get_parameter_source("format"), FORMAT_OF.get(Path(output).suffix.lower(), format)
    if ending != format and source is not None and source.name == "COMMANDLINE":
        raise usage_error("--format", f"{format} does not go into {output}", "leave it out, the ending says the format")
    format = ending
    if format == "html" and ctx.invoked_subcommand not in PAGES:
        raise usage_error("--format", f"{ctx.invoked_subcommand} writes no html", f"{', '.join(sorted(PAGES))} do")
    ctx.obj = Settings(format, output, quiet, verbose, wants_color(no_color), progress, seed, force)
    check_output(output, force)


class CommandLine(NamedTuple):
    """Arguments split into the global options and all others."""

    shared: list[str]
    rest: list[str]


def split_arguments(args: Iterable[str]) -> CommandLine:
    """Find the global options wherever they stand, up to a `--`.

    `run p.toml --format json -qv` becomes `--format json -q -v` and `run p.toml`. So no verb may have an option named
    like a global one.
    """
    line = CommandLine([], [])
    left = iter(args)
    for arg in left:
        if arg == "--":
            line.rest.extend([arg, *left])
        elif arg in GLOBAL_OPTIONS:
            value = next(left, None)
            if value is None:
                raise usage_error(arg, "needs a value", "backtester --help")
            line.shared.extend([arg, value])
        elif arg in GLOBAL_FLAGS or arg.partition("=")[0] in GLOBAL_OPTIONS:
            line.shared.append(arg)
        elif len(arg) > 1 and arg[0] == "-" and set(arg[1:]) <= {"q", "v"}:
            line.shared.extend(f"-{letter}" for letter in arg[1:])
        else:
            line.rest.append(arg)
    return line


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line; return its exit code. A verb returns its exit code, or nothing for 0."""
    args = sys.argv[1:] if args is None else args
    open_streams()
    with interruptible() as interruption:
        try:
            code = _call(args)
            if interruption.signal is not None:  # the parser makes an interruption the exit code of Ctrl-C
                return interruption.exit_code
        except KeyboardInterrupt:
            return interruption.exit_code
        except Exception as error:
            if interruption.signal is not None:
                return interruption.exit_code
            verbose = _is_verbose(args)
            if verbose:
                traceback.print_exc()
            code = report_error(error, verbose)
    failure = lost()
    if failure is not None and code == ExitCode.OK:
        return report_error(write_error("stdout", "cannot be written", failure), verbose=False)
    return code


def _call(args: Sequence[str]) -> int:
    line = split_arguments(args)
    code = get_command(app).main([*line.shared, *line.rest], prog_name="backtester", standalone_mode=False)
    return code if isinstance(code, int) else ExitCode.OK


def report_error(error: Exception, verbose: bool) -> int:
    """Print what went wrong on stderr, one line (and a hint) per problem; return the exit code."""
    if isinstance(error, typer.TyperException):
        message = _with_value(error)
        if message.startswith("Usage:"):  # a noun without its verb: the message is its help
            print(message, file=sys.stderr)
            return ExitCode.USAGE
        ctx = getattr(error, "ctx", None)
        command = ctx.command_path if ctx else "backtester"
        error = usage_error(command, " ".join(message.split()), _meant(message) or f"{command} --help")
    elif isinstance(error, OSError) and error.errno in DISK_FAULTS:
        error = write_error(str(error.filename or "disk"), "cannot be written", error)
    elif not isinstance(error, BacktesterError):
        text = " ".join(f"{type(error).__name__}: {error}".split())
        error = engine_fault("internal", text, "" if verbose else "rerun with -v for the traceback")
    print(error, file=sys.stderr)
    return error.exit_code


def _with_value(error: typer.TyperException) -> str:
    """What the command line's parser says, and the value that it could not read."""
    message, errors = error.format_message(), getattr(error.__cause__, "errors", None)
    value = str(errors()[0]["input"]) if errors else ""
    message = message.replace("Value error, ", "")
    return message if value in message else f'{message}, was "{shortened(value)}"'


def _meant(message: str) -> str:
    """A hint for a choice that is misspelt: `'sise' is not one of 'size', 'shock'`; or nothing."""
    from backtester.config.toml import did_you_mean

    word, _, choices = message.partition(" is not one of ")
    return did_you_mean(word.rpartition(": ")[2].strip("'"), re.findall(r"'([^']+)'", choices))


def _is_verbose(args: Iterable[str]) -> bool:
    flags = (arg for arg in args if arg == "--verbose" or (arg[:1] == "-" and set(arg[1:]) <= {"q", "v"}))
    return os.environ.get("BACKTESTER_VERBOSE", "0") not in ("", "0", "false") or any("v" in flag for flag in flags)
