"""Attacks whose generator is guided by the disagreement of students that vote."""

from __future__ import annotations

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from copycost.attacks.state import State
from copycost.attacks.through_students import ThroughStudents
from copycost.losses import class_entropy, disagreement
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS


@dataclass(frozen=True, config=SETTINGS)
class Guided(ThroughStudents):
    """The generator seeks images that split the vote and cover all classes (DisGUIDE)."""

    members: int = Field(default=2, ge=2)
    """M, students."""
    diversity: float = Field(default=0.2, ge=0)
    """λ, weight of the entropy of the batch's mean vote in what the generator maximises."""

    @property
    def count(self) -> int:
        """M, the number of students: `members`."""
        return self.members

    def climb(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """One step up the members' disagreement plus λ times the entropy of their mean vote."""
        generator = s.need_generator()
        images = self.pictures(generator(s.normal(n, self.latent)), oracle.spec, s.random)
        p = self.logits(s, images).softmax(dim=2)  # [M, N, K]
        apart = disagreement(p).mean() if self.members > 1 else p.new_zeros(())
        covered = class_entropy(s.engine.ranks.mean_to_learn_from(p.mean(dim=(0, 1))))
        generator.descend(-(apart + self.diversity * covered))
        return {"generator/disagreement": apart.detach(), "generator/coverage": covered.detach()}
