"""The budgets that the paper and DFME name, with the settings of each.

Paper:    Kwon et al. 2023, text, figures and DFME's table 1
Command:  copycost reproduce kwon2023 --analysis headline
Hardware: quick: one CPU core a run; full: aimed at one H100-class GPU
Time:     quick: 30 runs, 14 minutes in all; full: not measured yet, `--dry-run` estimates it
Expected: DFME's settings: 88.1 % on CIFAR-10 with 20 million queries, 95.2 % on SVHN with 2 million
          (quoted second-hand); the paper's: 86.18 % and 96.02 % at epoch 200 (reported)
"""

from __future__ import annotations

from copycost.claims.final import Reaches
from copycost.presets.study import CIFAR10, FINALS, SVHN, Scale, Series, Study, Values, both, varied

DFME_RATES = {CIFAR10: 1e-4, SVHN: 5e-5}
DFME_STEPS = {CIFAR10: "steps:0.1,0.3,0.5:0.3", SVHN: "steps:0.5,0.8:0.3"}
TWO, TWENTY = "2 million", "20 million"
"""The budgets that DFME names; the paper's text names the first as well."""


def series(scale: Scale) -> tuple[Series, ...]:
    """On each data set the paper's setting at its three budgets, and DFME's at its two."""
    return tuple(one for data, base in both(scale) for one in _of(data, base, scale))


def _of(data: str, base: Values, scale: Scale) -> list[Series]:
    of_dfme = {"generator_lr": DFME_RATES[data], "schedule": DFME_STEPS[data]}
    papers = [
        Series(f"{data}, paper's setting, {name}", varied(base, budget=budget))
        for name, budget in scale.headline.items()
        if name != TWENTY
    ]
    dfmes = [
        Series(f"{data}, DFME's setting, {name}", varied(base, budget=budget, settings=of_dfme))
        for name, budget in scale.headline.items()
        if name in (TWO, TWENTY)
    ]
    return papers + dfmes


STUDY = Study(
    title="Accuracy at the budgets that the paper and DFME name",
    statement="DFME reports 88.1 % on CIFAR-10 with 20 million queries and 95.2 % on SVHN with 2 "
    "million (quoted second-hand); the paper 86.18 % and 96.02 % at epoch 200.",
    series=series,
    panels=FINALS,
    claims=(
        Reaches(f"CIFAR-10, DFME's setting, {TWENTY}", 0.881),
        Reaches(f"SVHN, DFME's setting, {TWO}", 0.952),
        Reaches("CIFAR-10, paper's setting, 200 epochs", 0.8618),
        Reaches("SVHN, paper's setting, 200 epochs", 0.9602),
    ),
)
