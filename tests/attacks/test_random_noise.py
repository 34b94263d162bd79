"""What makes random noise the floor: what it asks, and how long it learns from it."""

from __future__ import annotations

import pytest
import torch
from tests.attacks.pools import Seen

from copycost.attacks.random_noise import RandomNoise
from copycost.attacks.sources import normal
from copycost.engine import Engine
from copycost.errors import SpecMismatch
from copycost.losses import cross_entropy, l1, l2
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.oracle.meter import CountedOracle
from copycost.runner.config import read_attack
from copycost.types import Access, InputSpec, Modality


def begin(access: str = "probabilities", **settings):
    attack = RandomNoise(batch_size=12, **settings)
    victim = Seen()
    oracle = CountedOracle(victim, access=access, budget=1_000)
    student = build(ARCHITECTURES["gap-cnn"], InputSpec((1, 8, 8)), 4, seed=3)
    return attack, attack.start(student, oracle, Engine("cpu"), seed=1), oracle, victim


def test_normal_values_are_no_tokens():
    spec = InputSpec((6,), modality=Modality.TEXT, vocabulary=50)
    RandomNoise().check_spec(spec)
    with pytest.raises(SpecMismatch, match="got one of 50 tokens; set distribution to uniform"):
        RandomNoise(distribution=normal).check_spec(spec)


@pytest.mark.parametrize("access", ["probabilities", "label"])
def test_each_batch_is_asked_once_and_learnt_from_in_many_steps(access):
    attack, s, oracle, victim = begin(access, student_steps=5)
    for _ in range(3):
        attack.step(s, oracle, 12)
    assert [len(x) for x in victim.inputs] == [12, 12, 12]
    assert s.student.updates == 15
    assert len(s.need_memory()) == 36


def test_later_steps_learn_what_was_asked_before():
    attack, s, oracle, victim = begin(student_steps=4)
    learnt = []
    s.student.network.register_forward_pre_hook(lambda _, given: learnt.append(given[0].clone()))
    for _ in range(2):
        attack.step(s, oracle, 12)
    assert torch.equal(learnt[4], victim.inputs[1])
    asked = torch.cat(victim.inputs).flatten(1)
    distances = torch.cdist(torch.cat(learnt[5:]).flatten(1), asked)
    nearest = distances.min(dim=1)
    assert float(nearest.values.max()) < 8 * 0.5 / 255 + 1e-6  # each value to the nearest byte
    assert {bool(which < 12) for which in nearest.indices} == {True, False}


def test_a_small_last_batch_is_followed_by_whole_lessons_and_the_last_gap_is_told(monkeypatch):
    attack, s, oracle, _ = begin(student_steps=3)
    sizes = []

    def descend(self, player, x, answer):
        sizes.append(len(x))
        return torch.tensor(float(len(sizes)))

    monkeypatch.setattr(RandomNoise, "descend", descend)
    losses = attack.step(s, oracle, 5)
    assert sizes == [5, 12, 12]
    assert float(losses["student/gap"]) == 3


def test_the_noise_asked_and_shown_is_of_the_distribution_chosen():
    attack, s, oracle, victim = begin(distribution=normal)
    place = s.random.state()
    shown = attack.samples(s, oracle, 5)
    assert torch.equal(s.random.state(), place), "what is shown takes none of the attack's numbers"
    attack.step(s, oracle, 12)
    s.random.restore(place)
    assert torch.equal(victim.inputs[0], normal(oracle.spec, 12, s.random))
    assert torch.equal(shown, normal(oracle.spec, 5, s.engine.random(0)))


def test_one_pass_keeps_nothing():
    attack, s, oracle, _ = begin()
    attack.step(s, oracle, 12)
    assert s.memory is None
    assert s.student.updates == 1


def test_with_no_setting_given_it_learns_as_frugal_does():
    noise, frugal = (read_attack(name, {}, 6_000) for name in ("random-noise", "frugal"))
    for setting in ("batch_size", "student_steps", "student_lr", "schedule"):
        assert getattr(noise, setting) == getattr(frugal, setting)
    for access in Access:
        assert noise.loss_at(access) is frugal.loss_at(access)


def test_labels_have_a_loss_of_their_own():
    own = RandomNoise(loss=l2, label_loss=cross_entropy)
    assert [own.loss_at(access) for access in (Access.LABEL, Access.LOGITS)] == [cross_entropy, l2]
    assert RandomNoise(loss=l2).loss_at(Access.LABEL) is l1
