"""Students smaller and larger than the victim.

Paper:    beyond Kwon et al. 2023
Command:  copycost reproduce kwon2023 --analysis students
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 9 runs, 8 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.measures import Ranking
from copycost.presets.study import FINALS, Panel, Scale, Series, Study, varied


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run with each architecture."""
    return tuple(Series(name, varied(scale.cifar10, student=name)) for name in scale.students)


STUDY = Study(
    title="The student's architecture",
    statement="Must the copy be as large as the model, or larger?",
    series=series,
    panels=(*FINALS, Panel("accuracy over the run", "accuracy")),
    claims=(Ranking(),),
)
