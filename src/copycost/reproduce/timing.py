"""Time a few steps of a run, or of a victim's training, with random weights on noise."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from copycost.benchmark.peak import synchronise
from copycost.benchmark.plan import BUDGET, random_target
from copycost.benchmark.settings import CLASSES, Setting
from copycost.datasets.base import Dataset, Labelled
from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import CHECKPOINT_FILE
from copycost.runner.record import Point
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.training.recipe import Recipe
from copycost.training.train import accuracy, train
from copycost.types import InputSpec
from copycost.victims.saved import export_onnx

PROBE_IMAGES = 2
"""Batch size with which a CPU first finds out whether full batches take too long."""
WARM_STEPS = 2
WINDOW_SECONDS = 1.0
JUDGED = {"cpu": 8, "cuda": 64}
"""Held-out images with which an evaluation is timed, by device."""
RECORD_BYTES = 200_000
"""Allowed for a record, the ledger and the picture of the queries."""


@dataclass(frozen=True)
class Kind:
    """A kind of run; all runs of one kind cost the same."""

    victim: str
    """Architecture."""
    shape: tuple[int, int, int]
    """(C, H, W) of an image."""
    config: RunConfig
    """One such run; settings that do not affect the cost are set to fixed values."""

    @property
    def key(self) -> str:
        """An identifier that is the same for equal kinds."""
        return self.config.identity(f"{self.victim} {self.shape}")

    @property
    def batch_size(self) -> int:
        """Batch size N of the attack."""
        settings = self.config.in_full()["settings"]
        assert isinstance(settings, dict), "in_full writes the attack's settings out"
        return int(settings["batch_size"])  # type: ignore[arg-type]

    @property
    def networks(self) -> str:
        """For people: what is copied into what, on which images."""
        size = "×".join(map(str, self.shape))
        return f"{self.victim} into {self.config.student}, images of {size}"

    def run_of(self, images: int) -> RunConfig:
        """A run of this kind with batches of `images`, and a budget that does not end it."""
        settings = {**self.config.settings, "batch_size": images}
        return self.config.model_copy(update={"settings": settings, "budget": BUDGET})


@dataclass(frozen=True)
class Cost:
    """What a kind of run costs."""

    begin_seconds: float
    """Building everything, and saving the copy at the end."""
    step_seconds: float
    """Of one step as it was timed."""
    query_seconds: float
    judge_seconds: float
    """Of a network's answer to one held-out image."""
    kept_bytes: int
    """Left by a finished run."""
    passing_bytes: int
    """Needed only while a run is under way: its checkpoint."""
    images: int
    """Size of the batches timed."""

    @property
    def words(self) -> str:
        """The speed in words."""
        return f"{1 / self.query_seconds:,.1f} queries a second in batches of {self.images}"


class _Clock:
    """A watcher that times a run's steps after some to warm up, then asks it to stop."""

    def __init__(self, device: torch.device, warm: int, window: float) -> None:
        self.stop = Stop()
        self.step_seconds = self.query_seconds = self.begin_seconds = 0.0
        self._device, self._warm, self._window = device, warm, window
        self._created, self._opened = time.perf_counter(), 0.0
        self._at = self._steps = 0

    def point(self, point: Point) -> None:
        """Called after an evaluation: with the first, of the fresh student, everything is built."""
        self.begin_seconds = self.begin_seconds or time.perf_counter() - self._created

    def step(self, spent: int) -> None:
        """Called by the run after every step."""
        self._steps += 1
        if self._steps == self._warm:
            synchronise(self._device)
            self._opened, self._at = time.perf_counter(), spent
        elif self._steps > self._warm and time.perf_counter() - self._opened >= self._window:
            synchronise(self._device)
            passed = time.perf_counter() - self._opened
            self.step_seconds = passed / (self._steps - self._warm)
            self.query_seconds = passed / (spent - self._at)
            self.stop.ask("end of the timing")


