"""Losses of generator and student over the epochs, CIFAR-10.

Paper:    Kwon et al. 2023, figure 2
Command:  copycost reproduce kwon2023 --figure 2
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 3 runs, 2 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: both shrink (reported, no numbers given)
"""

from __future__ import annotations

from copycost.claims.course import Shrinks
from copycost.presets.study import CIFAR10, Panel, Scale, Series, Study


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run."""
    return (Series(CIFAR10, scale.cifar10),)


STUDY = Study(
    figure=2,
    title="Generator loss and student loss, CIFAR-10",
    statement="The losses of generator and student both shrink on CIFAR-10.",
    series=series,
    panels=(
        Panel("generator loss (the gap it climbs)", "generator/gap"),
        Panel("student loss (the gap it descends)", "student/gap"),
    ),
    claims=(
        Shrinks(CIFAR10, "generator/gap", "the generator's loss"),
        Shrinks(CIFAR10, "student/gap", "the student's loss"),
    ),
)
