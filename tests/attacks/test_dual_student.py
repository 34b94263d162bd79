"""What makes Dual Student this attack and no other."""

from __future__ import annotations

import pytest
import torch

from copycost.attacks.average import WeightAverage
from copycost.attacks.dual_student import DualStudent, unsquashed
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.losses import cross_entropy, l1
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.oracle.base import Oracle
from copycost.oracle.meter import CountedOracle
from copycost.testing import TINY, SpyVictim, tiny_victim
from copycost.types import Access, InputSpec


def small(**more) -> DualStudent:
    return DualStudent(**{"batch_size": 16, "width": 8, "latent": 8, "student_lr": 0.02} | more)


def begin(attack: DualStudent) -> tuple[State, Oracle, SpyVictim]:
    spy = SpyVictim(tiny_victim())
    oracle = CountedOracle(spy, access="probabilities", budget=100_000)
    student = build(ARCHITECTURES["gap-cnn"], TINY, 4, seed=3)
    return attack.start(student, oracle, Engine("cpu"), seed=1), oracle, spy


def test_the_defaults_are_the_authors():
    attack = DualStudent()
    assert (attack.batch_size, attack.student_lr, attack.generator_lr) == (256, 0.3, 1e-4)
    assert (attack.average_momentum, attack.average_every) == (0.9, 10)
    assert attack.generator_sees == "unsquashed"
    assert attack.queries_per_image == attack.student_steps == 5


@pytest.mark.parametrize("form", ["unsquashed", "image"])
def test_the_generator_climbs_the_distance_of_what_the_students_are_shown(form):
    attack = small(generator_sees=form)
    s, oracle, spy = begin(attack)
    generator = s.need_generator().network
    saved, place = {k: v.clone() for k, v in generator.state_dict().items()}, s.random.state()
    reached = attack.climb(s, oracle, 16)
    assert spy.count == 0
    found = [p.grad.clone() for p in generator.parameters() if p.grad is not None]

    generator.load_state_dict(saved)
    generator.zero_grad()
    s.random.restore(place)
    nets = [s.student.network.eval(), s.more["member 2"].network.eval()]
    x = generator(s.normal(16, 8))
    shown = 0.5 + 0.5 * (x.tanh() if form == "image" else x)
    apart = (nets[0](shown) - nets[1](shown)).abs().mean()
    (-apart).backward()
    assert reached["generator/disagreement"].item() == pytest.approx(apart.item(), rel=1e-5)
    wanted = [p.grad for p in generator.parameters() if p.grad is not None]
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-7)


def test_unsquashed_leaves_the_range_where_the_tanh_would_not():
    spec = InputSpec((1, 1, 3), low=-2.0, high=4.0)
    x = torch.tensor([[[[-1.0, 0.0, 3.0]]]])
    assert unsquashed(x, spec).flatten().tolist() == [-2.0, 1.0, 10.0]


def test_the_generator_learns_before_the_images_are_made(monkeypatch):
    attack = small(generator_steps=2)
    s, oracle, _ = begin(attack)
    steps = []
    whole = DualStudent.asked

    def noted(self, s, *asked):
        steps.append(s.need_generator().updates)
        return whole(self, s, *asked)

    monkeypatch.setattr(DualStudent, "asked", noted)
    attack.step(s, oracle, 16)
    assert steps == [2]


def test_the_average_of_the_first_student_counts():
    attack = small()
    s, oracle, _ = begin(attack)
    assert s.judged is s.averages["student"].network
    assert list(s.beside) == ["not averaged", "member 2", "ensemble"]
    assert s.beside["member 2"] is s.averages["member 2"].network
    for _ in range(12):
        attack.step(s, oracle, 16)
    average, now = (torch.cat([p.detach().flatten() for p in net.parameters()])
                    for net in (s.judged, s.student.network))  # fmt: skip
    assert not torch.equal(average, now)


def test_each_average_follows_its_own_student_as_often_as_told():
    attack = small(average_momentum=0.5, average_every=3)
    s, oracle, _ = begin(attack)
    networks = {name: s.players[name].network for name in ("student", "member 2")}
    wanted = {name: WeightAverage(network, 0.5, every=3) for name, network in networks.items()}
    for _ in range(6):
        attack.step(s, oracle, 16)
        for name, network in networks.items():
            wanted[name].follow(network)
            found, expected = s.averages[name].network, wanted[name].network
            torch.testing.assert_close(list(found.parameters()), list(expected.parameters()))


def test_without_an_average_the_student_itself_counts():
    s, _, _ = begin(small(average_momentum=0))
    assert s.judged is s.student.network
    assert list(s.beside) == ["member 2", "ensemble"]
    assert s.beside["member 2"] is s.more["member 2"].network


def test_labels_are_one_hot_by_default_and_cross_entropy_is_a_setting():
    x, logits = torch.rand(1, 1, 8, 8), torch.tensor([[3.0, 0.0, 0.0, 0.0]])
    answer = CountedOracle(tiny_victim(), access="label", budget=9)(x)
    hot = torch.nn.functional.one_hot(answer.labels, 4).float()
    missed = small().miss(logits, answer)
    torch.testing.assert_close(missed, (logits - hot).abs().mean(1))
    entropy = DualStudent(label_loss=cross_entropy).miss(logits, answer)
    expected = torch.nn.functional.cross_entropy(logits, answer.labels)
    torch.testing.assert_close(entropy[0], expected)
    assert small().loss_at(Access.PROBABILITIES) is l1
