"""`copycost report`: the page, from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copycost.cli.output import print_text


def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, each with a record.json.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
) -> None:
    """Write one self-contained HTML page over finished or stopped runs; print its place."""
    from copycost.report.page import write_report  # noqa: PLC0415 -- imports matplotlib

    print_text(str(write_report(runs, out).resolve()))
