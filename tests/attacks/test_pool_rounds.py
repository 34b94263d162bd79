"""What attacks with a pool have in common: asking once, rounds, trainings from scratch."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.attacks.pools import POOLED, Seen, begin, descents, finish, make, noise, oracle, weights

from copycost.attacks.random_noise import RandomNoise
from copycost.engine import Engine
from copycost.errors import ConfigError, SpecMismatch
from copycost.nets.lenet import lenet
from copycost.pool import Pool
from copycost.schedules import Steps
from copycost.testing import TINY, TinyNet, tiny_victim
from copycost.types import InputSpec


@pytest.mark.parametrize("name", POOLED)
def test_no_input_is_asked_twice(name):
    attack, victim = make(name), Seen()
    asked = oracle(250, victim=victim)
    state = begin(attack, asked)
    finish(attack, state, asked)
    inputs = torch.cat(victim.inputs).flatten(1)
    assert len(inputs.unique(dim=0)) == len(inputs) == asked.spent == 250


@pytest.mark.parametrize("name", [name for name in POOLED if name != "jbda"])
def test_all_that_is_asked_is_in_the_pool_and_an_exhausted_pool_ends_the_run(name):
    attack, victim, pool = make(name), Seen(), noise(90)
    asked = oracle(200, victim=victim)
    state = begin(attack, asked, pool)
    finish(attack, state, asked)
    inputs = torch.cat(victim.inputs).flatten(1)
    everything = pool.floats(torch.arange(90)).flatten(1)
    assert torch.equal(inputs.unique(dim=0), everything.unique(dim=0))
    assert asked.spent == 90
    assert state.learnt == 90, "the last answers were learnt from"


def test_a_round_gives_the_student_of_its_budget_alone():
    attack, asked = make("knockoff", rounds=2), oracle(200)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    half = weights(state).clone()
    alone, its_own = make("knockoff", rounds=1), oracle(100)
    other = begin(alone, its_own)
    finish(alone, other, its_own)
    assert asked.spent == its_own.spent == 100
    assert torch.equal(half, weights(other))


@pytest.mark.parametrize("name", ["knockoff", "fixmatch"])
def test_every_training_begins_with_the_first_weights(name):
    """As FixMatch's average of its student does, which is what is judged."""
    attack, asked = make(name, rounds=2), oracle(200)
    state = begin(attack, asked)
    first = weights(state).clone()
    starts: list[torch.Tensor] = []
    original = state.start_over

    def watched() -> None:
        original()
        starts.append(weights(state).clone())
        assert not state.student.optimizer.optimizer.state, "momentum of the last training"
        assert all(average.state()["calls"] == 0 for average in state.averages.values())

    state.start_over = watched
    finish(attack, state, asked)
    assert len(starts) == 2
    assert all(torch.equal(start, first) for start in starts)

    warm, asked = make(name, rounds=2, from_scratch=False), oracle(200)
    other = begin(warm, asked)
    other.start_over = lambda: pytest.fail("a warm start does not start over")
    finish(warm, other, asked)


def test_a_training_takes_the_epochs_and_the_rates_it_says():
    schedule = Steps((0.5,), 0.1)
    attack = make("knockoff", rounds=1, epochs=4, schedule=schedule, student_lr=0.2)
    asked = oracle(50)
    state = begin(attack, asked)
    rates, rows = [], []
    learn = type(attack).learn

    def watch(self, s, chosen):
        rates.append(s.student.optimizer.param_groups[0]["lr"])
        rows.append(chosen.clone())
        return learn(self, s, chosen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(attack), "learn", watch)
        finish(attack, state, asked)
    assert [len(chosen) for chosen in rows] == 4 * [16, 17, 17]
    assert rates == pytest.approx(6 * [0.2] + 6 * [0.02])
    epochs = [torch.cat(rows[i : i + 3]) for i in range(0, 12, 3)]
    assert all(torch.equal(epoch.sort().values, torch.arange(50)) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])


def test_a_training_descends_the_mean_gap(monkeypatch):
    attack, asked = make("knockoff", rounds=1), oracle(32)
    monkeypatch.setattr(
        type(attack), "miss", lambda self, scores, answer: torch.full((len(scores),), 2.0)
    )
    state = begin(attack, asked)
    losses = descents(state.student)
    finish(attack, state, asked)
    assert set(losses) == {2.0}


