"""Loss values of both players.

Paper:    Kwon et al. 2023, figures 2 and 3
Command:  copycost reproduce kwon2023 --analysis losses
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 6 runs, 5 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.course import Shrinks
from copycost.presets.study import CIFAR10, COURSES, SVHN, Panel, Study, both

STUDY = Study(
    title="Loss values of both players",
    statement="How do the losses of the two players go together with what the copy has learnt?",
    series=both,
    panels=(
        Panel("generator loss", "generator/gap"),
        Panel("student loss", "student/gap"),
        *COURSES,
    ),
    claims=tuple(
        Shrinks(name, value, f"the {value.partition('/')[0]}'s loss")
        for name in (CIFAR10, SVHN)
        for value in ("generator/gap", "student/gap")
    ),
)
