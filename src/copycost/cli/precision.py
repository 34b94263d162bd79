"""`copycost precision`: what low precision does to an estimated gradient, and to the copy."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from copycost.cli import options
from copycost.cli.output import STOPPED, console, print_json, print_text, say

precision_app = typer.Typer(
    help="Measure what low precision does to estimated gradients, and to copies.",
    no_args_is_help=True,
)


class Nets(StrEnum):
    """Which pairs of networks are measured."""

    SMALL = "small"
    RESNET = "resnet"


@precision_app.command("table")
def table_command(
    nets: Annotated[
        Nets, typer.Option(help="small: for a CPU; resnet: ResNet-34-8x and ResNet-18-8x.")
    ] = Nets.SMALL,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    points: Annotated[int, typer.Option(min=2, help="Inputs behind each number.")] = 128,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute with.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for NETS.json.")] = Path("results/precision"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record on standard output as well.")
    ] = False,
) -> None:
    """Measure how good estimates are, by arithmetic, epsilon, form and number of directions.

    Two networks are trained briefly here, so that the true gradient is known.
    Nothing is downloaded and no victim is asked. Without a GPU, TF32 is emulated.
    """
    # Imported late: they import PyTorch, which takes seconds that --help need not cost.
    from copycost.engine import Engine, use_threads  # noqa: PLC0415
    from copycost.studies.pairs import PAIRS  # noqa: PLC0415
    from copycost.studies.precision import PrecisionGrid, measure  # noqa: PLC0415

    use_threads(threads)
    record = measure(nets, PAIRS[nets], Engine(device).device, PrecisionGrid(points=points), say)
    path = record.write_to(out / f"{nets}.json")
    say(f"Record: {path.resolve()}")
    if as_json:
        print_text(record.model_dump_json(indent=1))


@precision_app.command("students")
def students_command(
    victim: Annotated[
        str, typer.Option(help="The victim: digits-cnn or house-numbers-16.")
    ] = "digits-cnn",
    arm: Annotated[
        list[str] | None, typer.Option(help="Run only this arm of the comparison. Repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm.")] = 3,
    deadline: options.Deadline = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads to compute with.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for VICTIM/ARM-seedN, the records.")] = Path(
        "results/precision"
    ),
    work: Annotated[Path, typer.Option(help="Folder for all else that runs leave.")] = Path(
        "runs/precision"
    ),
    as_json: options.AsJson = False,
) -> None:
    """Copy one victim at equal queries, with gradients estimated in different arithmetic.

    Finished runs are not repeated: to resume, run the same command again.
    """
    # Imported late, as above.
    from copycost.cli.progress import LiveDisplay  # noqa: PLC0415
    from copycost.cli.stopping import stop_at  # noqa: PLC0415
    from copycost.cli.summary import audit_table  # noqa: PLC0415
    from copycost.engine import use_threads  # noqa: PLC0415
    from copycost.studies.students import arms, compare  # noqa: PLC0415

    use_threads(threads)
    runs = arms(victim, arm or (), seeds)
    stop = stop_at(deadline)
    with stop.on_signals():
        records = compare(
            runs, out / victim, work / victim, stop=stop, display=LiveDisplay(console)
        )
    if records:
        console.print(audit_table(records))
    if as_json:
        found = zip(runs, records, strict=False)
        print_json({name: record.result | {"seconds": record.seconds} for name, record in found})
    if len(records) < len(runs) or not all(record.finished for record in records):
        say(f"Stopped by {stop.reason}. Run the same command again to go on.")
        raise typer.Exit(STOPPED)
