"""DFME: data-free model extraction (Truong et al., CVPR 2021, arXiv:2011.14779)."""

from __future__ import annotations

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from copycost.attacks.estimating import Estimating, Mode
from copycost.attacks.state import State
from copycost.gradients.estimator import EstimatorSetting
from copycost.gradients.forward import forward_difference
from copycost.oracle.base import Oracle
from copycost.settings import SETTINGS


@dataclass(frozen=True, config=SETTINGS)
class DFME(Estimating):
    """The generator seeks images on which student and victim disagree; the student learns them.

    min over S, max over G of E_z[ L(S(G(z)), V(G(z))) ]. The victim cannot be differentiated,
    so the generator's gradient is estimated by finite differences, taken before the squash
    into the input range. The defaults are those of the authors' script for CIFAR-10.
    """

    generator_steps: int = Field(default=1, ge=1)
    """n_G, generator steps per step of the attack."""
    student_steps: int = Field(default=5, ge=1)
    """n_S, student steps per step of the attack, each on fresh images."""
    estimator: EstimatorSetting = forward_difference
    """How the generator's gradient is estimated: by forward or central differences, or, as a
    control, not at all."""
    directions: int = Field(default=1, ge=1)
    """m, random directions per gradient estimate."""
    epsilon: float | None = Field(default=None, ge=1e-12)
    """ε, length of the finite difference, before the squash; None for the arithmetic's default,
    which in float32 is the paper's 1e-3."""
    generator_mode: Mode = "train"
    """Mode of the generator's batch norms while it makes images for the student."""
    student_mode: Mode = "eval"
    """Mode of the student's batch norms at the points of the estimate; in `train`, as in MAZE's
    code, their running statistics include the perturbed images."""

    @property
    def queries_per_image(self) -> int:
        """The estimator's queries (m + 1 or 2m) per generator step, and 1 per student step."""
        return self.generator_steps * self.estimator.queries(self.directions) + self.student_steps

    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """n_G steps of the generator, then n_S of the student."""
        generator = s.need_generator()
        for _ in range(self.generator_steps):
            x = generator(s.normal(n, self.latent)).float()  # [N, C, H, W] before the squash
            uphill, found = self.ascent(s, oracle, oracle.spec, x)
            generator.descend(x, -uphill / n)

        for batch in self.asked(s, oracle, n, self.student_steps):
            left = self.descend(s.student, *batch)
        return {
            "generator/gap": found.mean(),
            "student/gap": left,
            "estimate/norm": uphill.flatten(1).norm(dim=1).mean(),
        }

    @property
    def asks_evaluating(self) -> bool:
        """Whether the generator makes the student's images in evaluation mode."""
        return self.generator_mode == "eval"
