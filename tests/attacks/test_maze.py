"""What makes MAZE this attack and no other."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from copycost.attacks.maze import MAZE
from copycost.attacks.replay import Batch
from copycost.attacks.state import Player, State
from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.oracle.base import Oracle
from copycost.oracle.meter import CountedOracle, Meter
from copycost.testing import TINY, SpyVictim, TinyNet, tiny_victim
from copycost.types import Answer


def small(**more) -> MAZE:
    return MAZE(**{"batch_size": 16, "width": 8, "latent": 8, "student_lr": 0.02} | more)


def begin(attack: MAZE) -> tuple[State, Oracle, SpyVictim]:
    spy = SpyVictim(tiny_victim())
    oracle = CountedOracle(spy, access="probabilities", budget=100_000)
    student = build(ARCHITECTURES["lenet"], TINY, 4, seed=3)
    return attack.start(student, oracle, Engine("cpu"), seed=1), oracle, spy


def test_the_defaults_are_the_authors_and_cost_what_the_paper_says():
    attack = MAZE()
    assert (attack.batch_size, attack.latent, attack.directions) == (128, 100, 10)
    assert (attack.generator_steps, attack.student_steps, attack.replay_steps) == (1, 5, 10)
    assert str(attack.schedule) == "cosine"
    assert attack.queries_per_image == 15
    assert attack.queries_per_image * attack.batch_size == 1_920


@pytest.mark.parametrize(
    ("generator_steps", "student_steps", "directions", "cost"),
    [(1, 5, 10, 15), (2, 1, 3, 8), (1, 1, 1, 2)],
)
def test_the_cost_at_other_settings(generator_steps, student_steps, directions, cost):
    attack = small(
        generator_steps=generator_steps, student_steps=student_steps, directions=directions
    )
    s, oracle, spy = begin(attack)
    attack.step(s, oracle, 16)
    assert attack.queries_per_image * 16 == spy.count == 16 * cost


def noted(monkeypatch) -> list[Batch]:
    """The batches that the student is given; it learns nothing, and its gap is their number."""
    learnt: list[Batch] = []

    def descend(self: MAZE, player: Player, x: torch.Tensor, answer: Answer) -> torch.Tensor:
        learnt.append(Batch(x, answer))
        return torch.tensor(float(len(learnt)))

    monkeypatch.setattr(MAZE, "descend", descend)
    return learnt


def test_the_first_batch_of_the_student_is_the_generators_with_its_answers(monkeypatch):
    attack = small(student_steps=2, replay_steps=1)
    s, oracle, spy = begin(attack)
    learnt = noted(monkeypatch)
    place = s.random.state()
    attack.step(s, oracle, 16)
    assert spy.batches == [16 * 11, 16]
    assert len(learnt) == 3

    s.random.restore(place)
    again, _, _ = begin(attack)
    x = again.need_generator().network(s.normal(16, 8))
    torch.testing.assert_close(learnt[0].inputs, ((x.tanh() + 1) / 2).detach())
    scores = learnt[0].answer.scores
    assert scores is not None
    torch.testing.assert_close(scores, spy.victim(learnt[0].inputs).softmax(1))


def test_every_batch_is_learnt_once_and_the_last_one_is_kept_and_told(monkeypatch):
    attack = small(student_steps=3, replay_steps=0)
    s, oracle, _ = begin(attack)
    learnt = noted(monkeypatch)
    losses = attack.step(s, oracle, 16)
    images = torch.cat([batch.inputs for batch in learnt]).flatten(1)
    assert len(images.unique(dim=0)) == 3 * 16
    assert float(losses["student/gap"]) == 3
    kept = s.need_memory().draw(64, s.random).inputs.flatten(1)
    nearest = torch.cdist(kept, images, p=torch.inf).argmin(dim=1)
    assert int(nearest.min()) >= 32, "of the last batch"


def test_what_is_learnt_again_is_drawn_from_all_that_is_remembered(monkeypatch):
    attack = small(student_steps=1, replay_steps=4)
    s, oracle, _ = begin(attack)
    learnt = noted(monkeypatch)
    for _ in range(2):
        attack.step(s, oracle, 16)
    first, second, again = (
        torch.cat([batch.inputs for batch in learnt[part]]).flatten(1)
        for part in (slice(0, 1), slice(5, 6), slice(6, 10))
    )
    nearest = torch.cdist(again, torch.cat([first, second]), p=torch.inf).min(dim=1)
    assert len(again) == 4 * 16
    assert float(nearest.values.max()) < 0.51 / 255  # each value to the nearest byte
    assert {bool(which < 16) for which in nearest.indices} == {True, False}


def test_the_gaps_of_the_generator_of_fresh_and_of_replayed_images_are_told_apart(monkeypatch):
    attack = small(student_steps=2, replay_steps=3)
    s, oracle, _ = begin(attack)
    noted(monkeypatch)
    images = torch.rand(16, *TINY.shape)
    ascended = Batch(images, oracle(images)), torch.arange(16.0)
    monkeypatch.setattr(MAZE, "_ascend", lambda *_: ascended)
    losses = {name: float(loss) for name, loss in attack.step(s, oracle, 16).items()}
    # The mean of 0 … 15; the last of two fresh batches; the last of the five batches in all.
    assert losses == {"generator/gap": 7.5, "student/gap": 2, "student/replayed gap": 5}


@pytest.mark.parametrize(("asked", "used"), [(0.03, 0.03), (None, 1e-3)])
def test_the_estimate_has_the_directions_and_the_length_asked_for(asked, used, monkeypatch):
    attack = small(directions=3, epsilon=asked)
    s, oracle, _ = begin(attack)
    given = []

    def estimate(gap, x, m, epsilon, random):
        given.append((m, epsilon))
        return x, gap(x)

    monkeypatch.setattr("copycost.attacks.estimating.forward_difference", estimate)
    attack.ascent(s, oracle, oracle.spec, torch.randn(16, *TINY.shape))
    assert given == [(3, pytest.approx(used))]
    assert attack.estimate_step(s.engine, oracle.spec).dimensions == 64  # 1 · 8 · 8 values


def test_the_generators_step_is_one_of_sgd_along_the_estimate(monkeypatch):
    attack = small(generator_lr=0.5, generator_momentum=0.0, generator_weight_decay=0.0)
    s, oracle, _ = begin(attack)
    slope = torch.randn(16, 1, 8, 8)
    monkeypatch.setattr(
        "copycost.attacks.estimating.forward_difference",
        lambda gap, x, m, epsilon, random: (gap(x), (slope, torch.zeros(16)))[1],
    )
    generator, place = s.need_generator().network, s.random.state()
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    attack._ascend(s, oracle, 16)
    after = {name: p.detach().clone() for name, p in generator.named_parameters()}

    generator.load_state_dict(before)
    s.random.restore(place)
    generator.zero_grad()
    generator(s.normal(16, 8)).backward(slope)
    for name, p in generator.named_parameters():
        assert p.grad is not None
        torch.testing.assert_close(after[name], before[name] + 0.5 * p.grad / 16, msg=name)


@pytest.mark.parametrize(("given", "mode"), [({}, "eval"), ({"student_mode": "train"}, "train")])
def test_the_student_is_estimated_in_the_mode_asked_for(given, mode):
    attack, modes = small(student_steps=2, replay_steps=1, **given), list[bool]()
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=100_000)
    student = build(ARCHITECTURES["gap-cnn"], TINY, 4, seed=3)
    student.register_forward_pre_hook(lambda net, _: modes.append(net.training))
    s = attack.start(student, oracle, Engine("cpu"), seed=1)
    attack.step(s, oracle, 16)
    assert modes == [mode == "train", True, True, True]
    (norm, *_) = (m for m in student.modules() if isinstance(m, nn.BatchNorm2d))
    assert norm.num_batches_tracked == sum(modes)
    assert student.training


def test_the_generators_descent_has_its_own_rate_momentum_and_decay():
    attack = small(generator_lr=0.017, generator_momentum=0.3, generator_weight_decay=0.011)
    s, _, _ = begin(attack)
    (group,) = s.need_generator().optimizer.param_groups
    assert [group[key] for key in ("lr", "momentum", "weight_decay")] == [0.017, 0.3, 0.011]


def test_memory_keeps_the_last_batch_of_each_step():
    attack = small(student_steps=3)
    s, oracle, _ = begin(attack)
    for _ in range(4):
        attack.step(s, oracle, 16)
    assert len(s.need_memory()) == 4 * 16


def test_kl_of_labels_and_of_probabilities_is_finite():
    x, logits = torch.rand(3, 1, 8, 8), torch.randn(3, 4)
    for access in ("label", "top-k", "probabilities", "logits"):
        answer = CountedOracle(tiny_victim(), access=access, budget=9, k=2)(x)
        assert math.isfinite(small().miss(logits, answer).sum())


def test_its_health_is_measured_on_a_stand_in():
    attack = small()
    spy = SpyVictim(tiny_victim())
    meter = Meter(spy, access="probabilities", budget=100_000)
    s = attack.start(TinyNet(TINY, 4, seed=5), meter.oracle, Engine("cpu"), seed=1)
    health = attack.diagnose(s, meter.rehearsal)
    assert spy.count == 0
    assert health["estimate/correlation"] > 0.9
    assert 0.05 < health["generator/spread"] < 0.6
    drowned = small(epsilon=1e-9).diagnose(s, meter.rehearsal)
    assert drowned["estimate/correlation"] < 0.5
