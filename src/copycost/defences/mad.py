"""MAD: release probabilities that turn the gradient of a copy as far as a distance allows."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from copycost.defences.base import Defence
from copycost.victims.base import Victim

MARGIN = 1e-5
"""Added to the first choice where others get as much, so that it stays the first."""


class Mad(Defence):
    """Maximise the angular deviation between gradients (Orekondy et al., ICLR 2020).

    A copy with probabilities q and features h, which learns p by cross-entropy, has the gradient
    (q - p) h^T at its last layer. What is released instead of p lies on the line from p to that
    corner y of the simplex whose gradient points elsewhere: y maximises the norm of
    (q - y) / ||q - y|| - (q - p) / ||q - p|| (arXiv:1906.10908, section 4). On that line, it is as
    far from p as an L1 distance of epsilon allows.

    The copy is taken to have learnt nothing yet, q = 1 / K, so the corner is the class that the
    victim thinks least likely. The paper takes a network of random weights, whose q differs little
    from this; its features cancel out, as the authors' code has the last layer only.
    """

    argument: ClassVar[str] = "epsilon"
    wanted: ClassVar[str] = "an L1 distance epsilon, 0 or more"
    listed: ClassVar[str] = "mad"

    def __init__(self, victim: Victim, epsilon: float, seed: int = 0) -> None:
        """`epsilon` is the greatest L1 distance of an answer from the victim's, from 0 to 2."""
        super().__init__(victim, f"{self.listed}:{epsilon:g}")
        self.epsilon = epsilon

    def perturb(self, p: Tensor) -> Tensor:
        """Move [N, K] towards the farthest corner."""
        corner = self.corner(p)
        distance = (corner - p).abs().sum(dim=1, keepdim=True)
        return p + (self.epsilon / distance.clamp(min=1e-30)).clamp(max=1) * (corner - p)

    def corner(self, p: Tensor) -> Tensor:
        """The farthest of the distributions [K] to move to, for each row of p [N, K]."""
        return torch.zeros_like(p).scatter(1, p.argmin(dim=1, keepdim=True), 1.0)


class MadArgmax(Mad):
    """`Mad` that keeps the victim's first choice, so that users who read only that lose nothing.

    The corners are then the even distributions over sets of classes with the first choice in
    them, upon which it gets a little more. Of the sets of one size, the farthest has the least
    likely classes besides, so K - 1 sets are compared; the authors' code tries all sets.
    """

    listed: ClassVar[str] = "mad-argmax"

    def corner(self, p: Tensor) -> Tensor:
        """The farthest even distribution, with `MARGIN` on the first choice.

        For a set of s classes, cos(q - y, q - p) is (mean of p over the set - 1/K) /
        sqrt(1/s - 1/K), but for a factor that all sets share.
        """
        rows, classes = p.shape
        first = p.argmax(dim=1, keepdim=True)
        others = p.scatter(1, first, torch.inf).sort(dim=1)  # the first choice comes last
        size = torch.arange(1, classes, device=p.device)
        joined = others.values[:, : classes - 2].cumsum(dim=1)
        mean = (p.gather(1, first) + torch.cat([p.new_zeros(rows, 1), joined], dim=1)) / size
        cosine = (mean - 1 / classes) / (1 / size - 1 / classes).sqrt()
        rank = others.indices.argsort(dim=1)
        members = (rank < cosine.argmin(dim=1, keepdim=True)).to(p.dtype)
        members = members.scatter(1, first, 1.0 + MARGIN)
        return members / members.sum(dim=1, keepdim=True)
