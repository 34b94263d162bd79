"""Attacks whose generator learns through the students, and so costs no queries."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.ensemble import fellows
from copycost.attacks.generative import Generative
from copycost.attacks.replay import Batch
from copycost.attacks.state import Player, State
from copycost.engine import Engine
from copycost.losses import Loss, LossSetting, cross_entropy
from copycost.nets.seeded import derive
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS
from copycost.types import Access


@dataclass(frozen=True, config=SETTINGS)
class ThroughStudents(Generative):
    """Several students learn the same answers; the generator seeks images on which they differ.

    Where two such students disagree, at least one of them is wrong about the victim. The attacker
    can differentiate the students, so no gradient has to be estimated.
    """

    asks_evaluating: ClassVar[bool] = True

    label_loss: LossSetting = cross_entropy
    """Loss between student and victim at label access, in place of `loss`."""
    generator_steps: int = Field(default=1, ge=1)
    """n_G, generator steps per step of the attack; they cost no queries."""

    @property
    @abstractmethod
    def count(self) -> int:
        """M, the number of students."""

    @abstractmethod
    def climb(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """One generator step on `n` images; returns its losses by name."""

    def loss_at(self, access: Access) -> Loss:
        """`label_loss` at label access, `loss` above it."""
        return self.label_loss if access is Access.LABEL else self.loss

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """M students of one architecture with different weights, and a generator if any."""
        others = fellows(student, self.count - 1, seed)
        return State(
            engine,
            self.student_player(student, engine),
            engine.random(derive(seed, "attack")),
            self.generator_player(oracle.spec, engine, seed) if self.generates else None,
            more={name: self.student_player(other, engine) for name, other in others.items()},
        )

    def students(self, s: State) -> dict[str, Player]:
        """All M students by name, first the one that becomes the copy."""
        return {"student": s.student, **s.more}

    def logits(self, s: State, images: Tensor) -> Tensor:
        """Every student's logits [M, N, K], in evaluation mode; gradients reach only the images."""
        with ExitStack() as held:
            seen = [held.enter_context(p.seen_through()) for p in self.students(s).values()]
            return torch.stack([student(images).float() for student in seen])

    def teach(self, s: State, batch: Batch, raised: Tensor | None = None) -> dict[str, Tensor]:
        """One step of every student on the same answers; returns the gaps by name.

        `raised` [K] is added to the students' logits in these losses only.
        """
        gaps = {}
        for name, student in self.students(s).items():
            scores = student(batch.inputs).float()
            gap = self.miss(scores if raised is None else scores + raised, batch.answer).mean()
            student.descend(gap)
            gaps[f"{name}/gap"] = gap.detach()
        return gaps
