"""Attacks whose generator maximises the gap of student and victim by estimated gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from copycost.arithmetic import Step, computed_in
from copycost.attacks.generative import DIAGNOSED, Generative
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.gradients.estimator import Estimate, Estimator, Gap
from copycost.gradients.forward import forward_difference
from copycost.gradients.quality import slope_correlation, true_gradient
from copycost.nets.generator import squash
from copycost.nets.seeded import derive, fresh_copy
from copycost.oracle.access import release
from copycost.oracle.base import Oracle
from copycost.oracle.rehearsal import Network, Rehearsal
from copycost.types import Access, Answer, InputSpec

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
    def needs_images(self) -> bool:
        """False: any generator's output has a gradient to be estimated."""
        return False

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
            gap = self._gap(student, answers, spec)
            return self.estimator(gap, x, self.directions, step.epsilon, s.random)

    def _gap(self, student: Network, answers: Callable[[Tensor], Answer], spec: InputSpec) -> Gap:
        """The gap [N] of `student` and `answers` as a function of N points before the squash."""

        def gap(p: Tensor) -> Tensor:
            images = squash(p, spec)
            answer = answers(images)  # first, as in `Attack.gap`
            return self.miss(student(images), answer)

        return gap

    def diagnose(self, s: State, rehearsal: Rehearsal) -> dict[str, float]:
        """Spread of the generated images, and how well the estimate correlates with the truth."""
        correlation = self._correlation(s, rehearsal)
        return super().diagnose(s, rehearsal) | {"estimate/correlation": correlation}

    def _correlation(self, s: State, rehearsal: Rehearsal) -> float:
        """Correlation of an estimate along one direction with the true slope, on a stand-in victim.

        It is measured in the run's arithmetic, with its ε, defences and access, and tells whether
        the finite differences are slope or rounding noise. The true slope is the undefended one.
        Sends no queries and changes nothing: see `gradients.quality`.
        """
        spec, random = rehearsal.spec, s.engine.random(0)
        step = self.estimate_step(s.engine, spec)
        with torch.no_grad():
            generator = copy.deepcopy(s.need_generator().network)
            x = generator(random.normal(DIAGNOSED, self.latent)).float()
        true = copy.deepcopy(s.student.network).eval()
        stand_in = fresh_copy(true, seed=1).eval()
        # A copy: the student itself, if compiled, would be compiled again for this batch size.
        student = computed_in(s.engine.estimate_precision(step), s.engine.device, true)
        measured = self._gap(student, rehearsal(s.engine.like_victim(stand_in, step)), spec)
        estimate, _ = self.estimator(measured, x, 1, step.epsilon, random)
        told = max(rehearsal.access, Access.PROBABILITIES, key=lambda access: access.rank)
        undefended = self._gap(
            true, lambda images: release(stand_in(images), Access.LOGITS, told, 0), spec
        )
        return slope_correlation(estimate, true_gradient(undefended, x))
