"""What the account, the checks, the record and the display cost, beside a fast step.

Shares are of a step of 1,792 queries at 40,000 queries a second: 44.8 ms. Each part is timed by
itself, doing what it does in a run, as often as a run of 20 million queries with 50 evaluations
does it; where a part works in a thread of its own, its processor time is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from copycost.attacks.state import State
from copycost.benchmark.peak import synchronise
from copycost.benchmark.plan import BUDGET, Plan, random_target
from copycost.benchmark.result import Overhead, Part
from copycost.benchmark.settings import CIFAR_RESNET20
from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build, derive
from copycost.oracle.ledger import Ledger
from copycost.oracle.meter import BLOCKS_PER_BUDGET, Meter
from copycost.oracle.range_check import RangeCheck
from copycost.runner.audit import Display
from copycost.runner.auditor import Auditor
from copycost.runner.run import Run, Silent
from copycost.runner.stopping import Stop

RATE = 40_000
"""Queries a second that shares are given for."""
CALLS = (512, 5 * 256)
"""Inputs of each call of the oracle in one step of DFME's defaults: m + 1 points, then five
batches for the student at once."""
QUERIES = sum(CALLS)
STEP_SECONDS = QUERIES / RATE
EVALUATIONS = 50
LOSSES = ("generator/gap", "student/gap", "estimate/norm")


def overhead(plan: Plan, displays: Mapping[str, Display], folder: Path) -> Overhead:
    """Time every part; `folder` takes ledgers. A display is watched for one of the windows."""
    engine = Engine(plan.device, plan.precision)
    costs = {
        "account": account_seconds(folder),
        "range check": check_seconds(engine.device),
        "bookkeeping": bookkeeping_seconds(plan, engine, folder),
    }
    shown = {
        f"display: {name}": display_seconds(plan, display) for name, display in displays.items()
    }
    parts = {
        name: Part(seconds_per_step=cost, share=cost / STEP_SECONDS)
        for name, cost in {**costs, **shown}.items()
    }
    honest = costs["account"] + costs["bookkeeping"] + max(shown.values(), default=0.0)
    return Overhead(
        device=str(engine.device),
        queries_per_second=RATE,
        queries_per_step=QUERIES,
        step_seconds=STEP_SECONDS,
        parts=parts,
        honesty=honest / STEP_SECONDS,
    )


def account_seconds(folder: Path, budget: int = BUDGET) -> float:
    """Seconds a step of charging a whole budget to a ledger on disk, all durable writes included.

    Reservations are as large as a free victim's, and the account is settled at every evaluation.
    """
    steps = budget // QUERIES
    with Ledger(folder / "account.sqlite") as ledger:
        account = ledger.account("attacker", budget, block=budget // BLOCKS_PER_BUDGET)
        began, evaluated = time.perf_counter(), 0
        for _ in range(steps):
            for n in CALLS:
                with account.charging(n):
                    pass
            if account.spent * EVALUATIONS >= (evaluated + 1) * budget:
                account.settle()
                evaluated += 1
        return (time.perf_counter() - began) / steps


def check_seconds(device: torch.device, steps: int = 50) -> float:
    """Seconds a step of the oracle's look at the range of all 3x32x32 inputs."""
    spec = CIFAR_RESNET20.spec
    check = RangeCheck(spec)
    calls = [torch.rand(n, *spec.shape, device=device) for n in CALLS]

    def step() -> None:
        for x in calls:
            check.see(x)

    return _timed(step, device, steps)


def bookkeeping_seconds(plan: Plan, engine: Engine, folder: Path, steps: int = 2000) -> float:
    """Seconds a step of what a run does after it: sums, checks, looking whether to log or save."""
    losses: dict[str, Tensor] = {name: torch.ones((), device=engine.device) for name in LOSSES}
    with Ledger(folder / "bookkeeping.sqlite") as ledger:
        run, state = _run(plan, engine, ledger, folder)
        return _timed(lambda: run.after_step(state, losses), engine.device, steps)


def display_seconds(plan: Plan, display: Display) -> float:
    """Processor seconds a step of showing progress at the pace of a fast run, threads included."""
    config, steps = plan.config(), max(1, int(plan.seconds / STEP_SECONDS))

    def pace(step: Callable[[int], None]) -> float:
        began = time.process_time()
        for number in range(steps):
            step(number * QUERIES)
            time.sleep(STEP_SECONDS)
        return time.process_time() - began

    bare = pace(lambda spent: None)
    with display.run(config, "1/1") as watcher:
        shown = pace(watcher.step)
    return max(0.0, shown - bare) / steps


def _run(plan: Plan, engine: Engine, ledger: Ledger, folder: Path) -> tuple[Run, State]:
    """A run of the plan that has not begun, and its players."""
    target, config = random_target(plan.setting, engine.device), plan.config()
    meter = Meter(target.victim, access=config.access, budget=config.budget, ledger=ledger)
    auditor = Auditor(
        target,
        (),
        0,
        ledger.account("auditor", None, block=len(target.held_out)),
        folder / "auditor.safetensors",
        engine.device,
    )
    run = Run(
        folder,
        plan.attack,
        meter,
        target.victim,
        auditor,
        engine.ranks,
        evaluations=1,
        stop=Stop(),
        watcher=Silent(),
    )
    builder = ARCHITECTURES[plan.setting.student]
    student = build(builder, plan.setting.spec, target.victim.classes, derive(0, "student"))
    return run, plan.attack.start(student, meter.oracle, engine, 0)


def _timed(step: Callable[[], None], device: torch.device, steps: int) -> float:
    step()
    synchronise(device)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    synchronise(device)
    return (time.perf_counter() - began) / steps
