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
    listing,
    precision,
    report,
    reproduce,
    sweep,
    train,
)
from copycost.cli.output import complain, print_text
from copycost.errors import ConfigError, CopycostError
from copycost.version import __version__

USER_ERROR = 2
"""Exit status for anything a user can cause and mend."""
FOR_SEVERAL = ("audit",)
"""Commands that the processes of `torchrun` do together."""

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
    """Of the command itself; the others are the commands'."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world != "1" and context.invoked_subcommand not in FOR_SEVERAL:
        raise ConfigError(
            [
                f"torchrun: WORLD_SIZE is {world}, and only `copycost audit` is for several "
                f"processes. Start `copycost {context.invoked_subcommand}` without torchrun, or "
                "unset WORLD_SIZE."
            ]
        )


app.add_typer(data_app, name="data")
app.add_typer(precision.precision_app, name="precision")
app.command("audit")(audit.audit_command)
app.command("sweep")(sweep.sweep_command)
app.command("train-victim")(train.train_command)
app.command("bench")(bench.bench_command)
app.command("reproduce")(reproduce.reproduce_command)
app.command("report")(report.report_command)
app.command("benchmark")(benchmark.benchmark_command)
app.command("list")(listing.list_command)


def main() -> None:
    """Run the command line; a user's error is one message and exit status 2."""
    # Huge pages, for PyTorch's memory on a CPU: activations of some megabytes are made and
    # dropped all the time, and touching them page by page is a good part of a step.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know every sign
    try:
        app()
    except CopycostError as error:
        # A wrong setting is wrong for all processes, and is told by the first.
        _end(str(error), everywhere=not isinstance(error, ConfigError))
    except BrokenPipeError:
        raise  # of standard output: typer ends silently
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
    """What the system says of a file, and of which."""
    what = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{what}. Choose another place, or mend this one; what is saved is kept."
