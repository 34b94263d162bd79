"""The result of a comparison: one versioned record of its runs, with statistics over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

from pydantic import ConfigDict, Field

from copycost.bench.adversarial import TransferRate
from copycost.bench.plan import Skipped
from copycost.bench.work import FreshResult
from copycost.flags import Flag
from copycost.report.groups import spread
from copycost.runner.record import AccountFacts, Facts, Record, Surroundings, VictimFacts
from copycost.thresholds import knows_nothing, least_budgets
from copycost.types import Access

VERSION: Literal[1] = 1
QUALITIES = ("accuracy", "agreement", "kl")
"""Measures of a student; those of an ensemble's members have names like 'member 2/accuracy'."""


class Interval(Facts):
    """Median and range of one quantity over seeds."""

    median: float
    low: float
    high: float
    n: int
    """Runs in which it was measured."""


Measured = Mapping[str, Interval]
"""By the name of the quantity."""


class BenchRun(Facts):
    """One run of one attack, and what was measured afterwards."""

    seed: int
    state: str
    """'finished', 'stopped', 'failed' or 'planned'."""
    error: str | None = None
    """One line, of a run or a measurement that failed."""
    diverged: bool = False
    """Whether it is not finished because a loss became NaN or infinite: no fault of the machine."""
    id: str | None = None
    """Of the run's record; None while the run is not finished. Of the fields below, only
    `collapsed` and `fresh` may be set before that."""
    attacker: AccountFacts | None = None
    """The account the queries were charged to."""
    seconds: float | None = None
    updates: dict[str, int] = Field(default_factory=dict)
    """Optimiser steps by player."""
    values: dict[str, float] = Field(default_factory=dict)
    """Of the final students on held-out data: the one that counts, and any others."""
    collapsed: bool | None = None
    """Whether the student that counts has learnt nothing, as `copycost.thresholds` defines it,
    or was lost when the run diverged."""
    transfer: TransferRate | None = None
    fresh: FreshResult | None = None
    """Trained on the first queries of this seed's run at the attack's largest budget."""
    flags: tuple[Flag, ...] = ()

    @property
    def quantities(self) -> dict[str, float]:
        """The quantities that medians are taken of, by name."""
        found = dict(self.values)
        if self.transfer is not None and self.transfer.on_victim is not None:
            found["transfer rate"] = self.transfer.on_victim
            found["transfer rate by chance"] = self.transfer.by_chance or 0.0
        if "student" in self.updates:
            found["student updates"] = float(self.updates["student"])
        if self.seconds is not None and self.attacker is not None:
            found |= {"seconds": self.seconds, "spent": float(self.attacker.spent)}
        return found


class BudgetResult(Facts):
    """An attack at one budget."""

    budget: int
    own: dict[str, Interval]
    """The attack's own students: accuracy, agreement, kl, also of members and ensembles under
    their own names; transfer rate, student updates, seconds, spent."""
    collapse_rate: float | None
    """Share of the own students, one a seed, that have learnt nothing or were lost; None while
    no run is finished or has diverged."""
    diverged: int = 0
    """Runs that diverged: collapsed, and in no median."""
    fresh: dict[Literal["last", "chosen"], dict[str, Interval]]
    """Fresh students of the same queries: at the end, and chosen by queries kept out."""
    runs: tuple[BenchRun, ...]


class AttackResult(Facts):
    """An attack at all its budgets."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    attack: str
    kind: str = Field(alias="class")
    """What the attacker holds: 'strictly data-free', 'pool', 'in-distribution', …"""
    access: Access
    queries_per_image: int
    """Queries of one step for each image of its batch."""
    batch_size: int
    """At the largest budget, as are the settings."""
    settings: dict[str, Any]
    """The attack's own, every default written out."""
    budgets: tuple[BudgetResult, ...]
    queries_to: dict[Literal["own", "fresh"], dict[str, int | None]]
    """By track and share of the victim's accuracy, the least budget whose median reaches it. A seed
    without a result there, for whatever reason, counts as having learnt nothing."""
    collapse_rate: float | None
    """At the largest budget."""


