"""What Knockoff asks of a pool: groups, what a bandit makes of them, and what its scout learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.attacks.pools import begin, make, noise, oracle, weights

from copycost.attacks.bandit import Bandit
from copycost.attacks.groups import _thumbnails, k_means
from copycost.attacks.in_distribution import InDistribution
from copycost.attacks.knockoff import Knockoff
from copycost.attacks.knockoff_adaptive import KnockoffAdaptive
from copycost.engine import Engine
from copycost.losses import kl
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build, derive
from copycost.noise import Noise
from copycost.pool import Pool
from copycost.testing import TINY
from copycost.types import InputSpec


def test_the_defaults_are_the_authors():
    for attack in (Knockoff(), KnockoffAdaptive(), InDistribution()):
        assert (attack.student_lr, attack.student_momentum) == (0.01, 0.5)
        assert (attack.batch_size, attack.epochs, attack.student_weight_decay) == (64, 200, 0)
        assert str(attack.schedule) == "steps:0.3,0.6,0.9:0.1", "each 60 of 200 epochs"
        assert attack.loss is kl
    assert (KnockoffAdaptive().window, KnockoffAdaptive().scout_lr) == (25, 5e-4)
    assert KnockoffAdaptive().rewards == ("certainty", "diversity", "loss")


def test_any_images_of_the_whole_pool_are_asked_and_not_the_first():
    attack, asked = make("knockoff", rounds=1), oracle(30)
    chosen = attack.choose(begin(attack, asked, noise(300)), asked, 30)
    assert len(chosen.unique()) == 30
    assert int((chosen >= 150).sum()) in range(5, 26)
    assert not torch.equal(chosen, chosen.sort().values)


def test_random_numbers_are_of_a_stream_of_the_attacks_own():
    """A victim or a defence of the same seed would draw the same from the seed itself."""
    drawn = Noise(derive(7, "attack"), torch.device("cpu")).state()
    assert torch.equal(begin(make("knockoff"), oracle(30), seed=7).random.state(), drawn)


@pytest.fixture
def asking() -> Any:
    """The adaptive form with a student that has batch norms, before its first query."""
    attack, asked = make("knockoff-adaptive"), oracle(100)
    student = build(ARCHITECTURES["gap-cnn"], TINY, 4, seed=3)
    return attack, attack.start_with(noise(), student, asked, Engine("cpu"), 1), asked


def test_a_scout_learns_while_asking_and_the_student_does_not(asking):
    attack, s, asked = asking
    before = weights(s).clone()
    attack.step(s, asked, 2)
    assert s.scout.updates == 1
    assert torch.equal(weights(s), before)


def test_a_scout_takes_the_statistics_of_what_it_learns(asking):
    attack, s, asked = asking
    before = s.scout.network.state_dict()["1.running_mean"].clone()
    attack.step(s, asked, 16)
    assert not torch.equal(s.scout.network.state_dict()["1.running_mean"], before)


def test_rewards_count_equally():
    bandit = Bandit(2, ("certainty", "loss"), window=9, classes=2)
    answers = torch.tensor([[0.5, 0.5], [0.7, 0.3], [0.9, 0.1]])
    left = torch.tensor([9, 9])
    bandit.learn([0, 0], answers[:2], torch.tensor([2.0, 6.0]), left)
    before, policy = bandit.preferences.clone(), bandit.policy(left).tolist()
    bandit.learn([1], answers[2:], torch.tensor([3.0]), left)
    # Certainty is 1 of 0, 1/2 and 1; loss is 1/4 of 0, 1 and 1/4.
    advantage = ((1 - 1 / 2) + (1 / 4 - 5 / 12)) / 2
    moved = (bandit.preferences - before).tolist()
    assert moved == pytest.approx([-advantage * policy[0], advantage * (1 - policy[1])])


def test_a_draw_takes_no_group_that_is_empty_and_nothing_from_what_it_is_told():
    left = torch.tensor([0, 2, 0, 1, 0])
    bandit = Bandit(5, ("loss",), window=4, classes=2)
    assert bandit.draw([0.0, 0.999999, 0.0], left) == [1, 3, 1]
    assert left.tolist() == [0, 2, 0, 1, 0]


def slowly(points: list[float], centres: list[float]) -> list[int]:
    """Lloyd's algorithm on a line, twenty times; a centre that nothing is near stays."""

    def nearest(x: float) -> int:
        return min(range(len(centres)), key=lambda g: abs(x - centres[g]))

    for _ in range(20):
        groups = [nearest(x) for x in points]
        for g in set(groups):
            mine = [x for x, group in zip(points, groups, strict=True) if group == g]
            centres[g] = sum(mine) / len(mine)
    return [nearest(x) for x in points]


@pytest.mark.parametrize("seed", range(8))
def test_k_means_is_the_slow_one(seed):
    cpu = torch.device("cpu")
    points = [0.5, 0.5, 0.5, 0.61, 0.72, 0.94, 1.43, 1.57, 3.01, 3.19, 3.3, 7.0]
    first = Noise(seed, cpu).uniform(12).argsort(stable=True)[:4]
    wanted = slowly(points, [points[i] for i in first])
    assert k_means(torch.tensor(points)[:, None], 4, Noise(seed, cpu)).tolist() == wanted


def test_images_are_compared_by_the_means_of_their_parts():
    images = torch.randint(0, 256, (3, 1, 16, 24), dtype=torch.uint8)
    found = _thumbnails(Pool(images, InputSpec((1, 16, 24)), "wide"))
    parts = images.float().view(3, 8, 2, 8, 3).mean(dim=(2, 4)) / 255
    torch.testing.assert_close(found, parts.flatten(1))