@pytest.mark.parametrize("name", POOLED)
def test_stopped_anywhere_it_goes_on_bit_for_bit(name):
    attack, asked = make(name, batch_size=24), oracle(110)
    state = begin(attack, asked)
    pieces = finish(attack, state, asked)
    for stop in range(1, pieces, max(1, pieces // 7)):
        first = oracle(110)
        halfway = begin(attack, first)
        count = iter(range(stop))
        finish(attack, halfway, first, until=lambda count=count: next(count, None) is None)
        saved = copy.deepcopy(halfway.state())
        rest = oracle(110)
        rest._account.charge(first.spent)
        resumed = begin(attack, rest, seed=99)
        resumed.restore(saved)
        finish(attack, resumed, rest)
        assert torch.equal(weights(resumed), weights(state))
        assert torch.equal(resumed.answers.indices, state.answers.indices)


def test_what_was_free_to_ask_before_a_state_was_taken_up_is_forgotten():
    attack = make("knockoff")
    one, other = (begin(attack, oracle(200), seed=seed) for seed in (1, 2))
    for state in (one, other):
        finish(attack, state, oracle(200), until=lambda s=state: len(s.answers) == 32)
    assert not torch.equal(one.unasked(), other.unasked())
    one.restore(copy.deepcopy(other.state()))
    assert torch.equal(one.unasked(), other.unasked())


@pytest.mark.parametrize(("budget", "room"), [(20, 20), (500, 300)])
def test_room_is_taken_for_what_can_be_asked_of_a_pool(budget, room):
    state = begin(make("knockoff"), oracle(budget), noise(300))
    assert len(state.answers._indices) == room


@pytest.mark.parametrize("name", POOLED)
def test_queries_that_a_crash_lost_leave_the_rest_usable(name):
    for lost in (60, 99, 100):
        attack, asked = make(name), oracle(100)
        asked._account.charge(lost)
        state = begin(attack, asked)
        finish(attack, state, asked)
        assert len(state.answers) == asked.spent - lost
        assert bool(weights(state).isfinite().all())
        assert asked.spent >= 99


def test_what_a_crash_lost_is_not_asked_beyond_the_end_of_its_round():
    attack, asked = make("knockoff", rounds=2), oracle(200)
    asked._account.charge(60)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    assert (asked.spent, len(state.answers)) == (100, 40)


def test_what_a_crash_kept_a_round_from_asking_is_chosen_anew_in_the_next():
    attack, asked = make("knockoff", rounds=2), oracle(200)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: len(state.answers) == 32)
    asked._account.charge(68)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    assert (state.learnt, len(state.queue)) == (32, 0)


def test_several_rounds_that_a_crash_lost_are_followed_by_one_training():
    attack, asked = make("knockoff", rounds=4), oracle(80)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    asked._account.charge(45)
    finish(attack, state, asked, until=lambda: asked.spent > 65)
    assert (state.trained, state.student.updates) == (3, 2 * 2)


def test_each_image_is_learnt_with_its_own_answer(monkeypatch):
    attack, asked = make("knockoff", rounds=1), oracle(40)
    state = begin(attack, asked)
    learnt = []

    def descend(self, player, x, answer):
        learnt.append((tiny_victim()(x).softmax(1), answer.scores))
        return torch.zeros(())

    monkeypatch.setattr(type(attack), "descend", descend)
    finish(attack, state, asked)
    assert len(learnt) == 2 * 2
    for told, kept in learnt:
        torch.testing.assert_close(told, kept)


def test_one_answer_is_too_little_to_learn_from():
    attack, asked = make("knockoff", rounds=1), oracle(100)
    asked._account.charge(99)
    state = begin(attack, asked)
    finish(attack, state, asked)
    assert (state.learnt, state.student.updates) == (1, 0)


@pytest.mark.parametrize("name", POOLED)
def test_without_a_pool_it_says_what_to_do(name):
    attack, asked = make(name), oracle(100)
    with pytest.raises(ConfigError, match="--pool"):
        attack.start_with(None, TinyNet(), asked, Engine("cpu"), 0)


def test_an_attack_without_a_pool_refuses_one():
    with pytest.raises(ConfigError, match="RandomNoise takes no pool"):
        begin(RandomNoise(), oracle(100))


@pytest.mark.parametrize("access", ["label", "top-k", "probabilities", "logits"])
def test_answers_are_kept_as_they_were_released(access):
    attack, victim = make("knockoff"), Seen()
    asked = oracle(40, access, victim)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: len(state.answers) == 40)
    again = oracle(40, access)(torch.cat(victim.inputs))
    kept = state.answers.of(torch.arange(40))
    assert torch.equal(kept.labels, again.labels)
    if again.scores is None:
        assert kept.scores is None
    else:
        assert kept.scores is not None
        torch.testing.assert_close(kept.scores, again.scores)


@pytest.mark.parametrize("name", POOLED)
def test_other_sizes_of_image(name):
    spec = InputSpec((3, 5, 7), low=-1.0, high=2.0)
    images = torch.randint(0, 256, (60, 3, 5, 7), dtype=torch.uint8)
    asked = oracle(48, victim=tiny_victim(spec=spec))
    attack = make(name)
    student = lenet(spec, 4)
    state = attack.start_with(Pool(images, spec, "odd"), student, asked, Engine("cpu"), 0)
    finish(attack, state, asked)
    assert asked.spent == 48
    assert bool(weights(state).isfinite().all())
    asked.spec.check_range(attack.samples(state, asked, 4))


def test_a_pool_of_another_shape_is_refused():
    attack = make("knockoff")
    asked = oracle(48, victim=tiny_victim(spec=InputSpec((1, 6, 6))))
    with pytest.raises(SpecMismatch):
        begin(attack, asked)
    assert noise().spec == TINY


@pytest.mark.parametrize("name", ["knockoff", "active-thief", "knockoff-adaptive"])
@pytest.mark.parametrize("budget", [2, 3, 4, 5, 7])
def test_rounds_of_one_query_leave_none_unspent(name, budget):
    attack, asked = make(name), oracle(budget)
    state = begin(attack, asked)
    finish(attack, state, asked)
    assert asked.spent == budget
    assert state.student.updates
    assert state.learnt == budget


def test_the_last_gradient_is_told_while_more_is_asked():
    attack, asked = make("knockoff"), oracle(90)
    state = begin(attack, asked)
    finish(attack, state, asked, until=lambda: state.trained == 1)
    norm = float(state.student.gradient_norm())
    attack.step(state, asked, attack.images(state, asked))
    assert float(state.student.gradient_norm()) == norm > 0
