"""What would be released of an attacker's own network in the victim's place."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

from copycost.defences.stack import defend
from copycost.oracle.access import release
from copycost.types import Access, Answer, InputSpec
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


def rehearsed(
    stand_in: StandIn, defences: Iterable[str], access: Access, k: int
) -> Callable[[Tensor], Answer]:
    """Inputs -> what an oracle would release, if `stand_in` were the victim behind `defences`.

    What they draw is drawn from streams of their own.
    """
    defended = defend(stand_in, defences)
    return lambda x: release(defended(x), defended.output, access, k)
