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
from copycost.oracle.meter import Oracle
from copycost.pool import Pool
from copycost.settings import SETTINGS
from copycost.types import InputSpec

CHUNK = 512
"""Images moved at a time."""


@plain_dataclass(kw_only=True)
class JBDAState(PoolState):
    """Here indices are of the images made so far, the seeds first."""

    room: Tensor
    """For all that the budget can have made: [B, *shape], uint8, on the host."""
    held: int = 0
    """M, images made so far."""

    @property
    def made(self) -> Tensor:
        """[M, *shape], uint8."""
        return self.room[: self.held]

    @property
    def left(self) -> int:
        """More can always be made."""
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
        """The images, too."""
        return super().state() | {"made": self.made}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a saved `state`."""
        super().restore(state)
        self.held = len(state["made"])
        self.room[: self.held] = state["made"]


@dataclass(frozen=True, config=SETTINGS)
class JBDA(PoolAttack):
    """A few seeds, and then, round by round, each image moved where the student's answer changes.

    x' = x + λ · sign(∂F_y / ∂x), with F the student and y the victim's label of x. Each image is
    asked once.
    """

    seeds: int = Field(default=150, ge=1)
    """Images of the pool asked in the first round."""
    distance: float = Field(default=0.1, gt=0)
    """λ, by how much each value is moved in all, as a share of the range."""
    direction: Literal["answer", "random-class"] = "answer"
    """Towards which class: the victim's answer (JBDA), or another at random (JBRAND)."""
    moves: int = Field(default=1, ge=1)
    """Steps into which the way is divided, each by the sign where the one before led."""
    reservoir: int | None = Field(default=None, ge=16)
    """Most images of one round, drawn at random; None doubles the number every round."""
    student_momentum: float = Field(default=0.9, ge=0, lt=1)
    epochs: int = Field(default=20, ge=1)
    """Passes over all answers in the training after a round."""
    last_epochs: int = Field(default=100, ge=1)
    """Passes in the last training, which gives the copy."""
    memory_mib: int = Field(default=2968, ge=1)
    """Most that the images made may take; all are needed to the end, one a query."""

    def begin(
        self, pool: Pool, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> PoolState:
        """Nothing made yet.

        Raises `ConfigError` for a pool with fewer images than seeds, or for a budget whose images
        the memory does not hold.
        """
        if len(pool) < min(self.seeds, oracle.budget):
            raise ConfigError(
                [f"jbda.seeds: {self.seeds} images are wanted, and the pool has {len(pool)}."]
            )
        room = self._room(oracle)
        parts = self.parts(pool, oracle.budget, student, oracle, engine, seed)
        return JBDAState(**parts, room=room)

    def _room(self, oracle: Oracle) -> Tensor:
        fits = self.memory_mib * MEBIBYTE // oracle.spec.size
        if oracle.budget > fits:
            raise ConfigError(
                [
                    f"jbda.memory_mib: {self.memory_mib:,} MiB hold {fits:,} images of "
                    f"{oracle.spec.size:,} bytes, and the budget of {oracle.budget:,} makes one a "
                    "query. Lower the budget, or raise this where there is the memory."
                ]
            )
        return torch.empty((oracle.budget, *oracle.spec.shape), dtype=torch.uint8)

    def ends(self, budget: int) -> list[int]:
        """The seeds, then as many as there are, or as the reservoir holds."""
        ends = [min(self.seeds, budget)]
        while ends[-1] < budget:
            ends.append(min(budget, ends[-1] + min(ends[-1], self.reservoir or budget)))
        return ends

    def choose(self, s: PoolState, oracle: Oracle, n: int) -> Tensor:
        """Seeds while nothing was answered; then new images, from answered ones at random."""
        assert isinstance(s, JBDAState)
        if not s.learnt:
            return s.add(s.pool.images[s.shuffled(len(s.pool))[:n]])
        rows = s.shuffled(len(s.answers))[:n]
        moved = [self._moved(s, oracle, part) for part in torch.split(rows, CHUNK)]
        return s.add(self._without_repeats(s, torch.cat(moved), rows))

    def lesson_steps(self, s: PoolState, oracle: Oracle) -> int:
        """The last training is longer."""
        steps = super().lesson_steps(s, oracle)
        return steps if self.images(s, oracle) else steps // self.epochs * self.last_epochs

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` of the images made so far; of the pool while there are none."""
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
        """`images`, those made before moved from their `rows` in a random direction instead.

        A student that hardly changed would otherwise have old images made, and paid for, again.
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
        way = share * self.distance * (spec.high - spec.low)
        return (x + way * signs).clamp(spec.low, spec.high)


def _digest(image: Tensor) -> bytes:
    return blake2b(image.numpy().tobytes(), digest_size=16).digest()


def slope(student: Any, x: Tensor, y: Tensor) -> Tensor:
    """∂ log F_y / ∂x [N, *shape] at `x` for classes `y` [N].

    It has the sign of ∂F_y / ∂x, also where a sure student's own slope would round to 0.
    """
    x = x.detach().requires_grad_()
    log_p = student(x).float().log_softmax(dim=1).gather(1, y[:, None])
    (found,) = torch.autograd.grad(log_p.sum(), x)
    return found
