"""What makes DFME this attack and no other: the modes of its networks while it asks."""

from __future__ import annotations

import copy
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from copycost.attacks.dfme import DFME
from copycost.attacks.state import State
from copycost.defences.stack import defend
from copycost.engine import Engine
from copycost.oracle.meter import CountedOracle, Meter
from copycost.testing import TINY, TinyNet, tiny_victim
from copycost.types import Access, Answer

SMALL = {"batch_size": 8, "width": 8, "latent": 8, "student_steps": 2}


class Watched(nn.Module):
    """A student with a batch norm, which notes its mode at every forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.net = TinyNet(TINY, 4, seed=5)
        self.norm = nn.BatchNorm1d(4)
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.modes.append(self.training)
        y: Tensor = self.norm(self.net(x))
        return y


def step(**modes: str) -> tuple[Watched, State, list[bool]]:
    """One step; the student, the state, and the generator's modes at its forward passes."""
    attack = DFME(**SMALL, **modes)  # type: ignore[arg-type]
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=10_000)
    student = Watched()
    state = attack.start(student, oracle, Engine("cpu"), seed=1)
    seen: list[bool] = []
    network = state.need_generator().network
    network.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    attack.step(state, oracle, 8)
    return student, state, seen


def test_the_authors_modes_are_the_default() -> None:
    student, state, of_generator = step()
    assert student.modes == [False, True, True]  # the estimate's points, then two steps
    assert of_generator == [True, True]  # its own step, then both of the student's batches
    assert student.training
    assert state.need_generator().network.training


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_generator_feeds_the_student_in_the_mode_asked_for(mode: str) -> None:
    _, state, seen = step(generator_mode=mode)
    assert seen == [True, mode == "train"]  # its own step is always in training
    assert state.need_generator().network.training


def test_a_student_estimated_in_training_mode_takes_in_the_perturbed_points() -> None:
    usual, _, _ = step()
    student, _, _ = step(student_mode="train")
    assert student.modes == [True, True, True]
    assert usual.norm.num_batches_tracked == 2
    assert student.norm.num_batches_tracked == 3


class Noted(Watched):
    """Notes for all copies together."""

    all_modes: ClassVar[list[bool]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.all_modes.append(self.training)
        return super().forward(x)


def test_health_is_measured_in_evaluation_mode() -> None:
    attack = DFME(**SMALL)  # type: ignore[arg-type]
    meter = Meter(tiny_victim(), access="probabilities", budget=10_000)
    state = attack.start(Noted(), meter.oracle, Engine("cpu"), seed=1)
    Noted.all_modes.clear()
    attack.diagnose(state, meter.rehearsal)
    assert Noted.all_modes
    assert not any(Noted.all_modes)


def test_modes_change_the_student() -> None:
    plain, other = (
        torch.nn.utils.parameters_to_vector(step(generator_mode=mode)[0].parameters())
        for mode in ("train", "eval")
    )
    assert not torch.equal(plain, other)


def test_a_released_0_stands_for_the_floor() -> None:
    answer = Answer(Access.PROBABILITIES, torch.tensor([0]), torch.tensor([[1.0, 0.0]]))
    scores = torch.zeros(1, 2)
    for floor in (1e-2, 1e-6):
        missed = DFME(floor=floor).miss(scores, answer)
        # log 1 and log floor, less their mean: each is half of log floor away from 0.
        torch.testing.assert_close(missed, -torch.tensor([floor]).log() / 2)


def test_the_generator_goes_up_the_estimate_of_the_mean_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slope = torch.randn(8, *TINY.shape, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(DFME, "ascent", lambda self, *given: (slope, torch.arange(8.0)))
    attack = DFME(**SMALL)  # type: ignore[arg-type]
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=10_000)
    s = attack.start(TinyNet(TINY, 4, seed=5), oracle, Engine("cpu"), seed=1)
    generator, place = copy.deepcopy(s.need_generator().network), s.random.state()
    losses = attack.step(s, oracle, 8)
    assert float(losses["generator/gap"]) == 3.5
    torch.testing.assert_close(losses["estimate/norm"], slope.flatten(1).norm(dim=1).mean())
    s.random.restore(place)
    generator(s.normal(8, attack.latent)).backward(-slope / 8)
    found, wanted = (
        [p.grad for p in network.parameters()]
        for network in (s.need_generator().network, generator)
    )
    torch.testing.assert_close(found, wanted)


def test_the_students_gap_is_what_its_last_batch_left(monkeypatch: pytest.MonkeyPatch) -> None:
    gaps = iter([1.0, 2.0])
    monkeypatch.setattr(DFME, "descend", lambda self, *given: torch.tensor(next(gaps)))
    attack = DFME(**SMALL)  # type: ignore[arg-type]
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=10_000)
    s = attack.start(TinyNet(TINY, 4, seed=5), oracle, Engine("cpu"), seed=1)
    assert float(attack.step(s, oracle, 8)["student/gap"]) == 2


@pytest.mark.parametrize(
    ("defences", "least", "most"),
    [([], 0.95, 1.0), (["rounding:2"], -0.5, 0.5), (["noise:0.1"], -0.5, 0.5)],
)
def test_health_sees_what_a_defence_hides(defences: list[str], least: float, most: float) -> None:
    victim = defend(tiny_victim(), defences)
    meter = Meter(victim, access="probabilities", budget=10_000, defences=defences)
    attack = DFME(**SMALL, epsilon=1e-3)  # type: ignore[arg-type]
    state = attack.start(TinyNet(TINY, 4, seed=5), meter.oracle, Engine("cpu"), seed=1)
    kept = {name: value.clone() for name, value in victim.state().items()}
    assert least <= attack.diagnose(state, meter.rehearsal)["estimate/correlation"] <= most
    assert meter.oracle.spent == 0
    assert all(torch.equal(value, kept[name]) for name, value in victim.state().items())


def test_health_is_that_of_the_estimator_in_use() -> None:
    attack = DFME(**SMALL, estimator="random")  # type: ignore[arg-type]
    meter = Meter(tiny_victim(), access="probabilities", budget=10_000)
    state = attack.start(TinyNet(TINY, 4, seed=5), meter.oracle, Engine("cpu"), seed=1)
    assert abs(attack.diagnose(state, meter.rehearsal)["estimate/correlation"]) < 0.5


def test_weights_that_were_held_before_stay_held_when_seen_through() -> None:
    student, state, _ = step()
    held = next(student.net.parameters())
    held.requires_grad_(False)
    with state.student.seen_through():
        assert not any(weight.requires_grad for weight in student.parameters())
    assert [not weight.requires_grad for weight in student.parameters()].count(True) == 1
