"""DFME: data-free model extraction (Truong et al., CVPR 2021, arXiv:2011.14779)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.arithmetic import Step
from copycost.attacks.base import Attack
from copycost.attacks.state import Player, State
from copycost.engine import Engine
from copycost.gradients.estimator import EstimatorSetting, Gap
from copycost.gradients.forward import forward_difference
from copycost.gradients.quality import slope_correlation, true_gradient
from copycost.nets import GENERATORS
from copycost.nets.generator import squash
from copycost.nets.seeded import derive, fresh_copy, seeded
from copycost.oracle.meter import Oracle
from copycost.settings import SETTINGS, listed
from copycost.types import InputSpec

Network = Callable[[Tensor], Tensor]
DIAGNOSED = 64
"""Images looked at for the attack's own health."""


@dataclass(frozen=True, config=SETTINGS)
class DFME(Attack):
    """A generator seeks images on which student and victim disagree; the student learns them.

    min over S, max over G of E_z[ L(S(G(z)), V(G(z))) ]. The victim cannot be differentiated,
    so the generator's gradient is estimated by finite differences, taken before the squash
    into the input range. The defaults are those of the authors' script for CIFAR-10.
    """

    generator_steps: int = Field(default=1, ge=1)
    """n_G, generator steps in one step of the attack."""
    student_steps: int = Field(default=5, ge=1)
    """n_S, student steps in one step of the attack, each on fresh images."""
    estimator: EstimatorSetting = forward_difference
    """How the generator's gradient is estimated: forward or central differences, or not at all."""
    directions: int = Field(default=1, ge=1)
    """m, random directions of one gradient estimate."""
    epsilon: float | None = Field(default=None, gt=0)
    """ε, length of the finite difference, before the squash; None is the arithmetic's default,
    which in float32 is the paper's 1e-3."""
    generator: Annotated[str, listed(GENERATORS)] = "dfme"
    """Name of the generator's architecture."""
    generator_lr: float = Field(default=1e-4, gt=0)
    """Learning rate of the generator's Adam."""
    latent: int = Field(default=256, ge=1)
    """Z, size of the noise the generator starts from."""
    width: int = Field(default=128, ge=2)
    """Channels of the generator's first convolution."""

    @property
    def queries_per_image(self) -> int:
        """What the estimator asks (m + 1, or 2m) a generator step, and 1 a student step."""
        return self.generator_steps * self.estimator.queries(self.directions) + self.student_steps

    def estimate_step(self, engine: Engine, spec: InputSpec) -> Step:
        """ε over the d values of an input."""
        return engine.step(self.epsilon, spec.size)

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """The two players; the generator's weights and all noise come from `seed`."""
        with seeded(derive(seed, "generator")):
            generator = GENERATORS[self.generator](oracle.spec, self.latent, self.width)
        optimizer = torch.optim.Adam(generator.parameters(), lr=self.generator_lr, fused=True)
        return State(
            engine,
            self.student_player(student, engine),
            engine.random(derive(seed, "attack")),
            Player(engine, generator, optimizer, self.schedule),
        )

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """n_G steps of the generator, then n_S of the student."""
        generator = s.need_generator()
        for _ in range(self.generator_steps):
            x = generator(s.normal(n, self.latent)).float()  # [N, C, H, W] before the squash
            uphill, found = self._ascent(s, oracle, x)
            generator.descend(x, -uphill / n)

        for _ in range(self.student_steps):
            left = self.gap(s.student, oracle, self._images(s, oracle, n)).mean()
            s.student.descend(left)
        return {
            "generator/gap": found.mean(),
            "student/gap": left.detach(),
            "estimate/norm": uphill.flatten(1).norm(dim=1).mean(),
        }

    def _ascent(self, s: State, oracle: Oracle, x: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate, at N images before the squash, the gradient of their gap; and the gap [N]."""
        step = self.estimate_step(s.engine, oracle.spec)
        with s.engine.estimating(s.student.module, step) as student:

            def gap(p: Tensor) -> Tensor:
                return self.gap(student, oracle, squash(p, oracle.spec))

            return self.estimator(gap, x, self.directions, step.epsilon, s.random)

    @torch.no_grad()
    def _images(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """Fresh images [n, C, H, W] in the spec's range; the generator stays in training mode."""
        return squash(s.need_generator()(s.normal(n, self.latent)), oracle.spec)

    @torch.no_grad()
    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` images [n, C, H, W] as the generator makes them now; its state is left alone."""
        generator = copy.deepcopy(s.need_generator().network)
        z = s.engine.random(0).normal(n, self.latent)
        return squash(generator(z), oracle.spec)

    def diagnose(self, s: State, oracle: Oracle) -> dict[str, float]:
        """Spread of the generated images, and how far the gradient's estimate can be trusted.

        The estimate is tried on a fresh network in the victim's place: see `gradients.quality`.
        """
        images = self.samples(s, oracle, DIAGNOSED)
        spread = images.std(dim=0).mean() / (oracle.spec.high - oracle.spec.low)
        return {
            "generator/spread": float(spread),
            "estimate/correlation": self._correlation(s, oracle),
        }

    def _correlation(self, s: State, oracle: Oracle) -> float:
        random = s.engine.random(0)
        z = random.normal(DIAGNOSED, self.latent)
        with torch.no_grad():
            x = copy.deepcopy(s.need_generator().network)(z).float()
        true = copy.deepcopy(s.student.network).eval()
        stand_in = fresh_copy(true, seed=1).eval()
        step = self.estimate_step(s.engine, oracle.spec)

        def gap(student: Network, victim: Network) -> Gap:
            return lambda p: self._gap_in_the_open(student, victim, squash(p, oracle.spec))

        with s.engine.estimating(s.student.module, step) as student:
            measured = gap(student, s.engine.like_victim(stand_in, step))
            estimate, _ = self.estimator(measured, x, 1, step.epsilon, random)
        return slope_correlation(estimate, true_gradient(gap(true, stand_in), x))

    def _gap_in_the_open(self, student: Network, victim: Network, images: Tensor) -> Tensor:
        return self.loss(student(images).float(), victim(images).float())
