"""A paper's statements about its curves, in a form that measurements can contradict.

A claim judges the courses of runs, given by the names of their series, and returns a `Finding`:
whether it holds, and the numbers that decide it. Claims are pure functions of plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from statistics import fmean, median
from typing import Protocol

from copycost.thresholds import knows_nothing

EDGE = 0.2
"""Share of a run that counts as its beginning, and as its end."""

LATE = 0.01
"""Share of the budget by which a measurement may be late, as it waits for the end of a step."""


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
    """Share of held-out inputs that the best single answer to all of them gets right."""
    comparable: bool = True
    """Whether published numbers are about such a run: the same data, networks and budget."""
    diverged: bool = False
    """Whether the run was lost to NaN or infinity, and counts as one that learnt nothing."""

    def lost(self, seed: int) -> Course:
        """A run like this one with another seed, which diverged: accuracy and agreement are 0.

        Without such runs, medians would flatter the attack.
        """
        nothing = dict.fromkeys(self.values.keys() & {"accuracy", "agreement"}, (0.0,))
        return replace(self, seed=seed, queries=(self.budget,), values=nothing, diverged=True)

    def of(self, value: str) -> tuple[float, ...]:
        """The measurements of `value`, [P]; all NaN if this run never measured it."""
        return self.values.get(value, (math.nan,) * len(self.queries))

    def final(self, value: str) -> float:
        """The last measurement of `value`: that of the final student."""
        return self.of(value)[-1]

    def mean(self, value: str, start: float, end: float) -> float:
        """Mean of the measurements between two shares of the budget, `start` excluded.

        A late measurement counts where it was due, if it is late by at most `LATE` and by at
        most half of the average interval. NaN without any measurement.
        """
        found = self._between(value, start, end)
        return fmean(found) if found else math.nan

    def early(self, value: str) -> float:
        """The first measurement in the beginning of the run, the fresh student excluded.

        Not a mean over the beginning, in which the value that falls fastest would seem to fall
        least. A loss is already a mean, over all steps since the last measurement.
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
"""By the name of a series, its runs that finished or diverged: at least one, and one per seed."""


@dataclass(frozen=True)
class Finding:
    """The outcome of judging a claim by measurements."""

    text: str
    holds: bool | None
    """None if nothing is claimed, only measured, or if the finding is not `comparable`."""
    measured: dict[str, float] = field(default_factory=dict)
    """The numbers by their full names. No number is NaN: missing ones are left out."""
    reported: float | None = None
    """The paper's number, where it gives one."""
    overlap: bool = False
    """Whether chance may have decided: single seeds would decide otherwise than the medians do, no
    student compared has learnt anything, or a claim about courses rests on the seeds that did not
    diverge."""
    comparable: bool = True
    """False where a published number is about other data, networks or budgets than the runs."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The lowest and the highest over seeds, of numbers in `measured` that are medians of several
    seeds. Not of all final accuracies and agreements: a page has those beside the series."""

    @property
    def gap(self) -> float | None:
        """Measured minus reported; None unless there are both and they are comparable."""
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
        """Judge the claim by runs; `courses` holds all series of its study."""
        ...


def middle(values: Iterable[float]) -> float:
    """Median of the finite values; NaN if there are none."""
    found = [value for value in values if math.isfinite(value)]
    return median(found) if found else math.nan


def finals(courses: Courses, *names: str, value: str = "accuracy") -> dict[str, list[float]]:
    """The final `value` of each series, one per seed, by its name."""
    return {name: [run.final(value) for run in courses[name]] for name in names}


def agreements(courses: Courses, *names: str) -> dict[str, float]:
    """Median final agreement of each series, to show beside its accuracy."""
    found = finals(courses, *names, value="agreement")
    return {f"agreement, {name}": middle(values) for name, values in found.items()}


def finding(
    text: str,
    holds: bool | None,
    measured: dict[str, float],
    reported: float | None = None,
    *,
    seeds: Mapping[str, Iterable[float]] | None = None,
    overlap: bool = False,
    comparable: bool = True,
) -> Finding:
    """Make a finding. Comparisons with NaN are false, so a claim without measurements fails.

    `seeds` holds the single numbers, one per seed, of medians in `measured`.
    """
    finite = {name: value for name, value in measured.items() if math.isfinite(value)}
    known = holds if comparable else None
    overlap = overlap and known is not None
    return Finding(text, known, finite, reported, overlap, comparable, _ranges(seeds or {}))


def _ranges(seeds: Mapping[str, Iterable[float]]) -> dict[str, tuple[float, float]]:
    """The lowest and the highest finite number by name, where there are several."""
    found = {name: [*filter(math.isfinite, values)] for name, values in seeds.items()}
    return {name: (min(one), max(one)) for name, one in found.items() if len(one) > 1}


def overlapping(first: Iterable[float], second: Iterable[float]) -> bool:
    """Whether the ranges of two sets of numbers overlap; NaN is ignored.

    False for one number each: they have no range, and say nothing about other seeds.
    """
    one, other = ([v for v in values if math.isfinite(v)] for values in (first, second))
    if not one or not other or len(one) + len(other) == 2:
        return False
    return min(one) <= max(other) and min(other) <= max(one)


def any_lost(courses: Courses, *names: str) -> bool:
    """Whether a run of these series diverged: its final accuracy is 0, and it has no course."""
    return any(run.diverged for name in names for run in courses[name])


def none_learnt(courses: Courses, found: Mapping[str, Sequence[float]]) -> bool:
    """Whether the students of all series know nothing by their medians, so that chance orders them.

    `found` holds accuracies, one per seed, by the name of the series.
    """
    return all(
        knows_nothing(middle(accuracies), courses[name][0].one_answer)
        for name, accuracies in found.items()
    )


def divided(verdicts: Iterable[object]) -> bool:
    """Whether single seeds, or pairs of them, say different things, so that chance may decide."""
    return len(set(verdicts)) > 1


def compared(
    text: str,
    what: str,
    found: Mapping[str, Sequence[float]],
    ahead: Callable[[float, float], bool],
    beside: Mapping[str, Sequence[float]] | None = None,
    *,
    way: Callable[[float, float], object] | None = None,
    chance: bool = False,
) -> Finding:
    """Judge whether the first of two series is `ahead` of the second, by medians over seeds.

    `found` holds one number per seed, by the name of the series; `what` names this number. Those
    in `beside`, by their full names, are only shown. Chance may have decided if pairs of seeds, one
    of each series, say different things by `way`, as a rule `ahead`; or if `chance` says so.
    """
    seeds = {f"{what}, {name}": values for name, values in found.items()} | dict(beside or {})
    medians = {name: middle(values) for name, values in seeds.items()}
    pairs = [pair for pair in product(*found.values()) if all(map(math.isfinite, pair))]
    overlap = chance or divided((way or ahead)(*pair) for pair in pairs)
    holds = ahead(*map(middle, found.values()))
    return finding(text, holds, medians, seeds=seeds, overlap=overlap)


def within(share: float) -> str:
    """A tolerance in words, for a claim's text: 'within 2 points'."""
    return f"within {100 * share:g} point{'' if math.isclose(share, 0.01) else 's'}"
