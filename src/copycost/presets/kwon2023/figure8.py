"""Accuracy with logits corrected by their mean and not at all, CIFAR-10.

Paper:    Kwon et al. 2023, figure 8
Command:  copycost reproduce kwon2023 --figure 8
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 6 runs, 4 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: the mean is better (reported, no numbers given)
"""

from __future__ import annotations

from copycost.claims.final import Better
from copycost.presets.study import COURSES, Scale, Series, Study, each

MEAN, NONE = "mean correction", "no correction"


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run, and the same with log-probabilities as they are."""
    base = scale.cifar10
    return (Series(MEAN, base), *each(base, "recovery", {NONE: "none"}))


STUDY = Study(
    figure=8,
    title="Accuracy with and without logit correction, CIFAR-10",
    statement="Correcting logits by their mean is better than not correcting them on CIFAR-10.",
    series=series,
    panels=COURSES,
    claims=(Better(MEAN, NONE),),
)
