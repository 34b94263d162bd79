"""A control: gradients of random direction, for an attack whose generator moves by chance."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from copycost.gradients.estimator import Gap, along, asking, unit_directions
from copycost.gradients.forward import forward_slopes
from copycost.noise import Noise


@asking(lambda m: m + 1)
@torch.no_grad()
def random_gradient(
    f: Gap, x: Float[Tensor, "N ..."], m: int, epsilon: float, random: Noise
) -> tuple[Float[Tensor, "N ..."], Float[Tensor, " N"]]:
    """The forward estimate with its slopes put on other directions; and f's values at x.

    The slopes are measured along u_i but multiplied by independent unit directions v_i:
    g = d / m · Σ_i (f(x + εu_i) - f(x)) / ε · v_i. With one direction, each gradient has the
    length of the forward estimate; with several, nearly the same distribution of lengths, since
    directions in many dimensions are nearly orthogonal. Its direction does not depend on `f`. It
    makes the forward difference's (m + 1)·N queries, so that both take equally many steps at
    one budget.
    """
    u = unit_directions(x, m, random)
    slopes, values = forward_slopes(f, x, u, epsilon)
    return along(slopes, unit_directions(x, m, random)), values
