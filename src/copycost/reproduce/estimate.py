"""Estimate how long a reproduction takes on this device, and how much disk space it needs.

No victim is trained or queried. A few steps of the same networks are timed, with random weights,
on noise, in a temporary folder, and the times are multiplied.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from copycost.engine import Engine, use_threads
from copycost.presets.victims import VICTIMS
from copycost.reproduce.diagnoses import Diagnosis
from copycost.reproduce.sources import EXTENTS, Extent, dataset_of
from copycost.reproduce.timing import Cost, Kind, time_run, time_training, weight_bytes
from copycost.reproduce.timing_looks import time_look
from copycost.runner.config import RunConfig
from copycost.studies.vanishing_record import DiagnosisGrid
from copycost.sweep.executors.base import Terms
from copycost.sweep.executors.local import Local
from copycost.sweep.grid import names
from copycost.sweep.results import Result
from copycost.sweep.victims import SavedHome
from copycost.training.recipe import Recipe

LIMIT_SECONDS = 60.0
"""Limit on all timing together; a measurement that is under way is finished."""
START_SECONDS = 3.0
"""Assumed for starting the process of a run, not timed."""
_WITHOUT_COST = ("generator_lr", "student_lr", "schedule")
"""Settings of an attack that change nothing about the time of a step."""


@dataclass(frozen=True)
class Estimate:
    """The time and disk space to expect."""

    seconds: float
    """From the first victim's training to the last diagnosis's end."""
    diagnoses_seconds: float
    """The part of these for the diagnoses, which follow the runs one after the other."""
    disk_bytes: int
    workers: int
    device: str
    timed: tuple[str, ...]
    """One line for each kind of run or training: what was timed, and what was found."""

    @property
    def how(self) -> str:
        """How the estimate was made, in words."""
        return (
            "An estimate, not a promise: a few steps of each kind were timed here with random "
            "weights on noise, in one process. Runs side by side are assumed not to slow one "
            f"another, and to take {START_SECONDS:g} s each to start."
        )

    def as_json(self) -> dict[str, Any]:
        """Part of `copycost reproduce --dry-run --json`."""
        return {
            "seconds": self.seconds,
            "diagnoses_seconds": self.diagnoses_seconds,
            "disk_bytes": self.disk_bytes,
            "workers": self.workers,
            "device": self.device,
            "how": self.how,
            "timed": list(self.timed),
        }


@dataclass
class _Book:
    """The costs of the kinds of runs timed so far, and the time left for more."""

    names: dict[str, str]
    """Names of all kinds, by their keys."""
    ends: float = field(default_factory=lambda: time.monotonic() + LIMIT_SECONDS)
    costs: dict[str, Cost] = field(default_factory=dict)
    images: dict[tuple[object, ...], float] = field(default_factory=dict)
    """Seconds of training on one image, by the settings that decide them."""
    looks: dict[str, float] = field(default_factory=dict)
    """Seconds to measure one moment of a diagnosis, by the key of its kind."""
    lines: list[str] = field(default_factory=list)

    def image(self, recipe: Recipe, extent: Extent, device: torch.device) -> float:
        """Seconds of training on one image; timed once for equal networks."""
        key = (recipe.architecture, recipe.precision, recipe.batch_size, extent.shape)
        if key not in self.images:
            share = (self.ends - time.monotonic()) / 4
            self.images[key] = time_training(recipe, extent.shape, device, share)
        return self.images[key]

    def cost(self, kind: Kind) -> Cost:
        """The cost of this kind; a new one is timed within its share of the time left, if any."""
        if kind.key not in self.costs:
            share = (self.ends - time.monotonic()) / (len(self.names) - len(self.costs))
            if self.costs and share <= 0:
                found = max(self.costs.values(), key=lambda cost: cost.query_seconds)
                words = "not timed for want of time; taken to be as slow as the slowest timed"
            else:
                found = time_run(kind, share)
                words = found.words
            self.lines.append(f"{self.names[kind.key]}: {words}")
            self.costs[kind.key] = found
        return self.costs[kind.key]

    def look(self, kind: Kind, grid: DiagnosisGrid) -> float:
        """Seconds to measure a moment of this kind's diagnosis; timed once, 0 if out of time."""
        if kind.key not in self.looks:
            share = self.ends - time.monotonic()
            self.looks[kind.key] = time_look(kind, grid, share) if share > 0 else 0.0
            words = f"{self.looks[kind.key]:,.1f} s" if share > 0 else "left out for want of time"
            self.lines.append(f"a look of a diagnosis: {words}")
        return self.looks[kind.key]


