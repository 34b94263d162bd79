"""Accuracy with a multistep and with a cosine schedule, SVHN.

Paper:    Kwon et al. 2023, figure 7
Command:  copycost reproduce kwon2023 --figure 7
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 6 runs, 6 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: about equal; flat at about 96 % from epoch 20 of 200 (reported)
"""

from __future__ import annotations

from copycost.claims.course import FlatAfter
from copycost.claims.final import AboutEqual, Reaches
from copycost.presets.study import COURSES, Scale, Series, Study, each

STEPS, COSINE = "multistep", "cosine"
LEVEL = 0.96
EPOCH_20 = 20 / 200


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run, and the same with a cosine."""
    base = scale.svhn
    return (Series(STEPS, base), *each(base, "schedule", {COSINE: "cosine"}))


STUDY = Study(
    figure=7,
    title="Accuracy with a multistep and a cosine schedule, SVHN",
    statement="Both schedules do about equally well on SVHN; flat at about 96 % from epoch 20.",
    series=series,
    panels=COURSES,
    claims=(
        AboutEqual(STEPS, COSINE),
        Reaches(STEPS, LEVEL),
        FlatAfter(STEPS, EPOCH_20),
        FlatAfter(COSINE, EPOCH_20),
    ),
)
