"""Scales of the studies: what stands in for the paper's networks, data and budgets.

Paper:    Kwon et al. 2023: ResNet-34 8x copied into ResNet-18 8x, batches of 256, generator rate
          5e-4, student rate 0.1, steps at 0.5 and 0.8 of the run by 0.3, 50 iterations an epoch.
          Its text says 2 million queries; its figures run to epoch 200, which is 17.92 million at
          DFME's 1,792 queries an iteration. 50 epochs, its default, are 4.48 million.
Quick:    the same attack on nets of 24 k parameters; scikit-learn's digits stand in for CIFAR-10,
          synthetic house numbers of 16×16 for SVHN. Rates, schedule and loss are the paper's.
"""

from __future__ import annotations

from typing import Any

from copycost.presets.study import Scale, Values, varied

ITERATIONS = 50
"""Iterations per epoch."""
QUERIES_PER_IMAGE = 7
"""Queries per image of DFME with one direction: 2 for the generator, 5 for the student."""

_PAPER: dict[str, Any] = {
    "batch_size": 256,
    "generator_steps": 1,
    "student_steps": 5,
    "directions": 1,
    "generator_lr": 5e-4,
    "student_lr": 0.1,
    "schedule": "steps:0.5,0.8:0.3",
    "loss": "l1",
    "recovery": "mean",
}


def epochs(number: int, batch_size: int = 256) -> int:
    """Queries of `number` epochs of 50 iterations each."""
    return number * ITERATIONS * QUERIES_PER_IMAGE * batch_size


def _base(victim: str, student: str, budget: int, evaluations: int, **settings: Any) -> Values:
    return {
        "attack": "dfme",
        "victim": victim,
        "student": student,
        "access": "probabilities",
        "budget": budget,
        "evaluations": evaluations,
        "settings": {**_PAPER, **settings},
    }


FULL = Scale(
    name="full",
    cifar10=varied(_base("cifar10-resnet34", "resnet18-8x", epochs(200), 40), precision="bfloat16"),
    svhn=varied(_base("svhn-resnet34", "resnet18-8x", epochs(200), 40), precision="bfloat16"),
    budgets=(10_000, 100_000, 500_000, 2_000_000, 8_000_000, 20_000_000),
    headline={
        "2 million": 2_000_000,
        "50 epochs": epochs(50),
        "200 epochs": epochs(200),
        "20 million": 20_000_000,
    },
    students=("resnet20", "resnet18-8x", "resnet34-8x", "wrn-28-10"),
    diagnosed=epochs(50),
    besides=("headline",),
)

_SMALL = {"batch_size": 32, "width": 64}
_QUICK_BUDGET = 120_000

QUICK = Scale(
    name="quick",
    cifar10=_base("digits-cnn", "gap-cnn", _QUICK_BUDGET, 20, **_SMALL),
    # A narrower generator: at 16×16 the wider one would take most of the time.
    svhn=_base("house-numbers-16", "gap-cnn", _QUICK_BUDGET, 20, **(_SMALL | {"width": 16})),
    budgets=(10_000, 30_000, 60_000, 120_000, 240_000),
    # The same shares of the base's budget as at full scale.
    headline={
        "2 million": 13_400,
        "50 epochs": 30_000,
        "200 epochs": _QUICK_BUDGET,
        "20 million": 134_000,
    },
    students=("lenet", "gap-cnn", "small-resnet"),
    diagnosed=_QUICK_BUDGET,
)

_LEAST = {"batch_size": 8, "width": 8, "latent": 8}

TINY = Scale(
    name="tiny",
    cifar10=_base("digits-cnn", "gap-cnn", 600, 10, **_LEAST),
    svhn=_base("digits-lenet", "gap-cnn", 600, 10, **_LEAST),
    budgets=(300, 600),
    headline={"2 million": 300, "200 epochs": 600, "20 million": 660},
    students=("lenet", "gap-cnn"),
    diagnosed=600,
    looks={
        "moments": 2,
        "images": 4,
        "coarse_images": 2,
        "directions": (1, 2),
        "epsilons": (1e-3,),
    },
)
