"""Adversarial examples made on a copy, which may transfer to the victim."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import cross_entropy

from copycost.settings import SETTINGS


@dataclass(frozen=True, config=SETTINGS)
class PGD:
    """Projected gradient descent within a box of half-width ε (Madry et al. 2018).

    arXiv:1706.06083. The defaults are the authors' for CIFAR-10: 8, 2 of 255 levels, 20 steps.
    """

    epsilon: float = Field(default=8 / 255, gt=0, le=1)
    """Largest change of a value, as a share of the inputs' range."""
    step: float = Field(default=2 / 255, gt=0, le=1)
    """Change of every value in one step, as a share of the range."""
    steps: int = Field(default=20, ge=1)

    def against(
        self,
        model: Callable[[Tensor], Tensor],
        x: Float[Tensor, "N ..."],
        labels: Int[Tensor, " N"],
        bounds: tuple[float, float],
        start: Float[Tensor, "N ..."],
    ) -> Float[Tensor, "N ..."]:
        """Inputs near `x`, within `bounds`, to which `model` should not give `labels`.

        `model` maps inputs to logits [N, K]; `start` holds random numbers in [-1, 1], the point
        within the box to start from. Untargeted: the cross-entropy of the labels is increased.
        """
        low, high = bounds
        width = self.epsilon * (high - low)
        found = self.near(x, start, bounds)
        for _ in range(self.steps):
            uphill = _gradient(model, found, labels)
            moved = found + self.step * (high - low) * uphill.sign()
            found = torch.clamp(moved, x - width, x + width).clamp(low, high)
        return found

    def near(
        self, x: Float[Tensor, "N ..."], where: Float[Tensor, "N ..."], bounds: tuple[float, float]
    ) -> Float[Tensor, "N ..."]:
        """The point of the box around `x` at `where`, in [-1, 1], clipped to `bounds`."""
        low, high = bounds
        return (x + self.epsilon * (high - low) * where).clamp(low, high)


def _gradient(model: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        # The sum, so that each input's gradient is its own whatever the batch.
        loss = cross_entropy(model(x).float(), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
    return gradient
