"""Linear models by equations: exact with an answer for each input and one more."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.nets import ARCHITECTURES
from copycost.oracle.meter import CountedOracle
from copycost.runner.extract import advance
from copycost.runner.making import student_of
from copycost.testing import TinyNet
from copycost.types import InputSpec, Modality
from copycost.victims.module import ModuleVictim
from tools.equations import EquationSolving

D, K = 12, 3


def victim(spec: InputSpec) -> ModuleVictim:
    """Softmax regression whose probabilities reach from 1 down to about 1e-10."""
    random = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(D, K))
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(5 * torch.randn(weight.shape, generator=random))
    return ModuleVictim(model, spec, classes=K, name="linear")


def copied(spec: InputSpec, budget: int, batch_size: int, access: str = "probabilities") -> Tensor:
    """Probabilities [100, K] that the copy gives, and the victim's, on the same inputs."""
    own = victim(spec)
    attack = EquationSolving(batch_size=batch_size)
    oracle = CountedOracle(own, access=access, budget=budget)
    attack.check(oracle)
    s = attack.start(student_of("linear", spec, K, seed=1), oracle, Engine("cpu"), seed=1)
    while not attack.done(s, oracle):
        advance(attack, s, oracle)
    assert oracle.spent == budget
    random = torch.Generator().manual_seed(9)
    x = spec.low + spec.span * torch.rand(100, *spec.shape, generator=random)
    with torch.no_grad():
        return torch.stack([s.student.network(x).softmax(1), own.module(x).softmax(1)])


@pytest.mark.parametrize("access", ["probabilities", "logits"])
@pytest.mark.parametrize("batch_size", [4, 256])
@pytest.mark.parametrize(
    "spec",
    [InputSpec((D,), modality=Modality.TABULAR), InputSpec((3, 2, 2), low=-2.0, high=0.5)],
    ids=["rows", "images"],
)
def test_as_many_answers_as_inputs_and_one_more_determine_it(spec, batch_size, access):
    torch.testing.assert_close(*copied(spec, D + 1, batch_size, access), atol=1e-3, rtol=0)
    ours, theirs = copied(spec, D, batch_size, access)
    assert float((ours - theirs).abs().max()) > 0.05, "one answer is missing"


def test_other_students_are_refused():
    spec = InputSpec((D,), modality=Modality.TABULAR)
    oracle = CountedOracle(victim(spec), access="probabilities", budget=100)
    for student in (TinyNet(spec, K), ARCHITECTURES["mlp"](spec, K)):
        with pytest.raises(ConfigError, match="Choose --student linear"):
            EquationSolving().start(student, oracle, Engine("cpu"), seed=1)
