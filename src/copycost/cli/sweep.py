"""`copycost sweep`: many audits' runs, on this machine or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from copycost.cli import options
from copycost.cli.audit import (
    DEFAULT_PRESET,
    drop_unused_pool,
    parse_settings,
    settle_settings,
    start_from,
)
from copycost.errors import ConfigError
from copycost.presets import PRESETS
from copycost.sweep.grid_file import read_grid_file
from copycost.types import Access

NONE = "none"
"""The value of `--defence-set` and `--adapt-set` that means an empty set."""


def sweep_command(
    grid: Annotated[
        Path | None, typer.Argument(help="The grid as a TOML file; options override it.")
    ] = None,
    preset: options.Preset = None,
    victim: Annotated[
        list[str] | None,
        typer.Option(
            help="A name from `copycost list victims`, the folder of a saved model, or "
            "MODULE:FUNCTION that returns a target. Repeatable."
        ),
    ] = None,
    data: options.Data = None,
    pool: options.Pool = None,
    attack: options.Attacks = None,
    budget: Annotated[
        list[int] | None, typer.Option(help="Queries allowed to each run. Repeatable.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each combination.")] = None,
    first_seed: options.FirstSeed = None,
    access: Annotated[
        list[Access] | None, typer.Option(help="What the API releases. Repeatable.")
    ] = None,
    top_k: options.TopK = None,
    defence_set: Annotated[
        list[str] | None,
        typer.Option(
            help="A run's defences, innermost first: noise:0.1,rounding:2; or none. Repeatable."
        ),
    ] = None,
    adapt_set: Annotated[
        list[str] | None,
        typer.Option(
            help="What a run's attacker does about the defences: average:4,invert; or none. "
            "Left out where it has nothing to do. Repeatable."
        ),
    ] = None,
    student: Annotated[
        list[str] | None,
        typer.Option(
            help="The copy's network: `copycost list students`, or MODULE:BUILDER. Repeatable."
        ),
    ] = None,
    settings: options.Settings = None,
    precision: options.Precision = None,
    estimate_precision: options.EstimatePrecision = None,
    victim_precision: options.VictimPrecision = None,
    compile_: options.Compile = None,
    device: options.AnyDevice = None,
    evaluations: options.Evaluations = None,
    record_queries: options.RecordQueries = None,
    executor: Annotated[
        str, typer.Option(help="Where the runs are done: `copycost list executors`.")
    ] = "local",
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="An option of the executor: NAME=VALUE, e.g. partition=gpu. Repeatable."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Runs at a time.", show_default="local: one a GPU, else one a core; clusters: all"
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of one run.", show_default="cores / workers")
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="How often a run resumes after its worker was killed.")
    ] = 2,
    deadline: options.Deadline = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs and start nothing.")
    ] = False,
    out: options.Out = Path("runs"),
    as_json: options.AsJson = False,
) -> None:
    """Run every combination of attacks, budgets, defences, …, and compare them.

    Finished runs are not repeated: to resume, run the same command again.
    Audit only models that you own or are authorised to test.
    Exit status: 0 done, 1 a run failed, 2 an error to mend, 3 stopped before the end.
    """
    given = options.given(attacks=attack, seeds=seeds, first_seed=first_seed, threads=threads) | {
        "shared": options.given(
            data=data,
            pool=pool,
            top_k=top_k,
            precision=precision,
            estimate_precision=estimate_precision,
            victim_precision=victim_precision,
            compile=compile_,
            device=device,
            evaluations=evaluations,
            record_queries=record_queries,
        ),
        "axes": options.given(
            victim=victim,
            budget=budget,
            access=access,
            defences=_sets(defence_set),
            adaptations=_sets(adapt_set),
            student=student,
        ),
    }
    values = _grid_values(read_grid_file(grid) if grid else {}, preset, given, settings or [])
    options.check_top_k(
        top_k, [*values["axes"].get("access", ()), values["shared"].get("access", "")]
    )
    own = _parse_with(with_ or [])
    # Imported late: it imports PyTorch, which takes seconds that --help need not cost.
    from copycost.cli.sweep_run import Command  # noqa: PLC0415

    command = Command.prepare(values, executor, own, workers, out)
    if dry_run:
        command.show_plan(as_json)
    else:
        raise typer.Exit(command.run(deadline, retries, as_json))


def _grid_values(
    file: dict[str, Any], preset: str | None, given: dict[str, Any], settings: list[str]
) -> dict[str, Any]:
    """Values for a `Grid`: options override the file, which overrides the preset."""
    _refuse_other_shapes(file)
    in_file = file.pop("preset", None)
    named = "victim" in {**file.get("shared", {}), **file.get("axes", {}), **given["axes"]}
    values = start_from(PRESETS, preset or in_file or (None if named else DEFAULT_PRESET))
    for layer in (file, given):
        if "attacks" in layer:  # drop what lower layers set for other attacks
            _keep_attacks(values, layer["attacks"])
        _lay_over(values, layer)
    for name in given["shared"]:
        values["axes"].pop(name, None)
    told = parse_settings(settings)
    settle_settings(values, told, chosen=False)
    for attack, own in told.items():
        for name in own:
            values.get("variants", {}).get(attack, {}).pop(name, None)
    return values


def _refuse_other_shapes(file: dict[str, Any]) -> None:
    """Raise `ConfigError` unless the file's values have the types that merging needs."""
    shapes: dict[str, tuple[type, str]] = {
        "preset": (str, "a name"),
        "attacks": (list, "a list of names"),
        **dict.fromkeys(("shared", "axes", "settings", "variants"), (dict, "a table")),
    }
    for table in ("axes", "settings", "variants"):
        inner = file.get(table)
        if isinstance(inner, dict):
            shape = (list, "a list") if table == "axes" else (dict, "a table")
            file = file | {f"{table}.{name}": value for name, value in inner.items()}
            shapes |= dict.fromkeys((f"{table}.{name}" for name in inner), shape)
    problems = [
        f"{name}: expected {words}, got {file[name]!r}."
        for name, (shape, words) in shapes.items()
        if not isinstance(file.get(name, shape()), shape)
    ]
    if problems:
        raise ConfigError(*problems)


