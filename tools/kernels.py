"""Where the steps of an attack spend a GPU's time: its kernels, and how long it waits for the host.

    python tools/kernels.py DEVICE COMPILE ATTACK [SETTING=VALUE ...]

Runs ATTACK in bfloat16 on ResNet-34 8x and ResNet-18 8x with random weights, for some
steps that are timed and some that are profiled. Prints one JSON object, and then the kernels, the
longest first, in milliseconds and calls of one step.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined] # PyTorch lists it nowhere
from torch.profiler import ProfilerActivity, profile

from copycost.benchmark.peak import synchronise
from copycost.benchmark.plan import BUDGET, random_target
from copycost.benchmark.settings import CIFAR_RESNET34
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.record import Point
from copycost.runner.stopping import Stop
from copycost.runner.surroundings import surroundings

WARM, TIMED, PROFILED = 8, 20, 4
"""Steps to warm up, then steps that are timed, then steps that are profiled."""
MOST = 60
"""Number of kernels that are listed at most."""


class Kernels:
    """A watcher that times some steps of the run it watches, profiles some more and ends it."""

    def __init__(self, device: torch.device) -> None:
        """Count from the run's first step."""
        self.stop, self._device, self._steps = Stop(), device, 0
        used = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
        self.profiler = profile(activities=used)
        self.seconds, self.queries = 0.0, 0

    def step(self, spent: int) -> None:
        """Called by the run after every step."""
        self._steps += 1
        if self._steps == WARM:
            synchronise(self._device)
            self._began, self._at = time.perf_counter(), spent
        if self._steps == WARM + TIMED:
            synchronise(self._device)
            self.seconds = (time.perf_counter() - self._began) / TIMED
            self.queries = (spent - self._at) // TIMED
            self.profiler.start()
        if self._steps == WARM + TIMED + PROFILED:
            synchronise(self._device)
            self.profiler.stop()
            self.stop.ask("enough steps")

    def point(self, point: Point) -> None:
        """Do nothing: the evaluation comes before the timed steps."""


def main(device: torch.device, compiled: str, attack: str, settings: dict[str, Any]) -> None:
    """Profile one attack and print the result."""
    config = RunConfig.read(
        {
            "attack": attack,
            "settings": settings,
            "student": CIFAR_RESNET34.student,
            "budget": BUDGET,
            "evaluations": 1,
            "precision": "bfloat16",
            "compile": compiled,
            "device": str(device),
        }
    )
    watcher = Kernels(device)
    with tempfile.TemporaryDirectory() as place:
        target = random_target(CIFAR_RESNET34, device)
        copy_model(config, target, place, stop=watcher.stop, watcher=watcher)
    kernels = launched(watcher.profiler, device)
    lines = [f"{ms:9.3f} ms {count:7.1f} times  {name}" for name, ms, count in kernels]
    found = {
        "seconds": watcher.seconds,
        "busy_seconds": sum(ms for _, ms, _ in kernels) / 1e3,
        "queries": watcher.queries,
        "kernels": sum(count for _, _, count in kernels),
    }
    around = surroundings(device, {}).model_dump(mode="json")
    about = {"attack": attack, "compile": compiled, "settings": settings, "surroundings": around}
    told = json.dumps(about | {"step": found})
    sys.stdout.write("\n".join([told, *lines[:MOST]]) + "\n")


def launched(profiler: profile, device: torch.device) -> list[tuple[str, float, float]]:
    """What ran on the device: name, milliseconds and calls per step, the longest first."""
    kind = DeviceType.CUDA if device.type == "cuda" else DeviceType.CPU
    rows = [row for row in profiler.key_averages() if row.device_type == kind]
    name = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    found = [
        (row.key, getattr(row, name) / 1e3 / PROFILED, row.count / PROFILED)
        for row in rows
        if not row.is_user_annotation
    ]
    return sorted(found, key=lambda row: -row[1])


if __name__ == "__main__":
    pairs = (text.partition("=") for text in sys.argv[4:])
    chosen = {name: json.loads(value) for name, _, value in pairs}
    main(torch.device(sys.argv[1]), sys.argv[2], sys.argv[3], chosen)
