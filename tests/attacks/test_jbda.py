"""How far JBDA moves images, which of them, where to, and by what the student says of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.attacks.pools import begin, finish, make, noise, oracle

from copycost.attacks.jbda import JBDA, slope
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build
from copycost.pool import Pool
from copycost.testing import TINY, TinyNet, tiny_victim
from copycost.types import InputSpec


def after_the_seeds(spec: InputSpec = TINY, **more: Any) -> Any:
    """All 30 seeds asked and learnt, before the first of them is moved."""
    attack, asked = make("jbda", seeds=30, **more), oracle(60, victim=tiny_victim(spec=spec))
    pool = Pool(noise().images, spec, "noise")
    s = attack.start_with(pool, TinyNet(spec, 4, seed=5), asked, Engine("cpu"), 1)
    finish(attack, s, asked, until=lambda: s.trained == 1)
    return attack, s, asked


def test_a_round_grows_by_the_reservoir_or_by_what_there_is_if_that_is_less():
    assert make("jbda", seeds=10, reservoir=16).ends(60) == [10, 20, 36, 52, 60]


def test_any_of_the_answered_images_are_moved_and_not_the_first(monkeypatch):
    attack, s, asked = after_the_seeds()
    moved: list[int] = []

    def note(self, s, oracle, rows):
        moved.extend(rows.tolist())
        return torch.randint(0, 256, (len(rows), *TINY.shape), dtype=torch.uint8)

    monkeypatch.setattr(JBDA, "_moved", note)
    attack.choose(s, asked, 16)
    assert len(set(moved)) == 16
    assert max(moved) > 15


def test_a_random_class_is_any_but_the_answer(monkeypatch):
    attack, s, asked = after_the_seeds(direction="random-class")
    classes: list[torch.Tensor] = []

    def noted(student, x, y):
        classes.append(y)
        return x

    monkeypatch.setattr("copycost.attacks.jbda.slope", noted)
    rows = torch.arange(30)
    attack._moved(s, asked, rows)
    past = (classes[0] - s.answers.of(rows).labels) % 4
    assert past.unique().tolist() == [1, 2, 3]


def test_the_slope_is_that_of_the_student_in_evaluation_mode():
    attack, asked, modes = make("jbda", seeds=30, moves=2), oracle(60), list[bool]()
    student = build(ARCHITECTURES["gap-cnn"], TINY, 4, seed=3)
    s = attack.start_with(noise(), student, asked, Engine("cpu"), 1)
    finish(attack, s, asked, until=lambda: s.trained == 1)
    student.register_forward_pre_hook(lambda net, _: modes.append(net.training))
    attack._moved(s, asked, torch.arange(30))
    assert modes == [False, False]
    assert student.training


@pytest.mark.parametrize("direction", [1, -1])
def test_the_distance_is_a_share_of_the_range_which_no_image_leaves(monkeypatch, direction):
    attack, s, asked = after_the_seeds(InputSpec((1, 8, 8), low=-1.0, high=3.0), distance=0.1)
    monkeypatch.setattr("copycost.attacks.jbda.slope", lambda net, x, y: x * 0 + direction)
    x = s.inputs(s.answers.indices)
    moved = -1 + attack._moved(s, asked, torch.arange(30)) * (4 / 255)
    wanted = (x + 0.4 * direction).clamp(-1, 3)
    torch.testing.assert_close(moved, wanted, rtol=0, atol=2 / 255 + 1e-6)


def test_each_move_ends_within_the_range(monkeypatch):
    """There and back from the end of the range: back is as far as from anywhere."""
    attack, s, asked = after_the_seeds(moves=2, distance=0.4)
    directions = iter([1.0, -1.0])
    monkeypatch.setattr("copycost.attacks.jbda.slope", lambda net, x, y: x * 0 + next(directions))
    x = s.inputs(s.answers.indices)
    moved = attack._moved(s, asked, torch.arange(30)) / 255
    wanted = (x + 0.2).clamp(max=1) - 0.2
    torch.testing.assert_close(moved, wanted, rtol=0, atol=0.5 / 255 + 1e-6)


def test_what_was_made_before_is_moved_as_far_in_a_random_direction(monkeypatch):
    attack, s, asked = after_the_seeds(distance=0.1)
    rows: list[int] = []

    def still(self, s, oracle, which):
        rows.extend(which.tolist())
        return s.made[which].clone()

    monkeypatch.setattr(JBDA, "_moved", still)
    attack.choose(s, asked, 30)
    old, new = s.made[rows], s.made[30:]
    inside = (old >= 26) & (old <= 229)
    far = (new.float() - old)[inside] / 255
    torch.testing.assert_close(far.abs(), torch.full_like(far, 0.1), rtol=0, atol=0.51 / 255)
    assert float((far > 0).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_the_rate_stays_in_a_round_and_falls_in_the_last_training_alone(monkeypatch):
    rates: list[float] = []
    learn = JBDA.learn

    def watched(self, s, rows):
        rates.extend(group["lr"] for group in s.student.optimizer.param_groups)
        return learn(self, s, rows)

    monkeypatch.setattr(JBDA, "learn", watched)
    more: dict[str, Any] = {"epochs": 2, "last_epochs": 2, "schedule": "steps:0.5:0.1"}
    attack = make("jbda", seeds=16, student_lr=0.02, round_lr=0.3, **more)
    asked = oracle(64)
    finish(attack, begin(attack, asked), asked)
    # Rounds end at 16, 32 and 64 answers, of 16 a batch; the last one's training is the last.
    assert rates == pytest.approx([0.3] * (2 * 1 + 2 * 2) + [0.02] * 4 + [0.002] * 4)


def test_rates_and_weight_decay_are_those_of_the_code_it_is_compared_with():
    attack = JBDA()
    assert (attack.round_lr, attack.student_lr, attack.student_weight_decay) == (0.1, 0.01, 5e-4)


def test_a_pool_needs_no_more_images_than_the_budget_asks():
    begin(make("jbda", seeds=150), oracle(40), noise(60))
    with pytest.raises(ConfigError, match=r"jbda.seeds: expected a pool of 150 .*, got 60"):
        begin(make("jbda", seeds=150), oracle(61), noise(60))


def test_seeds_are_asked_until_an_answer_was_learnt_from():
    """A crash lost the first round: there is nothing to move."""
    attack, asked = make("jbda", seeds=30), oracle(60)
    asked._account.charge(30)
    s = begin(attack, asked)
    finish(attack, s, asked, until=lambda: s.trained == 1)
    attack.choose(s, asked, 30)
    known = {bytes(x.flatten().tolist()) for x in s.pool.images}
    assert {bytes(x.flatten().tolist()) for x in s.made} < known


def test_images_made_and_never_asked_are_passed_over(monkeypatch):
    """Where a crash lost queries: what is moved is the image of the answer, not of its number."""
    attack, s, asked = after_the_seeds()
    s.answers._indices[:30] = torch.arange(30).flip(0)
    monkeypatch.setattr("copycost.attacks.jbda.slope", lambda net, x, y: torch.zeros_like(x))
    assert torch.equal(attack._moved(s, asked, torch.arange(4)), s.made[[29, 28, 27, 26]])


def test_there_is_a_slope_towards_a_class_of_which_nothing_is_left():
    """e^-200 is 0 in float32, and so is the slope of the probability."""
    x = torch.tensor([[1.0, 0.5]])
    found = slope(lambda x: x * torch.tensor([200.0, 1.0]), x, torch.tensor([1]))
    assert found.tolist() == [[-200.0, 1.0]]
