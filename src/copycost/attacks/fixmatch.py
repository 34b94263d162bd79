"""Semi-supervised extraction: FixMatch on a pool (Sohn et al., NeurIPS 2020, arXiv:2001.07685)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from copycost.attacks.average import WeightAverage
from copycost.attacks.knockoff import Knockoff
from copycost.attacks.pool_attack import PoolState
from copycost.attacks.views import strong, weak
from copycost.engine import Engine
from copycost.noise import Noise
from copycost.oracle.base import Oracle
from copycost.pool import Pool
from copycost.schedules import Cosine, ScheduleSetting
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@dataclass(frozen=True, config=SETTINGS)
class FixMatch(Knockoff):
    """Query some of the pool; on the rest, learn from the student's own confident predictions.

    Where the student is sure of a weak view of an image that was not queried, it is trained to
    predict the same label for a strong view.
    """

    needs_images: ClassVar[bool] = True

    student_lr: float = Field(default=0.03, gt=0)
    """Learning rate of the student's SGD."""
    student_momentum: float = Field(default=0.9, ge=0, lt=1)
    student_weight_decay: float = Field(default=5e-4, ge=0)
    schedule: ScheduleSetting = Cosine()
    """Factor on the learning rate over the share of one training."""
    ratio: int = Field(default=7, ge=1)
    """µ, images without an answer per image with one."""
    threshold: float = Field(default=0.95, gt=0, le=1)
    """τ, the probability from which the student counts as sure."""
    weight: float = Field(default=1.0, ge=0)
    """λ_u, weight in the loss of images without an answer."""
    shift: float = Field(default=0.125, ge=0, lt=1)
    """Largest shift of a view, as a share of a side."""
    flip: bool = False
    """Whether half of the views are mirrored: right for photographs, wrong for digits."""
    average: float = Field(default=0.99, ge=0, lt=1)
    """Momentum of the average of the student's weights, which is the copy."""

    def begin(
        self, pool: Pool, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> PoolState:
        """The state before the first query, with an average of the student."""
        s = super().begin(pool, student, oracle, engine, seed)
        s.averages["student"] = WeightAverage(s.student.network, self.average)
        return s

    def learn(self, s: PoolState, rows: Tensor) -> dict[str, Tensor]:
        """One step on the answers in `rows`, and on `ratio` times as many images without any."""
        x = weak(s.inputs(s.answers.indices[rows]), *self._how(s))
        seen, bent = self._two_views(s, len(rows) * self.ratio)
        # One batch, so that batch norm sees all three kinds together, as in the authors' code.
        scores = s.student(torch.cat([x, seen, bent])).float()
        known, sure_of, asked_of = torch.split(scores, [len(x), len(seen), len(bent)])

        gap = self.miss(known, s.answers.of(rows, s.engine.device)).mean()
        unsupervised, sure = consistency(sure_of, asked_of, self.threshold)
        s.student.descend(gap + self.weight * unsupervised)
        s.averages["student"].follow(s.student.network)
        return {
            "student/gap": gap.detach(),
            "student/inconsistency": unsupervised.detach(),
            "student/share sure": sure,
        }

    def _two_views(self, s: PoolState, n: int) -> tuple[Tensor, Tensor]:
        """Weak and strong views of `n` images that were not queried; empty if all were."""
        unasked = s.unasked()
        if not len(unasked):
            return s.inputs(unasked), s.inputs(unasked)
        u = s.inputs(unasked[s.random.integers(n, len(unasked)).cpu()])
        return weak(u, *self._how(s)), strong(u, *self._how(s))

    def _how(self, s: PoolState) -> tuple[InputSpec, Noise, float, bool]:
        return s.pool.spec, s.random, self.shift, self.flip


def consistency(weak: Tensor, strong: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy of strong views' logits [U, K] with the confident labels of weak views'.

    Returns its mean over all U, with 0 for unconfident ones, and the share of confident ones;
    both are 0-d.
    """
    if not len(weak):
        return weak.sum(), weak.sum().detach()
    confidence, label = weak.detach().softmax(dim=1).max(dim=1)
    sure = (confidence >= threshold).float()
    return (cross_entropy(strong, label, reduction="none") * sure).mean(), sure.mean()
