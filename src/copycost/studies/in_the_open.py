"""DFME with a white-box victim: the true gradients, by autograd, beside the attack's estimates.

Everything is measured on copies of the players, with separate random numbers, so that the run
goes on as if nothing had been measured.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import torch
from torch import Tensor, nn

from copycost.arithmetic import computed_in, default_step, described
from copycost.attacks.dfme import DFME
from copycost.attacks.state import State
from copycost.datasets.base import Labelled
from copycost.engine import Engine
from copycost.errors import Unstable
from copycost.gradients.estimator import Gap, along, unit_directions
from copycost.gradients.forward import forward_slopes
from copycost.gradients.quality import mean_cosine, slope_correlation, true_gradient
from copycost.nets.generator import squash
from copycost.nets.seeded import derive
from copycost.noise import Noise
from copycost.oracle.access import release
from copycost.oracle.rehearsal import Network
from copycost.studies.precision import by_parts
from copycost.studies.vanishing_record import DiagnosisCell, DiagnosisGrid, Moment, Quartiles
from copycost.training.train import accuracy
from copycost.types import Access, InputSpec, Precision

NO_FLOOR = 1e-300
"""A probability that float64 can still represent: logits that are 690 apart."""


@dataclass(frozen=True, eq=False)
class Game:
    """What stays the same over all moments of a diagnosis."""

    attack: DFME
    engine: Engine
    victim: nn.Module
    """A copy in evaluation mode that gives logits."""
    spec: InputSpec
    access: Access
    k: int
    """For top-k access."""
    seed: int
    grid: DiagnosisGrid
    held_out: Labelled

    def measure(self, state: State, queries: int) -> Moment:
        """Measure the players as they stand; `Unstable` if their gap is NaN or infinite."""
        return _Frozen(self, state).moment(queries)

    def gap(self, student: Network, victim: Network) -> Gap:
        """The attacker's gap, as a differentiable function of points before the squash."""
        return partial(self._gap, self.attack, student, victim)

    def unfloored(self, student: Network) -> Gap:
        """Like `gap`, with the victim's answers in float64 and no floor on probabilities."""
        endless = replace(self.attack, floor=NO_FLOOR)
        return partial(self._gap, endless, student, lambda images: self.victim(images).double())

    def _gap(self, attack: DFME, student: Network, victim: Network, p: Tensor) -> Tensor:
        images = squash(p, self.spec)
        logits = victim(images)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return attack.miss(student(images), release(logits, Access.LOGITS, self.access, self.k))

    def random(self, role: str) -> Noise:
        """Random numbers that the attack does not use, the same at every moment."""
        return Noise(derive(self.seed, f"diagnosis {role}"), self.engine.device)

    def images_in(self, precision: Precision) -> int:
        """Number of images to measure an arithmetic at; fewer for tf32 and bfloat16 off CUDA."""
        quick = precision is Precision.FLOAT32 or self.engine.device.type == "cuda"
        return self.grid.images if quick else min(self.grid.coarse_images, self.grid.images)


