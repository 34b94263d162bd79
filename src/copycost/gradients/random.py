"""A control: what an attack is worth whose generator is moved by chance alone."""

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

    The slopes are measured along u_i and multiplied by v_i, unit directions of their own:
    g = d / m · Σ_i (f(x + εu_i) - f(x)) / ε · v_i. With one direction the length of every
    image's gradient is to the bit that of the forward estimate; with several it is so in
    distribution, nearly, since directions of many dimensions are nearly orthogonal. The
    direction has nothing to do with `f`. It asks the forward difference's (m + 1)·N queries,
    so that both are compared at one budget with equally many steps.
    """
    u = unit_directions(x, m, random)
    slopes, values = forward_slopes(f, x, u, epsilon)
    return along(slopes, unit_directions(x, m, random)), values
