"""`copycost reproduce`: makes a paper's figures anew, beside what the paper reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copycost.cli import options


def reproduce_command(
    paper: Annotated[str, typer.Argument(help="The paper to reproduce: kwon2023.")],
    figure: Annotated[
        list[int] | None,
        typer.Option(
            help="Reproduce only this figure. Repeatable.",
            show_default="all; at full scale the headline too",
        ),
    ] = None,
    analysis: Annotated[
        list[str] | None,
        typer.Option(help="An analysis from `copycost list studies`, or all. Repeatable."),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(help="quick: small nets on a CPU; full: the paper's setting; tiny: a trial."),
    ] = "quick",
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Runs of each series.", show_default="each study's own"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with CIFAR-10 and SVHN.", show_default="the usual places"),
    ] = None,
    house_numbers: Annotated[
        bool, typer.Option("--house-numbers", help="Use synthetic house numbers in SVHN's place.")
    ] = False,
    precision: options.Precision = None,
    compile_: options.Compile = None,
    device: options.AnyDevice = None,
    workers: options.Workers = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of one run.", show_default="cores / workers")
    ] = None,
    deadline: options.Deadline = None,
    out: Annotated[Path, typer.Option(help="Folder for records, figures and the page.")] = Path(
        "reproductions"
    ),
    work: Annotated[
        Path | None, typer.Option(help="Folder for runs and victims.", show_default="runs/PAPER")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print runs, queries, time and disk; start nothing.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Run what a paper's figures need, decide whether its statements hold, and write pages.

    Finished runs are not repeated, and runs that figures share are done once.
    To resume, run the same command again.
    Exit status: 0 done, whatever was found; 1 a run failed; 2 an error to mend;
    3 stopped before all runs were finished.
    """
    # Imported late: it imports PyTorch, which takes seconds that --help need not cost.
    from copycost.cli.reproduce_run import Command  # noqa: PLC0415
    from copycost.reproduce.plan import make_plan  # noqa: PLC0415

    plan = make_plan(
        paper,
        figures=figure or (),
        analyses=analysis or (),
        scale=scale,
        seeds=seeds,
        data=data,
        house_numbers=house_numbers,
        precision=precision,
        compile=compile_,
        device=device,
    )
    work = work or Path("runs") / paper
    command = Command.prepare(plan, work, out / paper / plan.scale.name, workers, threads)
    if dry_run:
        command.show_plan(as_json)
    else:
        raise typer.Exit(command.run(deadline, as_json))
