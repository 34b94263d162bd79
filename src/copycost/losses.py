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


def kl(student: Float[Tensor, "N K"], victim: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """KL(victim || student) between the softmax of both, in nats (DFME's other loss; MAZE)."""
    log_v = victim.log_softmax(dim=1)
    # Where the victim's probability underflows to 0 its term is 0, not 0 * infinity.
    terms = torch.where(log_v.exp() > 0, log_v.exp() * (log_v - student.log_softmax(dim=1)), 0.0)
    return terms.sum(dim=1)


LOSSES: Registry[Loss] = Registry(
    "loss",
    {
        "l1": Entry("copycost.losses:l1", "mean over classes of |s - v| (DFME's code)"),
        "l1-sum": Entry("copycost.losses:l1_sum", "sum over classes of |s - v| (the papers)"),
        "kl": Entry("copycost.losses:kl", "KL(victim || student)"),
    },
)

LossSetting = Annotated[Loss, choice(LOSSES)]
