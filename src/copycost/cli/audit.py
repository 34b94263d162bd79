"""`copycost audit`: its options, and how they override a preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from copycost.attacks import ATTACKS
from copycost.cli import options
from copycost.errors import ConfigError
from copycost.presets import PRESETS
from copycost.report.tariff import Tariff
from copycost.types import Access

DEFAULT_PRESET = "digits"


def audit_command(
    preset: options.Preset = None,
    victim: options.Victim = None,
    data: options.Data = None,
    pool: options.Pool = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help="A name from `copycost list attacks`, or MODULE:CLASS. Repeatable.",
            show_default=options.UNSAID.format("frugal, dfme and random-noise"),
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            help="Queries allowed to each run.", show_default=options.UNSAID.format("2,000,000")
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Runs of each attack, one for each seed.", show_default=options.UNSAID.format("1")
        ),
    ] = None,
    first_seed: options.FirstSeed = None,
    access: Annotated[Access | None, typer.Option(help="What the API releases.")] = None,
    top_k: options.TopK = None,
    defence: Annotated[
        list[str] | None,
        typer.Option(
            help="A defence, NAME:NUMBER: `copycost list defences`, or MODULE:CLASS:NUMBER. "
            "Repeatable, innermost first."
        ),
    ] = None,
    adapt: Annotated[
        list[str] | None,
        typer.Option(
            help="What the attacker does about the defences: `copycost list adaptations`, or "
            "MODULE:CLASS. Repeatable, in the order in which answers pass."
        ),
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(
            help="The copy's network: `copycost list students`, or MODULE:BUILDER.",
            show_default=options.UNSAID.format("resnet18-8x"),
        ),
    ] = None,
    settings: options.Settings = None,
    precision: options.Precision = None,
    estimate_precision: options.EstimatePrecision = None,
    victim_precision: options.VictimPrecision = None,
    compile_: options.Compile = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads to compute with.", show_default="the preset's, else the cores"
        ),
    ] = None,
    evaluations: options.Evaluations = None,
    record_queries: options.RecordQueries = None,
    price: options.Price = None,
    rate: options.Rate = None,
    deadline: options.Deadline = None,
    out: options.Out = Path("runs"),
    as_json: options.AsJson = False,
) -> None:
    """Copy a model by queries alone, with one or more attacks, and report what that cost.

    Finished runs are not repeated: to resume, run the same command again.
    Audit only models that you own or are authorised to test.
    Exit status: 0 done, 1 a run failed, 2 an error to mend, 3 stopped before the end.
    """
    values = start_from(PRESETS, preset or (None if victim else DEFAULT_PRESET))
    if attack:
        drop_unused_pool(values["shared"], attack)
    values["shared"] |= options.given(
        victim=victim,
        data=data,
        pool=pool,
        budget=budget,
        access=access,
        top_k=top_k,
        defences=defence,
        adaptations=adapt,
        student=student,
        precision=precision,
        estimate_precision=estimate_precision,
        victim_precision=victim_precision,
        compile=compile_,
        device=device,
        evaluations=evaluations,
        record_queries=record_queries,
    )
    options.check_top_k(top_k, [values["shared"].get("access", "")])
    values |= options.given(attacks=attack, seeds=seeds, first_seed=first_seed, threads=threads)
    settle_settings(values, parse_settings(settings or []), chosen=bool(attack))
    _run(values, bool(attack), deadline, out, Tariff(price, rate), as_json)


def start_from(presets: Mapping[str, Mapping[str, Any]], preset: str | None) -> dict[str, Any]:
    """The values of one of `presets`, copied so that the caller can change them."""
    values = dict(presets[preset]) if preset else {}
    values["shared"] = dict(values.get("shared", {}))
    values["settings"] = {name: dict(v) for name, v in values.get("settings", {}).items()}
    return values


def drop_unused_pool(shared: dict[str, Any], attacks: Sequence[str]) -> None:
    """Drop the preset's pool if none of `attacks` takes one.

    Call it before the user's options override the preset: a pool that the user asked for is kept,
    and refused later if no attack takes it.
    """
    if "pool" in shared:
        # Imported late: it imports PyTorch, which takes seconds that --help need not cost.
        from copycost.runner.config import takes_pool  # noqa: PLC0415

        if not any(takes_pool(name) for name in attacks if name in ATTACKS):
            del shared["pool"]


def settle_settings(
    values: dict[str, Any], given: dict[str, dict[str, Any]], *, chosen: bool
) -> None:
    """Override the preset's attack settings with the `given` ones.

    If the user has `chosen` the attacks, the preset's settings of all others are dropped.
    """
    settings = values["settings"]
    if chosen:
        settings = {name: v for name, v in settings.items() if name in values["attacks"]}
    for name, own in given.items():
        settings[name] = {**settings.get(name, {}), **own}
    values["settings"] = settings


def parse_settings(texts: list[str]) -> dict[str, dict[str, Any]]:
    """Parse ['dfme.directions=4'] into {'dfme': {'directions': '4'}}.

    Raises `ConfigError` with all faults.
    """
    parsed: dict[str, dict[str, Any]] = {}
    problems = []
    for text in texts:
        place, equals, value = text.partition("=")
        attack, dot, name = place.rpartition(".")  # MODULE:CLASS may have dots
        if not (equals and dot and attack and name):
            problems.append(f"--set {text}: write ATTACK.SETTING=VALUE, e.g. dfme.directions=4.")
            continue
        parsed.setdefault(attack, {})[name] = value
    if problems:
        raise ConfigError(*problems)
    return parsed


def _run(values: dict[str, Any], *terms: Any) -> None:
    # Imported late: it imports PyTorch, which takes seconds that --help need not cost.
    from copycost.cli.audit_run import carry_out  # noqa: PLC0415

    status = carry_out(values, *terms)
    if status:
        raise typer.Exit(status)
