"""Schedules of the learning rates: steps, cosine, constant.

Paper:    Kwon et al. 2023, figures 6 and 7, and beyond
Command:  copycost reproduce kwon2023 --analysis schedules
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 12 runs, 9 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.measures import Ranking
from copycost.presets.study import FINALS, Panel, Scale, Series, Study, each

SCHEDULES = {
    "steps at 0.5 and 0.8 (the paper)": "steps:0.5,0.8:0.3",
    "steps at 0.1, 0.3 and 0.5 (DFME)": "steps:0.1,0.3,0.5:0.3",
    "cosine": "cosine",
    "constant": "constant",
}


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run under each schedule."""
    return each(scale.cifar10, "schedule", SCHEDULES)


STUDY = Study(
    title="Schedules of the learning rates",
    statement="Does it matter how the learning rates fall?",
    series=series,
    panels=(*FINALS, Panel("accuracy over the run", "accuracy")),
    claims=(Ranking(),),
)
