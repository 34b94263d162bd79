"""What makes DisGUIDE this attack and no other, against numbers worked out independently."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from copycost.attacks.disguide import DisGUIDE, greyed
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.losses import class_entropy, disagreement
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.noise import Noise
from copycost.oracle.base import Oracle
from copycost.oracle.meter import CountedOracle
from copycost.ranks import Ranks
from copycost.testing import SpyVictim, tiny_victim
from copycost.types import Access, InputSpec

COLOUR = InputSpec((3, 8, 8))


def begin(
    attack: DisGUIDE, access: str = "probabilities", spec: InputSpec = COLOUR, seed: int = 1
) -> tuple[State, Oracle, SpyVictim]:
    spy = SpyVictim(tiny_victim(spec=spec))
    oracle = CountedOracle(spy, access=access, budget=100_000)
    student = build(ARCHITECTURES["gap-cnn"], spec, 4, seed=3)
    return attack.start(student, oracle, Engine("cpu"), seed), oracle, spy


def small(**more) -> DisGUIDE:
    return DisGUIDE(**{"batch_size": 16, "width": 8, "latent": 8} | more)


def test_the_defaults_are_the_authors():
    attack = DisGUIDE()
    assert (attack.batch_size, attack.student_lr, attack.generator_lr) == (256, 0.03, 1e-4)
    assert (attack.student_steps, attack.replay_steps, attack.diversity) == (1, 3, 0.2)
    assert str(attack.schedule) == "steps:0.4,0.8:0.3"
    assert attack.queries_per_image == 1


def test_the_generators_objective_by_hand():
    p = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]])  # [M, N, K]
    torch.testing.assert_close(disagreement(p), torch.tensor([0.4 / math.sqrt(2), 0.0]))
    mean_vote = p.mean(dim=(0, 1))
    expected = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4))
    assert class_entropy(mean_vote).item() == pytest.approx(expected, abs=1e-4)
    assert class_entropy(torch.tensor([1.0, 0.0])).item() == pytest.approx(0, abs=2e-5)


def test_the_generator_climbs_it_and_asks_nothing():
    attack = small(generator_lr=1e-2, replay_steps=0)
    s, oracle, spy = begin(attack)
    reached = [attack.climb(s, oracle, 16) for _ in range(40)]
    objective = [
        float(r["generator/disagreement"] + attack.diversity * r["generator/coverage"])
        for r in reached
    ]
    assert sum(objective[-5:]) > sum(objective[:5])
    assert spy.count == 0


def test_the_generators_gradient_is_the_objectives_through_both_students():
    attack = small(grey_every=0)
    s, oracle, _ = begin(attack)
    generator = s.need_generator().network
    saved = {k: v.clone() for k, v in generator.state_dict().items()}
    place = s.random.state()
    nets = [s.student.network, s.more["member 2"].network]
    buffers = [b.clone() for net in nets for b in net.buffers()]
    attack.climb(s, oracle, 16)
    assert all(torch.equal(a, b) for a, b in zip(buffers, _buffers(nets), strict=True))
    found = [p.grad.clone() for p in generator.parameters() if p.grad is not None]

    generator.load_state_dict(saved)
    generator.zero_grad()
    s.random.restore(place)
    for net in nets:
        net.eval()
    images = (generator(s.normal(16, 8)).tanh() + 1) / 2
    p = torch.stack([net(images).softmax(1) for net in nets])
    apart = ((p[0] - p[1]).abs() / math.sqrt(2)).mean()
    vote = p.mean((0, 1)) + 1e-6
    (-(apart - 0.2 * (vote * vote.log()).sum())).backward()
    wanted = [p.grad for p in generator.parameters() if p.grad is not None]
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)


def test_the_vote_that_is_to_cover_all_classes_is_that_of_all_ranks(monkeypatch):
    attack = small()
    s, oracle, _ = begin(attack)
    of_all = torch.tensor([0.7, 0.1, 0.1, 0.1])
    descended: list[torch.Tensor] = []
    monkeypatch.setattr(s.need_generator(), "descend", descended.append)
    monkeypatch.setattr(Ranks, "mean", lambda self, value: of_all)
    s.engine.ranks = Ranks(1, 2)
    reached = attack.climb(s, oracle, 16)
    expected = class_entropy(of_all)
    torch.testing.assert_close(reached["generator/coverage"], expected)
    torch.testing.assert_close(
        descended[0].detach(), -(reached["generator/disagreement"] + 0.2 * expected)
    )


def _buffers(nets: list[nn.Module]) -> list[torch.Tensor]:
    return [b for net in nets for b in net.buffers()]


def test_students_are_left_learning_and_untouched_by_the_generators_step():
    attack = small()
    s, oracle, _ = begin(attack)
    attack.climb(s, oracle, 16)
    for player in attack.students(s).values():
        assert player.network.training
        assert all(p.requires_grad and p.grad is None for p in player.network.parameters())


def test_one_step_asks_once_and_learns_from_the_memory_too():
    attack = small()
    s, oracle, spy = begin(attack)
    steps = {"student": 0, "member 2": 0}
    for name, player in attack.students(s).items():
        count_steps(player, steps, name)
    attack.step(s, oracle, 16)
    assert spy.count == 16
    assert steps == {"student": 4, "member 2": 4}
    assert len(s.need_memory()) == 16


def test_what_is_learnt_again_is_drawn_from_all_that_is_remembered(monkeypatch):
    attack = small(replay_steps=4)
    s, oracle, _ = begin(attack)
    taught = []

    def teach(self, s, batch, raised=None):
        taught.append(batch.inputs)
        return {"student/gap": torch.zeros(())}

    monkeypatch.setattr(DisGUIDE, "teach", teach)
    for _ in range(2):
        attack.step(s, oracle, 16)
    first, second, again = taught[0], taught[5], torch.cat(taught[6:])
    assert again.shape == (4 * 16, *COLOUR.shape)
    distances = torch.cdist(again.flatten(1), torch.cat([first, second]).flatten(1), p=torch.inf)
    nearest = distances.min(dim=1)
    assert float(nearest.values.max()) < 0.51 / 255  # each value to the nearest byte
    assert {bool(which < 16) for which in nearest.indices} == {True, False}


@pytest.mark.parametrize("every", [0, 2, 5])
def test_of_the_images_that_are_asked_every_so_many_are_grey(every):
    attack = small(grey_every=every)
    s, oracle, _ = begin(attack)
    (batch,) = attack.asked(s, oracle, 16, 1)
    grey = (batch.inputs == batch.inputs[:, :1]).flatten(1).all(dim=1)
    assert grey.tolist() == [bool(every) and i % every == 0 for i in range(16)]


def count_steps(player, steps, name) -> None:
    descend = player.descend

    def counted(loss, gradient=None):
        steps[name] += 1
        descend(loss, gradient)

    player.descend = counted


def test_every_fresh_batch_goes_into_the_memory():
    attack = small(student_steps=3)
    s, oracle, _ = begin(attack)
    attack.step(s, oracle, 16)
    assert len(s.need_memory()) == oracle.spent == 48


def test_the_gaps_on_fresh_and_on_replayed_images_are_told_apart(monkeypatch):
    gaps = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr(DisGUIDE, "teach", lambda *_: {"student/gap": torch.tensor(next(gaps))})
    attack = small(replay_steps=2)
    s, oracle, _ = begin(attack)
    losses = attack.step(s, oracle, 16)
    told = {name: float(losses[name]) for name in ("student/gap", "student/replayed gap")}
    assert told == pytest.approx({"student/gap": 1, "student/replayed gap": 3})


def test_every_eighth_image_is_grey_and_the_others_are_left():
    images = torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    random = Engine("cpu").random(0)
    shown = greyed(images, 8, random)
    chosen = set()
    for i in range(20):
        if i % 8:
            assert torch.equal(shown[i], images[i])
        else:
            assert all(torch.equal(shown[i, 0], shown[i, c]) for c in (1, 2))
            chosen |= {c for c in range(3) if torch.equal(shown[i, 0], images[i, c])}
    assert chosen
    many = greyed(torch.rand(300, 3, 1, 1), 1, random)
    assert torch.equal(many[:, 0], many[:, 2])


def test_several_ranks_make_the_images_grey_that_one_would():
    cpu = torch.device("cpu")
    images = torch.rand(24, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    whole = greyed(images, 8, Noise(0, cpu))
    halves = [greyed(images[12 * r : 12 * r + 12], 8, Noise(0, cpu, Ranks(r, 2))) for r in (0, 1)]
    assert torch.equal(torch.cat(halves), whole)


def test_which_channel_is_random_and_one_channel_is_left_alone():
    levels = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1).expand(600, 3, 2, 2)
    shown = greyed(levels, 1, Engine("cpu").random(0))[:, 0, 0, 0]
    assert all(150 < int((shown == level).sum()) < 250 for level in (0.1, 0.5, 0.9))
    grey = torch.rand(16, 1, 4, 4)
    random = Engine("cpu").random(0)
    before = random.state()
    assert greyed(grey, 8, random) is grey
    assert torch.equal(random.state(), before)
    assert greyed(levels, 0, random) is levels


def test_gradients_reach_the_channel_that_was_kept_by_its_own_place():
    images = torch.rand(1, 3, 2, 2, requires_grad=True)
    greyed(images, 1, Engine("cpu").random(0)).sum().backward()
    assert images.grad is not None
    assert sorted(images.grad.sum(dim=(0, 2, 3)).tolist()) == [0.0, 0.0, 4.0]


def test_the_loss_follows_the_access():
    attack = DisGUIDE()
    assert attack.loss_at(Access.PROBABILITIES) is attack.loss
    logits = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    oracle = CountedOracle(tiny_victim(), access="label", budget=9)
    x = torch.rand(1, 1, 8, 8)
    answer = oracle(x)
    found = attack.miss(logits, answer)
    p = logits.softmax(1)[0, int(answer.labels)]
    assert found.item() == pytest.approx(-math.log(p), rel=1e-5)


def test_the_first_student_counts_and_the_vote_stands_beside_it():
    s, _, _ = begin(small(members=3))
    assert s.judged is s.student.network
    assert list(s.beside) == ["member 2", "member 3", "ensemble"]


def test_members_of_other_seeds_start_apart():
    states = [begin(small(), seed=seed)[0] for seed in (1, 2)]
    first, second = (next(s.more["member 2"].network.parameters()) for s in states)
    assert not torch.equal(first, second)


def test_all_students_vote():
    s, _, _ = begin(small(members=3))
    ensemble: Any = s.beside["ensemble"]
    assert list(ensemble.members) == [
        s.student.network,
        *(player.network for player in s.more.values()),
    ]


def test_the_generator_feeds_in_evaluation_mode():
    attack = small()
    s, oracle, _ = begin(attack)
    before = {k: v.clone() for k, v in s.need_generator().network.state_dict().items()}
    attack.asked(s, oracle, 16, 1)
    after = s.need_generator().network.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())
    assert s.need_generator().network.training
