"""The base class of defences, which are named in text as `rounding:2` or `noise:0.1`."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, final

import torch
from torch import Tensor

from copycost.errors import SpecMismatch
from copycost.types import Access
from copycost.victims.base import Victim


class Defence(Victim):
    """A victim that wraps another victim and changes its probabilities.

    Over a victim that computes logits, a defence gives probabilities: the undefended logits must
    not leak past it.
    """

    argument: ClassVar[str] = "number"
    """Name of the number after the colon, e.g. 'sigma'."""
    wanted: ClassVar[str] = "a number, 0 or more"
    """Which numbers `read` takes, for errors."""

    def __init__(self, victim: Victim, name: str) -> None:
        """Raises `SpecMismatch` if `victim` gives only labels, with no probabilities to change."""
        if victim.output is Access.LABEL:
            raise SpecMismatch(
                f"a victim that gives probabilities or logits under defence {name!r}",
                f"one that gives labels ({victim.name!r})",
            )
        super().__init__(victim.spec, victim.classes, Access.PROBABILITIES, name)
        self.victim, self.free = victim, victim.free

    @classmethod
    def read(cls, text: str) -> float:
        """The number after the colon; `ValueError` if it is not one that is `wanted`."""
        value = float(text)
        if not 0 <= value < math.inf:
            raise ValueError
        return value

    @abstractmethod
    def perturb(self, p: Tensor) -> Tensor:
        """Change probabilities [N, K]; `answer` then clips them at 0 and renormalises."""

    @final
    def answer(self, x: Tensor) -> Tensor:
        """Ask the victim inside, perturb, renormalise."""
        return self._released(self.victim(x))

    @final
    @torch.no_grad()
    def of(self, victim: Victim, scores: Tensor) -> Tensor:
        """What is released [N, K] where `victim`, somewhere inside, says `scores` [N, K].

        Nothing is asked.
        """
        if isinstance(self.victim, Defence) and self.victim is not victim:
            scores = self.victim.of(victim, scores)
        return self._released(scores)

    def _released(self, scores: Tensor) -> Tensor:
        logits = self.victim.output is Access.LOGITS
        return renormalise(self.perturb(scores.softmax(dim=1) if logits else scores))

    def state(self) -> dict[str, Tensor]:
        """The state of the victim inside, its names prefixed by `inner.`."""
        return {f"inner.{key}": value for key, value in self.victim.state().items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Load the state of the victim inside."""
        inner = {k.removeprefix("inner."): v for k, v in state.items() if k.startswith("inner.")}
        self.victim.restore(inner)

    def draw_anew(self, since: str) -> None:
        """Make the victim inside draw anew."""
        self.victim.draw_anew(since)


def renormalise(p: Tensor) -> Tensor:
    """Clip rows [N, K] at 0 and scale each to sum to one; a row of zeros becomes uniform.

    NaN stays NaN, for the check of answers to find.
    """
    p = p.clamp(min=0)
    total = p.sum(dim=1, keepdim=True)
    return torch.where(total == 0, 1 / p.shape[1], p / total.clamp(min=1e-30))
