"""What an attack may do with a victim."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

from torch import Tensor

from copycost.types import Access, Answer, InputSpec


class Oracle(ABC):
    """All that an attacker may do with a victim: ask, within a budget, and see what is released."""

    @property
    @abstractmethod
    def spec(self) -> InputSpec:
        """What one input must be."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes K."""

    @property
    @abstractmethod
    def access(self) -> Access:
        """What an answer reveals."""

    @property
    @abstractmethod
    def budget(self) -> int:
        """Inputs that may be asked about in all."""

    @property
    @abstractmethod
    def spent(self) -> int:
        """Inputs asked about so far."""

    @final
    def affords(self, n: int) -> bool:
        """Whether `n` more inputs stay within the budget."""
        return self.spent + n <= self.budget

    @abstractmethod
    def __call__(self, x: Tensor) -> Answer:
        """Ask about N inputs [N, *spec.shape] with values in the spec's range.

        Raises `BudgetExceeded`, before anything is sent, if the budget does not allow it, and
        `SpecMismatch`, without charge, for inputs of the wrong shape or range.
        """
