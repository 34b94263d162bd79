"""The plain loop computes what our DFME computes, and asks as much."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from copycost.attacks.dfme import DFME
from copycost.attacks.state import State
from copycost.benchmark.plain import LOG_EVERY, PlainDFME
from copycost.benchmark.plan import Plan, plain_loop
from copycost.engine import Engine
from copycost.gradients import estimator, forward
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.noise import Noise
from copycost.oracle.meter import CountedOracle
from copycost.testing import TinyNet, tiny_victim
from copycost.types import Access, InputSpec
from copycost.victims.module import ModuleVictim

CPU = torch.device("cpu")
SPEC = InputSpec(shape=(2, 8, 8), low=-1.0, high=3.0)
# A step of 0.3: with DFME's 1e-3 float32's own rounding would decide the comparison.
SIZES: dict[str, Any] = {
    "batch_size": 12,
    "latent": 6,
    "width": 8,
    "epsilon": 0.3,
    "student_lr": 0.05,
}


class Counting(nn.Module):
    """Notes how many inputs reach a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.inputs = network, 0

    def forward(self, x: Tensor) -> Tensor:
        self.inputs += len(x)
        answer: Tensor = self.network(x)
        return answer


class Student(nn.Module):
    """Behaves differently in training and evaluation, so that a wrong mode is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.net = TinyNet(SPEC, 4, seed=5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(self.norm(x) + 0.5)
        return logits


class Both:
    """Our attack and the plain loop on the same weights, fed the same random numbers."""

    def __init__(self, attack: DFME, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attack = attack
        victim, student = TinyNet(SPEC, 4, seed=1), Student()
        self.oracle = CountedOracle(
            ModuleVictim(copy.deepcopy(victim), SPEC, 4, name="v"),
            access=Access.PROBABILITIES,
            budget=10**6,
        )
        self.state = attack.start(student, self.oracle, Engine("cpu"), seed=0)
        generator = copy.deepcopy(self.state.need_generator().network)
        self.plain = PlainDFME(victim, copy.deepcopy(student), generator, attack, SPEC, CPU)
        random = Noise(8, CPU)
        n, m = attack.batch_size, attack.directions
        draws = attack.generator_steps + attack.student_steps
        zs = [random.normal(n, attack.latent) for _ in range(draws)]
        us = [
            estimator.unit_directions(torch.zeros(n, *SPEC.shape), m, random)
            for _ in range(attack.generator_steps)
        ]
        ours, theirs = iter(zs), iter(zs)
        our_us, their_us = iter(us), iter(us)
        monkeypatch.setattr(State, "normal", lambda s, *shape: next(ours))
        monkeypatch.setattr(forward, "unit_directions", lambda like, m, random: next(our_us))
        monkeypatch.setattr(self.plain, "noise", lambda: next(theirs))
        monkeypatch.setattr(self.plain, "directions", lambda: next(their_us).transpose(0, 1))


def gradients(network: nn.Module) -> Tensor:
    """All gradients in one vector."""
    found = [p.grad for p in network.parameters() if p.grad is not None]
    return torch.cat([gradient.flatten() for gradient in found])


@pytest.mark.parametrize("m", [1, 3])
def test_one_iteration_is_one_step_of_ours(m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(DFME(**SIZES, directions=m, student_steps=2), monkeypatch)
    losses = both.attack.step(both.state, both.oracle, both.attack.batch_size)
    both.plain.iterate()

    gap, loss = both.plain.logged
    assert gap == pytest.approx(float(losses["generator/gap"]), rel=1e-5)
    assert loss == pytest.approx(float(losses["student/gap"]), rel=1e-4)
    pairs = (
        (both.state.need_generator().network, both.plain.generator),
        (both.state.student.network, both.plain.student),
    )
    for ours, theirs in pairs:
        a, b = gradients(ours), gradients(theirs)
        # Biases before a batch norm have no gradient but rounding: hence a share of the largest.
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * float(b.abs().max()))
        assert float((a - b).norm()) < 1e-3 * float(b.norm())
    for a, b in zip(pairs[1][0].buffers(), pairs[1][1].buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_different_direction_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(DFME(**SIZES, student_steps=1), monkeypatch)
    both.attack.step(both.state, both.oracle, both.attack.batch_size)
    directions = both.plain.directions
    monkeypatch.setattr(both.plain, "directions", lambda: directions().flip(0))
    both.plain.iterate()
    ours = gradients(both.state.need_generator().network)
    theirs = gradients(both.plain.generator)
    assert float((ours - theirs).norm()) > 0.1 * float(theirs.norm())


@pytest.mark.parametrize(("m", "generator_steps", "batch"), [(1, 1, 8), (3, 2, 8), (19, 1, 300)])
def test_both_ask_the_same_number_of_queries(m: int, generator_steps: int, batch: int) -> None:
    attack = DFME(
        batch_size=batch, latent=4, width=4, directions=m, generator_steps=generator_steps
    )
    victim = Counting(TinyNet(SPEC, 4))
    oracle = CountedOracle(tiny_victim(spec=SPEC), access="probabilities", budget=10**6)
    state = attack.start(TinyNet(SPEC, 4), oracle, Engine("cpu"), seed=0)
    generator = copy.deepcopy(state.need_generator().network)
    plain = PlainDFME(victim, TinyNet(SPEC, 4), generator, attack, SPEC, CPU)
    attack.step(state, oracle, batch)
    plain.iterate()
    assert victim.inputs == plain.queries == oracle.spent


def test_directions_are_unit_and_uniform(plan: Plan) -> None:
    loop = plain_loop(replace(plan, batch_size=2000), TinyNet(), CPU)
    u = loop.directions()
    assert u.shape == (2000, 1, 1, 8, 8)
    norms = u.flatten(2).norm(dim=2)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    assert float(u.mean(dim=0).abs().max()) < 5 / (64 * 2000) ** 0.5


def test_losses_are_read_now_and_then(plan: Plan) -> None:
    loop = plain_loop(plan, TinyNet(classes=10), CPU)
    logged = []
    for _ in range(LOG_EVERY + 1):
        loop.iterate()
        logged.append(loop.logged)
    assert len(set(logged)) == 2
    assert logged[0] == logged[LOG_EVERY - 1] != logged[LOG_EVERY]


def test_its_networks_write_new_tensors_where_the_authors_do(plan: Plan) -> None:
    net = build(ARCHITECTURES["resnet20"], plan.setting.spec, 10, 0)
    loop = plain_loop(plan, copy.deepcopy(net), CPU)
    for module, kind in ((loop.victim, nn.ReLU), (loop.student, nn.ReLU)):
        layers = [layer for layer in module.modules() if isinstance(layer, kind)]
        assert layers
        assert not any(layer.inplace for layer in layers)
    leaky = [m for m in loop.generator.modules() if isinstance(m, nn.LeakyReLU)]
    assert [layer.inplace for layer in leaky] == [True, True]


def test_it_learns(plan: Plan) -> None:
    loop = plain_loop(plan, TinyNet(classes=10), CPU)
    loop.iterate()
    before = loop.student_step(loop.noise())
    for _ in range(60):
        loop.iterate()
    assert float(loop.student_step(loop.noise())) < 0.7 * float(before)
