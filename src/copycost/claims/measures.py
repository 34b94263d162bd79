"""What is measured where nothing is claimed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median

from copycost.claims.base import Course, Courses, Finding, finding, middle

SHARES_OF_VICTIM = (0.5, 0.8, 0.9, 0.95)
APART = "worst of the best minus best of the worst"
TIMES_ONE_ANSWER = 1.5
ABOVE_ONE_ANSWER = 0.1
"""Who knows nothing is right at most this many times as often as one answer to everything, and
beyond it on no more than this share of the rest. The first decides for many classes, the second
for few or unbalanced ones."""


def knows_nothing(accuracy: float, one_answer: float) -> bool:
    """Whether a student, or a victim, does hardly better than one answer to everything.

    Both are shares of inputs got right; `one_answer` that of always giving the commonest class,
    1/K for K classes that are equally common.
    """
    times, above = (TIMES_ONE_ANSWER - 1) * one_answer, ABOVE_ONE_ANSWER * (1 - one_answer)
    return accuracy <= one_answer + min(times, above)


def least_budgets(reached: Iterable[tuple[int, float]]) -> dict[str, int | None]:
    """By the share of the victim's accuracy ('90%'), the least budget that reaches it, or None.

    `reached` holds budgets, each with the share that the copy has after it.
    """
    found = sorted(reached)
    return {
        f"{share:.0%}": next((budget for budget, best in found if best >= share), None)
        for share in SHARES_OF_VICTIM
    }


@dataclass(frozen=True)
class Spread:
    """How much the result depends on the initial values."""

    series: str

    @property
    def text(self) -> str:
        """What is measured."""
        return f"spread over initial values ({self.series})"

    def judge(self, courses: Courses) -> Finding:
        """Range of the last accuracies, and the share of runs whose student learnt nothing."""
        runs = courses[self.series]
        finals = [run.final("accuracy") for run in runs]
        measured = {
            "seeds": float(len(runs)),
            "lowest accuracy": min(finals),
            "median accuracy": median(finals),
            "highest accuracy": max(finals),
            "share collapsed": fmean(knows_nothing(final, 1 / runs[0].classes) for final in finals),
        }
        return finding(self.text, None, measured)


@dataclass(frozen=True)
class QueriesTo:
    """Queries at which the copy has some share of the victim's accuracy."""

    @property
    def text(self) -> str:
        """What is measured."""
        shares = ", ".join(f"{share:.0%}" for share in SHARES_OF_VICTIM)
        return f"smallest budget that reaches {shares} of the victim's accuracy"

    def judge(self, courses: Courses) -> Finding:
        """The least budget tried whose median reaches it; shares not reached are left out."""
        reached = (
            (runs[0].budget, middle(_share_of_victim(run) for run in runs))
            for runs in courses.values()
        )
        found = least_budgets(reached)
        measured = {f"queries to {share}": float(b) for share, b in found.items() if b is not None}
        return finding(self.text, None, measured)


def _share_of_victim(run: Course) -> float:
    """Of the victim's accuracy; shares of nothing are reached by nobody, as in the bench."""
    return run.final("accuracy") / (run.victim_accuracy or math.nan)


@dataclass(frozen=True)
class Ranking:
    """Which series ends best and which worst, and whether seeds could have done it."""

    @property
    def text(self) -> str:
        """What is measured."""
        return "best and worst at the end, by median accuracy"

    def judge(self, courses: Courses) -> Finding:
        """Median accuracies of best and worst, and how far their ranges are apart if they are."""
        finals = {name: [r.final("accuracy") for r in runs] for name, runs in courses.items()}
        order = sorted(finals, key=lambda name: median(finals[name]))
        worst, best = order[0], order[-1]
        measured = {
            f"best: {best}": median(finals[best]),
            f"worst: {worst}": median(finals[worst]),
        }
        if min(len(finals[best]), len(finals[worst])) > 1:
            apart = min(finals[best]) - max(finals[worst])
            measured[APART] = apart
        return finding(self.text, None, measured)
