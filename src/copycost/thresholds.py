"""What counts as having learnt nothing, and from when on a copy has reached its victim's accuracy.

The same rules serve flags, reports, comparisons of attacks and the claims of papers.
"""

from __future__ import annotations

from collections.abc import Iterable

ROUNDING = 1e-9
"""Tolerance for rounding, so that 0.50 and 0.48 are within 0.02 of each other."""
SHARES_OF_VICTIM = (0.5, 0.8, 0.9, 0.95)
TIMES_ONE_ANSWER = 1.5
ABOVE_ONE_ANSWER = 0.1
"""A model knows nothing if its accuracy is at most `TIMES_ONE_ANSWER` times that of one answer to
everything, and at most that plus `ABOVE_ONE_ANSWER` of the rest. The first bound decides for many
classes, the second for few or unbalanced ones."""


def knows_nothing(accuracy: float, one_answer: float) -> bool:
    """Whether a student, or a victim, does hardly better than one answer to everything.

    Both arguments are accuracies; `one_answer` is that of always naming the commonest class, 1/K
    for K equally common classes.
    """
    times, above = (TIMES_ONE_ANSWER - 1) * one_answer, ABOVE_ONE_ANSWER * (1 - one_answer)
    return accuracy <= one_answer + min(times, above)


def least_budgets(reached: Iterable[tuple[int, float]]) -> dict[str, int | None]:
    """By share of the victim's accuracy ('90%'), the smallest budget that reaches it, or None.

    `reached` holds pairs of a budget and the share that a copy reaches with it.
    """
    found = sorted(reached)
    return {
        f"{share:.0%}": next((budget for budget, best in found if best >= share - ROUNDING), None)
        for share in SHARES_OF_VICTIM
    }
