"""`copycost detect`: would anyone have noticed the attack?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copycost.cli import options
from copycost.cli.output import print_json
from copycost.detectors import CUSTOMERS, MOST


def detect_command(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, made with --record-queries, of one victim.")
    ],
    detector: Annotated[
        str, typer.Option(help="`copycost list detectors`, or MODULE:CLASS for your own.")
    ] = "prada",
    customers: Annotated[
        int, typer.Option(min=1, help="Honest customers, who ask about the held-out data.")
    ] = CUSTOMERS,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Suspicion above which an alarm is raised.",
            show_default="the highest of an honest customer",
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Queries of a run that are looked at.")] = MOST,
    data: Annotated[
        str | None,
        typer.Option(help="What copies were judged on, if the record does not name it."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Show recorded queries to a detector: after how many would it have raised an alarm?

    Its threshold is such that no honest customer raises one. Nothing is asked.
    """
    # Imported late: it imports PyTorch, which takes seconds that --help need not cost.
    from copycost.cli.detect_run import show  # noqa: PLC0415
    from copycost.runner.detecting import detect  # noqa: PLC0415

    found = detect(detector, runs, customers=customers, fixed=threshold, most=most, data=data)
    show(found)
    if as_json:
        print_json(found.model_dump(mode="json"))
