"""What a paper says of its curves, as something that measurements can contradict.

A claim judges the courses of runs, by the names of their series, and answers with a `Finding`:
whether it holds, and the numbers it was decided by. Pure functions of plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Protocol

EDGE = 0.2
"""Share of a run that counts as its beginning, and as its end."""

LATE = 0.01
"""Of the budget: measurements wait for the end of the step that crosses their share."""

ROUNDING = 1e-9
"""So that 0.50 and 0.48 are within 0.02 of each other."""


@dataclass(frozen=True)
class Course:
    """One run as a claim sees it: P measurements over the queries spent."""

    seed: int
    budget: int
    queries: tuple[int, ...]
    """[P], ascending."""
    values: Mapping[str, tuple[float, ...]]
    """By name, [P]; NaN where a value was not measured."""
    victim_accuracy: float
    classes: int
    one_answer: float
    """Share of held-out inputs that one answer to all gets right."""
    comparable: bool = True
    """Whether published numbers are about such a run: the same data, networks and budget."""
    diverged: bool = False
    """Whether it was lost to NaN or infinity, and is here as a run that learnt nothing."""

    def lost(self, seed: int) -> Course:
        """A run like this one but of another seed, that diverged: its student is right on nothing.

        Left out, it would make medians better than the attack is.
        """
        nothing = dict.fromkeys(self.values.keys() & {"accuracy", "agreement"}, (0.0,))
        return replace(self, seed=seed, queries=(self.budget,), values=nothing, diverged=True)

    def of(self, value: str) -> tuple[float, ...]:
        """[P]; NaN throughout for a value that this run never measured."""
        return self.values.get(value, (math.nan,) * len(self.queries))

    def final(self, value: str) -> float:
        """The last measurement: the student that counts."""
        return self.of(value)[-1]

    def mean(self, value: str, start: float, end: float) -> float:
        """Mean of what was measured between two shares of the budget, `start` excluded.

        A measurement that is late counts where it was due: by up to `LATE`, though never by
        half of the way to the next.
        """
        found = self._between(value, start, end)
        return fmean(found) if found else math.nan

    def early(self, value: str) -> float:
        """The first measurement in the beginning of the run, the fresh student excluded.

        No mean over the beginning: what falls fastest has fallen before its middle, and would
        seem to fall least. A loss is a mean already, over all steps since the last measurement.
        """
        return next(iter(self._between(value, 0, EDGE)), math.nan)

    def late(self, value: str) -> float:
        """Mean over the end of the run."""
        return self.mean(value, 1 - EDGE, 1)

    def _between(self, value: str, start: float, end: float) -> list[float]:
        late = min(LATE, 0.5 / len(self.queries))
        low, high = (start + late) * self.budget, (end + late) * self.budget
        return [
            v
            for q, v in zip(self.queries, self.of(value), strict=True)
            if low < q <= high and math.isfinite(v)
        ]


Courses = Mapping[str, Sequence[Course]]
"""By the name of a series, its runs that are finished or diverged: at least one, one a seed."""


@dataclass(frozen=True)
class Finding:
    """A claim set beside what was measured."""

    text: str
    holds: bool | None
    """None where nothing is claimed, only measured, and where it is not `comparable`."""
    measured: dict[str, float] = field(default_factory=dict)
    """The numbers, named in full. NaN does not occur: what is missing is left out."""
    reported: float | None = None
    """The paper's number, where it gives one."""
    overlap: bool = False
    """Whether the seeds of the two series that were compared overlap, those of one series do not
    all go the same way, or a claim about courses is left with the seeds that did not diverge:
    chance may have decided."""
    comparable: bool = True
    """False where a published number is about other data, networks or budgets than the runs."""

    @property
    def gap(self) -> float | None:
        """Measured minus reported, where there are both and they are comparable."""
        if self.reported is None or not self.measured or not self.comparable:
            return None
        return next(iter(self.measured.values())) - self.reported


class Claim(Protocol):
    """One sentence of the paper."""

    @property
    def text(self) -> str:
        """The sentence."""
        ...

    def judge(self, courses: Courses) -> Finding:
        """Set it beside the runs; `courses` holds all series of its study."""
        ...


def middle(values: Iterable[float]) -> float:
    """Median of the finite ones; NaN if there are none."""
    found = [value for value in values if math.isfinite(value)]
    return median(found) if found else math.nan


def finals(courses: Courses, *names: str) -> dict[str, list[float]]:
    """Accuracies of the last students of each series, one a seed, by name."""
    return {name: [run.final("accuracy") for run in courses[name]] for name in names}


def agreements(courses: Courses, *names: str) -> dict[str, float]:
    """Median agreement of the last students of each series, for beside their accuracy."""
    return {
        f"agreement, {name}": middle(run.final("agreement") for run in courses[name])
        for name in names
    }


def finding(
    text: str,
    holds: bool | None,
    measured: dict[str, float],
    reported: float | None = None,
    *,
    overlap: bool = False,
    comparable: bool = True,
) -> Finding:
    """A finding; comparisons with NaN are false, so that what was not measured does not hold."""
    finite = {name: value for name, value in measured.items() if math.isfinite(value)}
    known = None if holds is None or not comparable else bool(holds)
    return Finding(text, known, finite, reported, overlap, comparable)


def overlapping(first: Iterable[float], second: Iterable[float]) -> bool:
    """Whether the ranges of two sets of numbers have a part in common; NaN is no number.

    One number each have no ranges: equal or not, they say nothing of what others would be.
    """
    one, other = ([v for v in values if math.isfinite(v)] for values in (first, second))
    if not one or not other or len(one) + len(other) == 2:
        return False
    return min(one) <= max(other) and min(other) <= max(one)


def any_lost(courses: Courses, *names: str) -> bool:
    """Whether a run of these series diverged: it has an end, which is 0, and no course."""
    return any(run.diverged for name in names for run in courses[name])


def compared(
    text: str,
    what: str,
    found: Mapping[str, Sequence[float]],
    ahead: Callable[[float, float], bool],
    beside: Mapping[str, float] | None = None,
    *,
    survivors: bool = False,
) -> Finding:
    """Whether the first of two series is `ahead` of the second, by their medians over seeds.

    `found` holds a number a seed, by the name of the series; `what` says which number it is.
    Numbers `beside` it are shown and decide nothing. `survivors`: some seeds had no number to give.
    """
    first, second = found.values()
    medians = {f"{what}, {name}": middle(values) for name, values in found.items()}
    holds = ahead(*medians.values())
    measured = {**medians, **(beside or {})}
    overlap = survivors or overlapping(first, second)
    return finding(text, holds, measured, overlap=overlap)


def within(share: float) -> str:
    """How near is near enough, for a claim's text: 'within 2 points'."""
    return f"within {100 * share:g} point{'' if math.isclose(share, 0.01) else 's'}"
