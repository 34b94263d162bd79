"""An attacker's own network in the victim's place."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from copycost.types import Access, InputSpec
from copycost.victims.base import Victim

Network = Callable[[Tensor], Tensor]
"""Inputs [N, *shape] -> logits [N, K]."""


class StandIn(Victim):
    """A network that answers where a victim would."""

    def __init__(self, network: Network, spec: InputSpec, classes: int) -> None:
        """It takes what `spec` says and computes the logits of `classes`."""
        super().__init__(spec, classes, Access.LOGITS, "a stand-in")
        self._network = network

    def answer(self, x: Tensor) -> Tensor:
        """The network's logits [N, K]."""
        return self._network(x)
