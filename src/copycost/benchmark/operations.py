"""Floating-point operations per query, of the timed run and of the plain loop.

They are those of matrix products and convolutions, forward and backward, of generator, student and
victim, as PyTorch counts them. The two differ where the engine saves products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch.utils.flop_counter import FlopCounterMode

from copycost.benchmark.plain import PlainDFME
from copycost.benchmark.plan import Plan
from copycost.oracle.meter import CountedOracle
from copycost.runner.making import attack_of, engine_of, fresh_student, ready_victim
from copycost.types import Compile
from copycost.victims.base import Victim


def flops_per_query(plan: Plan, victim: Victim) -> float:
    """Operations per query that one step of the run executes; every step executes the same.

    Counted on separate networks, prepared by the engine but not compiled: compiled networks hide
    their operations from the counter, and execute as many.
    """
    config = replace(plan, compile=Compile.OFF).config()
    engine = engine_of(config, victim)
    attack = attack_of(config, engine.ranks.count)
    ready = ready_victim(victim, engine, attack)
    oracle = CountedOracle(ready, access=config.access, budget=config.budget)
    student = fresh_student(config, victim.spec, victim.classes)
    state = attack.start(student, oracle, engine, config.seed)
    counted = _counted(lambda: attack.step(state, oracle, attack.batch_size))
    return counted / oracle.spent


def plain_flops_per_query(plain: PlainDFME) -> float:
    """Operations per query of one iteration of the plain loop."""
    return _counted(plain.iterate) / plain.queries


def _counted(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())
