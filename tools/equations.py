"""An attack on linear models, for docs/tables.md: it solves equations for their weights."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from copycost.attacks.base import Attack
from copycost.attacks.sources import uniform
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.nets.seeded import derive
from copycost.oracle.base import Oracle
from copycost.recovery import mean, recover_logits
from copycost.settings import SETTINGS
from copycost.types import Access

SINGULAR = 1e-12
"""Share of the largest eigenvalue below which one counts as 0: no answer tells of its direction."""


@plain_dataclass(kw_only=True)
class Equations(State):
    """The student, and the normal equations of all answers so far."""

    kept: ClassVar[tuple[str, ...]] = ("gram", "moments")

    gram: Tensor
    """[D + 1, D + 1], float64: the sum of a aᵀ over inputs a = (x, 1)."""
    moments: Tensor
    """[D + 1, K], float64: the sum of a zᵀ, with the logits z of the answer."""


@dataclass(frozen=True, config=SETTINGS)
class EquationSolving(Attack):
    """A softmax regression of D inputs is determined by D + 1 answers, if no two say the same.

    Its logits z = W x + b are linear in its weights, so each answer is an equation for each class.
    The log-probabilities are these logits but for a constant per input, which `mean` removes; that
    changes W and b by something that is equal for all classes, and no probability by anything.

    Source: Tramèr et al., Stealing Machine Learning Models via Prediction APIs, USENIX Security
    2016 (arXiv:1609.02943), section 4.1. They minimise a loss for more than two classes; here it
    is least squares for any number, of least norm where the answers are too few. Only the learning
    rates and losses of other attacks, which are inherited, do nothing here.
    """

    needs: ClassVar[Access] = Access.PROBABILITIES
    queries_per_image: ClassVar[int] = 1

    floor: float = Field(default=1e-30, gt=0, lt=0.1)
    """Probability that replaces a released 0. A larger one would falsify small probabilities."""

    def start(self, student: nn.Module, oracle: Oracle, engine: Engine, seed: int) -> Equations:
        """A student of one linear layer, and no equations yet."""
        only_layer(student)
        size, double = oracle.spec.size + 1, torch.float64
        return Equations(
            engine=engine,
            student=self.student_player(student, engine),
            random=engine.random(derive(seed, "attack")),
            gram=torch.zeros(size, size, dtype=double, device=engine.device),
            moments=torch.zeros(size, oracle.classes, dtype=double, device=engine.device),
        )

    @torch.no_grad()
    def step(self, s: State, oracle: Oracle, n: int) -> dict[str, Tensor]:
        """`n` equations for each class, and the weights that solve all of them so far."""
        assert isinstance(s, Equations)
        x = uniform(oracle.spec, n, s.random)
        logits = recover_logits(oracle(x), oracle.classes, mean, self.floor).double()
        shares = ((x - oracle.spec.low) / oracle.spec.span).flatten(1).double()
        a, z = (
            s.engine.ranks.rows(t) for t in (nn.functional.pad(shares, (0, 1), value=1), logits)
        )
        s.gram, s.moments = s.gram + a.T @ a, s.moments + a.T @ z
        weights = torch.linalg.pinv(s.gram, rtol=SINGULAR, hermitian=True) @ s.moments
        layer = only_layer(s.student.network)
        layer.weight.copy_(weights[:-1].T)
        layer.bias.copy_(weights[-1])
        s.student.updates += 1
        return {"student/gap": (a @ weights - z).abs().mean()}

    def samples(self, s: State, oracle: Oracle, n: int) -> Tensor:
        """`n` inputs like those that are asked, from random numbers of their own."""
        return uniform(oracle.spec, n, s.engine.random(0))


def only_layer(student: nn.Module) -> nn.Linear:
    """The linear layer that is all of `student`; `ConfigError` if there is more."""
    layers = [part for part in student.modules() if isinstance(part, nn.Linear)]
    weights = sum(weight.numel() for weight in student.parameters())
    if len(layers) != 1 or weights != layers[0].weight.numel() + layers[0].out_features:
        raise ConfigError("student: equations determine one linear layer. Choose --student linear.")
    return layers[0]
