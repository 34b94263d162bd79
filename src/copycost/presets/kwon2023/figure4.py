"""Norm of the gradient of the L1 loss over the epochs, both data sets.

Paper:    Kwon et al. 2023, figure 4
Command:  copycost reproduce kwon2023 --figure 4
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 6 runs, 5 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: it falls, and is lower on SVHN (reported, no numbers given)
"""

from __future__ import annotations

from copycost.claims.course import EndsLower, Shrinks
from copycost.presets.study import CIFAR10, SVHN, Panel, Study, both

# The paper does not say whose gradient it is. The loss is the student's, so the claims are about
# the student's gradient.
NORM = "student/gradient norm"
WHAT = "the norm of the loss's gradient over the student's weights"


STUDY = Study(
    figure=4,
    title="Norm of the gradient of the L1 loss",
    statement="The norm of the gradient of the L1 loss falls, and is lower on SVHN.",
    series=both,
    panels=(
        Panel("gradient over the student's weights", NORM),
        Panel("gradient over the generator's weights", "generator/gradient norm"),
        Panel("estimated gradient over one input", "estimate/norm"),
    ),
    claims=(
        Shrinks(CIFAR10, NORM, WHAT),
        Shrinks(SVHN, NORM, WHAT),
        EndsLower(SVHN, CIFAR10, NORM, WHAT),
    ),
)
