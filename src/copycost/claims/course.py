"""Claims about the course of a value over the queries.

A run that diverged has no course. The other runs then decide, and the finding says that chance may
have decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from operator import gt, lt

from copycost.claims.base import (
    Course,
    Courses,
    Finding,
    any_lost,
    compared,
    divided,
    finals,
    finding,
    middle,
    none_learnt,
    within,
)
from copycost.thresholds import ROUNDING


@dataclass(frozen=True)
class Shrinks:
    """A value is lower at the end of a run than at its beginning."""

    series: str
    value: str
    what: str

    @property
    def text(self) -> str:
        """The sentence."""
        return f"{self.what} shrinks ({self.series})"

    def judge(self, courses: Courses) -> Finding:
        """Compare medians over seeds of the first measurement and the last fifth of the budget.

        Chance may have decided if some runs rise and others fall. Each run is compared with
        itself, so the spread between runs does not matter.
        """
        runs = courses[self.series]
        early = [run.early(self.value) for run in runs]
        late = [run.late(self.value) for run in runs]
        pairs = zip(early, late, strict=True)
        ways = [end < start for start, end in pairs if isfinite(end - start)]
        seeds = {"early": early, "late": late}
        return finding(
            self.text,
            middle(late) < middle(early),
            {name: middle(values) for name, values in seeds.items()},
            seeds=seeds,
            overlap=divided(ways) or any_lost(courses, self.series),
        )


@dataclass(frozen=True)
class ShrinksFurther:
    """A value's end, as a share of its beginning, is lower in one series than in another."""

    series: str
    than: str
    value: str
    what: str

    @property
    def text(self) -> str:
        """The sentence."""
        return f"{self.what} shrinks further on {self.series} than on {self.than}"

    def judge(self, courses: Courses) -> Finding:
        """Compare the medians over seeds of late / early."""
        names = (self.series, self.than)
        ratios = {name: self._ratios(courses[name]) for name in names}
        lost = any_lost(courses, *names)
        return compared(self.text, "late/early", ratios, lt, chance=lost)

    def _ratios(self, runs: Sequence[Course]) -> list[float]:
        pairs = [(run.late(self.value), run.early(self.value)) for run in runs]
        return [late / early if early else nan for late, early in pairs]


@dataclass(frozen=True)
class EndsLower:
    """A value is lower at the end in one series than in another."""

    series: str
    than: str
    value: str
    what: str

    @property
    def text(self) -> str:
        """The sentence."""
        return f"{self.what} is lower on {self.series} than on {self.than}"

    def judge(self, courses: Courses) -> Finding:
        """Compare the medians over seeds of the mean over the last fifth of the budget."""
        names = (self.series, self.than)
        late = {name: [run.late(self.value) for run in courses[name]] for name in names}
        return compared(self.text, "late", late, lt, chance=any_lost(courses, *names))


@dataclass(frozen=True)
class BetterEarly:
    """One series is ahead of another in the first share of the budget."""

    series: str
    than: str
    before: float = 0.1

    @property
    def text(self) -> str:
        """The sentence."""
        return f"{self.series} is ahead of {self.than} in the first {self.before:.0%} of the run"

    def judge(self, courses: Courses) -> Finding:
        """Compare the medians over seeds of the mean accuracy in this share of the budget.

        Agreement is shown beside it.
        """
        names = (self.series, self.than)
        early, agreed = (self._means(courses, value) for value in ("accuracy", "agreement"))
        chance = any_lost(courses, *names) or none_learnt(courses, early)
        beside = {f"early agreement, {name}": found for name, found in agreed.items()}
        return compared(self.text, "early accuracy", early, gt, beside, chance=chance)

    def _means(self, courses: Courses, value: str) -> dict[str, list[float]]:
        names = (self.series, self.than)
        return {name: [run.mean(value, 0, self.before) for run in courses[name]] for name in names}


@dataclass(frozen=True)
class FlatAfter:
    """From some share of the budget on, accuracy stays near where it ends."""

    series: str
    after: float
    within: float = 0.01

    @property
    def text(self) -> str:
        """The sentence."""
        near = within(self.within)
        return f"accuracy is flat after {self.after:.0%} of the run, {near} ({self.series})"

    def judge(self, courses: Courses) -> Finding:
        """Judge by the median over seeds of the largest distance from the final accuracy.

        A student that never learns is flat, too, so chance may have decided then.
        """
        found, agreed = (
            [self._farthest(run, value) for run in courses[self.series]]
            for value in ("accuracy", "agreement")
        )
        name, near = f"farthest from the end, {self.series}", self.within + ROUNDING
        beside = f"farthest from the end in agreement, {self.series}"
        unlearnt = none_learnt(courses, finals(courses, self.series))
        apart = divided(one <= near for one in found if isfinite(one))
        return finding(
            self.text,
            middle(found) <= near,
            {name: middle(found), beside: middle(agreed)},
            seeds={name: found, beside: agreed},
            overlap=apart or unlearnt or any_lost(courses, self.series),
        )

    def _farthest(self, run: Course, value: str) -> float:
        if run.diverged:  # its single point would look flat
            return nan
        end = run.final(value)
        later = zip(run.queries, run.of(value), strict=True)
        return max(abs(v - end) for q, v in later if q >= self.after * run.budget)
