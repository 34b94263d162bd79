"""Dependence on the initial values: spread and collapse.

Paper:    Kwon et al. 2023, its remark that results depend on the initial values
Command:  copycost reproduce kwon2023 --analysis initial-values
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 10 runs, 9 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: nothing is reported in numbers; see the records under results/kwon2023
"""

from __future__ import annotations

from copycost.claims.measures import Spread
from copycost.presets.study import CIFAR10, FINALS, SVHN, Panel, Study, both

STUDY = Study(
    title="Dependence on the initial values",
    statement="How far apart do runs end that differ by nothing but the seed?",
    series=both,
    panels=(*FINALS, Panel("accuracy over the run", "accuracy")),
    claims=(Spread(CIFAR10), Spread(SVHN)),
    seeds=5,
)
