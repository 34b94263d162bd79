"""A run's operations as a share of the plain loop's, counted on the networks themselves."""

from __future__ import annotations

import copy
from pathlib import Path

from copycost.benchmark.operations import flops_per_query, plain_flops_per_query
from copycost.benchmark.plan import Plan, plain_loop, random_victim
from copycost.benchmark.settings import TIMED
from copycost.engine import Engine
from copycost.types import Compile
from tools.passages.markdown import NOT_RUN, table
from tools.passages.performance import benchmarks

BATCH = 2
"""Batch size of the steps counted; operations per query are the same at any batch size."""


def operations_passage(results: Path) -> str:
    """One line for each setting and arithmetic timed on a CPU, counted by the code as it is now."""
    timed = {
        (result.setting, result.precision)
        for record in benchmarks(results).values()
        for result in record.results
        if result.device == "cpu"
    }
    head = ["setting", "precision", "plain loop, MFLOP a query", "ours", "ours as a share"]
    return table(head, (_counted(*one) for one in sorted(timed))) if timed else NOT_RUN


def _counted(setting: str, precision: str) -> list[str]:
    plan = Plan(TIMED[setting], BATCH, precision, Compile.OFF, "cpu", repetitions=1, seconds=1)
    device = Engine(plan.device, precision).device
    victim = random_victim(plan.setting, device)
    ours = flops_per_query(plan, victim)
    plain = plain_flops_per_query(plain_loop(plan, copy.deepcopy(victim.module), device))
    return [
        f"`{setting}`",
        precision,
        f"{plain / 1e6:,.2f}",
        f"{ours / 1e6:,.2f}",
        f"{ours / plain:.1%}",
    ]
