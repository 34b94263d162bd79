"""`copycost bench`: attacks side by side at equal queries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from copycost.cli import options
from copycost.cli.audit import drop_unused_pool, parse_settings, settle_settings
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
    victim: Annotated[
        str | None,
        typer.Option(help="A name from `copycost list victims`, or the folder of a saved model."),
    ] = None,
    data: options.Data = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(help="A name from `copycost list attacks`, or MODULE:CLASS. Repeatable."),
    ] = None,
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
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at a time.", show_default="one a GPU, else one a core"),
    ] = None,
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
    shared = {
        "victim": victim,
        "data": data,
        "student": student,
        "access": access,
        "top_k": top_k,
        "pool": pool,
        "precision": precision,
        "device": device,
    }
    several = {
        "attacks": tuple(attack or ()) or None,
        "budgets": tuple(budget or ()) or None,
        "seeds": seeds,
        "first_seed": first_seed,
        "threads": threads,
    }
    values = _start_from(preset or (None if victim else DEFAULT_PRESET))
    if attack:
        drop_unused_pool(values["shared"], attack)
    values["shared"] |= {name: value for name, value in shared.items() if value is not None}
    options.check_top_k(top_k, [values["shared"].get("access", "")])
    values |= {name: value for name, value in several.items() if value is not None}
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


def _start_from(preset: str | None) -> dict[str, Any]:
    """The preset's values, `shared` and `settings` copied; without a preset both are empty."""
    values = dict(BENCHES[preset]) if preset else {}
    return values | {name: dict(values.get(name, {})) for name in ("shared", "settings")}
