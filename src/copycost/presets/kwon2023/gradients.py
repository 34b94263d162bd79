"""Norms of gradients, and the true gradient beside its estimate.

Paper:    Kwon et al. 2023, figure 4, and its remark on vanishing gradients
Command:  copycost reproduce kwon2023 --analysis gradients
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 6 runs, 5 minutes in all; full: not measured yet, `--dry-run` estimates it
          without the diagnosis, which is timed in its own record
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.course import Shrinks
from copycost.presets.study import CIFAR10, COURSES, SVHN, Panel, Study, both

NORMS = {
    "student/gradient norm": "the norm of the student's gradient",
    "generator/gradient norm": "the norm of the generator's gradient",
    "estimate/norm": "the norm of the estimated input gradient",
}


STUDY = Study(
    title="Gradients: how large, and how true",
    statement="Do gradients vanish as the paper warns, and is the estimate still one when they do?",
    series=both,
    panels=(
        *(Panel(what, value) for value, what in NORMS.items()),
        *COURSES,
    ),
    claims=tuple(
        Shrinks(name, value, what) for name in (CIFAR10, SVHN) for value, what in NORMS.items()
    ),
    diagnostic=True,
)
