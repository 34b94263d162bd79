"""What makes each attack with a pool itself: its formulas, against numbers worked out here."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from tests.attacks.pools import Seen, begin, descents, finish, make, noise, noted_views, oracle
from torch import Tensor, nn
from torch.nn.functional import pad

from copycost.attacks.active_thief import farthest, probabilities
from copycost.attacks.bandit import Bandit
from copycost.attacks.fixmatch import FixMatch, consistency
from copycost.attacks.groups import k_means
from copycost.attacks.jbda import JBDA, JBDAState
from copycost.attacks.views import _bent, strong, weak
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.losses import entropy
from copycost.noise import Noise
from copycost.oracle.rehearsal import Rehearsal
from copycost.recovery import recover_logits
from copycost.testing import TINY, SpyVictim, tiny_victim
from copycost.types import Access, Answer

CPU = torch.device("cpu")


# ActiveThief


def test_entropy_is_what_it_is():
    p = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    by_hand = [math.log(2), 0.0, -sum(q * math.log(q) for q in (0.2, 0.3, 0.5))]
    assert entropy(p).tolist() == pytest.approx(by_hand)


def test_k_centre_is_the_slow_one():
    random = torch.Generator().manual_seed(0)
    points = torch.rand(40, 3, generator=random).softmax(dim=1)
    centres = torch.rand(5, 3, generator=random).softmax(dim=1)
    slow, taken = list(centres), []
    for _ in range(10):
        gaps = [min(float((p - c).norm()) for c in slow) for p in points]
        best = max((i for i in range(40) if i not in taken), key=lambda i: gaps[i])
        taken.append(best)
        slow.append(points[best])
    assert farthest(points, centres, 10).tolist() == taken


def test_k_centre_takes_no_point_twice_where_all_coincide():
    same = torch.full((6, 4), 0.25)
    assert sorted(farthest(same, same[:1], 9).tolist()) == list(range(6))


def after_the_first_round(strategy):
    attack, asked = make("active-thief", rounds=3, first=0.2, strategy=strategy), oracle(100)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    return attack, state, asked


def test_a_round_asks_what_the_student_is_least_sure_of():
    attack, state, asked = after_the_first_round("entropy")
    assert (asked.spent, state.ends) == (20, [20, 47, 74, 100])
    unsure = entropy(probabilities(state, state.unasked()))
    expected = state.unasked()[unsure.topk(27).indices]
    finish(attack, state, asked, until=lambda: asked.spent == 47)
    assert set(state.answers.indices[20:].tolist()) == set(expected.tolist())


def test_the_random_strategy_asks_any_in_every_round():
    attack, state, asked = after_the_first_round("random")
    place, free = state.random.state(), state.unasked()
    chosen = attack.choose(state, asked, 27)
    state.random.restore(place)
    assert torch.equal(chosen, free[state.shuffled(len(free))[:27]])


def test_k_centre_keeps_away_from_all_that_was_asked():
    attack, state, asked = after_the_first_round("k-centre")
    free = state.unasked()
    points, centres = (probabilities(state, of) for of in (free, state.answers.indices))
    assert torch.equal(attack.choose(state, asked, 27), free[farthest(points, centres, 27)])


def test_the_student_is_looked_at_in_evaluation_mode():
    state, modes = begin(make("active-thief"), oracle(100)), list[bool]()
    state.student.network.register_forward_pre_hook(lambda net, _: modes.append(net.training))
    probabilities(state, torch.arange(9))
    assert modes == [False]


# JBDA


def test_images_are_moved_along_the_sign_of_the_jacobian():
    attack, victim = make("jbda", seeds=30, distance=0.1), Seen()
    asked = oracle(60, victim=victim)
    state = begin(attack, asked)
    assert isinstance(state, JBDAState)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    seeds = torch.cat(victim.inputs)
    student = state.student.network
    assert student.training
    x = seeds.clone().requires_grad_()
    y = tiny_victim()(seeds).argmax(1)
    student(x).softmax(1)[torch.arange(30), y].sum().backward()
    assert x.grad is not None
    expected = (seeds + 0.1 * x.grad.sign()).clamp(0, 1)
    finish(attack, state, asked, until=lambda: asked.spent == 60)
    moved = torch.cat(victim.inputs)[30:]
    gaps = torch.cdist(moved.flatten(1), expected.flatten(1), p=math.inf)
    # Rounded to bytes; each is the child of one seed, in another order.
    assert float(gaps.amin(dim=1).max()) <= 0.5 / 255 + 1e-6
    assert len(set(gaps.argmin(dim=1).tolist())) == 30


def test_seeds_are_drawn_at_random():
    attack, asked = make("jbda", seeds=30), oracle(60)
    state = begin(attack, asked)
    attack.choose(state, asked, 30)
    assert not torch.equal(state.made, state.pool.images[:30])


def test_several_moves_go_the_distance_of_one(monkeypatch):
    attack, asked = make("jbda", seeds=30, moves=2, distance=0.1), oracle(60)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: asked.spent == 30)
    monkeypatch.setattr("copycost.attacks.jbda.slope", lambda student, x, y: torch.ones_like(x))
    moved = attack._moved(state, asked, torch.arange(30)) / 255
    expected = (state.inputs(state.answers.indices) + 0.1).clamp(0, 1)
    torch.testing.assert_close(moved, expected, rtol=0, atol=0.5 / 255 + 1e-6)


def test_the_last_training_alone_is_longer():
    attack, asked = make("jbda", seeds=30, epochs=2, last_epochs=5), oracle(60)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    assert state.student.updates == 2 * (30 // 16)
    finish(attack, state, asked)
    assert state.student.updates == 2 * (30 // 16) + 5 * (60 // 16)


def test_images_that_repeat_within_a_round_are_not_paid_for_twice(monkeypatch):
    attack, asked = make("jbda", seeds=30), oracle(60)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    black = torch.zeros(30, *TINY.shape, dtype=torch.uint8)
    monkeypatch.setattr(JBDA, "_moved", lambda self, s, oracle, rows: black)
    attack.choose(state, asked, 30)
    assert len(state.made[30:].unique(dim=0)) == 30


def test_a_reservoir_bounds_a_round():
    attack = make("jbda", seeds=20)
    assert attack.ends(100) == [20, 40, 80, 100]
    assert make("jbda", seeds=20, reservoir=16).ends(60) == [20, 36, 52, 60]
    assert attack.ends(7) == [7]


def test_images_that_memory_does_not_hold_are_refused_before_the_first_query():
    budget = 2**20 // 64  # images of 8x8 bytes in one MiB
    victim = Seen()
    asked = oracle(budget + 1, victim=victim)
    with pytest.raises(ConfigError, match=r"1 MiB hold 16,384 images of 64 bytes.*Lower the bud"):
        begin(make("jbda", memory_mib=1), asked)
    assert asked.spent == 0
    state = begin(make("jbda", memory_mib=1), oracle(budget))
    assert state.room.nbytes == 2**20


def test_random_classes_are_never_the_answer(monkeypatch):
    attack, asked = make("jbda", seeds=30, direction="random-class", moves=2), oracle(60)
    state = begin(attack, asked)
    looked: list[tuple[torch.Tensor, torch.Tensor]] = []

    def slope(student, x, y):
        looked.append((x, y))
        return x

    monkeypatch.setattr("copycost.attacks.jbda.slope", slope)
    finish(attack, state, asked)
    (x, first), (_, second) = looked
    assert torch.equal(first, second)
    assert bool((first != tiny_victim()(x).argmax(1)).all())
    assert len(first.unique()) == 4


def test_the_victims_mode_is_none_of_the_attackers_business():
    victim = tiny_victim()
    victim.module.eval()
    attack, asked = make("jbda"), oracle(60, victim=SpyVictim(victim))
    state = begin(attack, asked)
    finish(attack, state, asked)
    assert not victim.module.training


# FixMatch


def test_only_what_the_student_is_sure_of_counts():
    seen = torch.tensor([[4.0, 0.0], [0.0, 0.1], [0.0, 6.0]])
    bent = torch.tensor([[1.0, 0.0], [5.0, 0.0], [1.0, 0.0]])
    loss, share = consistency(seen, bent, 0.95)
    first, third = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    assert float(loss) == pytest.approx((first + third) / 3, rel=1e-5)
    assert float(share) == pytest.approx(2 / 3)


def test_the_unsure_views_teach_nothing_and_the_weak_ones_give_no_gradient():
    seen = torch.tensor([[4.0, 0.0], [0.0, 0.1]], requires_grad=True)
    bent = torch.tensor([[1.0, 0.0], [5.0, 0.0]], requires_grad=True)
    consistency(seen, bent, 0.95)[0].backward()
    assert seen.grad is None
    assert bent.grad is not None
    assert bent.grad[0].abs().sum() > 0
    assert bent.grad[1].abs().sum() == 0


def test_images_without_an_answer_were_not_asked(monkeypatch):
    attack, asked = make("fixmatch", rounds=1, shift=0), oracle(40)
    assert isinstance(attack, FixMatch)
    state = begin(attack, asked, noise(60))
    found = []

    def strong(u, *how):
        found.append(u.clone())
        return u

    monkeypatch.setattr("copycost.attacks.fixmatch.strong", strong)
    finish(attack, state, asked)
    rest = state.inputs(state.unasked()).flatten(1)
    assert len(rest) == 20
    shown = torch.cat(found).flatten(1)
    assert float(torch.cdist(shown, rest, p=math.inf).amin(dim=1).max()) < 1e-6


def fixmatch_at_its_first_lesson(**more):
    attack, asked = make("fixmatch", **more), oracle(40)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: attack.studies(state, asked))
    return attack, state


def test_views_are_as_many_and_reach_as_far_as_told(monkeypatch):
    attack, state = fixmatch_at_its_first_lesson(ratio=3, flip=True, shift=0.2)
    weak, strong = (noted_views(monkeypatch, f"fixmatch.{kind}") for kind in ("weak", "strong"))
    attack.learn(state, torch.arange(10))
    assert weak == [(10, 0.2, True), (30, 0.2, True)]
    assert strong == [(30, 0.2, True)]


def test_images_without_an_answer_count_by_their_weight():
    attack, state = fixmatch_at_its_first_lesson(weight=3.0, threshold=1e-6)
    losses = descents(state.student)
    told = attack.learn(state, torch.arange(10))
    weighed = told["student/gap"] + 3 * told["student/inconsistency"]
    assert losses == [pytest.approx(float(weighed))]


def test_the_average_that_is_the_copy_has_the_momentum_asked_for():
    state = begin(make("fixmatch", average=0.7), oracle(40))
    assert state.averages["student"]._momentum == 0.7


def test_weak_views_are_moved_by_whole_pixels():
    x = torch.rand(50, 2, 8, 6, generator=torch.Generator().manual_seed(1))
    views = weak(x, TINY, Noise(0, CPU), 0.25, False)
    wide = pad(x, (2, 2, 2, 2), mode="replicate")
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    places: dict[int, set[tuple[int, int]]] = {i: set() for i in range(50)}
    for i in range(50):
        for down in range(5):
            for right in range(5):
                window = wide[i : i + 1, :, down : down + 8, right : right + 6]
                if torch.allclose(views[i : i + 1][inner], window[inner], atol=1e-4):
                    places[i].add((down, right))
    assert all(len(found) == 1 for found in places.values())
    assert len(set.union(*places.values())) > 10


def test_views_may_be_mirrored_and_still_ones_are_the_images():
    x = torch.rand(40, 1, 8, 8)
    still = weak(x, TINY, Noise(0, CPU), 0.0, False)
    torch.testing.assert_close(still, x, rtol=0, atol=1e-5)
    flipped = weak(x, TINY, Noise(0, CPU), 0.0, True)
    mirrored = [torch.allclose(a, b.flip(2), atol=1e-4) for a, b in zip(flipped, x, strict=True)]
    straight = [torch.allclose(a, b, atol=1e-4) for a, b in zip(flipped, x, strict=True)]
    assert all(a != b for a, b in zip(mirrored, straight, strict=True))
    assert 8 < sum(mirrored) < 32


def test_views_of_wide_images_are_turned_by_the_angle_that_those_of_square_ones_are():
    seen = _bent(50, 1.0, Noise(0, CPU))
    # In pixels: a grid's side of length 2 is four times as many of them across as down.
    wide = _bent(50, 4.0, Noise(0, CPU)) * torch.tensor([[1.0, 4.0], [1 / 4, 1.0]])
    assert torch.allclose(wide, seen, atol=1e-6)


def test_strong_views_are_in_range_and_each_is_another():
    x = torch.rand(1, 3, 8, 8).expand(64, 3, 8, 8)
    views = strong(x, TINY, Noise(0, CPU), 0.125, True)
    TINY.check_range(views)
    assert len(views.flatten(1).unique(dim=0)) == 64
    assert torch.equal(views, strong(x, TINY, Noise(0, CPU), 0.125, True))


# Knockoff's adaptive policy


def test_the_bandit_moves_as_the_formula_says():
    bandit = Bandit(3, ("certainty",), window=10, classes=2)
    left = torch.tensor([9, 9, 9])
    answers = torch.tensor([[0.6, 0.4], [0.9, 0.1]])
    bandit.learn([0], answers[:1], torch.zeros(1), left)
    assert bandit.preferences.tolist() == [0.0, 0.0, 0.0], "one reward is no better than another"
    bandit.learn([1], answers[1:], torch.zeros(1), left)
    # Rewards 0.2 and 0.8, scaled 0 and 1, mean 0.5: advantage 0.5, N = 1, and π = 1/3 each.
    expected = [-0.5 / 3, 0.5 * 2 / 3, -0.5 / 3]
    assert bandit.preferences.tolist() == pytest.approx(expected, abs=1e-6)
    p = bandit.policy(left)
    bandit.learn([1], answers[:1], torch.zeros(1), left)
    # Rewards 0.2, 0.8, 0.2: scaled mean 1/3, advantage -1/3, N = 2.
    expected = [e + (1 / 6) * float(q) for e, q in zip(expected, p, strict=True)]
    expected[1] -= 1 / 6
    assert bandit.preferences.tolist() == pytest.approx(expected, abs=1e-6)


def test_labels_are_all_equally_sure_whatever_their_probabilities_are_rounded_to():
    """Where in its row the one stands changes the last bit of a softmax in float32."""
    labels = torch.arange(10)
    p = recover_logits(Answer(Access.LABEL, labels, None), 10).softmax(dim=1)
    bandit = Bandit(10, ("certainty",), window=25, classes=10)
    bandit.learn(labels.tolist(), p, torch.zeros(10), torch.full((10,), 9))
    assert bandit.preferences.tolist() == [0.0] * 10


def test_certainty_is_the_lead_of_the_first_class_over_the_second():
    bandit = Bandit(2, ("certainty",), window=4, classes=3)
    bandit.learn([0], torch.tensor([[0.3, 0.5, 0.2]]), torch.zeros(1), torch.tensor([9, 9]))
    assert bandit._recent[:, 0].tolist() == pytest.approx([0.2])


def test_diversity_is_what_exceeds_the_recent_mean():
    bandit = Bandit(2, ("diversity",), window=4, classes=2)
    left = torch.tensor([9, 9])
    for answer in ([1.0, 0.0], [1.0, 0.0], [0.0, 1.0]):
        bandit.learn([0], torch.tensor([answer]), torch.zeros(1), left)
    assert bandit._recent[:, 0].tolist() == pytest.approx([0.0, 0.0, 1.0])


def test_the_mean_is_over_the_window_and_not_over_all():
    bandit = Bandit(2, ("diversity",), window=2, classes=2)
    left = torch.tensor([9, 9])
    for answer in ([1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]):
        bandit.learn([0], torch.tensor([answer]), torch.zeros(1), left)
    assert bandit._recent[:, 0].tolist() == pytest.approx([0.5, 1.0])


def test_rewards_that_are_not_finite_teach_nothing():
    bandit = Bandit(2, ("certainty", "diversity", "loss"), window=4, classes=2)
    left = torch.tensor([9, 9])
    losses = torch.tensor([1.0, math.inf, math.nan, 2.0])
    answers = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    bandit.learn([0, 1, 1, 0], answers, losses, left)
    assert bool(bandit.preferences.isfinite().all())
    assert bool(bandit.policy(left).isfinite().all())


def test_a_group_with_nothing_left_is_never_drawn():
    bandit = Bandit(4, ("loss",), window=4, classes=2)
    bandit.preferences[1] = 50.0
    left = torch.tensor([3, 0, 2, 1])
    drawn = bandit.draw(torch.rand(6).tolist(), left)
    assert sorted(drawn) == [0, 0, 0, 2, 2, 3]


def test_a_group_worth_more_is_asked_more():
    bandit = Bandit(3, ("loss",), window=20, classes=2)
    left = torch.full((3,), 10**6)
    random = torch.Generator().manual_seed(0)
    for _ in range(300):
        (group,) = bandit.draw(torch.rand(1, generator=random).tolist(), left)
        loss = torch.rand(1, generator=random) + (1.0 if group == 2 else 0.0)
        bandit.learn([group], torch.tensor([[0.5, 0.5]]), loss, left)
    assert float(bandit.policy(left)[2]) > 0.6


class Normed(nn.Module):
    """A student that cannot learn from one image, as those with norms over 1×1 maps."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8))
        self.last = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.last(self.layers(x).relu())
        return answer


