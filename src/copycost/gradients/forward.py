"""Forward differences in random directions: m + 1 evaluations per sample."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from copycost.gradients.estimator import Gap, along, asking, unit_directions
from copycost.noise import Noise


@asking(lambda m: m + 1)
@torch.no_grad()
def forward_difference(
    f: Gap, x: Float[Tensor, "N ..."], m: int, epsilon: float, random: Noise
) -> tuple[Float[Tensor, "N ..."], Float[Tensor, " N"]]:
    """Estimate the gradient of `f` at each of N points, and return it with f's values there.

    g = d / m · Σ_i (f(x + εu_i) - f(x)) / ε · u_i, over m unit directions u_i in d
    dimensions (Truong et al. 2021, equation 6, and the authors' code, which has the factor
    d). All (m + 1)·N points are evaluated in one call.
    """
    u = unit_directions(x, m, random)
    slopes, values = forward_slopes(f, x, u, epsilon)
    return along(slopes, u), values


def forward_slopes(
    f: Gap, x: Float[Tensor, "N ..."], u: Float[Tensor, "m N ..."], epsilon: float
) -> tuple[Float[Tensor, "m N"], Float[Tensor, " N"]]:
    """(f(x + εu_i) - f(x)) / ε for given directions `u`, and f(x)."""
    points = torch.cat((x.unsqueeze(0), x + epsilon * u))
    values = f(points.flatten(0, 1)).reshape(len(u) + 1, len(x))
    return (values[1:] - values[:1]) / epsilon, values[0]
