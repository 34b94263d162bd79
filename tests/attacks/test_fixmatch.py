"""What FixMatch's student is shown, what it descends, and how its average follows it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.attacks.pools import begin, descents, finish, make, noise, noted_views, oracle, weights
from torch.nn.functional import cross_entropy, kl_div

from copycost.attacks.fixmatch import FixMatch, consistency


def at_its_first_lesson(**more: Any) -> Any:
    attack, asked = make("fixmatch", **more), oracle(40)
    s = begin(attack, asked, noise(90))
    finish(attack, s, asked, until=lambda: attack.studies(s, asked))
    return attack, s


def test_the_defaults_are_fixmatchs():
    attack = FixMatch()
    assert (attack.ratio, attack.threshold, attack.weight) == (7, 0.95, 1)
    assert (attack.student_lr, attack.student_momentum) == (0.03, 0.9)
    assert (attack.batch_size, attack.student_weight_decay) == (64, 5e-4)


def test_strong_views_learn_what_the_student_says_of_weak_ones(monkeypatch):
    attack, s = at_its_first_lesson(ratio=3, weight=2.0, threshold=0.4)
    monkeypatch.setattr("copycost.attacks.fixmatch.weak", lambda x, *how: x)
    monkeypatch.setattr("copycost.attacks.fixmatch.strong", lambda x, *how: 1 - x)
    shown: list[torch.Tensor] = []
    hook = s.student.network.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    losses, rows = descents(s.student), torch.arange(10)
    attack.learn(s, rows)
    hook.remove()
    (batch,) = shown  # at once: batch norms see all three kinds together
    x, seen, bent = batch.split([10, 30, 30])
    assert torch.equal(bent, 1 - seen)
    answer = s.answers.of(rows)
    gap = kl_div(s.student(x).log_softmax(1), answer.scores, reduction="batchmean")
    confidence, label = s.student(seen).softmax(1).max(dim=1)
    sure = confidence >= 0.4
    assert 0 < int(sure.sum()) < 30
    wrong = cross_entropy(s.student(bent)[sure], label[sure], reduction="sum") / 30
    assert losses == [pytest.approx(float((gap + 2 * wrong).detach()), rel=1e-4)]


def test_any_image_that_was_not_asked_may_be_learnt_from(monkeypatch):
    attack, s = at_its_first_lesson()
    monkeypatch.setattr("copycost.attacks.fixmatch.weak", lambda x, *how: x)
    views, _ = attack._two_views(s, 600)
    assert len(views) == 600
    drawn = views.flatten(1).unique(dim=0)
    rest = s.inputs(s.unasked()).flatten(1).unique(dim=0)
    assert len(rest) == len(s.unasked()) == 76
    assert torch.equal(drawn, rest)


def test_nothing_is_mirrored_unless_it_is_asked_for(monkeypatch):
    attack, s = at_its_first_lesson()
    kinds = [noted_views(monkeypatch, f"fixmatch.{kind}") for kind in ("weak", "strong")]
    attack.learn(s, torch.arange(10))
    assert {(shift, flip) for asked in kinds for _, shift, flip in asked} == {(0.125, False)}


def test_sure_is_from_the_threshold_on():
    _, share = consistency(torch.zeros(3, 2), torch.zeros(3, 2), 0.5)
    assert float(share) == 1


def test_the_average_follows_every_step():
    attack, s = at_its_first_lesson(average=0.8)
    seen = []
    for _ in range(3):
        attack.learn(s, torch.arange(10))
        seen.append(torch.cat([p.detach().flatten() for p in s.student.network.parameters()]))
    wanted = 0.8 * (0.8 * seen[0] + 0.2 * seen[1]) + 0.2 * seen[2]
    torch.testing.assert_close(weights(s), wanted)


def test_the_rate_falls_along_a_cosine_from_the_first_step_of_a_training(monkeypatch):
    attack, asked, rates = make("fixmatch", rounds=2, epochs=2, student_lr=0.1), oracle(64), []

    def learn(self, s, rows):
        rates.append(s.student.optimizer.param_groups[0]["lr"])
        return {}

    monkeypatch.setattr(FixMatch, "learn", learn)
    finish(attack, begin(attack, asked), asked)
    wanted = [0.05 * (1 + math.cos(math.pi * i / n)) for n in (4, 8) for i in range(n)]
    assert rates == pytest.approx(wanted)
