"""The norm of the loss: L1 averaged or summed over classes, L2, KL.

Paper:    Kwon et al. 2023, its parameter "norm"
Command:  copycost reproduce kwon2023 --analysis loss-norm
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 12 runs, 12 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.measures import Ranking
from copycost.presets.study import FINALS, Panel, Scale, Series, Study, each

LOSSES = {
    "L1, mean over classes (DFME's code)": "l1",
    "L1, sum over classes (the formula)": "l1-sum",
    "L2": "l2",
    "KL": "kl",
}


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run with each loss for both players."""
    return each(scale.cifar10, "loss", LOSSES)


STUDY = Study(
    title="The norm of the loss",
    statement="Which distance between student and victim should the two play for?",
    series=series,
    panels=(*FINALS, Panel("accuracy over the run", "accuracy")),
    claims=(Ranking(),),
    caveats=("The learning rates are the base's for all losses, and were chosen for the L1 mean.",),
)
