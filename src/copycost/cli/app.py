"""The `copycost` command. Help and listings must not wait for PyTorch to be imported."""

from __future__ import annotations

import io
import os
import sqlite3
import sys
from typing import Annotated, NoReturn

import typer

from copycost.cli import (
    audit,
    bench,
    benchmark,
    data,
    detect,
    listing,
    precision,
    report,
    reproduce,
    sweep,
    train,
    verify,
)
from copycost.cli.output import complain, print_text
from copycost.errors import ConfigError, CopycostError
from copycost.version import __version__

USER_ERROR = 2
"""Exit status for errors that the user can fix."""
FOR_SEVERAL = ("audit",)
"""Commands that several `torchrun` processes can run together."""

app = typer.Typer(
    name="copycost",
    help="What does it cost to copy your model? Audit only models that you own or are "
    "authorised to test.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Download public data sets.", no_args_is_help=True)
data_app.command("fetch")(data.fetch_command)


def _tell_version(asked: bool) -> None:
    if asked:
        print_text(f"copycost {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Handle the options of `copycost` itself; refuse torchrun for one-process commands."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world != "1" and context.invoked_subcommand not in FOR_SEVERAL:
        raise ConfigError(
            f"torchrun: WORLD_SIZE is {world}, and only `copycost audit` is for several "
            f"processes. Start `copycost {context.invoked_subcommand}` without torchrun, or "
            "unset WORLD_SIZE."
        )


app.add_typer(data_app, name="data")
app.add_typer(precision.precision_app, name="precision")
app.command("audit")(audit.audit_command)
app.command("sweep")(sweep.sweep_command)
app.command("train-victim")(train.train_command)
app.command("bench")(bench.bench_command)
app.command("reproduce")(reproduce.reproduce_command)
app.command("detect")(detect.detect_command)
app.command("verify")(verify.verify_command)
app.command("report")(report.report_command)
app.command("benchmark")(benchmark.benchmark_command)
app.command("list")(listing.list_command)


def main() -> None:
    """Run the command line; a user's error gives one message and exit status 2."""
    # Back PyTorch's CPU memory with huge pages: activations of some megabytes are allocated and
    # freed constantly, and faulting them in page by page takes a good part of a step.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may lack some characters
    try:
        app()
    except CopycostError as error:
        # A wrong setting is wrong in all processes, so only the first one reports it.
        _end(str(error), everywhere=not isinstance(error, ConfigError))
    except BrokenPipeError:
        raise  # standard output was closed: typer exits silently
    except OSError as error:
        _end(_told(error))
    except sqlite3.Error as error:
        _end(
            f"A ledger could not be read or written: {error}. Is the disk full, or a file changed?"
        )


def _end(message: str, *, everywhere: bool = True) -> NoReturn:
    complain(message, everywhere=everywhere)
    sys.exit(USER_ERROR)


def _told(error: OSError) -> str:
    """The system's message about a file, with the file's name and advice."""
    what = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{what}. Choose another place, or mend this one; what is saved is kept."
