"""A fresh student of fixed recipe measures how good queries are, whichever attack chose them.

The recipe is the same for all attacks, and so is the number of steps at equal budgets. Attacks
then differ only in the queries that they chose.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.base import SMALLEST_BATCH
from copycost.bench.queries import Queries
from copycost.engine import arranged, restore_optimizer
from copycost.errors import RunError, Unstable
from copycost.hashes import hash_of
from copycost.losses import LossSetting, kl
from copycost.metrics import agreement
from copycost.nets.seeded import derive
from copycost.recovery import recover_logits
from copycost.runner.chance import chance_state, own_chance, restore_chance
from copycost.runner.keeper import FileKeeper
from copycost.schedules import Cosine, ScheduleSetting
from copycost.settings import SETTINGS, write_settings
from copycost.types import Answer

CHUNK = 1024
"""Queries kept out that a student is evaluated on at a time."""


@dataclass(frozen=True, config=SETTINGS)
class FreshRecipe:
    """Settings of supervised training on recorded answers, by SGD."""

    passes: float = Field(default=20.0, gt=0)
    """P: a budget of B queries is worth P · B / batch_size steps, however many were recorded."""
    batch_size: int = Field(default=64, ge=SMALLEST_BATCH)
    """Queries per step; all of them if there are fewer."""
    lr: float = Field(default=0.05, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    schedule: ScheduleSetting = Cosine()
    """Factor on the learning rate as a function of the share of the training done."""
    loss: LossSetting = kl
    """Loss against the logits, with mean 0, that are recovered from the answers."""
    kept_out: float = Field(default=0.05, ge=0, lt=0.5)
    """Largest share of the queries kept out of training, by which a student is chosen. It may be
    less, as whole calls of the oracle are kept out."""
    checks: int = Field(default=10, ge=1)
    """Evenly spaced points of the training at which a student may be chosen."""

    def steps(self, budget: int) -> int:
        """Optimiser steps that a budget of `budget` queries is worth."""
        return math.ceil(self.passes * budget / self.batch_size)


class Trained(NamedTuple):
    """The result of a training."""

    last: nn.Module
    chosen: nn.Module | None
    """The student at the check where it agreed best with the victim on the queries kept out; of
    equals the later. None if there were too few queries to keep any out."""
    chosen_at: int | None
    """Steps that `chosen` had taken."""
    learnt: int
    """Queries learnt from."""
    kept_out: int
    seconds: float
    """Of training, over all sessions."""


def train_fresh(
    recipe: FreshRecipe,
    build: Callable[[], nn.Module],
    queries: Queries,
    steps: int,
    seed: int,
    device: torch.device,
    keeper: FileKeeper | None = None,
) -> Trained:
    """Train the student that `build` makes on `queries` for `steps` steps, asking nothing new.

    `seed` fixes which queries are kept out, the order of the others, and what layers such as
    dropout draw. Raises `RunError` if there are too few queries, `Unstable` if the loss is not
    finite, and what `keeper` raises.
    """
    with own_chance(derive(seed, "layers"), device):
        training = FreshTraining(recipe, build, queries, steps, seed, device)
        if keeper is not None:
            keeper.begin(training)
        while not training.finished:
            training.step()
            if keeper is not None:
                keeper.after_step(training)
        return training.trained()


class FreshTraining:
    """A fresh student between two steps of its training."""

    def __init__(
        self,
        recipe: FreshRecipe,
        build: Callable[[], nn.Module],
        queries: Queries,
        steps: int,
        seed: int,
        device: torch.device,
    ) -> None:
        """Take no step yet. The arguments are those of `train_fresh`."""
        self._queries, self._steps, self._device = queries, steps, device
        self.purpose: dict[str, Any] = {
            "recipe": write_settings(recipe),
            "queries": len(queries),
            "labels": hash_of(queries.labels),
            "steps": steps,
            "seed": seed,
        }
        chance = torch.Generator().manual_seed(seed)
        self._kept, self._learnt = _split(recipe, queries, chance)
        self._learner = _Learner(recipe, build(), device)
        self._choice = _Choice(build(), queries, self._kept, device)
        self._rows = _Rows(self._learnt, recipe.batch_size, chance)
        self._checks = {math.ceil(steps * (i + 1) / recipe.checks) for i in range(recipe.checks)}
        self._done = 0
        self._before, self._clock = 0.0, time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether all steps are taken."""
        return self._done == self._steps

    def step(self) -> None:
        """Take one step on the next rows; at a check, consider the student for `chosen`."""
        x, answer = self._queries.of(self._rows.next(), self._device)
        loss = self._learner.step(x, answer, self._done / self._steps)
        self._done += 1
        if self._done in self._checks:
            refuse_lost(float(loss), self._done)
            self._choice.consider(self._learner.student, self._done)

    def trained(self) -> Trained:
        """The result of the training."""
        return Trained(
            self._learner.student.eval(),
            self._choice.student,
            self._choice.at,
            learnt=len(self._learnt),
            kept_out=len(self._kept),
            seconds=self._seconds,
        )

    def state(self) -> dict[str, Any]:
        """Everything needed to resume bit for bit."""
        return {
            "learner": self._learner.state(),
            "choice": self._choice.state(),
            "rows": self._rows.state(),
            "layers": chance_state(self._device),
            "done": self._done,
            "seconds": self._seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved `state`."""
        self._learner.restore(state["learner"])
        self._choice.restore(state["choice"])
        self._rows.restore(state["rows"])
        restore_chance(self._device, state.get("layers", ()))
        self._done, self._before = state["done"], state["seconds"]

    @property
    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._clock


class _Learner:
    """A student with its optimiser."""

    def __init__(self, recipe: FreshRecipe, student: nn.Module, device: torch.device) -> None:
        self._recipe = recipe
        self.student = arranged(student.to(device)).train()
        self._optimizer = torch.optim.SGD(
            self.student.parameters(),
            recipe.lr,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
        )

    def step(self, x: Tensor, answer: Answer, t: float) -> Tensor:
        """Step on inputs [n, *shape] at share `t` of the training; return the loss before it."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.lr * self._recipe.schedule(t)
        scores = self.student(x)
        loss = self._recipe.loss(scores, recover_logits(answer, scores.shape[1])).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()

    def state(self) -> dict[str, Any]:
        return {"student": self.student.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        self.student.load_state_dict(state["student"])
        restore_optimizer(self._optimizer, state["optimizer"])


class _Choice:
    """The student at the check where it agreed best with the victim on the queries kept out."""

    def __init__(
        self, held: nn.Module, queries: Queries, kept: Tensor, device: torch.device
    ) -> None:
        self._held, self._queries, self._kept, self._device = held.to(device), queries, kept, device
        self._best = 0.0
        self.at: int | None = None

    @property
    def student(self) -> nn.Module | None:
        """None if no query was kept out."""
        return None if self.at is None else self._held.eval()

    def consider(self, student: nn.Module, step: int) -> None:
        """Copy the weights of `student` unless an earlier one agreed better."""
        if not len(self._kept):
            return
        found = agreement(self._labels_by(student), self._queries.labels[self._kept])
        if found >= self._best:
            self._best, self.at = found, step
            self._held.load_state_dict(student.state_dict())

    @torch.no_grad()
    def _labels_by(self, student: nn.Module) -> Tensor:
        student.eval()
        inputs = (
            self._queries.of(rows, self._device)[0] for rows in torch.split(self._kept, CHUNK)
        )
        labels = torch.cat([student(x).argmax(dim=1).cpu() for x in inputs])
        student.train()
        return labels

    def state(self) -> dict[str, Any]:
        return {"held": self._held.state_dict(), "best": self._best, "at": self.at}

    def restore(self, state: dict[str, Any]) -> None:
        self._held.load_state_dict(state["held"])
        self._best, self.at = state["best"], state["at"]


class _Rows:
    """Batches from successive epochs, each epoch in a new random order."""

    def __init__(self, rows: Tensor, size: int, chance: torch.Generator) -> None:
        self._rows, self._size, self._chance = rows, min(size, len(rows)), chance
        self._left = rows[:0]

    def next(self) -> Tensor:
        """The next row numbers [size]; an incomplete batch at the end of an epoch is skipped."""
        if len(self._left) < self._size:
            self._left = self._rows[torch.randperm(len(self._rows), generator=self._chance)]
        taken, self._left = self._left[: self._size], self._left[self._size :]
        return taken

    def state(self) -> dict[str, Tensor]:
        return {"left": self._left, "chance": self._chance.get_state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._left = state["left"]
        self._chance.set_state(state["chance"])


def _split(recipe: FreshRecipe, queries: Queries, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Row numbers to keep out and to learn from, at random; `RunError` if these are too few."""
    kept = int(recipe.kept_out * len(queries))
    if len(queries) - kept < SMALLEST_BATCH:
        raise RunError(
            f"A fresh student cannot learn from {len(queries)} recorded queries, of which {kept} "
            f"are kept out: it needs {SMALLEST_BATCH} or more. Raise the budget."
        )
    return queries.parted(kept, chance)


def refuse_lost(loss: float, step: int) -> None:
    """Raise `Unstable` for a loss that is not finite."""
    if not abs(loss) < math.inf:
        raise Unstable(
            f"The fresh student's loss became {loss} within {step} steps. Lower its rate: "
            "--set fresh.lr=0.01."
        )
