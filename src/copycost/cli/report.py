"""`copycost report`: writes the page from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copycost.cli import options
from copycost.cli.output import print_text, say
from copycost.errors import ConfigError


def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, each with a record.json.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    price: options.Price = None,
    rate: options.Rate = None,
) -> None:
    """Write one self-contained HTML page over finished or stopped runs, and print its path."""
    from copycost.report.page import write_report  # noqa: PLC0415 -- imports matplotlib
    from copycost.runner.folder import has_begun  # noqa: PLC0415 -- imports PyTorch

    if out.is_dir():
        raise ConfigError(f"out: {out} is a folder. Name the page, e.g. {out / 'report.html'}.")
    waiting = [run for run in runs if has_begun(run)]
    for run in waiting:
        say(f"Left out: {run} has no record yet.")
    told = [run for run in runs if run not in waiting]
    print_text(str(write_report(told, out, price, rate).resolve()))
