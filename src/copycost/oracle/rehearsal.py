"""Any network in the victim's place, behind the same defences, for an auditor's diagnoses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from copycost.adaptations.base import Adaptation, Ask
from copycost.defences.stack import defend
from copycost.oracle.access import release
from copycost.oracle.adapted import through
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

    It serves diagnoses of an attack (`Attack.diagnose`), and adaptations of attackers who know
    the defences; an attack itself never has it.
    """

    def __init__(
        self,
        spec: InputSpec,
        classes: int,
        access: Access,
        k: int = 5,
        defences: Iterable[str] = (),
        adaptations: Sequence[Adaptation] = (),
        seed: int = 0,
    ) -> None:
        """`spec`, `classes`, `access` and `k` are the oracle's; `defences` names the victim's.

        What is released passes the attacker's `adaptations`. The defences start from `seed`.
        """
        self.spec, self.classes, self.access = spec, classes, access
        self._k, self._defences, self._adaptations = k, tuple(defences), tuple(adaptations)
        self._seed = seed

    def __call__(self, network: Network) -> Ask:
        """Inputs [N, *shape] -> what an attack would see."""
        defended = defend(StandIn(network, self.spec, self.classes), self._defences, self._seed)

        def released(x: Tensor) -> Answer:
            return release(defended(x), defended.output, self.access, self._k)

        return through(released, self._adaptations)
