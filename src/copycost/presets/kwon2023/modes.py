"""Batch norms of generator and student in training or evaluation mode during queries.

Paper:    beyond Kwon et al. 2023: reference implementations differ
Command:  copycost reproduce kwon2023 --analysis modes
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 12 runs, 9 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.measures import Ranking
from copycost.presets.study import FINALS, Panel, Scale, Series, Study, varied

MODES = {
    "generator train, student eval (DFME)": ("train", "eval"),
    "generator train, student train (MAZE)": ("train", "train"),
    "generator eval, student eval (DisGUIDE)": ("eval", "eval"),
    "generator eval, student train": ("eval", "train"),
}


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run in each combination."""
    return tuple(
        Series(
            label,
            varied(
                scale.cifar10, settings={"generator_mode": of_generator, "student_mode": of_student}
            ),
        )
        for label, (of_generator, of_student) in MODES.items()
    )


STUDY = Study(
    title="Modes of the networks while they are asked",
    statement="Does it matter whether batch norms use the batch's statistics or running ones?",
    series=series,
    panels=(*FINALS, Panel("accuracy over the run", "accuracy")),
    claims=(Ranking(),),
)
