"""Base class of attacks with a pool: query in rounds, then train on all answers from scratch."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Any, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.answers import Answers
from copycost.attacks.base import SMALLEST_BATCH, Attack
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.errors import RunError
from copycost.losses import LossSetting, kl
from copycost.nets.seeded import derive
from copycost.oracle.base import Oracle
from copycost.pool import Pool
from copycost.schedules import ScheduleSetting, Steps
from copycost.settings import SETTINGS
from copycost.types import Answer

PROGRESS = ("fresh", "queue", "trained", "learnt", "lesson", "order")
"""Fields of a `PoolState` that a checkpoint holds as they are."""


def _no_rows() -> Tensor:
    return torch.empty(0, dtype=torch.int64)


@plain_dataclass(kw_only=True)
class PoolState(State):
    """A student, a pool, and the answers and progress so far."""

    pool: Pool
    answers: Answers
    ends: list[int]
    """Queries spent at the end of each round."""
    fresh: dict[str, Tensor]
    """The student's first weights, from which every training from scratch starts."""
    queue: Tensor = field(default_factory=_no_rows)
    """Indices chosen in this round and not queried yet."""
    trained: int = 0
    """Rounds whose training is done."""
    learnt: int = 0
    """Answers that the last training learnt from."""
    lesson: int = 0
    """Steps taken in the current training; 0 if there is none."""
    order: Tensor = field(default_factory=_no_rows)
    """Rows of the answers, in the order of the current epoch."""
    _unasked: tuple[int, Tensor] | None = None

    @property
    def left(self) -> int:
        """Number of inputs that can still be queried."""
        return len(self.pool) - len(self.answers)

    def unasked(self) -> Tensor:
        """Indices of the pool's inputs that were not queried, in order."""
        if self._unasked is None or self._unasked[0] != len(self.answers):
            free = torch.ones(len(self.pool), dtype=torch.bool)
            free[self.answers.indices] = False
            self._unasked = len(self.answers), free.nonzero().flatten()
        return self._unasked[1]

    def inputs(self, indices: Tensor) -> Tensor:
        """Inputs [n, *shape] of `indices`, on the device."""
        return self.pool.floats(indices, self.engine.device)

    def shuffled(self, n: int) -> Tensor:
        """The numbers from 0 to n - 1 in a random order, on the host."""
        return self.random.uniform(n).argsort(stable=True).cpu()

    def at_random(self, n: int) -> Tensor:
        """Indices [n] of inputs that were not queried, at random; fewer if fewer are left."""
        unasked = self.unasked()
        return unasked[self.shuffled(len(unasked))[:n]]

    def start_over(self) -> None:
        """Reset the student and its average to the first weights; clear the optimiser's state."""
        self.student.network.load_state_dict(self.fresh)
        self.student.optimizer.state.clear()
        for average in self.averages.values():
            average.restore({"network": self.fresh, "calls": 0})

    def state(self) -> dict[str, Any]:
        """All that a checkpoint needs, with the answers and the progress of the rounds."""
        rounds = {name: getattr(self, name) for name in PROGRESS}
        kept = {"answers": self.answers.state(), "pool": self.pool.content_hash}
        return super().state() | {"rounds": rounds | kept}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved `state`; `RunError` if it comes from another pool."""
        rounds = state["rounds"]
        self._check_pool(rounds.get("pool"))
        super().restore(state)
        self._unasked = None
        self.answers.restore(rounds["answers"])
        for name in PROGRESS:
            setattr(self, name, rounds[name])

    def _check_pool(self, begun_with: str | None) -> None:
        # None: a checkpoint from before the pool's hash was kept.
        if begun_with not in (None, self.pool.content_hash):
            raise RunError(
                "pool: expected the images that this run was begun with, in their order, got "
                f"other ones ({len(self.pool):,} of {self.pool.name}). Name the same pool, or use "
                "another folder."
            )


@dataclass(frozen=True, config=SETTINGS)
class PoolAttack(Attack):
    """Rounds of queries from a pool, each followed by a training on all answers so far.

    Each input is queried at most once. A training starts from the student's first weights, so
    that the student at the end of a round is the one that this budget alone would give.
    Training is `study`, one batch at a time, and sends no queries.
    """

    knowledge: ClassVar[str] = "pool"
    needs_pool: ClassVar[bool] = True
    queries_per_image: ClassVar[int] = 1

    batch_size: int = Field(default=64, ge=SMALLEST_BATCH)
    """Inputs queried at a time, and in a batch of training."""
    student_lr: float = Field(default=0.01, gt=0)
    """Learning rate of the student's SGD."""
    student_momentum: float = Field(default=0.5, ge=0, lt=1)
    student_weight_decay: float = Field(default=0.0, ge=0)
    schedule: ScheduleSetting = Steps((0.3, 0.6, 0.9), 0.1)
    """Factor on the learning rate over the share of one training."""
    loss: LossSetting = kl
    """Loss between student and victim; `kl` has the gradient of the soft cross-entropy."""
    epochs: int = Field(default=200, ge=1)
    """Passes over all answers in one training."""
    from_scratch: bool = True
    """Whether each training starts from the first weights, or from the last student."""

    def begin(
        self, pool: Pool, student: nn.Module, oracle: Oracle, engine: Engine, seed: int
    ) -> PoolState:
        """The state before the first query; random numbers come from `seed`."""
        return PoolState(**self.parts(pool, len(pool), student, oracle, engine, seed))

    def parts(
        self,
        pool: Pool,
        most: int,
        student: nn.Module,
        oracle: Oracle,
        engine: Engine,
        seed: int,
    ) -> dict[str, Any]:
        """The fields that every such state has; at most `most` inputs can be queried."""
        player = self.student_player(student, engine)
        weights = player.network.state_dict()
        return {
            "engine": engine,
            "student": player,
            "random": engine.random(derive(seed, "attack")),
            "pool": pool,
            "answers": Answers(oracle, min(most, oracle.budget)),
            "ends": self.ends(oracle.budget),
            "fresh": {name: value.clone() for name, value in weights.items()},
        }

    @abstractmethod
    def ends(self, budget: int) -> list[int]:
        """Queries spent at the end of each round, in rising order; the last is the budget."""

    @abstractmethod
    def choose(self, s: PoolState, oracle: Oracle, n: int) -> Tensor:
        """Indices [n] to query in this round, in this order, none of them queried before."""

    def images(self, s: State, oracle: Oracle) -> int:
        """A batch, or what is left of the round or the pool, which may be a single input."""
        assert isinstance(s, PoolState)
        return min(self.batch_size, self._left_in_round(s, oracle))

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """Query the next `n` inputs of the round and keep the answers."""
        assert isinstance(s, PoolState)
        if not len(s.queue):
            s.queue = self.choose(s, oracle, max(n, self._left_in_round(s, oracle)))
        asked, s.queue = s.queue[:n], s.queue[n:]
        self.ask(s, oracle, asked)
        return {}

    def ask(self, s: PoolState, oracle: Oracle, indices: Tensor) -> Answer:
        """Query the inputs of `indices`, and keep and return the answer."""
        answer = oracle(s.inputs(indices))
        s.answers.put(indices, answer)
        return answer

    def studies(self, s: State, oracle: Oracle) -> bool:
        """Whether a training is due: at the end of a round, or when nothing is left to query."""
        assert isinstance(s, PoolState)
        if bisect_right(s.ends, oracle.spent) > s.trained:
            return True
        return len(s.answers) > s.learnt and not self.images(s, oracle)

    def study(self, s: State, oracle: Oracle) -> dict[str, Tensor]:
        """One optimiser step of a training on all answers so far."""
        assert isinstance(s, PoolState)
        steps = self.lesson_steps(s, oracle)
        if s.lesson == 0 and self.from_scratch:
            s.start_over()
        losses = {}
        if steps:
            self.set_rate(s, oracle, s.lesson / steps)
            losses = self.learn(s, self._next_rows(s))
            s.lesson += 1
        if s.lesson >= steps:
            s.trained, s.learnt = bisect_right(s.ends, oracle.spent), len(s.answers)
            s.lesson, s.queue, s.order = 0, _no_rows(), _no_rows()
        return losses

    def set_rate(self, s: PoolState, oracle: Oracle, t: float) -> None:
        """Set the student's learning rate for a share `t` of the current training."""
        s.student.set_time(t)

    def lesson_steps(self, s: PoolState, oracle: Oracle) -> int:
        """Optimiser steps of the current training; 0 if there are too few answers."""
        return self.epochs * self.batches(s) if len(s.answers) >= SMALLEST_BATCH else 0

    def learn(self, s: PoolState, rows: Tensor) -> dict[str, Tensor]:
        """One step of the student on the answers in `rows`."""
        x = s.inputs(s.answers.indices[rows])
        answer = s.answers.of(rows, s.engine.device)
        return {"student/gap": self.descend(s.student, x, answer)}

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` random inputs of the pool, from random numbers of their own."""
        assert isinstance(s, PoolState)
        return s.pool.floats(s.engine.random(0).integers(n, len(s.pool)).cpu(), s.engine.device)

    def _left_in_round(self, s: PoolState, oracle: Oracle) -> int:
        past = bisect_right(s.ends, oracle.spent)
        return min(s.ends[past] - oracle.spent, s.left) if past < len(s.ends) else 0

    def batches(self, s: PoolState) -> int:
        """Batches of an epoch, each of `batch_size` or a little more, or a single smaller one."""
        return max(1, len(s.answers) // self.batch_size)

    def _next_rows(self, s: PoolState) -> Tensor:
        batches, held = self.batches(s), len(s.answers)
        at = s.lesson % batches
        if at == 0:
            s.order = s.shuffled(held)
        return s.order[at * held // batches : (at + 1) * held // batches]
