"""What makes DFMS-HL this attack: its contest, its preparations, and what it asks when."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from tests.attacks.pools import Seen, finish, noise, noted_views

from copycost.attacks.dfms_hl import DFMSHL
from copycost.attacks.dfms_hl_proxy import DFMSHLProxy
from copycost.attacks.sources import shapes
from copycost.engine import Engine
from copycost.errors import ConfigError
from copycost.nets.discriminator import Discriminator
from copycost.oracle.meter import CountedOracle
from copycost.schedules import Steps
from copycost.testing import TINY, TinyNet
from copycost.types import Access, InputSpec

SMALL: dict[str, Any] = {
    "batch_size": 16,
    "width": 8,
    "latent": 8,
    "epochs": 2,
    "gan_steps": 3,
    "proxies_asked": 40,
}


def begin(attack, *, budget=10_000, access="label"):
    pool = noise() if attack.needs_pool else None
    victim = Seen()
    oracle = CountedOracle(victim, access=access, budget=budget)
    net = TinyNet(TINY, oracle.classes, seed=5)
    return attack.start_with(pool, net, oracle, Engine("cpu"), 1), oracle, victim


def flat(player):
    return torch.cat([p.detach().flatten().clone() for p in player.network.parameters()])


def test_the_defaults_are_the_authors():
    attack = DFMSHL()
    assert (attack.batch_size, attack.student_lr, attack.generator_lr) == (64, 0.01, 2e-4)
    assert (attack.diversity, attack.latent, attack.epochs) == (500, 100, 200)
    assert str(attack.schedule) == "cosine"
    assert attack.generator_optimizer([torch.nn.Parameter(torch.zeros(2))]).defaults["betas"] == (
        0.5,
        0.999,
    )


def test_without_proxies_there_is_nothing_before_the_first_query():
    attack = DFMSHL(**SMALL)
    s, oracle, victim = begin(attack)
    assert not attack.studies(s, oracle)
    assert list(s.players) == ["student", "generator"]
    attack.step(s, oracle, 16)
    assert victim.count == 16


def test_the_generators_gradient_is_that_of_the_mean_predictions_entropy():
    attack = DFMSHL(**SMALL)
    s, _, victim = begin(attack)
    generator, student = s.need_generator().network, s.student.network
    saved = {k: v.clone() for k, v in generator.state_dict().items()}
    z = s.normal(16, 8)
    before = flat(s.student)
    attack._contest(s, TINY, (generator(z).tanh() + 1) / 2, 3.0)
    found = [p.grad.clone() for p in generator.parameters() if p.grad is not None]

    generator.load_state_dict(saved)
    generator.zero_grad()
    p = student((generator(z).tanh() + 1) / 2).softmax(1).mean(0) + 1e-6
    (3.0 * (p * p.log()).sum()).backward()
    wanted = [p.grad for p in generator.parameters() if p.grad is not None]
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)
    assert torch.equal(before, flat(s.student))
    assert victim.count == 0


@pytest.mark.parametrize("diversity", [0.0, 3.0])
def test_the_generator_flees_the_discriminator(diversity):
    attack = DFMSHL(**SMALL | {"like": shapes})
    s, _, _ = begin(attack)
    generator, student = s.need_generator().network, s.student.network
    critic = copy.deepcopy(s.more["discriminator"].network)
    saved = copy.deepcopy(generator.state_dict())
    z = s.normal(16, 8)
    attack._contest(s, TINY, (generator(z).tanh() + 1) / 2, diversity)
    found = [p.grad.clone() for p in generator.parameters() if p.grad is not None]

    generator.load_state_dict(saved)
    generator.zero_grad()
    x = (generator(z).tanh() + 1) / 2
    p = student(x).softmax(1).mean(0) + 1e-6
    (diversity * (p * p.log()).sum() - critic(x).sigmoid().log().mean()).backward()
    wanted = [p.grad for p in generator.parameters() if p.grad is not None]
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


def test_the_generator_learns_to_cover_the_classes():
    attack = DFMSHL(**SMALL | {"generator_lr": 1e-2})
    s, oracle, _ = begin(attack)

    def covered():
        x = attack.pictures(s.need_generator()(s.normal(16, 8)), TINY, s.random)
        return float(attack._contest(s, TINY, x, 1.0)["generator/coverage"])

    reached = [covered() for _ in range(30)]
    assert sum(reached[-5:]) > sum(reached[:5])
    assert max(reached) <= math.log(oracle.classes) + 1e-3


def test_only_labels_are_learnt_at_every_access():
    attack = DFMSHL()
    x, scores = torch.rand(3, 1, 8, 8), torch.randn(3, 4)
    for access in (Access.LABEL, Access.PROBABILITIES):
        _, oracle, _ = begin(attack, access=access)
        answer = oracle(x)
        found = attack.miss(scores, answer)
        wanted = -scores.log_softmax(1)[torch.arange(3), answer.labels]
        torch.testing.assert_close(found, wanted)


def test_the_victim_sees_augmented_images_and_the_generator_learns_by_its_own():
    plain, augmented = DFMSHL(**SMALL | {"augment": False}), DFMSHL(**SMALL)
    asked = []
    for attack in (plain, augmented):
        s, oracle, victim = begin(attack)
        attack.step(s, oracle, 16)
        asked.append(victim.inputs[0])
    s, _, _ = begin(plain)
    made = plain.pictures(s.need_generator()(s.normal(16, 8)), TINY, s.random)
    torch.testing.assert_close(asked[0], made.detach())
    assert not torch.allclose(asked[1], asked[0])


def test_the_victim_sees_strong_views_moved_by_an_eighth_and_mirrored(monkeypatch):
    attack = DFMSHL(**SMALL)
    s, oracle, _ = begin(attack)
    asked = noted_views(monkeypatch, "dfms.strong")
    attack.step(s, oracle, 16)
    assert asked == [(16, 0.125, True)]


@pytest.mark.parametrize("kind", [DFMSHL, DFMSHLProxy])
def test_with_proxies_it_prepares_first_and_in_this_order(kind):
    attack = kind(**SMALL | ({"like": shapes} if kind is DFMSHL else {}))
    s, oracle, victim = begin(attack)
    student = flat(s.student)
    critic, generator = flat(s.more["discriminator"]), flat(s.need_generator())
    finish(attack, s, oracle, lambda: attack.studies(s, oracle))
    assert victim.batches == [16, 16, 8]
    assert len(s.need_memory()) == 40
    assert s.due == 2 * (40 // 16)
    finish(attack, s, oracle, lambda: not s.due)
    assert not torch.equal(student, flat(s.student))
    assert torch.equal(critic, flat(s.more["discriminator"]))

    student = flat(s.student)
    assert finish(attack, s, oracle, lambda: not attack.studies(s, oracle)) == 3
    assert torch.equal(student, flat(s.student))
    assert not torch.equal(critic, flat(s.more["discriminator"]))
    assert not torch.equal(generator, flat(s.need_generator()))
    assert victim.count == 40
    attack.step(s, oracle, attack.images(s, oracle))
    assert (victim.count, len(s.need_memory())) == (56, 40)


def note_descents(player: Any, name: str, order: list[str]) -> None:
    step = player.descend

    def noted(loss: torch.Tensor) -> None:
        order.append(name)
        step(loss)

    player.descend = noted


def test_the_student_learns_first_and_the_discriminator_last_from_the_same_images(monkeypatch):
    attack = DFMSHL(**SMALL | {"like": shapes, "gan_steps": 0, "proxies_asked": 0})
    s, oracle, _ = begin(attack)
    order, made = list[str](), list[torch.Tensor]()
    for name, player in s.players.items():
        note_descents(player, name, order)
    pictures, judge = DFMSHL.pictures, DFMSHL._judge

    def noted(self, *given):
        made.append(pictures(self, *given))
        return made[-1]

    def judged(self, s, spec, images):
        assert torch.equal(images, made[-1])
        return judge(self, s, spec, images)

    monkeypatch.setattr(DFMSHL, "pictures", noted)
    monkeypatch.setattr(DFMSHL, "_judge", judged)
    attack.step(s, oracle, 16)
    assert order == ["student", "generator", "discriminator"]


def test_a_discriminator_is_half_as_wide_as_the_generator():
    s, _, _ = begin(DFMSHL(**SMALL | {"like": shapes}))
    assert s.more["discriminator"].network.layers[0].out_channels == 4


def test_warming_up_takes_whole_batches_and_no_diversity(monkeypatch):
    attack, contests = DFMSHL(**SMALL | {"like": shapes, "proxies_asked": 0}), []

    def contest(self, s, spec, x, diversity):
        contests.append((len(x), diversity))
        return {}

    monkeypatch.setattr(DFMSHL, "_contest", contest)
    s, oracle, _ = begin(attack)
    attack.study(s, oracle)
    assert contests == [(16, 0.0)]


def test_it_goes_on_in_the_middle_of_warming_up():
    attack = DFMSHL(**SMALL | {"like": shapes, "proxies_asked": 0})
    s, oracle, _ = begin(attack)
    attack.study(s, oracle)
    again, _, _ = begin(attack)
    again.restore(s.state())
    assert again.warm == s.warm == 2


def test_the_discriminator_follows_the_schedule():
    s, _, _ = begin(DFMSHL(**SMALL | {"like": shapes, "schedule": Steps((0.5,), 0.1)}))
    s.more["discriminator"].set_time(0.9)
    (group,) = s.more["discriminator"].optimizer.param_groups
    assert group["lr"] == pytest.approx(2e-5)


def test_the_first_proxies_are_of_the_pool_and_none_is_asked_twice():
    attack = DFMSHLProxy(**SMALL | {"proxies_asked": 10_000})
    s, oracle, victim = begin(attack)
    finish(attack, s, oracle, lambda: attack.studies(s, oracle))
    asked = (torch.cat(victim.inputs) * 255).round().byte()
    assert len(asked) == 300
    assert {bytes(i.flatten().tolist()) for i in asked} == {
        bytes(i.flatten().tolist()) for i in noise().images
    }


def test_proxies_take_no_more_than_half_of_the_budget():
    s, _, _ = begin(DFMSHLProxy(**SMALL), budget=50)
    assert s.proxies == 25


def test_no_proxy_is_asked_that_would_be_forgotten_before_it_is_learnt():
    s, _, _ = begin(DFMSHL(**SMALL | {"like": shapes, "proxies_asked": 40_000, "memory_mib": 1}),
                    budget=10**6)  # fmt: skip
    assert s.proxies == s.memory.capacity < 40_000


@pytest.mark.parametrize("budget", [2, 3])
def test_a_budget_too_small_for_a_lesson_of_proxies_goes_to_generated_images(budget):
    attack = DFMSHL(**SMALL | {"like": shapes})
    s, oracle, _ = begin(attack, budget=budget)
    assert s.proxies == 0
    finish(attack, s, oracle)
    assert s.student.updates == 1


def test_the_discriminators_error_by_hand():
    attack = DFMSHL(**SMALL | {"like": shapes})
    s, _, _ = begin(attack)
    critic = s.more["discriminator"].network
    made, place = torch.rand(16, 1, 8, 8), s.random.state()
    real = shapes(TINY, 16, s.random)
    s.random.restore(place)
    with torch.no_grad():
        p_real, p_made = critic(real).sigmoid(), critic(made).sigmoid()
    wanted = -(p_real.log().mean() + (1 - p_made).log().mean())
    torch.testing.assert_close(attack._judge(s, TINY, made), wanted)


def test_the_discriminator_learns_to_tell_what_is_made_from_proxies():
    attack = DFMSHL(**SMALL | {"like": shapes, "generator_lr": 1e-2})
    s, _, _ = begin(attack)
    made = torch.rand(16, 1, 8, 8)
    errors = [float(attack._judge(s, TINY, made)) for _ in range(20)]
    assert errors[-1] < errors[0] - 0.1


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (3, 32, 32), (2, 12, 20), (3, 64, 64)])
def test_a_discriminator_fits_any_image(shape):
    assert Discriminator(InputSpec(shape), 4)(torch.rand(3, *shape)).shape == (3,)


def test_a_pool_is_needed_by_one_form_and_refused_by_the_other():
    with pytest.raises(ConfigError, match="--pool"):
        begin_with(DFMSHLProxy(**SMALL), None)
    with pytest.raises(ConfigError, match="takes no pool"):
        begin_with(DFMSHL(**SMALL), noise())
    assert (DFMSHL.knowledge, DFMSHLProxy.knowledge) == ("strictly data-free", "proxy")


def begin_with(attack, pool):
    oracle = CountedOracle(Seen(), access="label", budget=100)
    return attack.start_with(pool, TinyNet(TINY, 4, seed=5), oracle, Engine("cpu"), 1)


def test_shapes_are_grey_and_cover_their_ground():
    x = shapes(InputSpec((3, 32, 32), low=-1, high=1), 8, Engine("cpu").random(0))
    assert torch.equal(x[:, 0], x[:, 2])
    for image in x[:, 0]:
        levels, counts = image.unique(return_counts=True)
        assert 10 < len(levels) <= 51
        assert 0.2 < int(counts.max()) / 1024 < 0.95
