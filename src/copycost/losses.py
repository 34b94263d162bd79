"""How far a student's scores are from a victim's: one number a sample, pure functions.

Both players of a data-free attack use the same function: the student descends it, the
generator climbs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from copycost.registry import Entry, Registry
from copycost.settings import choice

Loss = Callable[[Tensor, Tensor], Tensor]
"""(student's logits [N, K], victim's recovered logits [N, K]) -> [N]."""


def l1(student: Float[Tensor, "N K"], victim: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Mean over classes of |s - v|: DFME's loss as its code has it (Truong et al. 2021)."""
    return (student - victim).abs().mean(dim=1)


def l1_sum(student: Float[Tensor, "N K"], victim: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Sum over classes of |s - v|: the formula of DFME's and Kwon et al.'s papers."""
    return (student - victim).abs().sum(dim=1)


def l2(student: Float[Tensor, "N K"], victim: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Euclidean norm over classes of s - v; its gradient is 0 where the two are equal."""
    distance: Tensor = torch.linalg.vector_norm(student - victim, dim=1)
    return distance


def kl(student: Float[Tensor, "N K"], victim: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """KL(victim || student) between the softmax of both, in nats (DFME's other loss; MAZE)."""
    log_v = victim.log_softmax(dim=1)
    # Where the victim's probability underflows to 0 its term is 0, not 0 * infinity.
    terms = torch.where(log_v.exp() > 0, log_v.exp() * (log_v - student.log_softmax(dim=1)), 0.0)
    return terms.sum(dim=1)


def cross_entropy(
    student: Float[Tensor, "N K"], victim: Float[Tensor, "N K"]
) -> Float[Tensor, " N"]:
    """-log of the student's probability of the victim's first choice, in nats.

    Of the victim's scores only the largest matters: it is a loss for labels.
    """
    return torch.nn.functional.cross_entropy(student, victim.argmax(dim=1), reduction="none")


def l1_one_hot(student: Float[Tensor, "N K"], victim: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Mean over classes of |s - h|, with h 1 at the victim's first choice and 0 elsewhere.

    What the authors' code of Dual Student (Beetham et al. 2023) does with labels.
    """
    h = torch.nn.functional.one_hot(victim.argmax(dim=1), victim.shape[1])
    return l1(student, h.to(student.dtype))


def disagreement(p: Float[Tensor, "M N K"]) -> Float[Tensor, " N"]:
    """How far M members' probabilities are apart: the mean over classes of their deviation.

    The standard deviation is the unbiased one (DisGUIDE: Rosenthal et al. 2023, and its code).
    Probabilities below 1e-30 are 0, for the slope of a deviation as small as float32's least
    numbers is infinite.
    """
    return p.where(p > 1e-30, 0.0).std(dim=0).mean(dim=1)


def entropy(p: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Of probabilities, in nats."""
    return -torch.xlogy(p, p).sum(dim=1)


def class_entropy(p: Float[Tensor, " K"]) -> Float[Tensor, ""]:
    """-Σ_k p_k log p_k in nats, of one distribution over classes; 1e-6 is added to each p_k.

    Of the mean vote over a batch it is largest where all classes are asked about alike
    (DisGUIDE).
    """
    p = p + 1e-6
    return -(p * p.log()).sum()


LOSSES: Registry[Loss] = Registry(
    "loss",
    {
        "l1": Entry("copycost.losses:l1", "mean over classes of |s - v| (DFME's code)"),
        "l1-sum": Entry("copycost.losses:l1_sum", "sum over classes of |s - v| (the papers)"),
        "l2": Entry("copycost.losses:l2", "Euclidean norm over classes of s - v"),
        "kl": Entry("copycost.losses:kl", "KL(victim || student)"),
        "cross-entropy": Entry(
            "copycost.losses:cross_entropy", "-log p of the victim's first choice, for labels"
        ),
        "l1-one-hot": Entry(
            "copycost.losses:l1_one_hot", "mean over classes of |s - one-hot|, for labels"
        ),
    },
)

LossSetting = Annotated[Loss, choice(LOSSES)]
