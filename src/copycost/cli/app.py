"""The `copycost` command. Help and listings must not wait for PyTorch to be imported."""

from __future__ import annotations

import sys

import typer

from copycost.cli import audit, data, listing, report, train
from copycost.cli.output import complain
from copycost.errors import CopycostError

USER_ERROR = 2
"""Exit status for anything a user can cause and mend."""

app = typer.Typer(
    name="copycost",
    help="What does it cost to copy your model? Audit only models that you own or are "
    "authorised to test.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Data sets.", no_args_is_help=True)
data_app.command("fetch")(data.fetch_command)
app.add_typer(data_app, name="data")
app.command("audit")(audit.audit_command)
app.command("train-victim")(train.train_command)
app.command("report")(report.report_command)
app.command("list")(listing.list_command)


def main() -> None:
    """Run the command line; a user's error is one message and exit status 2."""
    try:
        app()
    except CopycostError as error:
        complain(str(error))
        sys.exit(USER_ERROR)
