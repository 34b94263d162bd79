"""Learning rates of generator and student, over a grid.

Paper:    Kwon et al. 2023, its parameter "learning rate"
Command:  copycost reproduce kwon2023 --analysis learning-rates
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 27 runs, 16 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.measures import Grid, Ranking
from copycost.presets.study import FINALS, Scale, Series, Study, varied

GENERATOR_RATES = (1e-4, 5e-4, 2.5e-3)
"""DFME's, the paper's, and five times the paper's."""
STUDENT_RATES = (0.03, 0.1, 0.3)
"""The paper's in the middle."""


GRID = {
    f"generator {of_generator:g}, student {of_student:g}": (of_generator, of_student)
    for of_generator in GENERATOR_RATES
    for of_student in STUDENT_RATES
}
"""Every combination, by its label."""


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run at every point of the grid."""
    return tuple(
        Series(
            label,
            varied(
                scale.cifar10, settings={"generator_lr": of_generator, "student_lr": of_student}
            ),
        )
        for label, (of_generator, of_student) in GRID.items()
    )


STUDY = Study(
    title="Learning rates of generator and student",
    statement="Which rates suit the two players, and which of the two matters?",
    series=series,
    panels=FINALS,
    claims=(Ranking(), Grid("the generator's rate", "the student's rate", GRID)),
)
