"""What makes Frugal this attack: what it asks, and how often it learns from it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.pools import Seen
from torch import Tensor
from torch.nn.functional import cross_entropy

from copycost.attacks.base import STRICTLY_DATA_FREE
from copycost.attacks.dfms_hl import DFMSHL
from copycost.attacks.frugal import Frugal, by_turns, log_shares
from copycost.attacks.random_noise import RandomNoise
from copycost.attacks.replay import Batch
from copycost.attacks.sources import leaves, shapes, sparse, uniform
from copycost.attacks.texts import phrases
from copycost.attacks.untrained import composed, coordinates, of_kinds, patches
from copycost.engine import Engine
from copycost.errors import ConfigError, SpecMismatch
from copycost.losses import class_entropy, disagreement
from copycost.nets import ARCHITECTURES
from copycost.nets.generator import squash
from copycost.nets.seeded import build
from copycost.nets.text import BagOfTokens
from copycost.oracle.base import Oracle
from copycost.oracle.meter import CountedOracle
from copycost.oracle.rehearsal import Rehearsal
from copycost.ranks import Ranks
from copycost.runner.config import MOST_QUERIES
from copycost.settings import read_settings
from copycost.testing import SpyVictim, TinyNet, tiny_victim
from copycost.types import Access, Answer, InputSpec, Modality
from copycost.victims.module import ModuleVictim

SPEC = InputSpec((1, 8, 8))


def begin(access: str = "probabilities", spec: InputSpec = SPEC, **more):
    attack = Frugal(
        **{"batch_size": 12, "width": 8, "latent": 8, "student_lr": 0.02, "student_steps": 5} | more
    )
    spy = SpyVictim(tiny_victim(spec=spec))
    oracle = CountedOracle(spy, access=access, budget=10_000)
    student = build(ARCHITECTURES["gap-cnn"], spec, 4, seed=3)
    return attack, attack.start(student, oracle, Engine("cpu"), seed=1), oracle, spy


def rehearsed(oracle: Oracle) -> Rehearsal:
    return Rehearsal(oracle.spec, oracle.classes, oracle.access)


def test_a_step_asks_one_batch_and_every_student_learns_from_it_many_times():
    attack, s, oracle, spy = begin(members=3)
    norms = {name: player.network[1].num_batches_tracked for name, player in s.players.items()
             if name != "generator"}  # fmt: skip
    attack.step(s, oracle, 12)
    assert spy.batches == [12]
    assert len(s.need_memory()) == 12
    assert {name: int(n) for name, n in norms.items()} == dict.fromkeys(norms, 5)


def test_no_image_is_asked_twice():
    attack, s, _, _ = begin(student_steps=1)
    victim = Seen()
    oracle = CountedOracle(victim, access="probabilities", budget=10_000)
    for _ in range(3):
        attack.step(s, oracle, 12)
    asked = torch.cat(victim.inputs).flatten(1)
    assert len(asked.unique(dim=0)) == len(asked) == 36


def test_the_average_of_the_first_student_counts():
    attack, s, oracle, _ = begin()
    attack.step(s, oracle, 12)
    assert s.judged is s.averages["student"].network
    assert set(s.beside) == {"not averaged", "member 2", "ensemble"}
    assert s.beside["member 2"] is s.more["member 2"].network
    assert list(s.beside["ensemble"].members) == [s.student.network, s.more["member 2"].network]
    _, plain, _, _ = begin(average_momentum=0, members=1)
    assert plain.judged is plain.student.network
    assert plain.beside == {}


def test_the_average_follows_every_step_of_the_student():
    attack, s, oracle, _ = begin(student_steps=5)
    attack.step(s, oracle, 12)
    attack.step(s, oracle, 12)
    assert s.averages["student"].state()["calls"] == s.student.updates == 10


def test_the_average_has_the_momentum_asked_for():
    _, s, _, _ = begin(average_momentum=0.7)
    assert (s.averages["student"]._momentum, s.averages["student"]._every) == (0.7, 1)


def test_kinds_of_images_have_equal_chances():
    attack, s, oracle, _ = begin(sources=("normal", "uniform"), generated=True)
    images = attack._mixed(s, oracle.spec, 900, s.random)
    at_ends = ((images == 0) | (images == 1)).float().mean(dim=(1, 2, 3)) > 0.1
    assert int(at_ends.sum()) == pytest.approx(300, abs=60)  # normal noise, cut to the range


def test_a_generator_is_always_asked_for_as_many_images():
    attack, s, oracle, _ = begin(sources=("normal", "uniform"), generated=True)
    made, generator = [], s.need_generator().network
    generator.register_forward_hook(lambda _, given, images: made.append((given[0], images)))
    images = attack._mixed(s, oracle.spec, 30, s.random)
    ((latent, seen),) = made
    assert latent.shape == (30, attack.latent)
    kept = latent.abs().sum(dim=1) > 0
    assert 0 < int(kept.sum()) < 30
    assert float(latent[kept].std()) == pytest.approx(1, abs=0.3), "standard normal"
    expected = squash(seen[kept], oracle.spec)
    assert all(any(torch.equal(one, image) for image in images) for one in expected)


def test_what_is_chosen_carries_no_gradient_to_the_generator():
    attack, s, _, _ = begin(generated=True, sources=())
    assert not attack._chosen(s, SPEC, 6).requires_grad


def test_a_generator_with_one_student_seeks_coverage_alone():
    attack, s, oracle, _ = begin(generated=True, members=1)
    generator, place = s.need_generator().network, s.random.state()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    losses = attack.climb(s, oracle, 12)
    found = [weight.grad.clone() for weight in generator.parameters()]

    generator.load_state_dict(before)
    generator.zero_grad()
    s.random.restore(place)
    images = squash(generator(s.normal(12, 8)), SPEC)
    covered = class_entropy(s.student.network.eval()(images).softmax(dim=1).mean(dim=0))
    (-attack.diversity * covered).backward()
    assert float(losses["generator/disagreement"]) == 0
    assert float(losses["generator/coverage"]) == pytest.approx(covered.item(), rel=1e-5)
    wanted = [weight.grad for weight in generator.parameters()]
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)


def test_a_generator_that_is_asked_learns_first_and_is_diagnosed():
    attack, s, oracle, _ = begin(generated=True)
    weights = list(s.need_generator().network.parameters())
    before = [weight.detach().clone() for weight in weights]
    losses = attack.step(s, oracle, 12)
    assert not any(torch.equal(a, b) for a, b in zip(before, weights, strict=True) if a.ndim > 1)
    assert "generator/disagreement" in losses
    assert 0 < attack.diagnose(s, rehearsed(oracle))["generator/spread"] < 1


def test_the_generator_learns_so_often_and_feeds_in_evaluation_mode():
    attack, s, oracle, _ = begin(generated=True, generator_steps=3)
    attack.step(s, oracle, 12)
    generator = s.need_generator()
    assert generator.updates == 3
    before = {k: v.clone() for k, v in generator.network.state_dict().items()}
    attack._mixed(s, oracle.spec, 12, s.random)
    after = generator.network.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())


def test_without_a_generator_images_of_any_size_will_do():
    spec = InputSpec((2, 7, 9))
    attack, s, oracle, _ = begin(spec=spec)
    assert s.generator is None
    assert set(attack.step(s, oracle, 12)) == {"student/gap", "member 2/gap"}
    assert attack.diagnose(s, rehearsed(oracle)) == {}
    with pytest.raises(SpecMismatch):
        begin(spec=spec, generated=True)


def test_samples_are_candidates_and_leave_the_state_alone():
    attack, s, oracle, _ = begin(sources=("leaves",))
    stream = s.random.state()
    images = attack.samples(s, oracle, 5)
    assert torch.equal(images, of_kinds((leaves,), SPEC, 5, s.engine.random(0)))
    assert torch.equal(s.random.state(), stream)


def test_classes_take_turns_the_most_doubtful_of_each_first():
    doubt = torch.tensor([0.1, 0.9, 0.5, 0.8, 0.3, 0.7])
    vote = torch.tensor([2, 0, 0, 0, 2, 0])
    # Class 0 by falling doubt: 1, 3, 5, 2; class 2: 4, 0. Their first, their second, the rest.
    assert by_turns(doubt, vote, 3).tolist() == [1, 4, 3, 0, 5, 2]
    assert by_turns(doubt, torch.zeros_like(vote), 3).tolist() == [1, 3, 5, 2, 4, 0]


@pytest.mark.parametrize("balanced", [False, True])
def test_of_several_candidates_the_most_disputed_are_asked(balanced, monkeypatch):
    attack, s, _, _ = begin(candidates=4, balanced=balanced)
    made = torch.rand(24, *SPEC.shape)
    monkeypatch.setattr(Frugal, "_mixed", lambda self, s, spec, n, random: made[:n])
    scores = 3 * torch.randn(2, 24, 4, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(Frugal, "logits", lambda self, s, images: scores)
    p = scores.softmax(dim=2)
    doubt, vote = disagreement(p), p.mean(dim=0).argmax(dim=1)
    assert len(vote.unique()) == 4
    assert not torch.equal(vote, p[0].argmax(dim=1)), "the first student does not decide"
    expected = made[by_turns(doubt, vote if balanced else vote * 0, 4)[:6]]
    assert torch.equal(attack._chosen(s, SPEC, 6), expected)


def test_several_ranks_choose_together_what_one_would(monkeypatch):
    attack, s, _, _ = begin(candidates=4)
    made = torch.rand(24, *SPEC.shape, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(
        Frugal, "_mixed", lambda self, s, spec, n, random: s.engine.ranks.share(made)
    )
    gathered = []

    class Alone(Ranks):
        def rows(self, mine):
            gathered.append(mine)
            return mine

    class Half(Ranks):
        def rows(self, mine):
            whole = next(others)
            torch.testing.assert_close(mine, self.share(whole))
            return whole

    s.engine.ranks = Alone()
    chosen, halves = attack._chosen(s, SPEC, 6), []
    for rank in (0, 1):
        s.engine.ranks, others = Half(rank, 2), iter(gathered)
        halves.append(attack._chosen(s, SPEC, 3))
    assert torch.equal(torch.cat(halves), chosen)


def test_one_student_alone_asks_what_it_is_least_sure_of(monkeypatch):
    attack, s, _, _ = begin(candidates=3, balanced=False, members=1)
    made = torch.rand(12, *SPEC.shape)
    monkeypatch.setattr(Frugal, "_mixed", lambda self, s, spec, n, random: made[:n])
    p = attack.logits(s, made)[0].softmax(dim=1)
    unsure = -(p * p.log()).sum(dim=1)
    assert torch.equal(attack._chosen(s, SPEC, 4), made[unsure.argsort(descending=True)[:4]])


def test_one_candidate_leaves_nothing_to_choose(monkeypatch):
    attack, s, _, _ = begin(candidates=1)
    monkeypatch.setattr(Frugal, "logits", lambda *_: pytest.fail("students were asked"))
    assert attack._chosen(s, SPEC, 6).shape == (6, *SPEC.shape)


@pytest.mark.parametrize(
    ("attack", "holds"),
    [
        (Frugal(), "strictly data-free"),
        (Frugal(sources=(uniform, leaves)), "procedural images"),
        (Frugal(sources=(coordinates, patches)), "procedural images"),
        (Frugal(sources=(composed,)), "procedural images"),
        (RandomNoise(), "strictly data-free"),
        (DFMSHL(), "strictly data-free"),
        (DFMSHL(like=shapes), "procedural images"),
    ],
)
def test_who_draws_images_by_rules_is_of_another_class(attack, holds):
    assert attack.assumes(SPEC) == holds


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        ({}, "strictly data-free"),
        ({"sources": "leaves"}, "strictly data-free"),
        ({"texts": "phrases,zipfian"}, "word frequencies"),
    ],
)
def test_who_knows_which_words_are_frequent_is_of_another_class(settings, holds):
    text = InputSpec((6,), modality=Modality.TEXT, vocabulary=50)
    assert read_settings(Frugal, settings).assumes(text) == holds
    table = InputSpec((6,), modality=Modality.TABULAR)
    assert read_settings(Frugal, settings).assumes(table) == "strictly data-free"


def test_the_floor_is_noise_and_nothing_else():
    for distribution in ("leaves", "untrained"):
        with pytest.raises(ConfigError, match="distribution: expected noise"):
            read_settings(RandomNoise, {"distribution": distribution})


def test_other_things_than_images_are_rows_and_lessons_leave_them_as_they_were(monkeypatch):
    spec = InputSpec((3, 4), low=-2.0, modality=Modality.TABULAR)
    victim = Seen(tiny_victim(spec=spec))
    oracle = CountedOracle(victim, access="probabilities", budget=40)
    attack = Frugal(batch_size=20, rows=(sparse,), shift=0.5, flip=True, student_steps=2)
    attack.check(oracle)
    s = attack.start(TinyNet(spec, 4, seed=5), oracle, Engine("cpu"), seed=1)
    learnt = []

    def teach(_attack, _state, lesson, _raised):
        learnt.append(lesson)
        return {}

    monkeypatch.setattr(Frugal, "teach", teach)
    attack.step(s, oracle, 20)
    asked = torch.cat(victim.inputs)
    assert float((asked == -2.0).float().mean()) > 0.25
    for row in torch.cat([lesson.inputs for lesson in learnt]):
        assert bool((row == asked).all(dim=(1, 2)).any()), "a row was moved or rounded"


@pytest.mark.parametrize("modality", [Modality.TEXT, Modality.TABULAR])
def test_tokens_are_asked_about_whatever_they_stand_for(modality):
    spec = InputSpec((6,), modality=modality, vocabulary=50)
    victim = ModuleVictim(BagOfTokens(spec, 4), spec, 4)
    seen: list[Tensor] = []
    victim.module.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    oracle = CountedOracle(victim, access="probabilities", budget=400)
    attack = Frugal(batch_size=200, texts=(phrases,), shift=0.5, flip=True, student_steps=2)
    attack.check(oracle)
    s = attack.start(BagOfTokens(spec, 4), oracle, Engine("cpu"), seed=1)
    attack.step(s, oracle, 200)
    (asked,) = seen
    spec.check_shape(asked)
    assert 0.2 < float((asked == 0).float().mean()) < 0.7, "texts are of all lengths"
    drawn = attack.samples(s, oracle, 8)
    spec.check_shape(drawn)
    refused = "a victim of numbers for Frugal, got one of 50 tokens; set generated to false"
    with pytest.raises(SpecMismatch, match=refused):
        Frugal(generated=True).check_spec(spec)


def test_kinds_of_numbers_are_not_for_texts():
    for texts in (["sparse"], ["phrases", "leaves"], []):
        with pytest.raises(
            ConfigError, match=r"texts.*(Known: phrases, zipfian, uniform|at least 1)"
        ):
            read_settings(Frugal, {"texts": texts})


def test_a_generator_and_kinds_of_images_are_not_for_rows():
    spec = InputSpec((12,), modality=Modality.TABULAR)
    with pytest.raises(SpecMismatch, match="expected a victim of images"):
        Frugal(generated=True).check_spec(spec)
    for rows in (["winners"], ["sparse", "leaves"], []):
        with pytest.raises(ConfigError, match="rows: expected one or more of levelled, normal, sp"):
            read_settings(Frugal, {"rows": rows})


@pytest.mark.parametrize("asked_now", [12, 7], ids=["a batch", "the end of a budget"])
def test_lessons_come_from_the_latest_batches_as_often_as_asked(monkeypatch, asked_now):
    attack, s, oracle, _ = begin(recent=1.0, student_steps=1)
    drawn = []
    memory = s.need_memory()
    whole = memory.draw

    def draw(*asked):
        drawn.append(asked[2:])
        return whole(*asked)

    monkeypatch.setattr(memory, "draw", draw)
    attack.step(s, oracle, asked_now)
    assert drawn == [(1.0, 48)]


def test_the_latest_batches_are_those_of_all_ranks(monkeypatch):
    attack, s, oracle, _ = begin(student_steps=1)
    windows = []
    monkeypatch.setattr(Frugal, "_chosen", lambda *_: torch.rand(12, *SPEC.shape))
    monkeypatch.setattr(Frugal, "teach", lambda *_: {})
    monkeypatch.setattr(
        s.need_memory(), "draw", lambda *asked: windows.append((asked[0], asked[3]))
    )
    s.engine.ranks = Ranks(0, 3)
    attack.step(s, oracle, 12)
    assert windows == [(12, 4 * 3 * 12)]


def test_every_image_is_kept_with_its_own_answer(monkeypatch):
    attack, s, oracle, spy = begin("logits", student_steps=1)
    kept, memory = [], s.need_memory()
    put = memory.put

    def noted(batch):
        kept.append(batch)
        put(batch)

    monkeypatch.setattr(memory, "put", noted)
    attack.step(s, oracle, 12)
    ((images, answer),) = kept
    torch.testing.assert_close(answer.scores, spy.victim(images))
    assert len(answer.scores.unique(dim=0)) == 12, "no two answers are alike"


def lessons(monkeypatch, **settings):
    """The one lesson of a step as it was drawn from the memory, and as it was taught."""
    attack, s, oracle, _ = begin(student_steps=1, **settings)
    seen = []
    memory = s.need_memory()
    whole, teach = memory.draw, Frugal.teach

    def draw(*asked):
        seen.append(whole(*asked))
        return seen[-1]

    def taught(self, s, lesson, *more):
        seen.append(lesson)
        return teach(self, s, lesson, *more)

    monkeypatch.setattr(memory, "draw", draw)
    monkeypatch.setattr(Frugal, "teach", taught)
    attack.step(s, oracle, 12)
    return seen


def test_lessons_are_taught_as_they_were_asked_unless_told_otherwise(monkeypatch):
    drawn, taught = lessons(monkeypatch)
    assert taught is drawn


def test_a_mirrored_lesson_keeps_its_answers(monkeypatch):
    drawn, taught = lessons(monkeypatch, flip=True, as_asked=0)
    assert torch.equal(taught.answer.scores, drawn.answer.scores)
    same, mirrored = (
        (taught.inputs - images).abs().amax(dim=(1, 2, 3)) < 1e-5
        for images in (drawn.inputs, drawn.inputs.flip(3))
    )
    assert bool((same | mirrored).all())
    assert bool(mirrored.any())
    assert bool(same.any())


def test_a_moved_lesson_is_moved_by_whole_pixels_and_no_further(monkeypatch):
    drawn, taught = lessons(monkeypatch, shift=0.125, as_asked=0)
    inner = (..., slice(1, 7), slice(1, 7))
    found = torch.stack(
        [
            (drawn.inputs.roll((down, across), (2, 3)) - taught.inputs)[inner].abs().amax((1, 2, 3))
            for down in (-1, 0, 1)
            for across in (-1, 0, 1)
        ]
    )
    assert bool((found.amin(dim=0) < 1e-5).all())
    assert len(set(found.argmin(dim=0).tolist())) > 3


@pytest.mark.parametrize(("share", "least", "most"), [(0.5, 4, 44), (1.0, 48, 48)])
def test_a_share_of_a_lesson_stays_as_it_was_asked(share, least, most, monkeypatch):
    drawn, taught = lessons(monkeypatch, shift=0.5, as_asked=share, batch_size=48)
    same = (taught.inputs == drawn.inputs).flatten(1).all(dim=1)
    assert least <= int(same.sum()) <= most
    assert torch.equal(taught.answer.scores, drawn.answer.scores)


def test_labels_are_enough():
    attack, s, oracle, _ = begin("label")
    losses = attack.step(s, oracle, 12)
    assert float(losses["student/gap"]) == pytest.approx(1.4, abs=0.7)  # near log 4 at the start


def test_a_class_is_raised_by_its_share_of_all_answers():
    found = log_shares(torch.tensor([7, 0, 1, 88]))
    assert found.exp().tolist() == pytest.approx([0.08, 0.01, 0.02, 0.89])


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_by_labels_students_learn_with_common_classes_raised(strength):
    attack, s, oracle, _ = begin("label", adjustment=strength, members=1, student_steps=1)
    images = torch.rand(9, *SPEC.shape, generator=torch.Generator().manual_seed(0))
    s.need_memory().put(Batch(images, Answer(Access.LABEL, torch.tensor([2] * 8 + [0]), None)))
    lesson = Batch(images[:4], Answer(Access.LABEL, torch.tensor([2, 2, 2, 0]), None))
    said = s.student(lesson.inputs).detach()
    raised = strength * log_shares(torch.tensor([1, 0, 8, 0]))
    expected = cross_entropy(said + raised, lesson.answer.labels)
    losses = attack.teach(s, lesson, attack._raised(s.need_memory(), oracle))
    assert float(losses["student/gap"]) == pytest.approx(float(expected), rel=1e-5)


def test_what_is_raised_is_of_all_answers_so_far_and_of_labels_alone(monkeypatch):
    seen = []

    def taught(self, s, lesson, raised):
        seen.append(raised)
        return {}

    monkeypatch.setattr(Frugal, "teach", taught)
    for access in ("label", "probabilities"):
        attack, s, oracle, _ = begin(access, student_steps=2, adjustment=1.0)
        for _ in range(2):
            attack.step(s, oracle, 12)
        if access == "label":
            assert torch.equal(seen[-1], log_shares(s.need_memory().label_counts(4)))
            assert not torch.equal(seen[0], seen[-1])
    assert seen[4:] == [None] * 4


def test_what_suits_100_000_queries():
    # Batches near 32 · √(100,000 / 6,000) = 131, and 12,000 steps over 781 of them.
    found = Frugal.suited(100_000)
    sizes = [found.pop(name) for name in ("batch_size", "student_steps", "candidates", "members")]
    assert sizes == [128, 15, 7, 1]
    assert found == {
        "sources": ["untrained", "coordinates", "winners"],
        "shift": 1 / 16,  # two pixels of 32
        "loss": "l2",
        "adjustment": 0.5,
        "clip": 1.0,
    }


@given(budget=st.integers(1, MOST_QUERIES))
def test_what_suits_a_budget_are_settings(budget):
    attack = read_settings(Frugal, Frugal.suited(budget))
    assert 16 <= attack.batch_size <= 512
    assert attack.batch_size.bit_count() == 1  # several processes can share it
    assert 4 <= attack.student_steps <= 128
    assert 2 <= attack.candidates <= 16
    for spec in (SPEC, InputSpec((6,), vocabulary=50, modality=Modality.TEXT)):
        assert attack.assumes(spec) == STRICTLY_DATA_FREE


def test_no_kind_of_image_at_all_is_an_error():
    with pytest.raises(ConfigError, match=r"^sources: name at least one"):
        read_settings(Frugal, {"sources": [], "generated": False})


def test_sources_go_by_their_names():
    attack = read_settings(Frugal, {"sources": ["uniform"]})
    assert attack.sources == (uniform,)


@pytest.mark.parametrize(
    ("text", "sources"),
    [("uniform,leaves", (uniform, leaves)), ("uniform", (uniform,)), ("", ())],
)
def test_sources_may_be_given_as_on_a_command_line(text, sources):
    assert read_settings(Frugal, {"sources": text, "generated": True}).sources == sources


def test_a_source_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="leavs"):
        read_settings(Frugal, {"sources": "uniform,leavs"})
