"""The cost of reaching an agreement: queries, time and, where a price is known, money."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median
from typing import NamedTuple

from copycost.report import wording
from copycost.report.groups import Group
from copycost.report.table import labels
from copycost.report.tariff import Tariff
from copycost.runner.record import Record

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Levels of agreement whose cost is reported."""


class Cost(NamedTuple):
    """Queries and seconds that a run has taken up to some moment."""

    queries: float
    seconds: float


@dataclass(frozen=True)
class CostRow:
    """The cost of one attack at each of `LEVELS`, in words."""

    label: str
    cells: list[str]


def cost_to(record: Record, level: float) -> Cost | None:
    """The cost at which the copy reaches an agreement of `level` and stays there to the end.

    Resolved to the run's evaluations; None if the run ends below `level`. To take the first
    evaluation at `level` instead would reward luck on the held-out data.
    """
    measured = [point for point in record.curve if "agreement" in point.values]
    kept = [*takewhile(lambda point: point.values["agreement"] >= level, reversed(measured))]
    return Cost(kept[-1].queries, kept[-1].seconds) if kept else None


def cost_of(group: Group, level: float) -> Cost | None:
    """Median cost over the counted runs; None unless more than half of them reach `level`."""
    never = Cost(math.inf, math.inf)
    found = [cost_to(record, level) or never for record in group.counted]
    queries, seconds = (median(values) for values in zip(*found, strict=True))
    return Cost(queries, seconds) if math.isfinite(queries) else None


def cost_rows(groups: Sequence[Group], tariff: Tariff) -> list[CostRow]:
    """A row per group; [] if none reaches a level."""
    costs = [[cost_of(group, level) for level in LEVELS] for group in groups]
    if not any(cost for row in costs for cost in row):
        return []
    return [
        CostRow(label, [_in_words(cost, tariff) for cost in row])
        for label, row in zip(labels(groups), costs, strict=True)
    ]


def queries_to_agreement(record: Record) -> dict[str, int | None]:
    """Queries that one run needed, or None, by level of agreement ('90%')."""
    costs = {f"{level:.0%}": cost_to(record, level) for level in LEVELS}
    return {name: None if cost is None else int(cost.queries) for name, cost in costs.items()}


def _in_words(cost: Cost | None, tariff: Tariff) -> str:
    if cost is None:
        return wording.MISSING
    seconds = tariff.seconds(cost.queries, cost.seconds)
    parts = (wording.count(cost.queries), tariff.money(cost.queries), wording.duration(seconds))
    return ", ".join(filter(None, parts))
