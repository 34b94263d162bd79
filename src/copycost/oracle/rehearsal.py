"""Any network in the victim's place, behind the same defences, for an auditor's diagnoses."""

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
        """`network` takes inputs as `spec` declares them and gives logits of K = `classes`."""
        super().__init__(spec, classes, Access.LOGITS, "a stand-in")
        self._network = network

    def answer(self, x: Tensor) -> Tensor:
        """The network's logits [N, K]."""
        return self._network(x)


class Rehearsal:
    """What an oracle would release if a given network were the victim; asks the victim nothing.

    It serves diagnoses of an attack (`Attack.diagnose`), never the attack itself: attackers do
    not know the defences.
    """

    def __init__(
        self,
        spec: InputSpec,
        classes: int,
        access: Access,
        k: int = 5,
        defences: Iterable[str] = (),
    ) -> None:
        """`spec`, `classes`, `access` and `k` are the oracle's; `defences` names the victim's."""
        self.spec, self.classes, self.access = spec, classes, access
        self._k, self._defences = k, tuple(defences)

    def __call__(self, network: Network) -> Callable[[Tensor], Answer]:
        """Inputs [N, *shape] -> what would be released; the defences start from seed 0."""
        defended = defend(StandIn(network, self.spec, self.classes), self._defences)
        return lambda x: release(defended(x), defended.output, self.access, self._k)
