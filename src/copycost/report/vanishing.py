"""What diagnoses of vanishing gradients show: curves and rows for any page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from copycost.report import wording
from copycost.report.figures import Curve
from copycost.report.vanishing_seeds import (
    At,
    Measure,
    Read,
    Seeds,
    arithmetics,
    cell_of,
    moments_of,
    over,
    percent,
    plain,
    signed,
    single,
)
from copycost.studies.vanishing_record import DiagnosisCell, VanishingRecord


class Rows(NamedTuple):
    """A table for any kind of page."""

    head: list[str]
    rows: list[list[str]]


def title(records: Seeds) -> str:
    """The diagnosed victim, its data, and the number of seeds."""
    victim = records[0].victim
    return f"{victim.name}, {victim.dataset}, n = {wording.plural(len(records), 'seed')}"


def norm_curves(records: Seeds) -> list[Curve]:
    """Norms against queries, with bands as `brackets` says; weights have one norm per seed."""
    return [
        *(_curve(records, name, read) for name, read in BY_IMAGE.items()),
        _curve(records, "generator's weights", single(lambda m: m.generator)),
        _curve(records, "student's weights", single(lambda m: m.student)),
    ]


def cosine_curves(records: Seeds) -> list[Curve]:
    """Cosines against queries: the first arithmetic at every m, the others at the largest m.

    All are at the smallest step measured, which is the paper's; the last arithmetic, the
    coarsest, is also shown at its default step.
    """
    record = records[0]
    first, *coarse = arithmetics(record)
    step, most = min(c.epsilon for c in record.moments[0].cells), max(record.grid.directions)
    shown = [(first, step, m) for m in record.grid.directions]
    shown += [(name, step, most) for name in coarse]
    shown += [(name, _default(record, name), most) for name in coarse[-1:]]
    return [
        _curve(records, f"{name}, ε = {epsilon:g}, m = {m}", single(_cosine_at(name, epsilon, m)))
        for name, epsilon, m in shown
    ]


def brackets(records: Seeds) -> str:
    """Say which statistic tables of norms show in brackets, and which before them."""
    images = f"{records[0].grid.images} images"
    if len(records) == 1:
        return f"medians and quartiles over {images}, of one seed (n = 1)"
    return (
        f"medians over n = {len(records)} seeds, with the lowest and the highest in brackets; of "
        f"what is measured by the image, a seed has the median over {images}"
    )


def norm_rows(records: Seeds) -> Rows:
    """One row per quantity; one column each for the start, the middle and the end."""
    chosen = start_middle_end(records)
    head = ["", *(f"{wording.count(at[0].queries)} queries" for at in chosen)]
    rows = [[name, *(plain(at, read) for at in chosen)] for name, read in BY_IMAGE.items()]
    rows += [[name, *(plain(at, single(r)) for at in chosen)] for name, r in SINGLE.items()]
    rows += [[name, *(percent(at, read) for at in chosen)] for name, read in SHARES.items()]
    return Rows(head, rows)


def cosine_rows(records: Seeds) -> Rows:
    """One row per arithmetic and step; each cell holds the start, the middle and the end.

    With several seeds these are medians, followed by the largest range over seeds in brackets.
    """
    chosen, directions = start_middle_end(records), records[0].grid.directions
    head = ["arithmetic", "ε", *(f"m = {m}" for m in directions), "correlation", "unchanged"]
    exact = [_three(chosen, _exact_at(m)) for m in directions]
    rows = [["exact slopes", "", *exact, "", ""]]
    for cell in records[0].moments[0].cells:
        step = f"{cell.epsilon:g}" + (" (default)" if cell.default else "")
        rows.append([cell.arithmetic, step, *_cell_row(chosen, cell, directions)])
    return Rows(head, rows)


def start_middle_end(records: Seeds) -> list[At]:
    """The first, the middle and the last moment."""
    moments = moments_of(records)
    return [moments[0], moments[len(moments) // 2], moments[-1]]


BY_IMAGE: dict[str, Measure] = {
    "true gradient": lambda m: m.true,
    "through the victim alone": lambda m: m.through_victim,
    "true gradient without the floor": lambda m: m.unfloored,
    "the attack's estimate": lambda m: m.estimate,
}
SINGLE: dict[str, Read] = {
    "generator's weights, by the estimate": lambda m: m.generator,
    "generator's weights, by the true gradient": lambda m: m.generator_true,
    "cosine between these two": lambda m: m.generator_cosine,
    "student's weights": lambda m: m.student,
    "gap": lambda m: m.gap,
}
SHARES: dict[str, Read] = {
    "images with a true gradient of 0": lambda m: m.flat,
    "probabilities below the floor": lambda m: m.floored,
    "images with one class above the floor": lambda m: m.blind,
    "student's accuracy": lambda m: m.accuracy,
}


def _curve(records: Seeds, label: str, read: Measure) -> Curve:
    moments = moments_of(records)
    found = [over(at, read) for at in moments]
    return Curve(
        label=label,
        queries=np.array([at[0].queries for at in moments], dtype=float),
        middle=np.array([q.middle for q in found]),
        low=np.array([q.low for q in found]),
        high=np.array([q.high for q in found]),
        runs=len(records),
        noise=False,
    )


def _default(record: VanishingRecord, name: str) -> float:
    cells = record.moments[0].cells
    return next(c.epsilon for c in cells if c.arithmetic == name and c.default)


def _cell_row(chosen: Sequence[At], cell: DiagnosisCell, directions: Sequence[int]) -> list[str]:
    """The columns of one row, for the arithmetic and step of `cell`."""
    name, epsilon = cell.arithmetic, cell.epsilon
    return [
        *(_three(chosen, _cosine_at(name, epsilon, m)) for m in directions),
        _three(chosen, lambda moment: cell_of(moment, name, epsilon).correlation),
        _three(chosen, lambda moment: cell_of(moment, name, epsilon).still),
    ]


def _cosine_at(name: str, epsilon: float, m: int) -> Read:
    return lambda moment: cell_of(moment, name, epsilon).cosines[m]


def _exact_at(m: int) -> Read:
    return lambda moment: moment.exact_cosines[m]


def _three(chosen: Sequence[At], read: Read) -> str:
    found = [over(at, single(read)) for at in chosen]
    middles = " / ".join(signed(one.middle) for one in found)
    apart = max(one.high - one.low for one in found)
    return f"{middles} ({apart:.2f})" if len(chosen[0]) > 1 else middles
