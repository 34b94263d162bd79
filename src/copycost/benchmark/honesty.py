"""The cost of the account, the checks, the record and the display, relative to a fast step.

Shares are of a step of 1,792 queries at 40,000 queries a second: 44.8 ms. Each part is timed by
itself, doing what it does in a run, as often as a run of 20 million queries with 50 evaluations
does it. For a part with a thread of its own, CPU time is counted.
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
from copycost.oracle.ledger import Ledger
from copycost.oracle.meter import BLOCKS_PER_BUDGET, Meter
from copycost.oracle.range_check import RangeCheck
from copycost.runner.auditor import Auditor, auditors_account
from copycost.runner.folder import AUDITOR_FILE
from copycost.runner.making import fresh_student
from copycost.runner.run import Run
from copycost.runner.stopping import Stop
from copycost.runner.watchers import Display, Silent

RATE = 40_000
"""Queries per second of the step that shares refer to."""
CALLS = (512, 5 * 256)
"""Inputs of each call of the oracle in one step with DFME's defaults: m + 1 points for each of 256
images, then five batches for the student at once."""
QUERIES = sum(CALLS)
STEP_SECONDS = QUERIES / RATE
EVALUATIONS = 50
LOSSES = ("generator/gap", "student/gap", "estimate/norm")


def overhead(plan: Plan, displays: Mapping[str, Display], folder: Path) -> Overhead:
    """Time every part; `folder` takes ledgers. Each display is timed for one window's length."""
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
    """Seconds per step of charging a whole budget to a ledger on disk, with all durable writes.

    Reservations are as large as for a free victim, and every evaluation settles the account.
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
    """Seconds per step of the oracle's range check of all 3x32x32 inputs."""
    spec = CIFAR_RESNET20.spec
    check = RangeCheck(spec)
    calls = [torch.rand(n, *spec.shape, device=device) for n in CALLS]

    def step() -> None:
        for x in calls:
            check.see(x)

    return _timed(step, device, steps)


def bookkeeping_seconds(plan: Plan, engine: Engine, folder: Path, steps: int = 2000) -> float:
    """Seconds per step of a run's work after it: sums, checks, deciding whether to log or save."""
    losses: dict[str, Tensor] = {name: torch.ones((), device=engine.device) for name in LOSSES}
    with Ledger(folder / "bookkeeping.sqlite") as ledger:
        run, state = _run(plan, engine, ledger, folder)
        return _timed(lambda: run.after_step(state, losses), engine.device, steps)


def display_seconds(plan: Plan, display: Display) -> float:
    """CPU seconds per step of showing progress at the pace of a fast run, threads included."""
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
    """A run of the plan that has not started, and the state of its players."""
    target, config = random_target(plan.setting, engine.device), plan.config()
    meter = Meter(target.victim, access=config.access, budget=config.budget, ledger=ledger)
    account, cache = auditors_account(ledger, target), folder / AUDITOR_FILE
    auditor = Auditor(target, (), 0, account, cache, engine.device)
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
    student = fresh_student(config, plan.setting.spec, target.victim.classes)
    return run, plan.attack.start(student, meter.oracle, engine, config.seed)


def _timed(step: Callable[[], None], device: torch.device, steps: int) -> float:
    step()
    synchronise(device)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    synchronise(device)
    return (time.perf_counter() - began) / steps
