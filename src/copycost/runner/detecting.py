"""Would anyone have noticed? Recorded runs before a detector, beside honest customers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from copycost.datasets import load
from copycost.datasets.base import Labelled
from copycost.detectors import CUSTOMERS, MOST
from copycost.detectors.base import Detector, Seen, Stream
from copycost.detectors.checked import Checked
from copycost.detectors.watching import HeldOut, honest, studied, threshold, watch
from copycost.errors import ConfigError, RunError
from copycost.files import AnyPath
from copycost.presets.victims import VICTIMS
from copycost.runner.checkpoint import load_checkpoint
from copycost.runner.folder import AUDITOR_FILE
from copycost.runner.own_target import is_own, own_target
from copycost.runner.record import Facts, Record, Surroundings, read_record
from copycost.runner.surroundings import surroundings
from copycost.runner.targets import preset_named
from copycost.runner.transfers import read_transfer_set
from copycost.types import Access

CHUNK = 256


class Watched(Facts):
    """One run before the detector."""

    run: str
    """Name of its folder."""
    id: str
    """Hash of its configuration and its victim."""
    attack: str
    adaptations: tuple[str, ...]
    defences: tuple[str, ...]
    access: str
    seed: int
    queries: int
    """Recorded in all."""
    watched: int
    """Looked at: until the first alarm, or all that may be."""
    alarm: int | None
    """Queries that had been sent at the first alarm; None if there was none."""
    suspicion: float | None
    """The highest until then; None if there was too little to judge."""
    agreement: float
    """Of the copy that the run ended with."""


class Detection(Facts):
    """Runs against one victim before one detector."""

    kind: Literal["detection"] = "detection"
    version: Literal[1] = 1
    detector: str
    victim: str
    dataset: str
    victim_hash: str
    threshold: float
    """An alarm is raised by a suspicion above it."""
    calibrated: bool
    """Whether it is the highest suspicion of an honest customer, who thus raises no alarm."""
    customers: int
    """Honest ones, who ask once about each held-out input that the detector did not study first."""
    queries_each: int
    false_alarms: int
    """Honest customers who raised one."""
    runs: list[Watched]
    surroundings: Surroundings


def detect(
    detector: str,
    folders: Sequence[AnyPath],
    *,
    customers: int = CUSTOMERS,
    fixed: float | None = None,
    most: int = MOST,
    data: str | None = None,
) -> Detection:
    """Show the recorded queries of the runs in `folders` to the `detector` of this name.

    The threshold is `fixed`, or the highest suspicion of any of so many honest `customers`. Their
    queries are the held-out data that copies were judged on, or a random half if the detector
    studies the other; before the runs it studies all. `data` names those data where the record does
    not. Raises `ConfigError` for runs against several victims, and `RunError` for runs without
    recorded queries, or whose held-out data are others.
    """
    if fixed is not None and not isfinite(fixed):
        raise ConfigError(f"threshold: expected a number, got {fixed}.")
    places = [Path(folder) for folder in folders]
    records = [read_record(place) for place in places]
    first = _only_victim(records)
    kind, *before = (Checked(detector) for _ in range(1 + customers))
    held_out = _held_out(first, places[0], data)
    crowd = [(one, honest(one, held_out, seed)) for seed, one in enumerate(before)]
    count = len(held_out.labels)
    each = count - studied(kind, count)
    limit = _fair(crowd, detector, each) if fixed is None else fixed
    # A threshold that is the highest of them is crossed by none.
    watched = [] if fixed is None else [watch(*one, limit, most) for one in crowd]
    kind.study(held_out.asked(torch.arange(count)))
    return Detection(
        detector=detector,
        victim=first.victim.name,
        dataset=first.victim.dataset,
        victim_hash=first.victim.content_hash,
        threshold=limit,
        calibrated=fixed is None,
        customers=customers,
        queries_each=each,
        false_alarms=sum(verdict.alarm is not None for verdict in watched),
        runs=[
            _watched(kind, record, place, limit, most)
            for record, place in zip(records, places, strict=True)
        ],
        surroundings=surroundings(torch.device("cpu"), {}),
    )


def _fair(crowd: Iterable[tuple[Detector, Stream]], detector: str, each: int) -> float:
    """The threshold that no honest customer, of `each` queries, crosses."""
    found = threshold(crowd)
    if found is None:
        raise ConfigError(
            f"threshold: an honest customer asks about {each:,} held-out inputs, which are too few "
            f"for {detector} to judge one by. Set a threshold."
        )
    return found


def _only_victim(records: Sequence[Record]) -> Record:
    """The first of `records`, all of which are about the same victim and held-out data."""
    if not records:
        raise ConfigError("There are no runs to look at; give at least one run folder.")
    victims = {(r.victim.content_hash, r.victim.dataset): r.victim.name for r in records}
    if len(victims) > 1:
        raise ConfigError(
            f"runs: expected those against one victim, got {', '.join(victims.values())}. Honest "
            "customers differ between victims: look at each on its own."
        )
    return records[0]


def _held_out(record: Record, folder: Path, data: str | None) -> HeldOut:
    """The data that copies were judged on, with the victim's answers."""
    held_out = _data(record, data)
    saved = load_checkpoint(folder / AUDITOR_FILE) or {}
    labels = saved.get("labels")
    if labels is None:
        raise RunError(f"{folder} lacks {AUDITOR_FILE}, the victim's answers to held-out data.")
    if len(labels) != len(held_out):
        raise RunError(
            f"{folder} has answers to {len(labels):,} held-out inputs, and the data have "
            f"{len(held_out):,}: they are not what copies were judged on. Name that by --data."
        )
    log_p = saved.get("log_p")
    sure = None if log_p is None else log_p.cpu().exp().amax(dim=1)
    return HeldOut(held_out.values, labels.cpu(), sure)


def _data(record: Record, data: str | None) -> Labelled:
    victim, named = record.config["victim"], data or record.config.get("data")
    if is_own(victim) and data is None:
        return own_target(victim, named).held_out
    if named is None and victim not in VICTIMS:  # a run made from Python
        raise ConfigError(
            f"data: the record of {record.victim.name} does not name the data that copies were "
            "judged on. Name that by --data (in Python, data=…), as NAME or NAME:PATH."
        )
    held_out = load(named or preset_named(victim).dataset).test
    return held_out.in_range(record.victim.spec)


def _watched(
    detector: Detector, record: Record, folder: Path, threshold: float, most: int
) -> Watched:
    asked = read_transfer_set(folder)
    stream = (
        Seen(part.inputs, part.labels, _sure(part.scores, record)) for part in asked.chunks(CHUNK)
    )
    try:
        verdict = watch(detector, stream, threshold, most)
    except ConfigError as error:
        raise ConfigError(f"{folder}: {error}") from None
    return Watched(
        run=folder.name,
        id=record.id,
        attack=record.attack,
        adaptations=record.adaptations,
        defences=record.victim.defences,
        access=record.access,
        seed=record.seed,
        queries=len(asked),
        watched=verdict.watched,
        alarm=verdict.alarm,
        suspicion=verdict.suspicion,
        agreement=record.result["agreement"],
    )


def _sure(scores: Tensor | None, record: Record) -> Tensor | None:
    """The model's own probability of its first choice [n]; None if defences or labels hide it."""
    if scores is None or record.victim.defences:
        return None
    p = scores.softmax(dim=1) if record.access is Access.LOGITS else scores
    return p.amax(dim=1)
