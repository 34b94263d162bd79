"""An oracle as an attacker who adapts to defences uses it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from copycost.adaptations.base import Adaptation, Ask
from copycost.adaptations.stack import queries_per_input
from copycost.oracle.base import Oracle
from copycost.types import Access, Answer, InputSpec


class AdaptedOracle(Oracle):
    """Asks an oracle by way of adaptations; whatever they ask, the oracle inside counts.

    Where an input costs several queries, its budget is that of the oracle inside divided by them.
    """

    def __init__(self, oracle: Oracle, adaptations: Sequence[Adaptation]) -> None:
        """Answers of `oracle` pass the `adaptations` in order."""
        self._oracle, self._each = oracle, queries_per_input(adaptations)
        self._access = oracle.access
        for adaptation in adaptations:
            self._access = adaptation.gives(self._access)
        self._ask = through(oracle, adaptations)

    @property
    def spec(self) -> InputSpec:
        """What one input must be."""
        return self._oracle.spec

    @property
    def classes(self) -> int:
        """Number of classes K."""
        return self._oracle.classes

    @property
    def access(self) -> Access:
        """What an answer reveals, after the adaptations."""
        return self._access

    @property
    def budget(self) -> int:
        """Inputs that may be asked about in all."""
        return self._oracle.budget // self._each

    @property
    def spent(self) -> int:
        """Inputs asked about so far; one whose queries are only partly spent counts."""
        return -(-self._oracle.spent // self._each)

    def __call__(self, x: Tensor) -> Answer:
        """Ask about N inputs [N, *spec.shape]: see `Oracle`."""
        return self._ask(x)


def through(ask: Ask, adaptations: Sequence[Adaptation]) -> Ask:
    """`ask`, whose answers pass the `adaptations` in order."""
    for adaptation in adaptations:
        ask = adaptation.through(ask)
    return ask
