"""Queries per second of a real run, against the plain loop."""

from __future__ import annotations

import copy
import tempfile
import time
from pathlib import Path

import torch

from copycost.arithmetic import computing
from copycost.benchmark.memory import PeakMemory
from copycost.benchmark.operations import flops_per_query, plain_flops_per_query
from copycost.benchmark.peak import matrix_peak, synchronise
from copycost.benchmark.plain import PlainDFME
from copycost.benchmark.plan import Plan, plain_loop, random_target
from copycost.benchmark.result import Repetition, Speed, summary
from copycost.benchmark.turns import Window, take_turns
from copycost.engine import Engine
from copycost.runner.record import Record
from copycost.runner.watchers import Display
from copycost.types import Compile, Precision
from copycost.victims.module import ModuleVictim


def measure(plan: Plan, display: Display) -> Speed:
    """Time one plan. Networks are built anew; files go to a temporary folder."""
    plan.check()
    device = Engine(plan.device, plan.precision).device
    target = random_target(plan.setting, device)
    assert isinstance(target.victim, ModuleVictim)
    if plan.compile != Compile.OFF:
        torch._dynamo.reset()  # frees an earlier plan's code and graphs
    memory = PeakMemory(device, graphs=plan.compile == Compile.GRAPHS)
    before = memory.held()
    plain = plain_loop(plan, copy.deepcopy(target.victim.module), device)
    plain_flops = plain_flops_per_query(plain)
    held = memory.held() - before

    def rival() -> Window:
        with computing(Precision.FLOAT32, device):
            return plain_window(plain, plan.seconds, device, held)

    with tempfile.TemporaryDirectory(prefix="copycost-benchmark-") as folder:
        pairs, record = take_turns(plan, target, rival, display, Path(folder), device)
    pairs = [(ours._replace(peak=ours.peak - held), theirs) for ours, theirs in pairs]
    # Last, so that the memory measured in the windows includes none of it.
    flops = flops_per_query(plan, target.victim)
    return _speed(plan, pairs, record, flops, plain_flops, memory.method)


def plain_window(plain: PlainDFME, seconds: float, device: torch.device, held: int) -> Window:
    """Time the plain loop for `seconds`; between iterations it holds `held` bytes on CUDA."""
    memory = PeakMemory(device)
    others = memory.held() - held
    plain.iterate()  # once before the clock starts, as for the run
    memory.start()
    synchronise(device)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        plain.iterate()
        done += plain.queries
    synchronise(device)
    passed = time.perf_counter() - began
    return Window(done / passed, memory.peak() - (others if held else 0))


def _speed(
    plan: Plan,
    pairs: list[tuple[Window, Window]],
    record: Record,
    flops: float,
    plain_flops: float,
    memory: str,
) -> Speed:
    peak = matrix_peak(torch.device(record.surroundings.device), plan.precision)
    repetitions = [
        Repetition(queries_per_second=ours.rate, baseline_queries_per_second=theirs.rate)
        for ours, theirs in pairs
    ]
    rates = summary(repetitions)
    return Speed(
        setting=plan.setting.name,
        device=record.surroundings.device,
        precision=plan.precision,
        batch_size=plan.batch_size,
        queries_per_step=plan.batch_size * plan.attack.queries_per_image,
        seconds=plan.seconds,
        flops_per_query=flops,
        plain_flops_per_query=plain_flops,
        peak_flops_per_second=peak,
        share_of_peak=flops * rates["queries_per_second"] / peak,
        peak_memory_bytes=max(ours.peak for ours, _ in pairs),
        baseline_peak_memory_bytes=max(theirs.peak for _, theirs in pairs),
        memory=memory,
        arithmetic=record.surroundings.arithmetic,
        **rates,
    )
