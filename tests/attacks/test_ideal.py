"""What makes IDEAL this attack: fresh generators, even classes, one query for each image."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from tests.attacks.pools import Seen, finish, noted_views

from copycost.attacks.ideal import IDEAL, openness
from copycost.engine import Engine
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.oracle.meter import CountedOracle
from copycost.runner.extract import advance
from copycost.schedules import Steps
from copycost.testing import TINY, TinyNet

SMALL: dict[str, Any] = {"batch_size": 16, "width": 8, "latent": 8, "synthesis_steps": 3}


def begin(attack, *, budget=10_000, access="label"):
    victim = Seen()
    oracle = CountedOracle(victim, access=access, budget=budget)
    net = TinyNet(TINY, oracle.classes, seed=5)
    return attack.start(net, oracle, Engine("cpu"), 1), oracle, victim


def flat(player):
    return torch.cat([p.detach().flatten().clone() for p in player.network.parameters()])


def test_the_defaults_are_the_authors():
    attack = IDEAL()
    assert (attack.batch_size, attack.synthesis_steps, attack.generator_lr) == (250, 5, 1e-3)
    assert (attack.student_lr, attack.spread, attack.epochs, attack.latent) == (0.01, 5, 1, 256)
    assert attack.generator_momenta == (0.5, 0.999)
    assert str(attack.schedule) == "constant"


def test_the_objective_by_hand():
    scores = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log()
    plogp = 0.9 * math.log(0.9) + 0.1 * math.log(0.1) + 2 * 0.5 * math.log(0.5)
    assert openness(scores).item() == pytest.approx(plogp / 4)
    s, _, _ = begin(IDEAL(**SMALL))
    found = IDEAL(**SMALL).objective(s, scores, torch.tensor([1, 0]), torch.rand(2, 1, 8, 8))
    wanted = (-math.log(0.1) - math.log(0.5)) / 2 + 5 * plogp / 4
    assert found.item() == pytest.approx(wanted)
    sure = torch.tensor([[200.0, 0.0]])
    assert openness(sure).item() == 0, "a probability that underflows gives 0, not NaN"


def test_targets_take_all_classes_in_turn_over_the_rounds():
    attack = IDEAL(**SMALL)
    s, oracle, _ = begin(attack)
    targets = []
    for n in (6, 6, 5, 3):  # the last two share what a budget leaves
        targets += attack.targets(s, oracle, n).tolist()
        oracle(torch.rand(n, 1, 8, 8))
    assert targets == [i % oracle.classes for i in range(20)]


def test_every_image_is_asked_once_whatever_is_learnt_from_it():
    attack = IDEAL(**SMALL | {"epochs": 5})
    s, oracle, victim = begin(attack, budget=97)
    pieces = finish(attack, s, oracle)
    asked = torch.cat(victim.inputs)
    assert len(asked) == len(asked.flatten(1).unique(dim=0)) == victim.count == 97
    assert len(s.need_memory()) == 97
    rounds, held, lessons = len(victim.batches), 0, 0
    for batch in victim.batches:
        held += batch
        lessons += 5 * max(1, held // 16)
    assert pieces == rounds + lessons


@pytest.mark.parametrize(("held", "due"), [(0, 0), (1, 0), (2, 3), (15, 3), (31, 3), (33, 6)])
def test_a_lesson_is_as_long_as_passes_over_whole_batches_and_one_at_least(held, due):
    attack = IDEAL(**SMALL)
    s, oracle, _ = begin(attack)
    if held:
        attack.ask(s, oracle, torch.rand(held, 1, 8, 8))
    attack.begin_lesson(s, 3)
    assert s.due == due


def test_what_is_asked_are_bytes_and_the_memory_holds_just_that():
    attack = IDEAL(**SMALL)
    s, oracle, victim = begin(attack)
    attack.step(s, oracle, 16)
    asked = victim.inputs[0]
    assert torch.allclose(asked * 255, (asked * 255).round(), atol=1e-4)
    drawn = s.need_memory().draw(64, s.random)
    for image, label in zip(drawn.inputs, drawn.answer.labels, strict=True):
        place = (asked - image).abs().flatten(1).amax(1).argmin()
        assert torch.equal(asked[place], image)
        assert int(victim.victim(asked[place][None]).argmax()) == int(label)


def test_views_are_learnt_with_the_label_of_the_original(monkeypatch):
    attack = IDEAL(**SMALL)
    s, oracle, victim = begin(attack)
    attack.step(s, oracle, 16)
    count, shown, told = victim.count, [], []
    whole = IDEAL.miss

    def miss(self, scores, answer):
        told.append(answer)
        return whole(self, scores, answer)

    monkeypatch.setattr(IDEAL, "miss", miss)
    s.student.network.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    place = s.random.state()
    drawn = s.need_memory().draw(16, s.random)
    s.random.restore(place)
    attack.study(s, oracle)
    (x,), (answer,) = shown, told
    assert torch.equal(answer.labels, drawn.answer.labels)
    assert not torch.equal(x, drawn.inputs)
    assert victim.count == count


def test_each_round_has_a_generator_of_its_own_and_it_asks_nothing():
    attack = IDEAL(**SMALL)
    s, oracle, victim = begin(attack)
    first = [flat(s.need_generator())]
    for _ in range(3):
        attack._begin_anew(s)
        first.append(flat(s.need_generator()))
    assert all(not torch.equal(a, b) for a, b in pairwise(first))
    student = flat(s.student)
    for _ in range(2):
        attack._synthesise(s, oracle, 16)
        steps = [float(v["step"]) for v in s.need_generator().optimizer.state.values()]
        assert set(steps) == {3.0}, "the optimiser remembers another round"
    assert victim.count == 0
    assert torch.equal(student, flat(s.student))
    assert s.student.network.training


def test_the_schedule_is_the_students_alone():
    attack = IDEAL(**SMALL | {"schedule": Steps((0.5,), 0.1), "student_lr": 0.01})
    s, _, _ = begin(attack)
    for player in s.players.values():
        player.set_time(0.9)
    rates = [player.optimizer.param_groups[0]["lr"] for player in s.players.values()]
    assert rates == pytest.approx([0.001, attack.generator_lr])


@pytest.mark.parametrize(
    ("found", "best"), [([5.0, 1.0, 3.0, 2.0], 1), ([5.0, math.nan, 3.0, 4.0], 2)]
)
def test_the_batch_of_the_best_step_is_kept(monkeypatch, found, best):
    """A loss that is lost in between is none."""
    attack = IDEAL(**SMALL | {"synthesis_steps": 4, "shift": 0, "generator_lr": 0.01})
    s, oracle, _ = begin(attack)
    shown: list[torch.Tensor] = []
    losses = iter(found)

    def objective(self, s, scores, targets, images):
        shown.append(images.detach())
        slope = scores.sum()
        return slope - slope.detach() + next(losses)

    monkeypatch.setattr(IDEAL, "objective", objective)
    kept, reached = attack._synthesise(s, oracle, 16)
    torch.testing.assert_close(kept, shown.pop(best))
    assert all(float((kept - other).abs().max()) > 1e-3 for other in shown)
    assert float(reached) == found[best]


def test_the_student_is_seen_through_while_a_generator_learns():
    student = build(ARCHITECTURES["gap-cnn"], TINY, 4, seed=3)
    attack, oracle = IDEAL(**SMALL), CountedOracle(Seen(), access="label", budget=100)
    s: Any = attack.start(student, oracle, Engine("cpu"), 1)
    before = [b.clone() for b in student.buffers()]
    attack._synthesise(s, oracle, 16)
    assert all(torch.equal(a, b) for a, b in zip(before, student.buffers(), strict=True))
    assert all(p.grad is None for p in student.parameters())


def test_the_generator_learns_from_what_the_student_says_of_views(monkeypatch):
    attack = IDEAL(**SMALL | {"synthesis_steps": 1, "flip": True})
    s, oracle, _ = begin(attack)
    asked, shown = noted_views(monkeypatch, "synthesis.weak"), []

    def objective(self, s, scores, targets, images):
        shown.append(images.detach())
        return scores.sum()

    monkeypatch.setattr(IDEAL, "objective", objective)
    s.student.network.register_forward_pre_hook(lambda _, given: shown.append(given[0].detach()))
    kept, _ = attack._synthesise(s, oracle, 16)
    assert asked == [(16, 0.125, True)]
    torch.testing.assert_close(shown, [1 - kept, 1 - kept])


def test_the_generator_reaches_what_it_is_asked_for():
    attack = IDEAL(**SMALL | {"synthesis_steps": 60, "generator_lr": 1e-2, "spread": 0})
    s, oracle, _ = begin(attack)
    images, reached = attack._synthesise(s, oracle, 16)
    assert float(reached) < math.log(oracle.classes)
    said = s.student.network(images).argmax(1)
    assert float((said == torch.arange(16) % oracle.classes).float().mean()) > 0.5


def test_a_loss_that_is_lost_is_seen(monkeypatch):
    attack = IDEAL(**SMALL)
    s, oracle, _ = begin(attack)
    monkeypatch.setattr(IDEAL, "objective", lambda self, s, scores, t, x: scores.sum() * torch.nan)
    images, reached = attack._synthesise(s, oracle, 16)
    assert bool(images.isfinite().all())
    assert bool(reached.isnan())


def test_it_goes_on_bit_for_bit_in_the_middle_of_a_lesson():
    attack = IDEAL(**SMALL)

    def run(pieces, state, oracle):
        for _ in range(pieces):
            advance(attack, state, oracle)

    s, oracle, _ = begin(attack)
    run(12, s, oracle)
    halfway, first, _ = begin(attack)
    run(8, halfway, first)
    assert halfway.due > 0
    again, rest, _ = begin(attack)
    again.restore(halfway.state())
    rest._account.charge(first.spent)
    run(4, again, rest)
    assert torch.equal(flat(again.student), flat(s.student))
