"""The interface of gradient estimators, and the random directions that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from copycost.gradients import ESTIMATORS
from copycost.noise import Noise
from copycost.settings import choice

Gap = Callable[[Tensor], Tensor]
"""[M, *shape] -> [M]: one number per sample, independent of the other samples."""

Estimate = tuple[Tensor, Tensor]
"""The gradients [N, *shape], and the value [N] at each point or very close to it."""


@runtime_checkable
class Estimator(Protocol):
    """Estimates the gradient of a function at each of N points from its values alone."""

    queries: Callable[[int], int]
    """Number of function values used per point, as a function of m."""

    def __call__(self, f: Gap, x: Tensor, m: int, epsilon: float, random: Noise, /) -> Estimate:
        """Estimate at `x` [N, *shape] from m directions with steps of length `epsilon`.

        All points are evaluated in one call of `f`. The directions come from `random`.
        """
        ...


def asking(queries: Callable[[int], int]) -> Callable[[Callable[..., Estimate]], Estimator]:
    """Decorator that declares how many queries an estimator makes per point."""

    def mark(estimate: Callable[..., Estimate]) -> Estimator:
        marked = cast(Estimator, estimate)
        marked.queries = queries
        return marked

    return mark


EstimatorSetting = Annotated[Estimator, choice(ESTIMATORS)]


def unit_directions(
    like: Float[Tensor, "N ..."], m: int, random: Noise
) -> Float[Tensor, "m N ..."]:
    """Directions uniform on the unit sphere of one input, m for each of N inputs."""
    u = random.normal(len(like), m, *like.shape[1:]).to(like.dtype).transpose(0, 1)
    norms: Tensor = torch.linalg.vector_norm(u.flatten(2), dim=2)
    unit: Tensor = u / norms.reshape(m, len(like), *[1] * (like.ndim - 1))
    return unit


def along(slopes: Float[Tensor, "m N"], u: Float[Tensor, "m N ..."]) -> Float[Tensor, "N ..."]:
    """The gradient from m slopes along unit directions: d / m · Σ_i slope_i · u_i.

    Since E[u uᵀ] = I / d, the factor d makes the expectation over directions the gradient.
    """
    m, n = slopes.shape
    weights = slopes.reshape(m, n, *[1] * (u.ndim - 2))
    return u[0, 0].numel() * (weights * u).mean(dim=0)
