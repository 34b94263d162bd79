"""Accuracy with logits corrected by their mean and not at all, SVHN.

Paper:    Kwon et al. 2023, figure 9
Command:  copycost reproduce kwon2023 --figure 9
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 6 runs, 7 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: about equal; none a little better at the start (reported, no numbers given)
"""

from __future__ import annotations

from copycost.claims.course import BetterEarly
from copycost.claims.final import AboutEqual
from copycost.presets.study import COURSES, Scale, Series, Study, each

MEAN, NONE = "mean correction", "no correction"


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run, and the same with log-probabilities as they are."""
    base = scale.svhn
    return (Series(MEAN, base), *each(base, "recovery", {NONE: "none"}))


STUDY = Study(
    figure=9,
    title="Accuracy with and without logit correction, SVHN",
    statement="On SVHN both are about equal; none is a little better at the start.",
    series=series,
    panels=COURSES,
    claims=(AboutEqual(MEAN, NONE), BetterEarly(NONE, MEAN)),
)
