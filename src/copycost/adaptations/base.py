"""The base class of adaptations, which are named in text as `invert` or `average:4`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor

from copycost.types import Access, Answer

Ask = Callable[[Tensor], Answer]
"""Inputs [N, *shape] -> what is released of them."""


class Trial(Protocol):
    """Logits [N, K] of an imagined victim -> what would be released of them; asks nothing.

    Called, it answers from behind the run's own defences.
    """

    def __call__(self, logits: Tensor, /) -> Answer:
        """What the run's defences release."""

    def behind(self, defences: Sequence[str], seed: int) -> Ask:
        """The same from behind other defences, which draw from `seed`."""


class Adaptation(ABC):
    """How an attacker makes more of answers that come from behind defences."""

    argument: ClassVar[str] = ""
    """Name of what follows the colon, e.g. 'times'; '' if nothing does."""
    wanted: ClassVar[str] = "nothing"
    """What `read` takes after the colon, for errors."""

    @property
    def queries_per_input(self) -> int:
        """Queries that asking about one input costs."""
        return 1

    @classmethod
    @abstractmethod
    def read(cls, text: str) -> Self:
        """Make one from the text after the colon; `ValueError` if it is not what is `wanted`."""

    def idle(self, access: Access, defended: bool) -> str:
        """Why it can do nothing with answers at `access`, `defended` or not; '' if it can."""
        return ""

    def gives(self, access: Access) -> Access:
        """The access level of the answers it makes from those at `access`."""
        return access

    def learn(  # noqa: B027 -- most have nothing to learn
        self, released: Trial, classes: int, seed: int, device: torch.device
    ) -> None:
        """Prepare, before the first query, by logits [N, K] of imagined victims.

        K is `classes`; networks and numbers are to be on `device`.
        """

    @abstractmethod
    def through(self, ask: Ask) -> Ask:
        """`ask`, adapted. It sends `queries_per_input` queries per input."""
