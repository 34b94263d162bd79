"""Measure how much of a finite difference is slope and how much is rounding noise.

DFME's ε = 1e-3, spread over 3,072 values, changes each value by about 2e-5: less than TF32 and
bfloat16 resolve. The generator of such a run is trained on noise, silently. So the quality is
measured, with the run's own arithmetic and ε, on a differentiable stand-in and never through
the victim. `docs/precision.md` has the measurements.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from copycost.gradients.estimator import Gap


def true_gradient(f: Gap, x: Float[Tensor, "N ..."]) -> Float[Tensor, "N ..."]:
    """The gradient of a differentiable `f` at each of N points."""
    point = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(f(point).sum(), point)
    return gradient


def slope_correlation(estimate: Float[Tensor, "N ..."], true: Float[Tensor, "N ..."]) -> float:
    """Correlation over N points of estimated slopes with the true ones.

    `estimate` uses one direction u per point, so it is d times a slope s along u; `true` is the
    gradient, whose slope along u is t. Returns Σ s·t / √(Σ s² · Σ t²), in [-1, 1]: the correlation
    about zero, as a direction is as likely as its opposite; 0 if either side is 0.

    An estimate of 0, for instance where both points were rounded to one, does not reveal its u.
    The mean of t² over all directions then replaces t²: such a point has to count as missed, or
    the few that were not rounded away would decide the result.
    """
    g, t = estimate.flatten(1), true.flatten(1)
    lengths = g.norm(dim=1)
    # Along u the estimate's slope is its length over d; the factor d cancels.
    along = (t * g).sum(dim=1) / lengths.clamp(min=torch.finfo(g.dtype).tiny)
    slopes = along.where(lengths > 0, t.norm(dim=1) / t.shape[1] ** 0.5)
    scale = lengths.norm() * slopes.norm()
    return float((lengths @ slopes) / scale) if float(scale) > 0 else 0.0


def mean_cosine(estimate: Float[Tensor, "N ..."], true: Float[Tensor, "N ..."]) -> float:
    """Mean over N points of the cosine between an estimate and the true gradient."""
    return float(torch.cosine_similarity(estimate.flatten(1), true.flatten(1), dim=1).mean())
