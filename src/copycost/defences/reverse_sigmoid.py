"""The reverse sigmoid: take from likely classes, give to unlikely ones."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from copycost.defences.base import Defence
from copycost.victims.base import Victim

GAMMA = 0.2
"""How fast the perturbation grows with the victim's confidence, as in later comparisons."""


class ReverseSigmoid(Defence):
    """Subtract beta (sigmoid(gamma logit(p)) - 1/2) from each probability p, then renormalise.

    Lee et al. 2019 (arXiv:1806.00054), equations 3 and 4. Sure probabilities shrink and unlikely
    ones grow, so that many answers of the victim look alike. Where the victim is sure, its first
    choice stays if beta is below 1; where it is unsure, it need not.
    """

    argument: ClassVar[str] = "beta"
    wanted: ClassVar[str] = "a strength beta, 0 or more"

    def __init__(self, victim: Victim, beta: float, seed: int = 0) -> None:
        """`beta` is the strength; at most beta / 2 is added to or taken from a probability."""
        super().__init__(victim, f"reverse-sigmoid:{beta:g}")
        self.beta = beta

    def perturb(self, p: Tensor) -> Tensor:
        """Subtract from [N, K]; a probability of exactly 0 or 1 moves by beta / 2."""
        return p - self.beta * ((GAMMA * p.logit()).sigmoid() - 0.5)