def time_run(kind: Kind, seconds: float) -> Cost:
    """Time a kind of run in about so many seconds.

    A CPU times small batches first. It returns their cost per query if full batches would take
    too long.
    """
    device, whole = Engine(kind.config.device).device, kind.batch_size
    if device.type == "cpu" and whole > PROBE_IMAGES:
        began = time.monotonic()
        probe = _time(kind, PROBE_IMAGES, device, warm=1, window=0)
        step = probe.step_seconds * whole / PROBE_IMAGES
        if (WARM_STEPS + 1) * step > seconds - (time.monotonic() - began):
            return probe
    return _time(kind, whole, device, warm=WARM_STEPS, window=WINDOW_SECONDS)


def time_training(
    recipe: Recipe, shape: tuple[int, int, int], device: torch.device, seconds: float
) -> float:
    """Seconds of training per image, on noise, after an epoch to warm up; else as `time_run`."""
    batches = [PROBE_IMAGES] if device.type == "cpu" else []
    image = 0.0
    for images in [*batches, recipe.batch_size]:
        if image and 2 * images * image > seconds:
            break
        image = _train(recipe, shape, device, images)
    return image


def weight_bytes(architecture: str, shape: tuple[int, int, int]) -> int:
    """Size of a saved network, from its shapes alone."""
    with torch.device("meta"):
        network = ARCHITECTURES[architecture](InputSpec(shape=shape), CLASSES)
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


@lru_cache(maxsize=4)
def target_of(victim: str, shape: tuple[int, int, int], device: torch.device) -> Target:
    """A victim of this architecture with random weights, and a few images of noise."""
    target = random_target(Setting("timed", shape, victim, victim, {}), device)
    few = slice(JUDGED[device.type])
    part = Labelled(target.held_out.inputs[few], target.held_out.labels[few])
    return replace(target, held_out=part)


def _time(kind: Kind, images: int, device: torch.device, warm: int, window: float) -> Cost:
    target = target_of(kind.victim, kind.shape, device)
    clock = _Clock(device, warm, window)
    with tempfile.TemporaryDirectory(prefix="copycost-estimate-") as held:
        folder = Path(held)
        copy_model(kind.run_of(images), target, folder, stop=clock.stop, watcher=clock)
        passing = (folder / CHECKPOINT_FILE).stat().st_size
        judge, save, kept = _finish(kind, target, folder, device)
    return Cost(
        clock.begin_seconds + save,
        clock.step_seconds,
        clock.query_seconds,
        judge,
        kept,
        passing,
        images,
    )


def _finish(
    kind: Kind, target: Target, folder: Path, device: torch.device
) -> tuple[float, float, int]:
    """Seconds to judge the student per image, seconds to export it, and bytes that a run leaves."""
    spec = InputSpec(shape=kind.shape)
    student = build(ARCHITECTURES[kind.config.student], spec, CLASSES, 0)
    began = time.perf_counter()
    export_onnx(student, spec, folder / "timed.onnx")
    save = time.perf_counter() - began
    bytes_kept = 2 * (folder / "timed.onnx").stat().st_size + RECORD_BYTES
    accuracy(student, target.held_out, device)  # once before the clock starts
    began = time.perf_counter()
    accuracy(student, target.held_out, device)
    return (time.perf_counter() - began) / len(target.held_out), save, bytes_kept


def _train(recipe: Recipe, shape: tuple[int, int, int], device: torch.device, images: int) -> float:
    """Train for two epochs of one batch; return the second one's seconds per image."""
    epochs: list[float] = []
    random = torch.Generator().manual_seed(3)
    noise = torch.randint(0, 256, (images, *shape), generator=random, dtype=torch.uint8)
    part = Labelled(noise, torch.arange(images) % CLASSES)
    dataset = Dataset("noise", "noise", tuple(map(str, range(CLASSES))), part, part)
    short = replace(recipe, epochs=2, batch_size=images)
    train(short, dataset, device, 0, lambda epoch, loss, seconds: epochs.append(seconds))
    return epochs[-1] / images