def test_a_scout_does_not_learn_from_one_image():
    attack, asked = make("knockoff-adaptive", batch_size=32), oracle(1_000)
    s = attack.start_with(noise(33), Normed(), asked, Engine("cpu"), 1)
    attack.step(s, asked, 32)
    before = s.scout.network.state_dict()["layers.2.running_mean"].clone()
    attack.step(s, asked, attack.images(s, asked))
    assert (asked.spent, s.scout.updates) == (33, 1)
    assert torch.equal(s.scout.network.state_dict()["layers.2.running_mean"], before)


def test_k_means_finds_what_lies_apart():
    random = torch.Generator().manual_seed(0)
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = middles.repeat_interleave(20, 0) + torch.randn(60, 2, generator=random) * 0.1
    for seed in range(10):
        groups = k_means(points, 3, Noise(seed, CPU)).view(3, 20)
        if len(groups.unique()) == 3 and all(len(part.unique()) == 1 for part in groups):
            break
    else:
        pytest.fail("no seed of ten found the three groups")
    assert k_means(points[:2], 2, Noise(0, CPU)).unique().tolist() == [0, 1]


def test_a_scouts_loss_is_a_cross_entropy(monkeypatch):
    """Not KL, which leaves out the entropy of the answer and so ranks images otherwise."""
    attack, asked = make("knockoff-adaptive"), oracle(100)
    s, seen = begin(attack, asked), list[Tensor]()
    scout = copy.deepcopy(s.scout.network)
    monkeypatch.setattr(s.bandit, "learn", lambda drawn, p, losses, left: seen.extend((p, losses)))
    attack.step(s, asked, 16)
    p, losses = seen
    torch.testing.assert_close(p, s.answers.of(torch.arange(16)).scores)
    scores = scout(s.inputs(s.answers.indices[:16]))
    expected = torch.nn.functional.cross_entropy(scores, p, reduction="none")
    torch.testing.assert_close(losses, expected)


