"""Forward differences in random directions: m + 1 evaluations a sample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Gap = Callable[[Tensor], Tensor]
"""[M, *shape] -> [M]: one number a sample, independent of the other samples."""


def unit_directions(
    like: Float[Tensor, "N ..."], m: int, random: torch.Generator
) -> Float[Tensor, "m N ..."]:
    """Directions uniform on the unit sphere of one input, m for each of N inputs."""
    u = torch.randn((m, *like.shape), generator=random, device=like.device, dtype=like.dtype)
    norms: Tensor = torch.linalg.vector_norm(u.flatten(2), dim=2)
    unit: Tensor = u / norms.reshape(m, len(like), *[1] * (like.ndim - 1))
    return unit


@torch.no_grad()
def forward_difference(
    f: Gap, x: Float[Tensor, "N ..."], m: int, epsilon: float, random: torch.Generator
) -> tuple[Float[Tensor, "N ..."], Float[Tensor, " N"]]:
    """Estimate the gradient of `f` at each of N points, and return it with f's values there.

    g = d / m · Σ_i (f(x + εu_i) - f(x)) / ε · u_i, over m unit directions u_i in d
    dimensions. Since E[u uᵀ] = I / d, the factor d makes the mean the true gradient as
    ε -> 0 (Truong et al. 2021, equation 6, and the authors' code, which has the factor). All
    points are evaluated in one call: (m + 1)·N of them.
    """
    u = unit_directions(x, m, random)
    points = torch.cat((x.unsqueeze(0), x + epsilon * u))
    values = f(points.flatten(0, 1)).reshape(m + 1, len(x))
    slopes = (values[1:] - values[:1]) / epsilon
    weights = slopes.reshape(m, len(x), *[1] * (x.ndim - 1))
    dimensions = x[0].numel()
    return dimensions * (weights * u).mean(dim=0), values[0]
