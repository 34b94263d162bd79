"""How much of a finite difference is slope and how much is rounding noise.

At DFME's ε = 1e-3, spread over 3,072 inputs, each input moves by about 2e-5: below the
resolution of TF32 and bfloat16. The generator of such a run is trained on noise, silently.
So the correlation is measured, with the run's own arithmetic and ε, on a differentiable
stand-in and never through the victim.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from copycost.gradients.forward import Gap, unit_directions


def slope_correlation(
    measured: Gap, exact: Gap, x: Float[Tensor, "N ..."], epsilon: float, random: torch.Generator
) -> float:
    """Correlation over N points of (f(x + εu) - f(x)) / ε with the true slope along u.

    `measured` is f in the arithmetic under test; `exact` is the same f, differentiable and
    in float32. Returns a value in [-1, 1]; 0 if either side does not vary at all.
    """
    u = unit_directions(x, 1, random)[0]
    with torch.no_grad():
        values = measured(torch.cat((x, x + epsilon * u))).float()
    slopes = (values[len(x) :] - values[: len(x)]) / epsilon
    point = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(exact(point).sum(), point)
    return _correlation(slopes, (gradient * u).flatten(1).sum(dim=1))


def _correlation(a: Float[Tensor, " N"], b: Float[Tensor, " N"]) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = a.norm() * b.norm()
    return float((a @ b) / scale) if float(scale) > 0 else 0.0
