"""Random noise: the floor every attack is compared with."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.base import Attack
from copycost.attacks.sources import NOISE, SourceSetting, uniform
from copycost.attacks.state import State
from copycost.attacks.untrained import Source
from copycost.engine import Engine
from copycost.nets.seeded import derive
from copycost.oracle.meter import Oracle
from copycost.settings import SETTINGS


def _noise(given: Source) -> Source:
    """`given`, if its values are independent: other images are more than a floor."""
    if given not in NOISE:
        raise ValueError("expected noise, which is uniform or normal")
    return given


@dataclass(frozen=True, config=SETTINGS)
class RandomNoise(Attack):
    """Train the student on the victim's answers to images of random values.

    One query an image and one step of the student a batch, so that at equal budgets this
    floor takes more student steps than an attack that also pays for a generator.
    """

    queries_per_image: ClassVar[int] = 1

    distribution: Annotated[SourceSetting, AfterValidator(_noise)] = uniform
    """How the values are drawn: `uniform` over the range, or `normal`, cut to it."""

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """A student alone."""
        return State(
            engine, self.student_player(student, engine), engine.random(derive(seed, "attack"))
        )

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """One step of the student on `n` images of noise."""
        gap = self.gap(s.student, oracle, self.distribution(oracle.spec, n, s.random)).mean()
        s.student.descend(gap)
        return {"student/gap": gap.detach()}

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` images of noise, from random numbers of their own."""
        return self.distribution(oracle.spec, n, s.engine.random(0))
