"""What makes QEDG this attack: what its generator seeks, what it asks, how its student learns."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from tests.attacks.pools import Seen, finish, noted_views

from copycost.attacks.qedg import QEDG, likeness, worthwhile
from copycost.attacks.replay import Batch
from copycost.engine import Engine
from copycost.oracle.meter import CountedOracle
from copycost.runner.extract import advance
from copycost.testing import TINY, TinyNet
from copycost.types import Access, Answer

SMALL: dict[str, Any] = {
    "batch_size": 16,
    "width": 8,
    "latent": 8,
    "synthesis_steps": 2,
    "epochs": 2,
}


def make(**more):
    return QEDG(**SMALL | {"last_epochs": 3} | more)


def begin(attack, *, budget=10_000):
    victim = Seen()
    oracle = CountedOracle(victim, access="label", budget=budget)
    net = TinyNet(TINY, oracle.classes, seed=5)
    return attack.start(net, oracle, Engine("cpu"), 1), oracle, victim


def test_the_defaults_are_the_authors():
    attack = QEDG()
    assert (attack.batch_size, attack.synthesis_steps, attack.latent) == (512, 100, 1024)
    assert (attack.over_confidence, attack.diversity, attack.threshold) == (1, 0.01, 0.7)
    assert (attack.balance, attack.epochs, attack.last_epochs) == (2, 20, 50 * 20)
    assert (attack.student_lr, attack.student_weight_decay) == (0.01, 0)
    assert attack.generator_momenta == (0.9, 0.999)


def test_likeness_counts_each_pair_of_one_class_once():
    images = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [3.0, 0.0]]).view(4, 1, 1, 2)
    # Cosines: 0-1 is 1/√2, 0-3 is 1, 1-3 is 1/√2; image 2 is alone in its class.
    found = likeness(images, torch.tensor([0, 0, 1, 0]))
    assert found.item() == pytest.approx((1 + 2 / math.sqrt(2)) / 4)
    assert likeness(images, torch.arange(4)).item() == 0
    black = torch.zeros(2, 1, 2, 2)
    assert likeness(black, torch.tensor([0, 0])).item() == 0, "no image of zeros gives NaN"


def test_the_objective_by_hand():
    attack = make(over_confidence=3, diversity=0.5)
    s, _, _ = begin(attack)
    scores = torch.tensor([[0.8, 0.1, 0.1], [0.5, 0.2, 0.3]]).log()
    images = torch.ones(2, 1, 8, 8)
    found = attack.objective(s, scores, torch.tensor([1, 1]), images)
    crossed = (-math.log(0.1) - math.log(0.2)) / 2
    bold = (math.sqrt(0.49 / 3) + math.sqrt(0.14 / 6)) / 2
    assert found.item() == pytest.approx(crossed + 3 * bold + 0.5 * (1 / 2), rel=1e-5)


def test_targets_are_any_of_all_classes():
    attack = make()
    s, oracle, _ = begin(attack)
    targets = attack.targets(s, oracle, 200)
    assert targets.bincount().tolist() == pytest.approx([50] * 4, abs=25)
    assert not torch.equal(targets[:100], targets[100:])


def test_unsure_images_come_first_and_then_the_least_sure():
    confidence = torch.tensor([0.9, 0.3, 0.8, 0.7, 0.1])
    assert worthwhile(confidence, 0.7).tolist() == [1, 3, 4, 2, 0]


def test_it_asks_what_the_student_is_unsure_of_and_never_waits_for_it():
    for threshold in (1e-6, 1.0):
        attack = make(threshold=threshold, candidates=4, varied=False)
        s, oracle, _ = begin(attack)
        images = torch.rand(16, 1, 8, 8)
        chosen = attack.chosen(s, oracle, images)
        assert chosen.shape == images.shape
        if threshold == 1.0:
            assert torch.equal(chosen, images)
        else:
            p = [s.student.network(x).detach().softmax(1).amax(1) for x in (chosen, images)]
            assert float(p[0].mean()) < float(p[1].mean())


def test_every_candidate_is_a_strong_view_of_the_reach_asked_for(monkeypatch):
    attack = make(candidates=3, flip=True, shift=0.2)
    s, oracle, _ = begin(attack)
    asked = noted_views(monkeypatch, "qedg.strong")
    attack.chosen(s, oracle, torch.rand(16, 1, 8, 8))
    assert asked == [(16, 0.2, True)] * 3


def test_what_is_asked_are_the_views_and_not_what_they_are_of(monkeypatch):
    attack, x = make(candidates=1, threshold=1.0), torch.rand(16, 1, 8, 8)
    s, oracle, _ = begin(attack)
    noted_views(monkeypatch, "qedg.strong")
    assert torch.equal(attack.chosen(s, oracle, x), 1 - x)


def test_a_round_asks_what_was_chosen(monkeypatch):
    monkeypatch.setattr(QEDG, "chosen", lambda self, s, oracle, images: torch.ones_like(images))
    attack = make()
    s, oracle, victim = begin(attack)
    attack.step(s, oracle, 16)
    assert torch.equal(victim.inputs[0], torch.ones(16, 1, 8, 8))


def test_how_sure_the_student_is_is_found_in_evaluation_mode():
    attack, modes = make(), []
    s, oracle, _ = begin(attack)
    s.student.network.register_forward_pre_hook(lambda network, _: modes.append(network.training))
    attack.chosen(s, oracle, torch.rand(16, 1, 8, 8))
    attack._freely_augmented(s, torch.rand(16, 1, 8, 8))
    assert modes == [False, False]


def test_wrong_answers_weigh_more():
    attack = make(balance=3, free_share=0)
    s, _, _ = begin(attack)
    x = torch.rand(8, 1, 8, 8)
    scores = s.student.network(x)
    labels = scores.argmax(1)
    labels[:2] = (labels[:2] + 1) % 4
    found = []
    s.student.descend = lambda loss: found.append(float(loss.detach()))
    told = attack.learn(s, Batch(x, Answer(Access.LABEL, labels, None)), TINY)["student/gap"]
    gaps = -scores.log_softmax(1)[torch.arange(8), labels]
    wanted = (3 * gaps[:2].sum() + gaps[2:].sum()) / 8
    assert found == [pytest.approx(float(wanted.detach()), rel=1e-5)]
    assert float(told) == pytest.approx(float(gaps.detach().mean()), rel=1e-5), "without weights"


def test_only_sure_images_are_mirrored_and_by_chance():
    x = torch.rand(200, 1, 8, 8)
    for sure, share, least, most in ((1e-6, 1.0, 200, 200), (1e-6, 0.3, 30, 90), (1.0, 1.0, 0, 0)):
        attack = make(sure=sure, free_share=share)
        s, _, _ = begin(attack)
        seen = attack._freely_augmented(s, x)
        moved = [i for i in range(200) if not torch.equal(seen[i], x[i])]
        assert least <= len(moved) <= most
        for i in moved:
            assert torch.equal(seen[i], x[i].flip(1)) or torch.equal(seen[i], x[i].flip(2))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_student_is_shown_mirrored_images_if_there_is_a_chance_of_any(monkeypatch, share):
    attack, x, shown = make(free_share=share), torch.rand(8, 1, 8, 8), list[torch.Tensor]()
    s, oracle, _ = begin(attack)
    monkeypatch.setattr(QEDG, "_freely_augmented", lambda self, s, images: 1 - images)
    s.student.network.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    attack.learn(s, Batch(x, oracle(x)), TINY)
    assert torch.equal(shown[0], 1 - x if share else x)


def test_images_are_mirrored_one_way_or_the_other():
    attack = make(sure=1e-6, free_share=1.0)
    s, _, _ = begin(attack)
    x = torch.rand(40, 1, 8, 8)
    seen = attack._freely_augmented(s, x)
    across, down = ((seen == x.flip(side)).flatten(1).all(dim=1) for side in (3, 2))
    assert bool((across ^ down).all())
    assert 5 < int(across.sum()) < 35


def test_each_image_is_asked_once_and_the_last_lesson_is_longer():
    attack = make()
    s, oracle, victim = begin(attack, budget=48)
    pieces = finish(attack, s, oracle)
    assert victim.batches == [16, 16, 16]
    assert pieces == 3 + 2 * 1 + 2 * 2 + (2 + 3) * 3
    assert len(s.need_memory()) == oracle.spent == 48


def test_the_last_lesson_comes_even_if_the_last_queries_were_lost():
    """A crash after the last query, with the checkpoint from before it."""
    attack = make(last_epochs=50)
    s, oracle, _ = begin(attack, budget=48)
    while oracle.spent < 32 or attack.studies(s, oracle):
        advance(attack, s, oracle)
    kept, learnt = copy.deepcopy(s.state()), s.student.updates
    oracle._account.forfeit(16)
    s, *_ = begin(attack, budget=48)
    s.restore(kept)
    assert finish(attack, s, oracle) == 50 * 2
    assert s.state()["last_begun"]
    assert s.student.updates == learnt + 100
    s, *_ = begin(attack, budget=48)
    s.restore(kept | {"last_begun": True})
    assert attack.done(s, oracle), "it does not come twice"


def test_without_an_answer_there_is_no_last_lesson():
    """A crash lost them all."""
    attack = make()
    s, oracle, _ = begin(attack, budget=48)
    oracle._account.charge(47)
    assert attack.done(s, oracle)
