"""Options that several commands share."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from copycost.errors import ConfigError
from copycost.types import Access


def _from_now(minutes: float | None) -> float | None:
    """The time on the monotonic clock when `minutes` from now have passed."""
    return None if minutes is None else time.monotonic() + 60 * minutes


UNSAID = "the preset's; with --victim and no preset, {}"
"""The default that `--help` shows for an option that a preset may set."""
Preset = Annotated[
    str | None,
    typer.Option(
        help="Settings to start from: `copycost list presets`.",
        show_default="digits, unless a victim is named",
    ),
]
Victim = Annotated[
    str | None,
    typer.Option(
        help="A name from `copycost list victims`, the folder of a saved model, or MODULE:FUNCTION "
        "that returns a target."
    ),
]
Attacks = Annotated[
    list[str] | None,
    typer.Option(help="A name from `copycost list attacks`, or MODULE:CLASS. Repeatable."),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="Data to judge copies on, and to train a preset victim on: `copycost list datasets`."
    ),
]
Pool = Annotated[
    str | None,
    typer.Option(help="Unlabelled images for attacks that start with a pool: NAME or NAME:PATH."),
]
FirstSeed = Annotated[
    int | None, typer.Option(help="Seed of the first run; the next runs count up.")
]
TopK = Annotated[
    int | None,
    typer.Option(
        help="k, the number of probabilities released, with --access top-k.", show_default="5"
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="A setting: ATTACK.SETTING=VALUE, e.g. dfme.directions=4. Repeatable."
    ),
]
Precision = Annotated[
    str | None, typer.Option(help="Arithmetic of training: float32, tf32 or bfloat16.")
]
EstimatePrecision = Annotated[
    str | None, typer.Option(help="Arithmetic of estimated gradients, even if they drown in it.")
]
VictimPrecision = Annotated[
    str | None, typer.Option(help="Arithmetic of the victim, if it runs here.")
]
Compile = Annotated[
    str | None, typer.Option("--compile", help="torch.compile: off, on, or graphs on CUDA.")
]
AnyDevice = Annotated[str | None, typer.Option(help="auto, cpu or cuda.")]
"""Without a number: each worker is given a GPU of its own."""
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Runs at a time.", show_default="one a GPU, else one a core"),
]
RecordQueries = Annotated[
    str | None,
    typer.Option(help="Keep every query and answer on disk; inputs as `bytes` or `exact`."),
]
Evaluations = Annotated[
    int | None, typer.Option(help="How often the copy is evaluated: points on its curve.")
]
Price = Annotated[
    float | None,
    typer.Option(help="The API's price for 1,000 queries in US dollars, for the report."),
]
Rate = Annotated[
    float | None,
    typer.Option(
        help="The most queries a second that the API answers one customer, for the report."
    ),
]
Deadline = Annotated[
    float | None,
    typer.Option(
        "--max-minutes", min=0, callback=_from_now, help="Stop cleanly after this many minutes."
    ),
]
"""Counted from the start of the command, as imports and reading data use a lent machine's minutes
too. The command gets a time on the monotonic clock, for `stop_at`."""
Out = Annotated[Path, typer.Option(help="Folder for runs, victims and reports.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value not in (None, [], {})}


def check_top_k(k: int | None, accesses: Iterable[str]) -> None:
    """Raise `ConfigError` if `k` is given and none of `accesses` is top-k."""
    if k is not None and Access.TOP_K not in accesses:
        raise ConfigError(
            f"top-k: {k} was given, and access is not top-k. Write --access top-k, or leave "
            "--top-k out."
        )
