"""Attacks that train a fresh generator for each batch of queries, through the student alone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass as plain_dataclass
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.lessons import Lessons, LessonState
from copycost.attacks.state import State
from copycost.attacks.views import weak
from copycost.engine import Engine
from copycost.nets.seeded import derive, fresh_copy
from copycost.oracle.base import Oracle
from copycost.schedules import Constant, ScheduleSetting
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@plain_dataclass(kw_only=True)
class SynthesisState(LessonState):
    """The state of lessons, with what determines the next generator's weights."""

    kept: ClassVar[tuple[str, ...]] = (*LessonState.kept, "seed", "rounds")

    seed: int
    rounds: int = 0
    """Generators made so far."""


@dataclass(frozen=True, config=SETTINGS)
class Synthesis(Lessons):
    """Each round has a fresh generator, one batch of queries and a lesson on all answers so far.

    The generator learns to make images that the student predicts as given classes; that costs
    no queries.
    """

    student_lr: float = Field(default=0.01, gt=0)
    """Learning rate of the student's SGD."""
    schedule: ScheduleSetting = Constant()
    """Factor on the student's learning rate over the share of the budget spent."""
    generator_lr: float = Field(default=1e-3, gt=0)
    """Constant learning rate of each round's generator."""
    synthesis_steps: int = Field(default=5, ge=1)
    """Generator steps per round; the batch of the best step is kept."""
    shift: float = Field(default=0.125, ge=0, lt=1)
    """Largest shift of a view, as a share of a side."""
    flip: bool = False
    """Whether half of the views are mirrored: right for photographs, wrong for digits."""

    kept_as: ClassVar[type[SynthesisState]] = SynthesisState
    """The class of the attack's state."""

    @abstractmethod
    def targets(self, s: SynthesisState, oracle: Oracle, n: int) -> Tensor:
        """Classes [n] that the student should predict for the round's images."""

    @abstractmethod
    def objective(self, s: State, scores: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        """The generator's loss, 0-d, given the student's logits `scores` [N, K] on `images`."""

    def chosen(self, s: SynthesisState, oracle: Oracle, images: Tensor) -> Tensor:
        """The images to query, as many as in the round's batch; by default that batch."""
        return images

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """Student, generator and an empty memory."""
        generator = self.generator_player(oracle.spec, engine, seed)
        generator.rate = Constant()
        s = self.kept_as(
            engine=engine,
            student=self.student_player(student, engine),
            random=engine.random(derive(seed, "attack")),
            generator=generator,
            seed=seed,
        )
        s.memory = self.memory(s, oracle)
        return s

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """Query a round's images once; the lesson on all answers follows in `study`."""
        assert isinstance(s, SynthesisState)
        images, reached = self._synthesise(s, oracle, n)
        self.ask(s, oracle, self.chosen(s, oracle, images))
        self.begin_lesson(s, self.epochs)
        return {"generator/loss": reached}

    def _synthesise(self, s: SynthesisState, oracle: Oracle, n: int) -> tuple[Tensor, Tensor]:
        """Train a fresh generator; returns its best batch [n, *shape] and that one's loss, 0-d."""
        self._begin_anew(s)
        generator, targets = s.need_generator(), self.targets(s, oracle, n)
        z = s.normal(n, self.latent)
        best, kept = z.new_full((), torch.inf), None
        for _ in range(self.synthesis_steps):
            images = self.pictures(generator(z), oracle.spec, s.random)
            shown = self.view(s, images, oracle.spec)
            with s.student.seen_through() as student:
                loss = self.objective(s, student(shown).float(), targets, shown)
            found = s.engine.ranks.mean(loss.detach())  # the whole batch's, the same on all ranks
            kept = images.detach() if kept is None else torch.where(found < best, images, kept)
            kept, best = kept.detach(), torch.fmin(found, best)
            generator.descend(loss)
        assert kept is not None
        return kept, torch.where(best.isinf(), found, best)  # so that a NaN loss is reported

    def _begin_anew(self, s: SynthesisState) -> None:
        """Give the generator new random weights and clear its optimiser's state."""
        generator = s.need_generator()
        new = fresh_copy(generator.network, derive(s.seed, f"generator {s.rounds}"))
        generator.network.load_state_dict(new.state_dict())
        generator.optimizer.state.clear()
        s.rounds += 1

    def view(self, s: State, images: Tensor, spec: InputSpec) -> Tensor:
        """A weak view of each image, by `shift` and `flip`."""
        return weak(images, spec, s.random, self.shift, self.flip)
