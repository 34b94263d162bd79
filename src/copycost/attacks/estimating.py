"""Attacks whose generator maximises the gap of student and victim by estimated gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from copycost.arithmetic import Step
from copycost.attacks.generative import Generative
from copycost.attacks.health import estimate_correlation
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.gradients.estimator import Estimate, Estimator
from copycost.gradients.forward import forward_difference
from copycost.nets.generator import squash
from copycost.nets.seeded import derive
from copycost.oracle.meter import Oracle
from copycost.oracle.rehearsal import Rehearsal
from copycost.types import Answer, InputSpec

Mode = Literal["train", "eval"]


class Estimating(Generative):
    """The victim cannot be differentiated, so finite differences estimate the gap's gradient.

    This is not a dataclass: each attack declares these settings among its own, in its own order.
    """

    directions: int
    """m, random directions per gradient estimate."""
    epsilon: float | None
    """ε, length of the finite difference, before the squash."""
    student_mode: Mode = "eval"
    """Mode of the student's batch norms at the points of the estimate."""

    @property
    def estimator(self) -> Estimator:
        """How the generator's gradient is estimated: by forward differences."""
        return forward_difference

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> State:
        """The two players; the generator's weights and all noise come from `seed`."""
        return State(
            engine,
            self.student_player(student, engine),
            engine.random(derive(seed, "attack")),
            self.generator_player(oracle.spec, engine, seed),
        )

    def estimate_step(self, engine: Engine, spec: InputSpec) -> Step:
        """ε, spread over the d values of an input."""
        return engine.step(self.epsilon, spec.size)

    def ascent(
        self, s: State, answers: Callable[[Tensor], Answer], spec: InputSpec, x: Tensor
    ) -> Estimate:
        """The gradient of the gap at N points `x` before the squash, and the gap [N] there.

        `answers` is the oracle, or a function that passes queries on to it.
        """
        step, training = self.estimate_step(s.engine, spec), self.student_mode == "train"
        with s.engine.estimating(s.student.module, step, training=training) as student:

            def gap(p: Tensor) -> Tensor:
                images = squash(p, spec)
                answer = answers(images)
                return self.miss(student(images), answer)

            return self.estimator(gap, x, self.directions, step.epsilon, s.random)

    def diagnose(self, s: State, rehearsal: Rehearsal) -> dict[str, float]:
        """Spread of the generated images, and how well the estimate correlates with the truth."""
        correlation = estimate_correlation(self, s, rehearsal, self.latent, self.estimator)
        return super().diagnose(s, rehearsal) | {"estimate/correlation": correlation}
