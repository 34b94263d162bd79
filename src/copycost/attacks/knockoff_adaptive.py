"""Knockoff Nets with the adaptive policy (Orekondy et al., CVPR 2019, arXiv:1812.02766)."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.bandit import Bandit, Reward
from copycost.attacks.base import SMALLEST_BATCH
from copycost.attacks.groups import group
from copycost.attacks.knockoff import Knockoff
from copycost.attacks.pool_attack import PoolState
from copycost.attacks.state import Player, State
from copycost.engine import Engine
from copycost.oracle.base import Oracle
from copycost.oracle.rehearsal import Rehearsal
from copycost.pool import Pool
from copycost.recovery import recover_logits
from copycost.schedules import Constant
from copycost.settings import SETTINGS


@plain_dataclass(kw_only=True)
class AdaptiveState(PoolState):
    """The state of a pool attack, with groups of the pool and the policy over them."""

    groups: Tensor
    """[P], the group of each image."""
    bandit: Bandit
    scout: Player
    """Kept apart from `players`: it is not evaluated, and learns only during queries."""

    def state(self) -> dict[str, Any]:
        """All that a checkpoint needs, with the groups, the bandit and the scout."""
        return super().state() | {
            "groups": self.groups,
            "bandit": self.bandit.state(),
            "scout": self.scout.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`."""
        super().restore(state)
        self.groups = state["groups"]
        self.bandit.restore(state["bandit"])
        self.scout.restore(state["scout"])


@dataclass(frozen=True, config=SETTINGS)
class KnockoffAdaptive(Knockoff):
    """Learn during the queries which groups of the pool are worth querying, then train as Knockoff.

    A scout, a second network with the student's first weights, is trained once on each answer;
    its loss shows which answers are informative.
    """

    needs_images: ClassVar[bool] = True

    groups: int = Field(default=30, ge=2)
    """Groups of the pool, by k-means on thumbnails, as the pool has no labels."""
    rewards: Annotated[tuple[Reward, ...], Field(min_length=1)] = (
        "certainty",
        "diversity",
        "loss",
    )
    """What makes an answer valuable: a confident victim, an answer unlike recent ones, a scout
    that is wrong."""
    window: int = Field(default=25, ge=2)
    """Δ, the number of latest queries over which rewards are compared."""
    scout_lr: float = Field(default=5e-4, gt=0)
    """Learning rate of the scout's SGD."""

    def begin(
        self, pool: Pool, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> PoolState:
        """The state before the first query, with a scout and the pool in groups."""
        scout = copy.deepcopy(student)
        parts = self.parts(pool, len(pool), student, oracle, engine, seed)
        descent = torch.optim.SGD(
            scout.parameters(), self.scout_lr, self.student_momentum, fused=True
        )
        count = min(self.groups, len(pool))
        return AdaptiveState(
            **parts,
            scout=Player(engine, scout, descent, Constant()),
            groups=group(pool, count, parts["random"]),
            bandit=Bandit(count, self.rewards, self.window, oracle.classes),
        )

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """Draw groups, query an image of each, reward the groups, train the scout."""
        assert isinstance(s, AdaptiveState)
        left = self._left(s)
        drawn = s.bandit.draw(s.random.uniform(n).tolist(), left)
        asked = self._members(s, drawn)
        answer = self.ask(s, oracle, asked)
        learns = n >= SMALLEST_BATCH  # a single image may be left in a round or in the pool
        with nullcontext() if learns else s.scout.evaluating():
            scores = s.scout(s.inputs(asked)).float()
        gaps = self.miss(scores, answer)
        p = recover_logits(answer, oracle.classes, self.recovery, self.floor).softmax(dim=1)
        # Not the scout's own loss, KL: that subtracts the entropy of the answer.
        surprise = -(p * scores.detach().log_softmax(dim=1)).sum(dim=1)
        s.bandit.learn(drawn, p, surprise, left)
        if learns:
            s.scout.descend(gaps.mean())
        return {"scout/gap": gaps.detach().mean()}

    def diagnose(self, s: State, rehearsal: Rehearsal) -> dict[str, float]:
        """Entropy of the policy, as a share of its maximum: 1 where no group is preferred."""
        assert isinstance(s, AdaptiveState)
        p = s.bandit.preferences.softmax(dim=0)
        most = torch.tensor(float(len(p))).log().clamp(min=1e-9)
        return {"policy/entropy": float(-torch.xlogy(p, p).sum() / most)}

    def _left(self, s: AdaptiveState) -> Tensor:
        """Number of images of each group that were not queried, [G]."""
        return torch.bincount(s.groups[s.unasked()], minlength=len(s.bandit.preferences))

    def _members(self, s: AdaptiveState, drawn: list[int]) -> Tensor:
        """For each group drawn, a random image of it that was not queried; none twice."""
        mixed = s.at_random(s.left)
        of = {z: iter(mixed[s.groups[mixed] == z].tolist()) for z in set(drawn)}
        return torch.tensor([next(of[z]) for z in drawn])
