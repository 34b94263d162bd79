"""An exponential average of a network's weights over time."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class WeightAverage:
    """A network whose weights and buffers are the average of another's over time.

    Every `every` calls, θ̄ ← momentum · θ̄ + (1 - momentum) · θ. During the first `every` calls it
    is a plain copy, so that it is usable from the start. Integer buffers, such as counts of
    batches, are copied.
    """

    def __init__(self, network: nn.Module, momentum: float, every: int = 1) -> None:
        """Start as a copy of `network`, on its device."""
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._momentum, self._every = momentum, every
        self._calls = 0

    def follow(self, network: nn.Module) -> None:
        """Note one step of `network`, from which this average was made."""
        self._calls += 1
        if self._calls <= self._every:
            self._move(network, 1.0)
        elif self._calls % self._every == 0:
            self._move(network, 1.0 - self._momentum)

    def state(self) -> dict[str, Any]:
        """Weights, buffers and the count of calls."""
        return {"network": self.network.state_dict(), "calls": self._calls}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`."""
        self.network.load_state_dict(state["network"])
        self._calls = state["calls"]

    @torch.no_grad()
    def _move(self, network: nn.Module, share: float) -> None:
        theirs, mine = network.state_dict(), self.network.state_dict()
        averaged = [name for name, value in mine.items() if value.is_floating_point()]
        # In one call: on a GPU hundreds of small kernels would cost as much as a step.
        torch._foreach_lerp_(
            [mine[name] for name in averaged], [theirs[name] for name in averaged], share
        )
        for name in mine.keys() - averaged:
            mine[name].copy_(theirs[name])
