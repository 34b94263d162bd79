"""Measurements for questions on which the paper claims nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from copycost.claims.base import (
    Course,
    Courses,
    Finding,
    agreements,
    finals,
    finding,
    middle,
    overlapping,
)
from copycost.thresholds import SHARES_OF_VICTIM, knows_nothing, least_budgets

APART = "worst of the best minus best of the worst"
OTHERS, ALIKE = "number of the others", "number that seeds do not tell from the best"


@dataclass(frozen=True)
class Spread:
    """How much the result depends on the initial values."""

    series: str

    @property
    def text(self) -> str:
        """What is measured."""
        return f"spread over initial values ({self.series})"

    def judge(self, courses: Courses) -> Finding:
        """Ranges of final accuracy and agreement; the share of runs that learnt nothing."""
        runs = courses[self.series]
        (accuracies,) = finals(courses, self.series).values()
        measured = {
            "seeds": float(len(runs)),
            **_range("accuracy", accuracies),
            **_range("agreement", [run.final("agreement") for run in runs]),
            "share collapsed": fmean(
                knows_nothing(accuracy, runs[0].one_answer) for accuracy in accuracies
            ),
        }
        return finding(self.text, None, measured)


def _range(name: str, values: Sequence[float]) -> dict[str, float]:
    return {
        f"lowest {name}": min(values),
        f"median {name}": median(values),
        f"highest {name}": max(values),
    }


@dataclass(frozen=True)
class QueriesTo:
    """The budgets that give a copy certain shares of the victim's accuracy."""

    @property
    def text(self) -> str:
        """What is measured."""
        shares = ", ".join(f"{share:.0%}" for share in SHARES_OF_VICTIM)
        return f"smallest budget that reaches {shares} of the victim's accuracy"

    def judge(self, courses: Courses) -> Finding:
        """The smallest budget whose median reaches each share, and the range over single seeds.

        A budget that no median or no seed reaches is left out; how many seeds never reach a share
        is always said, so that a share which none reaches does not look as if nobody had looked.
        """
        middles = least_budgets(
            (runs[0].budget, middle(_share_of_victim(run) for run in runs))
            for runs in courses.values()
        )
        seeds = _by_seed(run for runs in courses.values() for run in runs)
        measured: dict[str, float] = {}
        for share, budget in middles.items():
            alone = [found[share] for found in seeds]
            reached = [float(least) for least in alone if least is not None]
            if budget is not None:
                measured[f"queries to {share}"] = float(budget)
            if reached:
                measured[f"queries to {share}, first seed"] = min(reached)
                measured[f"queries to {share}, last seed to reach it"] = max(reached)
            measured[f"seeds that never reach {share}"] = float(len(alone) - len(reached))
        return finding(self.text, None, measured)


def _by_seed(runs: Iterable[Course]) -> list[dict[str, int | None]]:
    """The result of `least_budgets` for every seed's own runs."""
    found: dict[int, list[tuple[int, float]]] = {}
    for run in runs:
        found.setdefault(run.seed, []).append((run.budget, _share_of_victim(run)))
    return [least_budgets(reached) for reached in found.values()]


def _share_of_victim(run: Course) -> float:
    """Final accuracy over the victim's; NaN, which reaches no share, if the victim's is 0."""
    return run.final("accuracy") / (run.victim_accuracy or math.nan)


@dataclass(frozen=True)
class Ranking:
    """Which series ends best and which worst, and whether seeds alone may explain it."""

    @property
    def text(self) -> str:
        """What is measured."""
        return "best and worst at the end, by median accuracy"

    def judge(self, courses: Courses) -> Finding:
        """Median accuracies of best and worst; with several seeds, the gap between their ranges.

        The best and worst of many series differ by chance alone, so the series whose range
        overlaps with that of the best are counted as well.
        """
        found = finals(courses, *courses)
        order = sorted(found, key=lambda name: median(found[name]))
        worst, best = order[0], order[-1]
        measured = {
            f"best: {best}": median(found[best]),
            f"worst: {worst}": median(found[worst]),
            **agreements(courses, best, worst),
        }
        if min(len(found[best]), len(found[worst])) > 1:
            measured[APART] = min(found[best]) - max(found[worst])
            alike = [name for name in order[:-1] if overlapping(found[name], found[best])]
            measured[OTHERS], measured[ALIKE] = float(len(order) - 1), float(len(alike))
        return finding(self.text, None, measured)


@dataclass(frozen=True)
class Grid:
    """How far each of two settings moves the result, and where among its values the best lies."""

    first: str
    second: str
    """What the settings are called."""
    places: Mapping[str, tuple[float, float]]
    """The values of both settings, by series: every combination once."""

    @property
    def text(self) -> str:
        """What is measured."""
        return f"how far {self.first} and {self.second} move the median accuracy"

    def judge(self, courses: Courses) -> Finding:
        """The distance from best to worst over one setting: its median over values of the other."""
        medians, agreed = (self._medians(courses, value) for value in ("accuracy", "agreement"))
        best = max(medians, key=lambda place: medians[place])
        measured: dict[str, float] = {}
        for axis, name in enumerate((self.first, self.second)):
            values = [place[axis] for place in medians]
            measured |= {
                f"moved by {name}": _moved(medians, axis),
                f"moved in agreement by {name}": _moved(agreed, axis),
                f"{name} that ends highest": best[axis],
                f"{name}, least tried": min(values),
                f"{name}, most tried": max(values),
            }
        return finding(self.text, None, measured)

    def _medians(self, courses: Courses, value: str) -> dict[tuple[float, float], float]:
        found = finals(courses, *courses, value=value)
        return {self.places[name]: middle(values) for name, values in found.items()}


def _moved(medians: Mapping[tuple[float, float], float], axis: int) -> float:
    """Median over the other axis of the distance from best to worst over this one."""
    lines: dict[float, list[float]] = {}
    for place, value in medians.items():
        lines.setdefault(place[1 - axis], []).append(value)
    return middle(max(line) - min(line) for line in lines.values())
