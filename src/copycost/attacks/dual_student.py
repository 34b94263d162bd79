"""Dual Student: two students and a generator (Beetham et al., ICLR 2023, arXiv:2309.10058)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.average import WeightAverage
from copycost.attacks.ensemble import Vote
from copycost.attacks.state import State
from copycost.attacks.through_students import ThroughStudents
from copycost.engine import Engine
from copycost.losses import LossSetting, l1, l1_one_hot
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS
from copycost.types import InputSpec


@dataclass(frozen=True, config=SETTINGS)
class DualStudent(ThroughStudents):
    """The generator maximises the distance between two students' logits; both learn the answers.

    The second student stands in for the victim, which cannot be differentiated. The copy is the
    average of the first student's weights over time. The defaults are those of the authors'
    script for CIFAR-10.
    """

    count: ClassVar[int] = 2

    student_lr: float = Field(default=0.3, gt=0)
    """Learning rate of the students' SGD."""
    label_loss: LossSetting = l1_one_hot
    """Loss between student and victim at label access, in place of `loss`."""
    student_steps: int = Field(default=5, ge=1)
    """n_S, steps of both students per step of the attack, each on fresh images."""
    generator_sees: Literal["unsquashed", "image"] = "unsquashed"
    """What the students see while the generator learns: its output before the tanh, as in the
    authors' code, or the image that would be queried."""
    average_momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of the average of each student's weights; 0: no average, the student is the copy."""
    average_every: int = Field(default=10, ge=1)
    """Steps of the attack between two updates of the averages."""

    @property
    def needs_images(self) -> bool:
        """False: students disagree on anything that a generator makes."""
        return False

    @property
    def queries_per_image(self) -> int:
        """n_S: one query per student step."""
        return self.student_steps

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """Two students, their averages and the generator."""
        s = super().start(student, oracle, engine, seed)
        networks = {name: player.network for name, player in self.students(s).items()}
        if self.average_momentum:
            s.beside["not averaged"] = s.student.network
            s.averages = {
                name: WeightAverage(network, self.average_momentum, self.average_every)
                for name, network in networks.items()
            }
            networks = {name: average.network for name, average in s.averages.items()}
        s.beside |= {name: networks[name] for name in s.more}
        s.beside["ensemble"] = Vote(networks.values())
        return s

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """n_G steps of the generator, then n_S of both students."""
        for _ in range(self.generator_steps):
            losses = self.climb(s, oracle, n)
        for batch in self.asked(s, oracle, n, self.student_steps):
            gaps = self.teach(s, batch)
        for name, average in s.averages.items():
            average.follow(s.players[name].network)
        return losses | gaps

    def climb(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """One generator step up the mean distance of the two students' logits."""
        generator = s.need_generator()
        x = generator(s.normal(n, self.latent))  # [N, C, H, W] before the squash
        image = self.generator_sees == "image"
        shown = self.pictures(x, oracle.spec, s.random) if image else unsquashed(x, oracle.spec)
        apart = l1(*self.logits(s, shown)).mean()
        generator.descend(-apart)
        return {"generator/disagreement": apart.detach()}


def unsquashed(x: Tensor, spec: InputSpec) -> Tensor:
    """`squash` without its tanh: -1 and 1 map to the ends of the range."""
    return spec.middle + spec.half * x.float()
