"""Accuracy with a multistep and with a cosine schedule, CIFAR-10.

Paper:    Kwon et al. 2023, figure 6
Command:  copycost reproduce kwon2023 --figure 6
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 6 runs, 4 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: both learn and end about equal (reported, no numbers given)
"""

from __future__ import annotations

from copycost.claims.final import AboutEqual, Learns
from copycost.presets.study import COURSES, Scale, Series, Study, each

STEPS, COSINE = "multistep", "cosine"


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run, and the same with a cosine."""
    base = scale.cifar10
    return (Series(STEPS, base), *each(base, "schedule", {COSINE: "cosine"}))


STUDY = Study(
    figure=6,
    title="Accuracy with a multistep and a cosine schedule, CIFAR-10",
    statement="With both schedules the student learns on CIFAR-10, about equally well.",
    series=series,
    panels=COURSES,
    claims=(Learns(STEPS), Learns(COSINE), AboutEqual(STEPS, COSINE)),
)
