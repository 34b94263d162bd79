"""Attacks that train for long on all answers so far before they query again."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from copycost.attacks.base import SMALLEST_BATCH
from copycost.attacks.generative import Generative
from copycost.attacks.replay import Batch, Replay
from copycost.attacks.state import State
from copycost.errors import ConfigError
from copycost.levels import as_bytes
from copycost.losses import LossSetting, cross_entropy
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@plain_dataclass(kw_only=True)
class LessonState(State):
    """The state of an attack with lessons, with the steps left of the current one."""

    kept: ClassVar[tuple[str, ...]] = ("due",)

    due: int = 0
    """Student steps on old answers still due before the next query."""


@dataclass(frozen=True, config=SETTINGS)
class Lessons(Generative):
    """Each image is queried once and kept as bytes with its answer; lessons draw on that memory.

    Made for labels: above label access the default loss learns only the first choice.
    """

    queries_per_image: ClassVar[int] = 1

    loss: LossSetting = cross_entropy
    """Loss between student and victim, by default that of labels at every access level."""
    epochs: int = Field(default=1, ge=1)
    """Length of one lesson: as many steps as this many passes over all answers take."""
    memory_mib: int = Field(default=297, ge=1)
    """Bound of the memory in MiB: 100,000 CIFAR-10 images with ten probabilities each."""

    def memory(self, s: State, oracle: Oracle) -> Replay:
        """An empty memory; `ConfigError` if it is too small to learn from."""
        memory = Replay(oracle, s.engine, self.memory_mib)
        if memory.capacity < min(SMALLEST_BATCH, oracle.budget):
            raise ConfigError(
                f"memory_mib: {self.memory_mib:,} MiB hold one image with its answer, and a "
                "lesson needs two. Raise it."
            )
        return memory

    def ask(self, s: State, oracle: Oracle, images: Tensor) -> None:
        """Query `images` [N, *shape] once, rounded to the bytes kept: a service takes files."""
        images = as_bytes(images, oracle.spec)
        s.need_memory().put(Batch(images, oracle(images)))

    def begin_lesson(self, s: LessonState, epochs: int) -> None:
        """Make due, before the next query, the steps of `epochs` passes over the memory."""
        held = len(s.need_memory())
        batch = self.batch_size * s.engine.ranks.count
        s.due = epochs * max(1, held // batch) if held >= SMALLEST_BATCH else 0

    def studies(self, s: State, oracle: Oracle) -> bool:
        """Whether steps of a lesson are due before the next query."""
        assert isinstance(s, LessonState)
        return s.due > 0

    def study(self, s: State, oracle: Oracle) -> dict[str, Tensor]:
        """One step of the student on N images of the memory."""
        assert isinstance(s, LessonState)
        s.due -= 1
        return self.learn(s, s.need_memory().draw(self.batch_size, s.random), oracle.spec)

    def learn(self, s: State, lesson: Batch, spec: InputSpec) -> dict[str, Tensor]:
        """One step of the student down the mean loss of `lesson`."""
        return {"student/gap": self.descend(s.student, *lesson)}
