"""Measure how long two processes take for a step that they share, and for its parts.

    python tools/scaling.py > results/scaling/two-processes.json

Two processes (gloo, this machine's loopback, one thread each) time steps of half a batch, at the
same time but independently; then steps of the whole batch, which they share; then messages of few
and of many numbers. All of it is repeated, so that other work on the machine affects each part
alike. A profiler counts messages. `tools.passages.scaling` predicts the shared steps from the rest.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.profiler import ProfilerActivity, profile

from copycost.benchmark.plan import Plan, random_target
from copycost.benchmark.settings import CIFAR_RESNET20, CIFAR_RESNET34, Setting
from copycost.engine import use_threads
from copycost.runner.copy_model import copy_model
from copycost.runner.record import Point
from copycost.runner.stopping import Stop
from copycost.runner.surroundings import surroundings
from copycost.runner.target import Target
from copycost.types import Access
from copycost.victims.function import FunctionVictim

PROCESSES = 2
ROUNDS = 3
WARM, STEPS = 2, 2
"""Steps of a round: first untimed ones, the last of them profiled; then ones timed one by one."""
FEW, MANY = 256, 25 * 2**20 // 4
"""Numbers in a message: that of a batch norm, and that of gradients as PyTorch bundles them."""
FEW_TRIES, MANY_TRIES = 200, 5
CPU = torch.device("cpu")


LARGE = replace(CIFAR_RESNET34, name="lenet to resnet18-8x", victim="lenet")
"""A student whose gradients take time to send; the victim is small, to suit two cores."""


@dataclass(frozen=True)
class Case:
    """One kind of step."""

    setting: Setting
    batch_size: int
    """Images of the whole step, over all processes."""
    wait: float | None = None
    """Seconds per call of a victim behind a function; None for a victim in the process."""

    def plan(self, processes: int) -> Plan:
        """A run whose batch is the share that belongs to so many of the processes."""
        n = self.batch_size * processes // PROCESSES
        return Plan(self.setting, n, "float32", "off", "cpu", repetitions=1, seconds=1)

    def named(self) -> dict[str, Any]:
        """The case as the record describes it."""
        return {
            "student": self.setting.student,
            "victim": self.setting.victim,
            "batch_size": self.batch_size,
            "wait_seconds": self.wait,
        }


CASES = (
    Case(CIFAR_RESNET20, 16),
    Case(CIFAR_RESNET20, 16, wait=0.5),
    Case(LARGE, 4),
)


class Steps:
    """A watcher that counts messages and calls in one step, times some more, and ends the run."""

    def __init__(self, calls: Counter[str]) -> None:
        """`calls` counts calls of the victim, under the key 'victim'."""
        self.stop, self.times, self._calls = Stop(), [time.perf_counter()], calls
        self.profiler = profile(activities=[ProfilerActivity.CPU])

    def step(self, spent: int) -> None:
        """Called by the run after every step."""
        self.times.append(time.perf_counter())
        done = len(self.times) - 1
        if done == WARM - 1:
            self._calls.clear()
            self.profiler.start()
        if done == WARM:
            self.profiler.stop()
            self.calls = self._calls["victim"]
            self.times[-1] = time.perf_counter()  # without the profiler's own work
        if done == WARM + STEPS:
            self.stop.ask("enough steps")

    def point(self, point: Point) -> None:
        """Do nothing: the only evaluation comes before the timed steps."""

    def found(self) -> dict[str, Any]:
        """Seconds of each step; messages by kind, and calls, of one step."""
        messages = {
            row.key.removeprefix("gloo:"): row.count
            for row in self.profiler.key_averages()
            if row.key.startswith("gloo:")
        }
        seconds = [after - before for before, after in pairwise(self.times[WARM:])]
        return {"seconds": seconds, "messages": messages, "calls": self.calls}


def timed(plan: Plan, wait: float | None, folder: Path) -> dict[str, Any]:
    """What `Steps` measures in a real run; {} on all ranks but the first."""
    calls: Counter[str] = Counter()
    watcher, target = Steps(calls), random_target(plan.setting, CPU)
    if wait is not None:
        target = replace(target, victim=behind_a_function(target, wait, calls))
    copy_model(plan.config(), target, folder, stop=watcher.stop, watcher=watcher)
    return watcher.found() if len(watcher.times) > 1 else {}


def behind_a_function(target: Target, wait: float, calls: Counter[str]) -> FunctionVictim:
    """The same victim as a black-box function that takes `wait` seconds to answer a call."""
    victim = target.victim

    def predict(x: np.ndarray[Any, Any]) -> torch.Tensor:
        calls["victim"] += 1
        time.sleep(wait)
        return victim(torch.from_numpy(x)).softmax(dim=1)

    return FunctionVictim(predict, victim.spec, victim.classes, Access.PROBABILITIES, name="remote")


def wire() -> dict[str, float]:
    """Latency of a short all-reduce in seconds, and bytes per second of a long one."""
    few, many = torch.zeros(FEW), torch.zeros(MANY)
    latency = median(seconds_of(lambda: dist.all_reduce(few), FEW_TRIES))
    bundle = median(seconds_of(lambda: dist.all_reduce(many), MANY_TRIES))
    # Each process sends and receives all but its own part twice: first of summands, then of sums.
    moved = 2 * many.nbytes * (PROCESSES - 1) / PROCESSES
    return {"latency_seconds": latency, "bytes_per_second": moved / (bundle - latency)}


def seconds_of(send: Callable[[], object], tries: int) -> list[float]:
    """Seconds of each of `tries` calls, after one to warm up."""
    send()
    ends = [time.perf_counter()]
    for _ in range(tries):
        send()
        ends.append(time.perf_counter())
    return [after - before for before, after in pairwise(ends)]


def work(rank: int, port: int, folder: Path, both: Barrier, home: Connection) -> None:
    """The work of one process; the first sends the results to its parent."""
    use_threads(1)
    rounds, wires = [], []
    for number in range(ROUNDS):
        cases = enumerate(CASES)
        place = folder / str(number)
        rounds.append([both_ways(c, rank, port, place / str(i), both) for i, c in cases])
        wires.append(wire())
    if rank == 0:
        steps = [
            case.named() | merged(found)
            for case, found in zip(CASES, zip(*rounds, strict=True), strict=True)
        ]
        usual = {name: median(one[name] for one in wires) for name in wires[0]}
        home.send({"processes": PROCESSES, "wire": usual, "steps": steps})


def both_ways(case: Case, rank: int, port: int, folder: Path, both: Barrier) -> dict[str, Any]:
    """What `timed` measures in steps of this process alone, and in steps that both share."""
    both.wait()  # so that the processes compete for the machine as they do in shared steps
    quick = None if case.wait is None else 0.0
    alone = timed(case.plan(1), quick, folder / f"alone-{rank}")
    with joined(rank, port):
        shared = timed(case.plan(PROCESSES), case.wait, folder / "shared")
    return {"alone": alone, "shared": shared}


def merged(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The seconds of all rounds, with the counts of the first, which are the same in each."""
    return {
        way: first | {"seconds": [seconds for one in rounds for seconds in one[way]["seconds"]]}
        for way, first in rounds[0].items()
    }


@contextmanager
def joined(rank: int, port: int) -> Iterator[None]:
    """Set the environment variables that `torchrun` would set, within the block."""
    count = str(PROCESSES)
    told = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "scaling",
    }
    os.environ |= told
    try:
        yield
    finally:
        for name in told:
            del os.environ[name]


def main() -> None:
    """Print one JSON object."""
    around = surroundings(CPU, {}).model_dump(mode="json", exclude={"arithmetic", "ranks"})
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    both = context.Barrier(PROCESSES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        started = [
            context.Process(target=work, args=(rank, port, Path(folder), both, there))
            for rank in range(PROCESSES)
        ]
        for process in started:
            process.start()
        found = here.recv()
        for process in started:
            process.join()
    sys.stdout.write(json.dumps(found | {"surroundings": around}, indent=1) + "\n")


if __name__ == "__main__":
    main()
