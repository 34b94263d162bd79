"""The cost of recording every query: the rate of writing, and the slow-down of a run."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import torch

from copycost.benchmark.honesty import CALLS, QUERIES
from copycost.benchmark.peak import synchronise
from copycost.benchmark.plan import Plan, random_target
from copycost.benchmark.result import TransferCost
from copycost.benchmark.settings import CIFAR_RESNET34, CLASSES
from copycost.benchmark.turns import Window, take_turns
from copycost.engine import Engine
from copycost.oracle.transfer.frames import Encoding, Layout
from copycost.oracle.transfer.recorder import Recorder
from copycost.runner.watchers import Display
from copycost.types import Access, Answer

BUDGET = 2_000_000
"""Budget of the timed runs: the disk must have room for all of its queries."""


def transfer_cost(plan: Plan, display: Display, folder: Path) -> TransferCost:
    """Measure both; `folder` takes some gigabytes at the most, on a fast machine."""
    device = Engine(plan.device, plan.precision).device
    images, size = writing_rate(folder / "rate", device, plan.seconds)
    losses = [1 - kept.rate / bare.rate for kept, bare in _pairs(plan, display, folder, device)]
    return TransferCost(
        images_per_second=images,
        bytes_per_second=size,
        setting=plan.setting.name,
        batch_size=plan.batch_size,
        slow_down=median(losses),
        slow_down_range=(min(losses), max(losses)),
    )


def writing_rate(folder: Path, device: torch.device, seconds: float) -> tuple[float, float]:
    """3x32x32 images, and bytes, per second from `device` to the disk, flushed at the end."""
    spec = CIFAR_RESNET34.spec
    layout = Layout.choose(spec, CLASSES, Access.PROBABILITIES, Encoding.BYTES)
    calls = [(torch.rand(n, *spec.shape, device=device), _answer(n, device)) for n in CALLS]
    written = 0
    with Recorder(folder, layout) as recorder:
        synchronise(device)
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            for x, answer in calls:
                recorder.put(written, x, answer)
                written += len(x)
        recorder.flush()
        passed = time.perf_counter() - began
    assert written % QUERIES == 0
    size = sum(path.stat().st_size for path in folder.iterdir())
    return written / passed, size / passed


def _answer(n: int, device: torch.device) -> Answer:
    scores = torch.rand(n, CLASSES, device=device).softmax(1)
    return Answer.unpack(Access.PROBABILITIES, scores)


def _pairs(
    plan: Plan, display: Display, folder: Path, device: torch.device
) -> list[tuple[Window, Window]]:
    """Windows of a run that records, each with one of a run that does not."""
    target = random_target(plan.setting, device)
    once, places = replace(plan, repetitions=1), (folder / f"bare-{i}" for i in itertools.count())
    nothing = partial(Window, 0.0, 0)

    def bare() -> Window:
        config = plan.config(budget=BUDGET)
        pairs, _ = take_turns(once, target, nothing, display, next(places), device, config)
        return pairs[0][0]

    config = plan.config(budget=BUDGET, record_queries="bytes")
    pairs, _ = take_turns(plan, target, bare, display, folder / "kept", device, config)
    return pairs
