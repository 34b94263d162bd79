"""Measure, in a running attack, whether its finite differences are slope or rounding noise."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from copycost.arithmetic import computed_in
from copycost.attacks.base import Attack
from copycost.attacks.state import State
from copycost.gradients.estimator import Estimator, Gap
from copycost.gradients.forward import forward_difference
from copycost.gradients.quality import slope_correlation, true_gradient
from copycost.nets.generator import squash
from copycost.nets.seeded import fresh_copy
from copycost.oracle.access import release
from copycost.oracle.rehearsal import Network, Rehearsal
from copycost.types import Access, Answer

IMAGES = 64
"""Generated images at which the estimate is tested."""


def estimate_correlation(
    attack: Attack,
    s: State,
    rehearsal: Rehearsal,
    latent: int,
    estimator: Estimator = forward_difference,
) -> float:
    """Correlation of an estimate along one direction with the true slope, on a stand-in victim.

    It is measured in the run's arithmetic, with its ε, defences and access, at images that the
    generator makes from `latent` numbers each. The true slope is the undefended one. Sends no
    queries and changes nothing: see `gradients.quality`.
    """
    step = attack.estimate_step(s.engine, rehearsal.spec)
    assert step is not None, "this attack estimates no gradients"
    random = s.engine.random(0)
    with torch.no_grad():
        generator = copy.deepcopy(s.need_generator().network)
        x = generator(random.normal(IMAGES, latent)).float()
    true = copy.deepcopy(s.student.network).eval()
    stand_in = fresh_copy(true, seed=1).eval()

    def gap(student: Network, answers: Callable[[Tensor], Answer]) -> Gap:
        def at(p: Tensor) -> Tensor:
            images = squash(p, rehearsal.spec)
            return attack.miss(student(images), answers(images))

        return at

    # A copy: the student itself, if compiled, would be compiled again for this batch size.
    student = computed_in(s.engine.estimate_precision(step), s.engine.device, true)
    measured = gap(student, rehearsal(s.engine.like_victim(stand_in, step)))
    estimate, _ = estimator(measured, x, 1, step.epsilon, random)
    told = max(rehearsal.access, Access.PROBABILITIES, key=lambda access: access.rank)
    undefended = gap(true, lambda images: release(stand_in(images), Access.LOGITS, told, 0))
    return slope_correlation(estimate, true_gradient(undefended, x))
