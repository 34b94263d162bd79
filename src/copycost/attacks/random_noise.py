"""Random noise: the floor every attack is compared with."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, JsonValue
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.base import Attack
from copycost.attacks.patience import steadied, suited_lessons
from copycost.attacks.replay import Batch, Replay
from copycost.attacks.sources import NOISE, SourceSetting, uniform
from copycost.attacks.state import Player, State
from copycost.attacks.untrained import Source
from copycost.engine import Engine
from copycost.losses import Loss, LossSetting, l1
from copycost.nets.seeded import derive
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS
from copycost.types import Access


def _noise(given: Source) -> Source:
    """Accept `given` if its values are independent: other images would be more than a floor."""
    if given not in NOISE:
        raise ValueError("expected noise, which is uniform or normal")
    return given


@dataclass(frozen=True, config=SETTINGS)
class RandomNoise(Attack):
    """Train the student on the victim's answers to images of random values.

    The floor as published learns each answer once, as it comes, and so looks too low: steps
    cost no queries. With `student_steps` it trains as long as the attacks that it is compared
    with. A setting that a run does not give has its value from `suited`.
    """

    queries_per_image: ClassVar[int] = 1
    instead_for_tokens: ClassVar[str] = "set distribution to uniform"

    label_loss: LossSetting = l1
    """Loss between student and victim at label access, where `loss` is not used."""
    student_steps: int = Field(default=1, ge=1)
    """n_S, student steps per batch: the first on the batch, the others on images of the memory."""
    clip: float = Field(default=0.0, ge=0)
    """Bound of the norm of a student's gradient, if it has no normalisation layers; 0: none."""
    memory_mib: int = Field(default=2968, ge=1)
    """Bound of the replay memory in MiB: one million CIFAR-10 images with ten probabilities."""
    distribution: Annotated[SourceSetting, AfterValidator(_noise)] = uniform
    """How values are drawn: `uniform` over the range, or `normal`, clipped to it."""

    @classmethod
    def suited(cls, budget: int) -> dict[str, JsonValue]:
        """The same length of training as `Frugal`, with the same losses."""
        batch, steps = suited_lessons(budget)
        return {
            "batch_size": batch,
            "student_steps": steps,
            "schedule": "cosine",
            "loss": "l2",
            "label_loss": "cross-entropy",
            "clip": 1.0,
        }

    @property
    def takes_tokens(self) -> bool:
        """Whether inputs may be tokens: if they are drawn uniformly."""
        return self.distribution is uniform

    def loss_at(self, access: Access) -> Loss:
        """`label_loss` at label access, `loss` above it."""
        return self.label_loss if access is Access.LABEL else self.loss

    def student_player(self, student: nn.Module, engine: Engine) -> Player:
        """The student as a player, trained by SGD, with its gradient bounded by `clip`."""
        return steadied(super().student_player(student, engine), self.clip)

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """A student alone, with an empty memory if it learns answers more than once."""
        return State(
            engine,
            self.student_player(student, engine),
            engine.random(derive(seed, "attack")),
            memory=Replay(oracle, engine, self.memory_mib) if self.student_steps > 1 else None,
        )

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """One step of the student on `n` images of noise, then n_S - 1 on images of the memory."""
        images = self.distribution(oracle.spec, n, s.random)
        batch = Batch(images, oracle(images))
        if s.memory is not None:
            s.memory.put(batch)
        gap = self.descend(s.student, *batch)
        for _ in range(self.student_steps - 1):
            gap = self.descend(s.student, *s.need_memory().draw(self.batch_size, s.random))
        return {"student/gap": gap}

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` images of noise, from random numbers of their own."""
        return self.distribution(oracle.spec, n, s.engine.random(0))
