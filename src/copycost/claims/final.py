"""Claims about the final student, at the end of the budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from operator import ge, gt

from copycost.claims.base import (
    Courses,
    Finding,
    agreements,
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
class Reaches:
    """The final student reaches a published accuracy."""

    series: str
    reported: float
    """A share in [0, 1]."""
    within: float = 0.01
    """How far below `reported` still counts as reached."""

    @property
    def text(self) -> str:
        """The sentence."""
        near = within(self.within)
        return f"the student reaches {self.reported:.2%} accuracy, {near} ({self.series})"

    def judge(self, courses: Courses) -> Finding:
        """Judge by the median final accuracy over seeds; comparable only if every run is."""
        runs = courses[self.series]
        final, holds, overlap = _least(courses, self.series, self.reported - self.within - ROUNDING)
        measured = {
            f"accuracy, {self.series}": final,
            **agreements(courses, self.series),
            f"accuracy of the victim, {self.series}": runs[0].victim_accuracy,
        }
        comparable = all(run.comparable for run in runs)
        return finding(
            self.text, holds, measured, self.reported, overlap=overlap, comparable=comparable
        )


@dataclass(frozen=True)
class Learns:
    """The final student is right at least `times_chance` times as often as chance."""

    series: str
    times_chance: float = 3.0

    @property
    def text(self) -> str:
        """The sentence."""
        return f"the student learns ({self.series})"

    def judge(self, courses: Courses) -> Finding:
        """Judge by the median final accuracy over seeds."""
        least = self.times_chance / courses[self.series][0].classes
        final, holds, overlap = _least(courses, self.series, least)
        measured = {f"accuracy, {self.series}": final, **agreements(courses, self.series)}
        return finding(self.text, holds, measured, overlap=overlap)


@dataclass(frozen=True)
class AboutEqual:
    """Two series end with about the same accuracy."""

    series: str
    other: str
    within: float = 0.02

    @property
    def text(self) -> str:
        """The sentence."""
        return f"{self.series} and {self.other} end about equal ({within(self.within)})"

    def judge(self, courses: Courses) -> Finding:
        """Compare the median final accuracies over seeds."""
        return _ends(self.text, courses, (self.series, self.other), self._near, self._way)

    def _near(self, first: float, second: float) -> bool:
        return abs(first - second) <= self.within + ROUNDING

    def _way(self, first: float, second: float) -> int:
        """0 for near, else 1 or -1: seeds that are apart in both directions disagree as well."""
        return 0 if self._near(first, second) else 1 if first > second else -1


@dataclass(frozen=True)
class Better:
    """One series ends with a higher accuracy than another."""

    series: str
    than: str

    @property
    def text(self) -> str:
        """The sentence."""
        return f"{self.series} ends better than {self.than}"

    def judge(self, courses: Courses) -> Finding:
        """Compare the median final accuracies over seeds."""
        return _ends(self.text, courses, (self.series, self.than), gt)


@dataclass(frozen=True)
class Bounds:
    """No other series ends better than one that is meant as the upper bound."""

    series: str

    @property
    def text(self) -> str:
        """The sentence."""
        return f"nothing ends better than {self.series}, meant as the upper bound"

    def judge(self, courses: Courses) -> Finding:
        """Compare its median final accuracy over seeds with the best of the others."""
        medians = {n: middle(found) for n, found in finals(courses, *courses).items()}
        best = max(medians.keys() - {self.series}, key=lambda name: (medians[name], name))
        return _ends(self.text, courses, (self.series, best), ge)


def _ends(
    text: str,
    courses: Courses,
    names: tuple[str, str],
    ahead: Callable[[float, float], bool],
    way: Callable[[float, float], object] | None = None,
) -> Finding:
    """Compare two series by their final accuracies; agreement is shown beside them."""
    found = finals(courses, *names)
    agreed = finals(courses, *names, value="agreement")
    beside = {f"agreement, {name}": values for name, values in agreed.items()}
    chance = none_learnt(courses, found)
    return compared(text, "accuracy", found, ahead, beside, way=way, chance=chance)


def _least(courses: Courses, name: str, least: float) -> tuple[float, bool, bool]:
    """Median final accuracy of a series, whether it is at least `least`, and if seeds differ."""
    (found,) = finals(courses, name).values()
    final, verdicts = middle(found), [one >= least for one in found if isfinite(one)]
    return final, final >= least, divided(verdicts)
