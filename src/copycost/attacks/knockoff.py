"""Knockoff Nets with random sampling (Orekondy et al., CVPR 2019, arXiv:1812.02766)."""

from __future__ import annotations

from math import ceil

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from copycost.attacks.pool_attack import PoolAttack, PoolState
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS


@dataclass(frozen=True, config=SETTINGS)
class Knockoff(PoolAttack):
    """Query random images of a pool, then train a fresh student on all answers.

    The defaults are those of the authors' code and README.
    """

    rounds: int = Field(default=1, ge=1)
    """Equal parts of the budget, each followed by a training; with several, the curve also shows
    the results of smaller budgets."""

    def ends(self, budget: int) -> list[int]:
        """Queries spent at the end of each round; all rounds are equal."""
        return [ceil(budget * (r + 1) / self.rounds) for r in range(self.rounds)]

    def choose(self, s: PoolState, oracle: Oracle, n: int) -> Tensor:
        """Random indices [n] of images that were not queried."""
        return s.at_random(n)
