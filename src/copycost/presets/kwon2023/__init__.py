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
        "figure-2": Entry(f"{_HERE}.figure2:STUDY", "losses of generator and student on CIFAR-10"),
        "figure-3": Entry(f"{_HERE}.figure3:STUDY", "losses of generator and student on SVHN"),
        "figure-4": Entry(
            f"{_HERE}.figure4:STUDY", "norm of the gradient of the L1 loss, CIFAR-10 and SVHN"
        ),
        "figure-5": Entry(f"{_HERE}.figure5:STUDY", "accuracy of the student on CIFAR-10 and SVHN"),
        "figure-6": Entry(
            f"{_HERE}.figure6:STUDY", "rates that fall in steps against a cosine, CIFAR-10"
        ),
        "figure-7": Entry(
            f"{_HERE}.figure7:STUDY", "rates that fall in steps against a cosine, SVHN"
        ),
        "figure-8": Entry(
            f"{_HERE}.figure8:STUDY", "logits corrected by their mean or not at all, CIFAR-10"
        ),
        "figure-9": Entry(
            f"{_HERE}.figure9:STUDY", "logits corrected by their mean or not at all, SVHN"
        ),
        "headline": Entry(
            f"{_HERE}.headline:STUDY", "accuracy at the budgets that the paper and DFME name"
        ),
        "learning-rates": Entry(
            f"{_HERE}.learning_rates:STUDY", "a grid of the learning rates of generator and student"
        ),
        "schedules": Entry(
            f"{_HERE}.schedules:STUDY", "learning rates that fall in steps, by a cosine, not at all"
        ),
        "recovery": Entry(
            f"{_HERE}.recovery:STUDY", "logits corrected by mean, by minimum, not at all; true ones"
        ),
        "loss-norm": Entry(f"{_HERE}.loss_norm:STUDY", "losses: L1 averaged, L1 summed, L2, KL"),
        "losses": Entry(
            f"{_HERE}.losses:STUDY", "how both losses go with what the copy has learnt"
        ),
        "gradients": Entry(
            f"{_HERE}.gradients:STUDY",
            "norms of gradients, and how near estimates are to the true one",
        ),
        "initial-values": Entry(
            f"{_HERE}.initial_values:STUDY", "how far seeds end apart, and how many learn nothing"
        ),
        "budgets": Entry(f"{_HERE}.budgets:STUDY", "accuracy and agreement by budget"),
        "students": Entry(f"{_HERE}.students:STUDY", "students smaller and larger than the victim"),
        "modes": Entry(f"{_HERE}.modes:STUDY", "nets in training or evaluation mode while asking"),
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