def estimate(
    left: Sequence[Result],
    untrained: Sequence[SavedHome],
    terms: Terms,
    diagnoses: Sequence[Diagnosis] = (),
) -> Estimate:
    """Estimate what is left of runs, trainings and diagnoses under `terms`, from samples."""
    runs = [one.config for one in left]
    with Local().open(terms) as pool:  # starts no process
        workers, threads = pool.workers or 1, pool.threads
    use_threads(threads)
    everything = [*runs, *(one.config for one in diagnoses)]
    kinds = [kind_of(run) for run in runs]
    book = _Book(_names({kind.key: kind for kind in map(kind_of, everything)}))
    training = [_training_seconds(home, book) for home in untrained]
    costs = [book.cost(kind) for kind in kinds]
    each = [_run_seconds(one, cost) for one, cost in zip(left, costs, strict=True)]
    looking = sum(_diagnosis_seconds(one, book) for one in diagnoses)
    passing = sorted((cost.passing_bytes for cost in costs), reverse=True)[:workers]
    kept = sum(cost.kept_bytes for cost in costs) + sum(map(_victim_bytes, untrained))
    return Estimate(
        seconds=_last_end(training, workers) + _last_end(each, workers) + looking,
        diagnoses_seconds=looking,
        disk_bytes=kept + sum(passing),
        workers=workers,
        device=_device_name(everything),
        timed=tuple(book.lines),
    )


def kind_of(run: RunConfig) -> Kind:
    """The kind of `run`: equal for runs that cost the same but for budget and evaluations."""
    settings = {k: v for k, v in run.settings.items() if k not in _WITHOUT_COST}
    plain = {"settings": settings, "seed": 0, "data": None, "budget": 1, "evaluations": 1}
    architecture = VICTIMS[run.victim].recipe.architecture
    config = run.model_copy(update={**plain, "victim": architecture})
    return Kind(architecture, EXTENTS[dataset_of(run.victim)].shape, config)


def _names(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """A name for each kind: what tells it from the others, and its networks."""
    told = names([kind.config for kind in kinds.values()])
    return {
        key: f"{text.removesuffix(' seed 0')}: {kind.networks}"
        for (key, kind), text in zip(kinds.items(), told, strict=True)
    }


def _run_seconds(left: Result, cost: Cost) -> float:
    """Seconds of a run, which judges the student fresh and at evaluations, and the victim twice."""
    run = left.config
    judged = (run.evaluations + 3) * EXTENTS[dataset_of(run.victim)].test
    return (
        START_SECONDS
        + cost.begin_seconds
        + left.queries_left * cost.query_seconds
        + judged * cost.judge_seconds
    )


def _diagnosis_seconds(one: Diagnosis, book: _Book) -> float:
    """Seconds of a diagnosis: a run in this process, measured and judged at each moment left."""
    kind, moments = kind_of(one.config), one.moments_left
    cost, test = book.cost(kind), EXTENTS[dataset_of(one.config.victim)].test
    return (
        cost.begin_seconds
        + one.queries_left * cost.query_seconds
        + moments * (book.look(kind, one.grid) + test * cost.judge_seconds)
    )


def _training_seconds(home: SavedHome, book: _Book) -> float:
    recipe, extent = VICTIMS[home.name].recipe, EXTENTS[dataset_of(home.name)]
    image = book.image(recipe, extent, Engine(home.device).device)
    seconds = image * recipe.epochs * extent.train
    book.lines.append(
        f"training {home.name}: {1 / image:,.1f} images a second, {seconds:,.0f} s in all"
    )
    return seconds


def _victim_bytes(home: SavedHome) -> int:
    recipe = VICTIMS[home.name].recipe
    return weight_bytes(recipe.architecture, EXTENTS[dataset_of(home.name)].shape)


def _last_end(seconds: Iterable[float], workers: int) -> float:
    """When the last task ends if each is started, in order, by the first free worker."""
    free = [0.0] * workers
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


def _device_name(runs: Sequence[RunConfig]) -> str:
    device = Engine(runs[0].device).device if runs else torch.device("cpu")
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
