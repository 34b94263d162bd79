"""Central differences in random directions: 2m evaluations per sample."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from copycost.gradients.estimator import Gap, along, asking, unit_directions
from copycost.noise import Noise


@asking(lambda m: 2 * m)
@torch.no_grad()
def central_difference(
    f: Gap, x: Float[Tensor, "N ..."], m: int, epsilon: float, random: Noise
) -> tuple[Float[Tensor, "N ..."], Float[Tensor, " N"]]:
    """Estimate the gradient of `f` at each of N points, and return it with f's values nearby.

    g = d / m · Σ_i (f(x + εu_i) - f(x - εu_i)) / 2ε · u_i. Its error is of order ε², the forward
    difference's of order ε; its two points lie 2ε apart. f(x) itself is not evaluated; the mean
    of the 2m values stands in for it. All 2m·N points are evaluated in one call.
    """
    u = unit_directions(x, m, random)
    points = torch.stack((x + epsilon * u, x - epsilon * u))
    ahead, behind = f(points.flatten(0, 2)).reshape(2, m, len(x))
    return along((ahead - behind) / (2 * epsilon), u), (ahead + behind).mean(dim=0) / 2
