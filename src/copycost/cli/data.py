"""`copycost data fetch`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from copycost.cli.output import console, print_text
from copycost.datasets.sources import usual_folder


class Fetchable(StrEnum):
    """Data sets with an official place to download from."""

    CIFAR10 = "cifar10"
    SVHN = "svhn"
    FASHION_MNIST = "fashion-mnist"


def fetch_command(
    name: Annotated[Fetchable, typer.Argument(help="The data set.")],
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder to write to; by default where copycost looks for it."),
    ] = None,
) -> None:
    """Download the official files of a data set; an interrupted download resumes."""
    from copycost.datasets.fetch import fetch  # noqa: PLC0415 -- imports an HTTP client

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as bar:
        task = bar.add_task(str(name))
        place = folder or usual_folder(str(name))
        fetch(str(name), place, lambda done, total: bar.update(task, completed=done, total=total))
    print_text(str(place))