def test_a_scout_descends_the_mean_gap():
    attack, asked = make("knockoff-adaptive"), oracle(100)
    s = begin(attack, asked)
    losses = descents(s.scout)
    told = attack.step(s, asked, 16)
    assert losses == [pytest.approx(float(told["scout/gap"]))]


def test_a_scout_has_a_rate_of_its_own_that_stays_and_the_students_momentum():
    more = {"scout_lr": 0.3, "student_momentum": 0.7, "schedule": "cosine"}
    s = begin(make("knockoff-adaptive", **more), oracle(100))
    s.scout.set_time(0.9)
    (group,) = s.scout.optimizer.param_groups
    assert (group["lr"], group["momentum"]) == (0.3, 0.7)


def test_a_policy_that_prefers_nothing_has_all_the_entropy():
    attack, rehearsal = make("knockoff-adaptive"), Rehearsal(TINY, 4, Access.PROBABILITIES)
    s = begin(attack, oracle(100))
    assert attack.diagnose(s, rehearsal)["policy/entropy"] == pytest.approx(1)


def test_any_images_of_a_group_are_asked():
    attack = make("knockoff-adaptive")
    s = begin(attack, oracle(200))
    group = int(attack._left(s).argmax())
    members = (s.groups == group).nonzero().flatten()
    assert not torch.equal(attack._members(s, [group] * 10), members[:10])
