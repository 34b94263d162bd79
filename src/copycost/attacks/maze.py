"""MAZE: model stealing by zeroth-order gradients (Kariyappa et al. 2021, arXiv:2005.03161)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.estimating import Estimating, Mode
from copycost.attacks.replay import Batch, Replay
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.losses import LossSetting, kl
from copycost.oracle.base import Oracle
from copycost.schedules import Cosine, ScheduleSetting
from copycost.settings import SETTINGS
from copycost.types import Answer


@dataclass(frozen=True, config=SETTINGS)
class MAZE(Estimating):
    """The generator climbs KL(victim || student) by estimated gradients; the student descends it.

    The images at which the gradient is estimated are the student's first batch, so that their
    answers are paid for once. Fresh batches follow, then batches from the memory. The defaults
    are those of the authors' code, which has no script for a data set.
    """

    batch_size: int = Field(default=128, ge=2)
    """N, images per step."""
    schedule: ScheduleSetting = Cosine()
    """Factor on all learning rates over the share of the budget spent."""
    loss: LossSetting = kl
    """Loss between student and victim; both players use the same."""
    latent: int = Field(default=100, ge=1)
    """Z, size of the noise the generator starts from."""
    generator_momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of the generator's SGD."""
    generator_weight_decay: float = Field(default=5e-4, ge=0)
    """Weight decay of the generator's SGD."""
    generator_steps: int = Field(default=1, ge=1)
    """n_G, generator steps per step of the attack."""
    student_steps: int = Field(default=5, ge=1)
    """n_S, student steps per step of the attack, the first on the images of the estimate."""
    replay_steps: int = Field(default=10, ge=0)
    """n_R, further student steps, each on images from the memory."""
    memory_mib: int = Field(default=5936, ge=1)
    """Bound of the replay memory in MiB: two million CIFAR-10 images with ten probabilities
    each, which is all that the authors keep of 30 million queries."""
    directions: int = Field(default=10, ge=1)
    """m, random directions per gradient estimate."""
    epsilon: float | None = Field(default=None, ge=1e-12)
    """ε, length of the finite difference, before the squash; None for the arithmetic's default,
    which in float32 is the paper's 1e-3."""
    student_mode: Mode = "eval"
    """Mode of the student's batch norms at the points of the estimate; in `train`, as in the
    authors' code, their running statistics include the perturbed images."""

    @property
    def queries_per_image(self) -> int:
        """m + 1 per generator step, and 1 per student step except the first."""
        return self.generator_steps * (self.directions + 1) + self.student_steps - 1

    def generator_optimizer(self, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """SGD with the generator's momentum and weight decay."""
        return torch.optim.SGD(
            weights,
            lr=self.generator_lr,
            momentum=self.generator_momentum,
            weight_decay=self.generator_weight_decay,
            fused=True,
        )

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """The two players and an empty memory."""
        s = super().start(student, oracle, engine, seed)
        s.memory = Replay(oracle, engine, self.memory_mib)
        return s

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """n_G steps of the generator, then n_S of the student on fresh and n_R on old images."""
        for _ in range(self.generator_steps):
            batch, found = self._ascend(s, oracle, n)
        left = self.descend(s.student, *batch)
        for batch in self.asked(s, oracle, n, self.student_steps - 1):
            left = self.descend(s.student, *batch)
        losses = {"generator/gap": found.mean(), "student/gap": left}

        memory = s.need_memory()
        memory.put(batch)
        for _ in range(self.replay_steps):
            replayed = self.descend(s.student, *memory.draw(n, s.random))
            losses["student/replayed gap"] = replayed
        return losses

    def _ascend(self, s: State, oracle: Oracle, n: int) -> tuple[Batch, Tensor]:
        """One generator step; returns its images with their answers, and their gap [N]."""
        points: list[Batch] = []

        def noted(images: Tensor) -> Answer:
            points.append(Batch(images, oracle(images)))
            return points[-1].answer

        generator = s.need_generator()
        x = generator(s.normal(n, self.latent)).float()  # [N, C, H, W] before the squash
        uphill, found = self.ascent(s, noted, oracle.spec, x)
        generator.descend(x, -uphill / n)
        return points[0].split(n)[0], found  # the unperturbed points come first