def _keep_attacks(values: dict[str, Any], attacks: list[str]) -> None:
    for name in ("settings", "variants"):
        values[name] = {k: v for k, v in values.get(name, {}).items() if k in attacks}
    drop_unused_pool(values["shared"], attacks)


def _lay_over(values: dict[str, Any], layer: dict[str, Any]) -> None:
    """Merge `layer` into `values` in place: tables are merged, all else is replaced."""
    for name, value in layer.items():
        if isinstance(value, dict) and isinstance(values.get(name), dict):
            _lay_over(values[name], value)
        else:
            values[name] = value


def _sets(texts: list[str] | None) -> list[list[str]]:
    """Parse ['noise:0.1,rounding:2', 'none'] into [['noise:0.1', 'rounding:2'], []]."""
    return [[] if text == NONE else text.split(",") for text in texts or []]


def _parse_with(texts: list[str]) -> dict[str, Any]:
    """Parse ['partition=gpu', 'sbatch.nice=1'] into {'partition': 'gpu', 'sbatch': {'nice': '1'}}.

    Raises `ConfigError` with all faults.
    """
    parsed: dict[str, Any] = {}
    problems = []
    for text in texts:
        place, equals, value = text.partition("=")
        name, dot, inner = place.partition(".")
        if not (equals and name) or bool(dot) != bool(inner):
            problems.append(f"--with {text}: write NAME=VALUE, e.g. partition=gpu.")
        elif inner:
            parsed.setdefault(name, {})[inner] = value
        else:
            parsed[name] = value
    if problems:
        raise ConfigError(*problems)
    return parsed