class BenchRecord(Facts):
    """All results of a comparison, and what it was made with."""

    version: Literal[1] = VERSION
    id: str
    """Hash of all runs' configurations and of the measures' settings."""
    config: dict[str, Any]
    """What was asked for."""
    victim: VictimFacts | None
    """None while no run is finished."""
    access: Access
    attacks: tuple[AttackResult, ...]
    skipped: tuple[Skipped, ...]
    surroundings: tuple[Surroundings, ...]
    """Hardware and software that the runs were made with; each that differs, once."""

    @property
    def complete(self) -> bool:
        """Whether every planned run is finished and measured."""
        runs = [run for a in self.attacks for b in a.budgets for run in b.runs]
        return all(run.fresh is not None and run.transfer is not None for run in runs)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as in the file."""
        return self.model_dump(mode="json", by_alias=True)


def read_bench(path: Path) -> BenchRecord:
    """Read `bench.json`; `RunError` says what is wrong with it."""
    return BenchRecord.read_from(path, "is not the record of a bench")


def bench_run(
    seed: int,
    state: str,
    record: Record | None,
    transfer: TransferRate | None,
    fresh: FreshResult | None,
    error: str | None,
    *,
    diverged: bool = False,
) -> BenchRun:
    """What is known of one run; `record` is None unless it is finished."""
    if record is None:
        lost = True if diverged else None
        return BenchRun(
            seed=seed, state=state, error=error, diverged=diverged, collapsed=lost, fresh=fresh
        )
    judged = {k: v for k, v in record.result.items() if k.rpartition("/")[2] in QUALITIES}
    return BenchRun(
        seed=seed,
        state=state,
        error=error,
        id=record.id,
        attacker=record.accounts["attacker"],
        seconds=record.seconds,
        updates=record.updates,
        values=judged,
        collapsed=knows_nothing(record.result["accuracy"], record.victim.one_answer),
        transfer=transfer,
        fresh=fresh,
        flags=tuple(record.flags),
    )


def budget_result(budget: int, runs: Sequence[BenchRun]) -> BudgetResult:
    """The runs of one attack at one budget, and their medians and ranges."""
    fresh = [run.fresh for run in runs if run.fresh is not None]
    chosen = [found.chosen for found in fresh if found.chosen is not None]
    return BudgetResult(
        budget=budget,
        own=_intervals([run.quantities for run in runs]),
        collapse_rate=_rate(run.collapsed for run in runs),
        diverged=sum(run.diverged for run in runs),
        fresh={
            "last": _intervals([_judged(found.last) for found in fresh]),
            "chosen": _intervals([_judged(found) for found in chosen]),
        },
        runs=tuple(runs),
    )


def queries_to(
    budgets: Sequence[BudgetResult], victim_accuracy: float
) -> dict[Literal["own", "fresh"], dict[str, int | None]]:
    """By track, the least budget whose median accuracy reaches each share of the victim's."""
    planned = [one for one in budgets if one.runs]
    own = [(b.budget, [run.values for run in b.runs]) for b in planned]
    fresh = [(b.budget, [run.fresh.last if run.fresh else {} for run in b.runs]) for b in planned]
    return {"own": _least(own, victim_accuracy), "fresh": _least(fresh, victim_accuracy)}


def _least(
    found: Iterable[tuple[int, Sequence[Mapping[str, float]]]], accuracy: float
) -> dict[str, int | None]:
    """`found`: budgets, each with the values of every planned seed, empty where it has none."""
    # A median over the seeds with a result would flatter the attack.
    medians = [(budget, median(m.get("accuracy", 0.0) for m in seeds)) for budget, seeds in found]
    # Without an accuracy of the victim, NaN keeps every share from being reached.
    return least_budgets((budget, middle / (accuracy or math.nan)) for budget, middle in medians)


def _judged(values: Mapping[str, float]) -> dict[str, float]:
    return {name: values[name] for name in QUALITIES if name in values}


def _rate(answers: Iterable[bool | None]) -> float | None:
    known = [answer for answer in answers if answer is not None]
    return fmean(known) if known else None


def _intervals(found: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
    names = dict.fromkeys(name for values in found for name in values)
    spreads = {name: spread(v[name] for v in found if name in v) for name in names}
    return {name: Interval(**s._asdict()) for name, s in spreads.items() if s is not None}
