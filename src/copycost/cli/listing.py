"""`copycost list`: prints the names that other commands accept."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from copycost.adaptations import ADAPTATIONS
from copycost.attacks import ATTACKS
from copycost.cli.output import print_text
from copycost.datasets import DATASETS
from copycost.defences import DEFENCES
from copycost.detectors import DETECTORS
from copycost.nets import ARCHITECTURES, GENERATORS
from copycost.presets import BENCHES, PRESETS
from copycost.presets.kwon2023 import STUDIES
from copycost.presets.victims import VICTIMS
from copycost.registry import Registry
from copycost.schedules import SCHEDULES
from copycost.sweep.executors import EXECUTORS

_REGISTRIES: dict[str, Registry[Any]] = {
    "attacks": ATTACKS,
    "victims": VICTIMS,
    "students": ARCHITECTURES,
    "generators": GENERATORS,
    "datasets": DATASETS,
    "schedules": SCHEDULES,
    "defences": DEFENCES,
    "adaptations": ADAPTATIONS,
    "detectors": DETECTORS,
    "presets": PRESETS,
    "benches": BENCHES,
    "studies": STUDIES,
    "executors": EXECUTORS,
}

Kind = StrEnum("Kind", list(_REGISTRIES))  # type: ignore[misc]


def list_command(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output.")
    ] = False,
) -> None:
    """List the names that other commands accept: attacks, victims, students, …"""
    registry = _REGISTRIES[str(kind)]
    summaries = {name: registry.summary(name) for name in registry}
    if as_json:
        print_text(json.dumps(summaries, indent=1, ensure_ascii=False))
        return
    width = max(len(name) for name in summaries)
    for name, summary in summaries.items():
        print_text(f"{name:<{width}}  {summary}")