class _Frozen:
    """Copies of the players at one moment, and generated images to measure them at."""

    def __init__(self, game: Game, state: State) -> None:
        self.game = game
        self.generator = copy.deepcopy(state.need_generator().network)
        self.student = copy.deepcopy(state.student.network).eval()
        z = game.random("latents").normal(game.grid.images, game.attack.latent)
        self.made = self.generator(z).float()
        self.x = self.made.detach()
        self.exact = game.gap(self.student, game.victim)
        self.true = true_gradient(self.exact, self.x)

    def moment(self, queries: int) -> Moment:
        game = self.game
        gap = float(by_parts(self.exact)(self.x).mean())
        if not abs(gap) < float("inf"):
            raise Unstable(f"The gap became NaN or infinite before query {queries:,}.")
        blocked = game.gap(lambda images: self.student(images).detach(), game.victim)
        estimate = self._own_estimate()
        by_estimate, by_truth = self._through_generator(estimate, self.true)
        p = self._probabilities()
        return Moment(
            queries=queries,
            accuracy=accuracy(self.student, game.held_out, game.engine.device),
            gap=gap,
            true=_quartiles(self.true),
            through_victim=_quartiles(true_gradient(blocked, self.x)),
            unfloored=_quartiles(true_gradient(game.unfloored(self.student), self.x)),
            estimate=_quartiles(estimate),
            flat=_share(_norms(self.true) == 0),
            floored=_share(p < game.attack.floor),
            blind=_share((p >= game.attack.floor).sum(dim=1) <= 1),
            generator=float(by_estimate.norm()),
            generator_true=float(by_truth.norm()),
            generator_cosine=mean_cosine(by_estimate.unsqueeze(0), by_truth.unsqueeze(0)),
            student=self._student_gradient(),
            exact_cosines=self._cosines(*self._true_slopes(), self.true),
            cells=list(self._cells()),
        )

    def _own_estimate(self) -> Tensor:
        """The gradient as the attack estimates it, with its estimator, m, ε and arithmetic."""
        attack, engine = self.game.attack, self.game.engine
        step = attack.estimate_step(engine, self.game.spec)
        student = computed_in(engine.estimate_precision(step), engine.device, self.student)
        seen = by_parts(self.game.gap(student, engine.like_victim(self.game.victim, step)))
        random = self.game.random("estimate")
        return attack.estimator(seen, self.x, attack.directions, step.epsilon, random)[0]

    def _through_generator(self, *uphill: Tensor) -> list[Tensor]:
        """For each gradient by the image, that of the generator's loss by all its weights."""
        weights = list(self.generator.parameters())
        found = (
            torch.autograd.grad(self.made, weights, -g / len(g), retain_graph=True) for g in uphill
        )
        return [torch.cat([part.flatten() for part in parts]) for parts in found]

    def _student_gradient(self) -> float:
        """Norm of the gradient of the student's loss on the images, in training mode."""
        student = copy.deepcopy(self.student).train()
        loss = self.game.gap(student, self.game.victim)(self.x).mean()
        parts = torch.autograd.grad(loss, list(student.parameters()))
        return float(torch.nn.utils.get_total_norm(parts))

    @torch.no_grad()
    def _probabilities(self) -> Tensor:
        logits: Tensor = self.game.victim(squash(self.x, self.game.spec))
        return logits.double().softmax(dim=1)

    def _cells(self) -> Iterator[DiagnosisCell]:
        """All cells, arithmetic by arithmetic."""
        for precision in self.game.grid.arithmetics:
            default = default_step(self.game.spec.size, precision).epsilon
            for epsilon in sorted({*self.game.grid.epsilons, default}):
                yield self._cell(precision, epsilon, epsilon == default)

    def _cell(self, precision: Precision, epsilon: float, default: bool) -> DiagnosisCell:
        device, n = self.game.engine.device, self.game.images_in(precision)
        nets = (computed_in(precision, device, net) for net in (self.student, self.game.victim))
        x, u, true = self.x[:n], self._directions()[:, :n], self.true[:n]
        slopes, _ = forward_slopes(by_parts(self.game.gap(*nets)), x, u, epsilon)
        single = along(slopes.flatten().unsqueeze(0), u.flatten(0, 1).unsqueeze(0))
        return DiagnosisCell(
            arithmetic=described(precision, device),
            epsilon=epsilon,
            default=default,
            images=n,
            correlation=slope_correlation(single, true.expand_as(u).flatten(0, 1)),
            still=_share(slopes == 0),
            cosines=self._cosines(slopes, u, true),
        )

    def _directions(self) -> Tensor:
        """Unit directions, the same for every cell and moment, so that these are comparable."""
        return unit_directions(self.x, max(self.game.grid.directions), self.game.random("u"))

    def _true_slopes(self) -> tuple[Tensor, Tensor]:
        u = self._directions()
        return (u * self.true).flatten(2).sum(dim=2), u

    def _cosines(self, slopes: Tensor, u: Tensor, true: Tensor) -> dict[int, float]:
        """By m: mean cosine with `true`, over images and disjoint groups of m directions."""
        return {
            m: fmean(
                mean_cosine(along(some, directions), true)
                for some, directions in zip(torch.split(slopes, m), torch.split(u, m), strict=True)
                if len(some) == m
            )
            for m in self.game.grid.directions
        }


def _norms(gradient: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return norms


def _quartiles(gradient: Tensor) -> Quartiles:
    norms = _norms(gradient).double()
    low, middle, high = torch.quantile(norms, norms.new_tensor((0.25, 0.5, 0.75))).tolist()
    return Quartiles(low=low, middle=middle, high=high)


def _share(found: Tensor) -> float:
    return float(found.double().mean())
