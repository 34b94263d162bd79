"""Contract tests over the registry: a new defence gets them by being listed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from copycost.defences import DEFENCES, DRAWN
from copycost.defences.base import renormalise
from copycost.defences.noise import Noise
from copycost.defences.reverse_sigmoid import ReverseSigmoid
from copycost.defences.rounding import Rounding
from copycost.defences.stack import defend
from copycost.errors import ConfigError, SpecMismatch
from copycost.oracle.meter import CountedOracle
from copycost.testing import ScriptedVictim, tiny_victim
from copycost.types import Access

EXAMPLES = {
    "rounding": "rounding:1",
    "noise": "noise:0.1",
    "reverse-sigmoid": "reverse-sigmoid:0.2",
    "mad": "mad:0.5",
    "mad-argmax": "mad-argmax:0.5",
}
DETERMINISTIC = set(EXAMPLES) - DRAWN


def images(n):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(n))


def test_every_defence_has_an_example():
    assert set(EXAMPLES) == set(DEFENCES)


@pytest.fixture(params=sorted(EXAMPLES))
def name(request):
    return request.param


@pytest.mark.parametrize("output", [Access.LOGITS, Access.PROBABILITIES])
def test_releases_probabilities(name, output):
    p = defend(tiny_victim(output), [EXAMPLES[name]])(images(50))
    assert torch.allclose(p.sum(1), torch.ones(50), atol=1e-5)
    assert bool((p >= 0).all())


def test_changes_something(name):
    x = images(50)
    assert not torch.equal(defend(tiny_victim(), [EXAMPLES[name]])(x), tiny_victim()(x).softmax(1))


def test_batch_equals_row_by_row(name):
    if name not in DETERMINISTIC:
        pytest.skip(f"{name} is random by design")
    x = images(40)
    defended = defend(tiny_victim(), [EXAMPLES[name]])
    rows = torch.cat([defended(row) for row in x.split(1)])
    torch.testing.assert_close(defended(x), rows, atol=1e-6, rtol=0)
    for access in Access:
        if access is Access.LOGITS:
            continue
        whole = CountedOracle(defended, access=access, budget=99, k=2)(x)
        parts = [CountedOracle(defended, access=access, budget=99, k=2)(row) for row in x.split(1)]
        assert torch.equal(whole.labels, torch.cat([part.labels for part in parts]))


def test_the_same_question_gets_another_answer_from_those_that_draw_alone(name):
    x, defended = images(50), defend(tiny_victim(), [EXAMPLES[name]])
    assert torch.equal(defended(x), defended(x)) == (name in DETERMINISTIC)


def test_what_stands_in_other_rows_changes_no_answer(name):
    """Random ones too, whose numbers go by the place in the batch."""
    x = images(20)
    other = images(20).flip(0)
    other[7] = x[7]
    first, second = (defend(tiny_victim(), [EXAMPLES[name]], seed=3)(rows) for rows in (x, other))
    assert not torch.equal(first[8], second[8])
    torch.testing.assert_close(first[7], second[7], atol=1e-6, rtol=0)


def test_same_seed_same_answers(name):
    x = images(20)
    first, second = (defend(tiny_victim(), [EXAMPLES[name]], seed=3)(x) for _ in range(2))
    assert torch.equal(first, second)


def test_two_of_a_kind_draw_numbers_of_their_own():
    outer: Any = defend(tiny_victim(), ["noise:0.1", "noise:0.1"], seed=3)
    nothing = torch.zeros(5, 4)
    assert not torch.equal(outer.perturb(nothing), outer.victim.perturb(nothing))


def test_state_goes_on_where_it_was(name):
    x = images(20)
    through = defend(tiny_victim(), [EXAMPLES[name], "noise:0.05"], seed=3)
    through(x)
    saved = through.state()
    expected = through(x)
    resumed = defend(tiny_victim(), [EXAMPLES[name], "noise:0.05"], seed=3)
    resumed.restore(saved)
    assert torch.equal(resumed(x), expected)


def test_what_was_restored_is_saved_again_before_any_answer():
    """A run that goes on and is stopped at once."""
    x, names = images(20), ["noise:0.1"]
    through = defend(tiny_victim(), names, seed=3)
    through(x)
    saved = through.state()
    expected = through(x)
    idle = defend(tiny_victim(), names, seed=3)
    idle.restore(saved)
    resumed = defend(tiny_victim(), names, seed=3)
    resumed.restore(idle.state())
    assert torch.equal(resumed(x), expected)


def test_one_that_has_answered_takes_up_a_saved_state_as_well():
    x = images(20)
    defended = defend(tiny_victim(), ["noise:0.1"], seed=3)
    defended(x)
    saved = defended.state()
    expected = defended(x)
    defended(x)
    defended.restore(saved)
    assert torch.equal(defended(x), expected)


def test_one_whose_state_is_lost_draws_what_it_never_drew():
    def answers(since: str | None, seed: int = 3) -> torch.Tensor:
        defended = defend(tiny_victim(), ["noise:0.1", "rounding:3"], seed)
        first = defended(images(4))
        if since is None:
            return first
        defended.draw_anew(since)
        return defended(images(4))

    assert torch.equal(answers("a"), answers("a"))
    found = [answers(None), answers("a"), answers("b"), answers("a", seed=4)]
    assert len({tuple(p.flatten().tolist()) for p in found}) == 4


def test_what_was_restored_and_then_lost_is_not_drawn_again():
    x, defended = images(4), defend(tiny_victim(), ["noise:0.1"], seed=3)
    defended(x)
    saved = defended.state()
    expected = defended(x)
    resumed = defend(tiny_victim(), ["noise:0.1"], seed=3)
    resumed.restore(saved)
    resumed.draw_anew("a crash")
    assert not torch.equal(resumed(x), expected)


def test_every_defence_of_a_stack_draws_anew():
    inner: Any = defend(tiny_victim(), ["noise:0.1", "noise:0.1"], seed=3)
    seeds = inner.seed, inner.victim.seed
    inner.draw_anew("a crash")
    assert not {inner.seed, inner.victim.seed} & set(seeds)


def test_stacks_in_any_order():
    x = images(30)
    noise_first = defend(tiny_victim(), ["noise:0.1", "rounding:1"])(x)
    rounding_first = defend(tiny_victim(), ["rounding:1", "noise:0.1"])(x)
    # What is outermost shows: a rounded answer has few different values.
    assert len(noise_first.unique()) < len(rounding_first.unique())


def test_a_defence_costs_what_the_victim_behind_it_costs(name):
    free, paid = tiny_victim(), tiny_victim()
    paid.free = False
    assert [defend(victim, [EXAMPLES[name]]).free for victim in (free, paid)] == [True, False]


def test_no_answer_without_a_choice():
    # With four near-equal classes and no decimals every probability rounds to 0.
    victim = ScriptedVictim(torch.tensor([0.3, 0.3, 0.2, 0.2]), Access.PROBABILITIES)
    assert torch.equal(Rounding(victim, 0)(images(2)), torch.full((2, 4), 0.25))


def test_saturated_probabilities_stay_finite():
    victim = ScriptedVictim(torch.tensor([1.0, 0.0, 0.0]), Access.PROBABILITIES)
    for text in EXAMPLES.values():
        assert bool(defend(victim, [text])(images(64)).isfinite().all())


def test_noise_has_the_spread_it_declares():
    victim = ScriptedVictim(torch.full((4,), 0.25), Access.PROBABILITIES)
    noise = Noise(victim, 0.01, seed=1).perturb(torch.full((20_000, 4), 0.25)) - 0.25
    assert abs(float(noise.std()) - 0.01) < 2e-4
    assert abs(float(noise.mean())) < 2e-4


def test_noise_of_one_probability_says_nothing_about_that_of_another():
    victim = ScriptedVictim(torch.full((4,), 0.25), Access.PROBABILITIES)
    noise = Noise(victim, 0.01, seed=1).perturb(torch.full((20_000, 4), 0.25)) - 0.25
    assert torch.allclose(torch.corrcoef(noise.T), torch.eye(4), atol=0.04)
    neighbours = torch.stack([noise[1:].flatten(), noise[:-1].flatten()])
    assert abs(float(torch.corrcoef(neighbours)[0, 1])) < 0.02


def test_rounding_by_hand():
    victim = ScriptedVictim(torch.tensor([0.333, 0.333, 0.334]), Access.PROBABILITIES)
    assert torch.allclose(Rounding(victim, 1)(images(1)), torch.full((1, 3), 1 / 3))
    victim = ScriptedVictim(torch.tensor([0.949, 0.051, 0.0]), Access.PROBABILITIES)
    assert torch.allclose(Rounding(victim, 1)(images(1)), torch.tensor([[0.9, 0.1, 0.0]]))


def test_the_reverse_sigmoid_by_hand():
    sure = ScriptedVictim(torch.tensor([0.8, 0.2]), Access.PROBABILITIES)
    # logit(0.8) = ln 4, and sigmoid(0.2 ln 4) - 1/2 = 0.0688741
    expected = torch.tensor([[0.8 - 0.5 * 0.0688741, 0.2 + 0.5 * 0.0688741]])
    torch.testing.assert_close(ReverseSigmoid(sure, 0.5)(images(1)), expected, atol=1e-6, rtol=0)


def test_the_reverse_sigmoid_leaves_the_first_choice_of_the_sure():
    p = torch.cat([torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.6, 0.399, 0.001]])])
    released = ReverseSigmoid(tiny_victim(), 0.9).perturb(p)
    assert released.argmax(dim=1).tolist() == [0, 0]


def test_renormalise_cuts_negative_values():
    assert renormalise(torch.tensor([[-1.0, 1.0, 1.0]])).tolist() == [[0.0, 0.5, 0.5]]


def test_renormalise_hides_no_fault():
    fault = torch.tensor([[torch.nan, 0.5, 0.5], [torch.inf, 0.0, 0.0]])
    assert renormalise(fault).isfinite().all(dim=1).tolist() == [False, False]


def test_a_defence_that_makes_nan_is_told_and_not_taken_for_no_preference():
    class Logarithms(Noise):
        def perturb(self, p):
            return p * p.log()

    victim = ScriptedVictim(torch.tensor([1.0, 0.0]), Access.PROBABILITIES)
    with pytest.raises(SpecMismatch, match="NaN or infinity in 3 of 3 answers"):
        Logarithms(victim, 0.1)(images(3))


def test_renormalise_keeps_the_ratios_of_what_is_more_than_one():
    assert renormalise(torch.tensor([[2.0, 1.0, 1.0]])).tolist() == [[0.5, 0.25, 0.25]]


@pytest.mark.parametrize(
    "text",
    [
        "rounding", "rounding:", "rounding:x", "rounding:1.5", "rounding:8", "rounding:-1",
        "noise:-1", "noise:inf", "noise:nan", "reverse-sigmoid:-1", "mad:x", "mad-argmax:",
        "noise:2:3",
    ],
)  # fmt: skip
def test_bad_numbers_are_refused(text):
    with pytest.raises(ConfigError, match="needs"):
        defend(tiny_victim(), [text])


@pytest.mark.parametrize("text", ["rounding:0", "rounding:7", "noise:0"])
def test_the_least_and_the_most_are_taken(text):
    assert defend(tiny_victim(), [text]).name == text


def test_unknown_names_get_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'rounding'"):
        defend(tiny_victim(), ["roundin:2"])


def test_what_a_number_must_be_is_said_in_the_defences_own_words():
    with pytest.raises(ConfigError, match=r"defence mad:far needs an L1 distance .*: mad:EPSILON"):
        defend(tiny_victim(), ["mad:far"])


@pytest.mark.parametrize("output", [Access.LOGITS, Access.PROBABILITIES])
@pytest.mark.parametrize("names", [["noise:0.1"], ["noise:0.1", "rounding:2", "mad:0.3"]])
def test_what_is_released_is_known_from_the_victims_answers(names, output):
    victim: Any = tiny_victim(output)
    x = images(20)
    scores = victim(x)
    victim.answer = None  # nothing more is asked
    outermost: Any = defend(victim, names, seed=3)
    released = outermost.of(victim, scores)
    assert torch.equal(released, defend(tiny_victim(output), names, seed=3)(x))


def test_a_defence_that_belongs_to_the_victim_is_not_applied_twice():
    own = Noise(tiny_victim(), 0.2, seed=1)
    x = images(20)
    scores = own(x)
    outermost: Any = defend(own, ["rounding:2", "rounding:1"])
    released = outermost.of(own, scores)
    expected = renormalise(renormalise(scores.round(decimals=2)).round(decimals=1))
    torch.testing.assert_close(released, expected, atol=1e-6, rtol=0)


def test_nothing_to_defend_behind_labels():
    victim = ScriptedVictim(torch.tensor([0.5, 0.5]), Access.PROBABILITIES)
    victim.output = Access.LABEL
    with pytest.raises(SpecMismatch, match="gives labels"):
        Rounding(victim, 2)
