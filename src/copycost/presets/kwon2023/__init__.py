"""H. Kwon, Y. Kim, J. Lee, "Analysis of methods for the model extraction without training data".

2023, in Korean: an analysis of DFME on CIFAR-10 and SVHN. Each figure and each analysis has one
file here; `copycost reproduce kwon2023` runs them.
"""

from __future__ import annotations

from copycost.presets.study import Scale, Study
from copycost.registry import Entry, Registry

_HERE = "copycost.presets.kwon2023"

STUDIES: Registry[Study] = Registry(
    "study",
    {
        "figure-2": Entry(f"{_HERE}.figure2:STUDY", "losses of both players, CIFAR-10"),
        "figure-3": Entry(f"{_HERE}.figure3:STUDY", "losses of both players, SVHN"),
        "figure-4": Entry(f"{_HERE}.figure4:STUDY", "norm of the gradient of the L1 loss"),
        "figure-5": Entry(f"{_HERE}.figure5:STUDY", "accuracy of the student on both"),
        "figure-6": Entry(f"{_HERE}.figure6:STUDY", "steps against cosine, CIFAR-10"),
        "figure-7": Entry(f"{_HERE}.figure7:STUDY", "steps against cosine, SVHN"),
        "figure-8": Entry(f"{_HERE}.figure8:STUDY", "mean correction against none, CIFAR-10"),
        "figure-9": Entry(f"{_HERE}.figure9:STUDY", "mean correction against none, SVHN"),
        "headline": Entry(f"{_HERE}.headline:STUDY", "the budgets that the paper and DFME name"),
        "learning-rates": Entry(f"{_HERE}.learning_rates:STUDY", "rates of both players, a grid"),
        "schedules": Entry(f"{_HERE}.schedules:STUDY", "steps, cosine, constant"),
        "recovery": Entry(f"{_HERE}.recovery:STUDY", "mean, minimum, none, true logits"),
        "loss-norm": Entry(f"{_HERE}.loss_norm:STUDY", "L1 averaged and summed, L2, KL"),
        "losses": Entry(f"{_HERE}.losses:STUDY", "loss values of both players"),
        "gradients": Entry(f"{_HERE}.gradients:STUDY", "norms, and the true gradient beside them"),
        "initial-values": Entry(f"{_HERE}.initial_values:STUDY", "spread and collapse over seeds"),
        "budgets": Entry(f"{_HERE}.budgets:STUDY", "accuracy and agreement over the budget"),
        "students": Entry(f"{_HERE}.students:STUDY", "students smaller and larger"),
        "modes": Entry(f"{_HERE}.modes:STUDY", "training or evaluation mode while asking"),
    },
)
"""The figures, then the analyses. Figure 1 of the paper is a diagram."""

SCALES: Registry[Scale] = Registry(
    "scale",
    {
        "quick": Entry(f"{_HERE}.scales:QUICK", "small nets on data that is at hand, for a CPU"),
        "full": Entry(f"{_HERE}.scales:FULL", "the paper's setting, for a GPU"),
        "tiny": Entry(f"{_HERE}.scales:TINY", "to see that everything runs; shows nothing"),
    },
)
