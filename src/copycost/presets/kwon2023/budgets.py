"""Accuracy and agreement against the query budget.

Paper:    Kwon et al. 2023, its limit "2 million queries"
Command:  copycost reproduce kwon2023 --analysis budgets
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 15 runs, 10 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.measures import QueriesTo
from copycost.presets.study import Panel, Scale, Series, Study, varied


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run at each budget, from a fresh student each time: schedules follow the budget."""
    return tuple(
        Series(f"{budget:,} queries", varied(scale.cifar10, budget=budget))
        for budget in scale.budgets
    )


STUDY = Study(
    title="What a budget buys",
    statement="How many queries does a copy of a given quality need?",
    series=series,
    panels=(
        Panel("accuracy", "accuracy", "budget"),
        Panel("agreement", "agreement", "budget"),
    ),
    claims=(QueriesTo(),),
)
