"""Base class of attacks with a generator, which turns noise into queries."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.base import Attack
from copycost.attacks.replay import Batch
from copycost.attacks.state import Player, State
from copycost.engine import Engine
from copycost.nets import GENERATORS
from copycost.nets.generator import Generator, squash
from copycost.nets.seeded import derive, seeded
from copycost.noise import Noise
from copycost.oracle.base import Oracle
from copycost.oracle.rehearsal import Rehearsal
from copycost.settings import SETTINGS, listed
from copycost.types import InputSpec

DIAGNOSED = 64
"""Generated images over which the attack's health is measured."""


@dataclass(frozen=True, config=SETTINGS)
class Generative(Attack):
    """An attack with a generator; each attack defines how the generator learns."""

    generator_momenta: ClassVar[tuple[float, float]] = (0.9, 0.999)
    """β₁ and β₂ of the generator's Adam; these are PyTorch's defaults."""

    generator: Annotated[str, listed(GENERATORS)] = "dfme"
    """Name of the generator's architecture."""
    generator_lr: float = Field(default=1e-4, gt=0)
    """Learning rate of the generator."""
    latent: int = Field(default=256, ge=1)
    """Z, size of the noise the generator starts from."""
    width: int = Field(default=128, ge=2)
    """Channels of the generator's first convolution."""

    @property
    def needs_images(self) -> bool:
        """True, unless an attack leaves it to the architecture of its `generator`."""
        return True

    @property
    def generates(self) -> bool:
        """Whether there is a generator."""
        return True

    def check_spec(self, spec: InputSpec) -> None:
        """Raise `SpecMismatch` unless inputs are images of a size that the generator can make."""
        super().check_spec(spec)
        if self.generates:
            with torch.device("meta"):
                self._generator(spec)

    def generator_player(self, spec: InputSpec, engine: Engine, seed: int) -> Player:
        """The generator as a player, with weights from `seed`."""
        with seeded(derive(seed, "generator")):
            generator = self._generator(spec)
        optimizer = self.generator_optimizer(generator.parameters())
        return Player(engine, generator, optimizer, self.schedule)

    def _generator(self, spec: InputSpec) -> Generator:
        return GENERATORS[self.generator](spec, self.latent, self.width)

    def generator_optimizer(self, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam with `generator_momenta`, unless an attack overrides it."""
        return torch.optim.Adam(
            weights, lr=self.generator_lr, betas=self.generator_momenta, fused=True
        )

    def pictures(self, x: Tensor, spec: InputSpec, random: Noise) -> Tensor:
        """The generator's output [N, C, H, W] as images of the same shape in the spec's range."""
        return squash(x, spec)

    @torch.no_grad()
    def asked(self, s: State, oracle: Oracle, n: int, batches: int) -> list[Batch]:
        """Query `batches` times `n` fresh images of the generator, for students to learn.

        They are queried all at once: the generator does not change while students learn, and
        victims answer one large batch faster than many small ones.
        """
        if not batches:
            return []
        noise = [s.normal(n, self.latent) for _ in range(batches)]
        with self.feeding(s) as generator:
            made = generator.each(noise, math.prod(oracle.spec.shape[1:]))
        images = torch.cat([self.pictures(x, oracle.spec, s.random) for x in made])
        return Batch(images, oracle(images)).split(n)

    @property
    def asks_evaluating(self) -> bool:
        """Whether the generator is in evaluation mode while it makes the students' images."""
        return False

    def feeding(self, s: State) -> AbstractContextManager[Player]:
        """Within the block, the generator is in the mode in which it makes students' images."""
        generator = s.need_generator()
        return generator.evaluating() if self.asks_evaluating else nullcontext(generator)

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` images [n, C, H, W] like those that students learn from now."""
        return self.made(s, oracle.spec, n)

    @torch.no_grad()
    def made(self, s: State, spec: InputSpec, n: int) -> Tensor:
        """`n` images [n, C, H, W] as made for students, by a copy: the generator is unchanged."""
        generator, random = copy.deepcopy(s.need_generator().network), s.engine.random(0)
        generator.train(not self.asks_evaluating)
        return self.pictures(generator(random.normal(n, self.latent)), spec, random)

    def diagnose(self, s: State, rehearsal: Rehearsal) -> dict[str, float]:
        """Standard deviation over the generated images, as a share of the range."""
        spec = rehearsal.spec
        spread = self.made(s, spec, DIAGNOSED).std(dim=0).mean() / spec.span
        return {"generator/spread": float(spread)}
