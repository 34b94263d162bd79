"""JBDA: Jacobian-based augmentation (Papernot et al., AsiaCCS 2017, arXiv:1602.02697)."""

from __future__ import annotations

import sys
from dataclasses import dataclass as plain_dataclass
from hashlib import blake2b
from typing import Any, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.pool_attack import PoolAttack, PoolState
from copycost.attacks.replay import MEBIBYTE
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.levels import dequantise, quantise
from copycost.oracle.base import Oracle
from copycost.pool import Pool
from copycost.settings import SETTINGS
from copycost.types import InputSpec

CHUNK = 512
"""Images moved along the Jacobian at a time."""


@plain_dataclass(kw_only=True)
class JBDAState(PoolState):
    """The state of a pool attack, whose indices here are of images made so far, seeds first."""

    room: Tensor
    """Memory for one image per query of the budget: [B, *shape], uint8, on the host."""
    held: int = 0
    """M, images made so far."""

    @property
    def made(self) -> Tensor:
        """The images made so far, [M, *shape], uint8."""
        return self.room[: self.held]

    @property
    def left(self) -> int:
        """Practically unlimited: more images can always be made."""
        return sys.maxsize

    def inputs(self, indices: Tensor) -> Tensor:
        """Images [n, *shape] of `indices`, on the device."""
        return dequantise(self.made[indices].to(self.engine.device), self.pool.spec)

    def add(self, images: Tensor) -> Tensor:
        """Keep `images` [n, *shape], uint8; returns their indices [n]."""
        first, self.held = self.held, self.held + len(images)
        self.room[first : self.held] = images
        return torch.arange(first, self.held)

    def state(self) -> dict[str, Any]:
        """All that a checkpoint needs, with the images made."""
        return super().state() | {"made": self.made}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`."""
        super().restore(state)
        self.held = len(state["made"])
        self.room[: self.held] = state["made"]


@dataclass(frozen=True, config=SETTINGS)
class JBDA(PoolAttack):
    """Query a few seeds; then, in each round, images moved along the student's gradient.

    x' = x + λ · sign(∂F_y / ∂x), with F the student and y the victim's label of x. Each image is
    queried once.
    """

    seeds: int = Field(default=150, ge=1)
    """Images of the pool queried in the first round."""
    distance: float = Field(default=0.1, gt=0)
    """λ, total change of each value, as a share of the range."""
    direction: Literal["answer", "random-class"] = "answer"
    """Class to move towards: the victim's answer (JBDA), or another at random (JBRAND)."""
    moves: int = Field(default=1, ge=1)
    """Steps into which λ is divided; each takes the gradient's sign at the point reached."""
    reservoir: int | None = Field(default=None, ge=16)
    """Most images of one round, drawn at random; None doubles the number every round."""
    student_momentum: float = Field(default=0.9, ge=0, lt=1)
    student_weight_decay: float = Field(default=5e-4, ge=0)
    round_lr: float = Field(default=0.1, gt=0)
    """Constant learning rate of the trainings after a round; `student_lr` and `schedule` are those
    of the last training."""
    epochs: int = Field(default=20, ge=1)
    """Passes over all answers in the training after a round."""
    last_epochs: int = Field(default=100, ge=1)
    """Passes in the last training, which yields the copy."""
    memory_mib: int = Field(default=2968, ge=1)
    """Bound of the images' memory in MiB: all, one per query, are needed to the end."""

    def begin(
        self, pool: Pool, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> PoolState:
        """The state before the first query, with no images made.

        Raises `ConfigError` for a pool with too few images for the seeds, or for a budget whose
        images the memory cannot hold.
        """
        if len(pool) < min(self.seeds, oracle.budget):
            raise ConfigError(
                f"jbda.seeds: expected a pool of {self.seeds:,} images or more, got "
                f"{len(pool):,}. Set fewer seeds, or name a larger pool."
            )
        room = self._room(oracle)
        parts = self.parts(pool, oracle.budget, student, oracle, engine, seed)
        return JBDAState(**parts, room=room)

    def _room(self, oracle: Oracle) -> Tensor:
        fits = self.memory_mib * MEBIBYTE // oracle.spec.size
        if oracle.budget > fits:
            raise ConfigError(
                f"jbda.memory_mib: {self.memory_mib:,} MiB hold {fits:,} images of "
                f"{oracle.spec.size:,} bytes, and a budget of {oracle.budget:,} makes one for "
                "each query. Lower the budget, or raise this if there is more memory."
            )
        return torch.empty((oracle.budget, *oracle.spec.shape), dtype=torch.uint8)

    def ends(self, budget: int) -> list[int]:
        """Queries at each round's end: the seeds, then doubling, by `reservoir` at most."""
        ends = [min(self.seeds, budget)]
        while ends[-1] < budget:
            ends.append(min(budget, ends[-1] + min(ends[-1], self.reservoir or budget)))
        return ends

    def choose(self, s: PoolState, oracle: Oracle, n: int) -> Tensor:
        """Seeds in the first round; afterwards new images, made from random answered ones."""
        assert isinstance(s, JBDAState)
        if not s.learnt:
            return s.add(s.pool.images[s.shuffled(len(s.pool))[:n]])
        rows = s.shuffled(len(s.answers))[:n]
        moved = [self._moved(s, oracle, part) for part in torch.split(rows, CHUNK)]
        return s.add(self._without_repeats(s, torch.cat(moved), rows))

    def lesson_steps(self, s: PoolState, oracle: Oracle) -> int:
        """Optimiser steps of the current training; the last training is longer."""
        steps = super().lesson_steps(s, oracle)
        return steps // self.epochs * self.last_epochs if self._is_last(s, oracle) else steps

    def set_rate(self, s: PoolState, oracle: Oracle, t: float) -> None:
        """The schedule in the last training only: a short one would spend itself on tiny steps."""
        if self._is_last(s, oracle):
            super().set_rate(s, oracle, t)
        else:
            s.student.set_rate(self.round_lr)

    def _is_last(self, s: PoolState, oracle: Oracle) -> bool:
        """Whether the current training yields the copy: nothing is left to query."""
        return not self.images(s, oracle)

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` random images of those made so far, or of the pool if there are none."""
        assert isinstance(s, JBDAState)
        if not len(s.made):
            return super().samples(s, oracle, n)
        return s.inputs(s.engine.random(0).integers(n, len(s.made)).cpu())

    def _moved(self, s: JBDAState, oracle: Oracle, rows: Tensor) -> Tensor:
        """The images of `rows`, moved and rounded to bytes, on the host."""
        x, y = s.inputs(s.answers.indices[rows]), s.answers.of(rows, s.engine.device).labels
        if self.direction == "random-class":
            y = (y + 1 + s.random.integers(len(y), oracle.classes - 1)) % oracle.classes
        with s.student.seen_through() as student:
            for _ in range(self.moves):
                x = self._step(x, slope(student, x, y).sign(), oracle.spec, 1 / self.moves)
        return quantise(x, oracle.spec).cpu()

    def _without_repeats(self, s: JBDAState, images: Tensor, rows: Tensor) -> Tensor:
        """`images`, with repeats of earlier ones replaced by their originals moved at random.

        `rows` are the answers of the originals. Without this, a student that hardly changed would
        make, and pay for, the same images again.
        """
        known = {_digest(image) for image in s.made}
        for i, row in enumerate(rows):
            if _digest(images[i]) in known:
                x = s.inputs(s.answers.indices[row : row + 1])
                x = self._step(x, s.normal(*x.shape).sign(), s.pool.spec, 1.0)
                images[i] = quantise(x, s.pool.spec).cpu()[0]
            known.add(_digest(images[i]))
        return images

    def _step(self, x: Tensor, signs: Tensor, spec: InputSpec, share: float) -> Tensor:
        """A `share` of the way from `x` along `signs`, within the range."""
        way = share * self.distance * spec.span
        return (x + way * signs).clamp(spec.low, spec.high)


def _digest(image: Tensor) -> bytes:
    return blake2b(image.numpy().tobytes(), digest_size=16).digest()


def slope(student: Any, x: Tensor, y: Tensor) -> Tensor:
    """∂ log F_y / ∂x [N, *shape] at `x` for classes `y` [N].

    It has the sign of ∂F_y / ∂x, but does not round to 0 where the student is very sure.
    """
    x = x.detach().requires_grad_()
    log_p = student(x).float().log_softmax(dim=1).gather(1, y[:, None])
    (found,) = torch.autograd.grad(log_p.sum(), x)
    return found
