"""Whether a finite difference is slope or noise, in a running attack."""

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
"""Generated images at which the estimate is tried."""


def estimate_correlation(
    attack: Attack,
    s: State,
    rehearsal: Rehearsal,
    latent: int,
    estimator: Estimator = forward_difference,
) -> float:
    """Correlation of an estimate along one direction with the truth, on a victim's stand-in.

    In the run's arithmetic, with its ε, and through the defences and the access that it has, at
    images the generator makes of `latent` numbers each. The truth is the undefended slope. Asks
    nothing and changes nothing: see `gradients.quality`.
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

    # Not the student itself: where it is compiled, these few points would be compiled for as well.
    student = computed_in(s.engine.estimate_precision(step), s.engine.device, true)
    measured = gap(student, rehearsal(s.engine.like_victim(stand_in, step)))
    estimate, _ = estimator(measured, x, 1, step.epsilon, random)
    told = max(rehearsal.access, Access.PROBABILITIES, key=lambda access: access.rank)
    undefended = gap(true, lambda images: release(stand_in(images), Access.LOGITS, told, 0))
    return slope_correlation(estimate, true_gradient(undefended, x))
