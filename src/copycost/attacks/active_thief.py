"""ActiveThief: active learning on a pool (Pal et al., AAAI 2020, arXiv:1905.09165)."""

from __future__ import annotations

from math import ceil
from typing import Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from copycost.attacks.pool_attack import PoolAttack, PoolState
from copycost.losses import entropy
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS

CHUNK = 512
"""Inputs that are evaluated, or compared with all centres, at a time."""


@dataclass(frozen=True, config=SETTINGS)
class ActiveThief(PoolAttack):
    """Query at random first; then, in each round, what the last round's student picks."""

    strategy: Literal["entropy", "k-centre", "random"] = "entropy"
    """What a round queries: the inputs the student is least sure of, those farthest from all
    queried ones in the space of its probabilities, or random ones."""
    rounds: int = Field(default=10, ge=1)
    """Rounds after the first; they share the remaining budget equally."""
    first: float = Field(default=0.1, gt=0, lt=1)
    """Share of the budget queried at random, before a student has learnt to choose."""

    def ends(self, budget: int) -> list[int]:
        """Queries spent at the end of each round: the first, then equal ones."""
        part = (1 - self.first) / self.rounds
        # Rounded first, so that floating-point error in a share does not cost one more query.
        rising = [ceil(round(budget * (self.first + part * r), 6)) for r in range(self.rounds)]
        return [*(min(end, budget) for end in rising), budget]

    def choose(self, s: PoolState, oracle: Oracle, n: int) -> Tensor:
        """Indices [n] by the strategy; at random until the student has learnt."""
        if self.strategy == "random" or not s.student.updates:
            return s.at_random(n)
        unasked = s.unasked()
        p = probabilities(s, unasked)
        if self.strategy == "entropy":
            return unasked[entropy(p).argsort(descending=True, stable=True)[:n].cpu()]
        return unasked[farthest(p, probabilities(s, s.answers.indices), n).cpu()]


@torch.no_grad()
def probabilities(s: PoolState, indices: Tensor) -> Tensor:
    """The student's probabilities [n, K] of inputs `indices` [n]."""
    with s.student.evaluating() as student:
        scores = [student(s.inputs(part)).float() for part in torch.split(indices, CHUNK)]
    return torch.cat(scores).softmax(dim=1)


def farthest(points: Tensor, centres: Tensor, n: int) -> Tensor:
    """Greedy k-centre: indices [n] of points [P, K], each the farthest from all centres so far.

    `centres` [M, K] are given; every chosen point becomes one. Takes n·P·K multiplications and
    chooses each point at most once. Distances are Euclidean.
    """
    gaps = torch.cat(
        [torch.cdist(part, centres).amin(dim=1) for part in torch.split(points, CHUNK)]
    )
    chosen = []
    for _ in range(min(n, len(points))):
        place = gaps.argmax()
        chosen.append(place)
        gaps = torch.minimum(gaps, (points - points[place]).norm(dim=1))
        gaps[place] = -1.0  # never chosen again, even where all others coincide with a centre
    return torch.stack(chosen)
