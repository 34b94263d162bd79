"""Losses: how far a student's scores are from a victim's, one number per sample.

Both players of a data-free attack use the same loss: the student minimises it, the
generator maximises it.
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
    """Mean over classes of |s - v|: DFME's loss as in its code (Truong et al. 2021)."""
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

    Only the class with the victim's largest score matters, so this is a loss for labels.
    """
    return torch.nn.functional.cross_entropy(student, victim.argmax(dim=1), reduction="none")


def l1_one_hot(student: Float[Tensor, "N K"], victim: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Mean over classes of |s - h|, with h the one-hot vector of the victim's first choice.

    Dual Student's loss for labels, as in its authors' code (Beetham et al. 2023).
    """
    h = torch.nn.functional.one_hot(victim.argmax(dim=1), victim.shape[1])
    return l1(student, h.to(student.dtype))


def disagreement(p: Float[Tensor, "M N K"]) -> Float[Tensor, " N"]:
    """Mean over classes of the standard deviation of M members' probabilities.

    The standard deviation divides by M - 1, as in DisGUIDE (Rosenthal et al. 2023) and its code.
    Probabilities below 1e-30 count as 0, because the gradient of a standard deviation near
    float32's smallest numbers is infinite.
    """
    return p.where(p > 1e-30, 0.0).std(dim=0).mean(dim=1)


def entropy(p: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """Entropy of the probabilities `p`, in nats."""
    return -torch.xlogy(p, p).sum(dim=1)


def class_entropy(p: Float[Tensor, " K"]) -> Float[Tensor, ""]:
    """Entropy -Σ_k p_k log p_k of one distribution over classes, in nats; each p_k gains 1e-6.

    For the mean vote over a batch it is largest where the batch covers all classes equally
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
