"""Gradients of black boxes: estimates by finite differences, and their quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry

if TYPE_CHECKING:
    from copycost.gradients.estimator import Estimator

ESTIMATORS: Registry[Estimator] = Registry(
    "estimator",
    {
        "forward": Entry(
            "copycost.gradients.forward:forward_difference",
            "forward differences, m + 1 queries an image: the attacks' usual estimate",
        ),
        "central": Entry(
            "copycost.gradients.central:central_difference",
            "central differences, 2m queries an image: exact to the next order of the step",
        ),
        "random": Entry(
            "copycost.gradients.random:random_gradient",
            "a control: lengths as the forward estimate has them, directions of pure chance",
        ),
    },
)
"""Estimates of a gradient from answers alone. Loads no PyTorch."""

__all__ = ["ESTIMATORS"]
