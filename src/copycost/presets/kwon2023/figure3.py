"""Losses of generator and student over the epochs, SVHN.

Paper:    Kwon et al. 2023, figure 3
Command:  copycost reproduce kwon2023 --figure 3
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 6 runs, 5 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: both shrink, further than on CIFAR-10 (reported, no numbers given)
"""

from __future__ import annotations

from copycost.claims.course import Shrinks, ShrinksFurther
from copycost.presets.study import CIFAR10, SVHN, Panel, Scale, Series, Study


def series(scale: Scale) -> tuple[Series, ...]:
    """The base runs of both data sets, as the statement compares them."""
    return (Series(SVHN, scale.svhn), Series(CIFAR10, scale.cifar10))


STUDY = Study(
    figure=3,
    title="Generator loss and student loss, SVHN",
    statement="The losses of generator and student both shrink on SVHN, further than on CIFAR-10.",
    series=series,
    panels=(
        Panel("generator loss (the gap it climbs)", "generator/gap"),
        Panel("student loss (the gap it descends)", "student/gap"),
    ),
    claims=(
        Shrinks(SVHN, "generator/gap", "the generator's loss"),
        Shrinks(SVHN, "student/gap", "the student's loss"),
        ShrinksFurther(SVHN, CIFAR10, "generator/gap", "the generator's loss"),
        ShrinksFurther(SVHN, CIFAR10, "student/gap", "the student's loss"),
    ),
)
