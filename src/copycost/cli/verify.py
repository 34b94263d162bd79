"""`copycost verify`: is that model a copy of mine?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copycost.cli import options
from copycost.ownership import CONTROLS, LEAST_CONTROLS, PROBES


def verify_command(
    suspects: Annotated[
        list[str],
        typer.Argument(
            help="Run folders, whose students are meant, folders of saved models, or "
            "MODULE:FUNCTION that returns a target."
        ),
    ],
    victim: Annotated[
        str,
        typer.Option(
            help="Your model: a name from `copycost list victims`, or a place as of a suspect."
        ),
    ],
    control: Annotated[
        list[str] | None,
        typer.Option(help="A model trained independently of yours; give it several times."),
    ] = None,
    controls: Annotated[
        int,
        typer.Option(
            min=LEAST_CONTROLS, help="Controls trained for a listed victim, if none is named."
        ),
    ] = CONTROLS,
    probes: Annotated[
        int, typer.Option(min=10, help="Images that every suspect and control is asked about.")
    ] = PROBES,
    seed: Annotated[int, typer.Option(min=0, help="Seed of those images.")] = 0,
    data: Annotated[
        str | None, typer.Option(help="Data to train a listed victim and its controls on.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for trained models and paid answers.")
    ] = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute with.")] = None,
    deadline: options.Deadline = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell copies of a model, made without data like its own, from independent models.

    All are asked about images that nothing was trained for. Labels are enough. To resume, run the
    same command again. Ask only models that you own or are authorised to test.
    Exit status: 0 done, 2 an error to mend, 3 stopped before the end.
    """
    # Imported late: it imports PyTorch, which takes seconds that --help need not cost.
    from copycost.cli.stopping import stop_at  # noqa: PLC0415
    from copycost.cli.verify_run import Command  # noqa: PLC0415
    from copycost.engine import Engine, use_threads  # noqa: PLC0415

    use_threads(threads)
    command = Command(victim, data, out, Engine(device), stop_at(deadline))
    raise typer.Exit(command.run(suspects, control or [], controls, probes, seed, as_json))
