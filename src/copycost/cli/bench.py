"""`copycost bench`: attacks side by side at equal queries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from copycost.cli import options
from copycost.cli.audit import drop_unused_pool, parse_settings, settle_settings, start_from
from copycost.presets import BENCHES
from copycost.types import Access

DEFAULT_PRESET = "bench-digits"
MEASURES = ("pgd", "fresh")
"""Names that --set accepts besides those of attacks."""


def bench_command(
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings to start from: `copycost list benches`.",
            show_default="bench-digits, unless a victim is named",
        ),
    ] = None,
    victim: options.Victim = None,
    data: options.Data = None,
    attack: options.Attacks = None,
    budget: Annotated[
        list[int] | None, typer.Option(help="Queries allowed to a run. Repeatable.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Runs of each attack at each budget.", show_default="3")
    ] = None,
    first_seed: options.FirstSeed = None,
    student: Annotated[
        str | None,
        typer.Option(help="The copies' network: `copycost list students`, or MODULE:BUILDER."),
    ] = None,
    access: Annotated[Access | None, typer.Option(help="What the API releases.")] = None,
    top_k: options.TopK = None,
    pool: options.Pool = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting: ATTACK.SETTING=VALUE; also pgd.… (adversarial examples) and fresh.… "
            "(fresh students). Repeatable.",
        ),
    ] = None,
    precision: options.Precision = None,
    device: options.AnyDevice = None,
    workers: options.Workers = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads of one run.", show_default="the preset's, else cores/workers"
        ),
    ] = None,
    deadline: options.Deadline = None,
    out: Annotated[Path, typer.Option(help="Folder for record, figures and page.")] = Path(
        "benches"
    ),
    work: Annotated[Path, typer.Option(help="Folder for runs and victims.")] = Path("runs/bench"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print runs and queries; start nothing.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare attacks at equal queries, by their own students and by fresh ones.

    Finished runs are not repeated: to resume, run the same command again.
    Audit only models that you own or are authorised to test.
    Exit status: 0 done, 1 a run failed, 2 an error to mend, 3 stopped before the end.
    """
    values = start_from(BENCHES, preset or (None if victim else DEFAULT_PRESET))
    if attack:
        drop_unused_pool(values["shared"], attack)
    values["shared"] |= options.given(
        victim=victim,
        data=data,
        student=student,
        access=access,
        top_k=top_k,
        pool=pool,
        precision=precision,
        device=device,
    )
    options.check_top_k(top_k, [values["shared"].get("access", "")])
    values |= options.given(
        attacks=attack, budgets=budget, seeds=seeds, first_seed=first_seed, threads=threads
    )
    given = parse_settings(settings or [])
    for name in MEASURES:
        values[name] = {**values.get(name, {}), **given.pop(name, {})}
    settle_settings(values, given, chosen=bool(attack))
    # Imported late: it imports PyTorch, which takes seconds that --help need not cost.
    from copycost.cli.bench_run import Command  # noqa: PLC0415

    command = Command.prepare(values, work, out, workers)
    if dry_run:
        command.show_plan(as_json)
    else:
        raise typer.Exit(command.run(deadline, as_json))
