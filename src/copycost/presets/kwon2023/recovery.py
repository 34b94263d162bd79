"""Logit recovery: mean, minimum, none, and the true logits as the upper bound.

Paper:    Kwon et al. 2023, figures 8 and 9, and beyond
Command:  copycost reproduce kwon2023 --analysis recovery
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 12 runs, 9 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.final import Bounds
from copycost.claims.measures import Ranking
from copycost.presets.study import FINALS, Panel, Scale, Series, Study, each, varied

CENTRINGS = ("mean", "minimum", "none")
TRUE = "true logits"


def series(scale: Scale) -> tuple[Series, ...]:
    """The base run with each correction, and against an API that releases logits."""
    recovered = each(scale.cifar10, "recovery", {name: name for name in CENTRINGS})
    return (*recovered, Series(TRUE, varied(scale.cifar10, access="logits")))


STUDY = Study(
    title="Logit recovery",
    statement="How much is lost by knowing probabilities only, and which correction loses least?",
    series=series,
    panels=(*FINALS, Panel("accuracy over the run", "accuracy")),
    claims=(Ranking(), Bounds(TRUE)),
)
