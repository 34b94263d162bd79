from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from copycost.errors import SpecMismatch
from copycost.types import Access, Answer, InputSpec, Modality


def test_access_is_ordered_by_what_it_reveals():
    order = [Access.LABEL, Access.TOP_K, Access.PROBABILITIES, Access.LOGITS]
    for i, low in enumerate(order):
        assert [high.covers(low) for high in order] == [j >= i for j in range(4)]


@pytest.mark.parametrize(
    "bad",
    [
        {"shape": ()},
        {"shape": (1, 0, 8)},
        {"shape": (8, 8)},
        {"shape": (1, 8, 8), "low": 1.0, "high": 1.0},
        {"shape": (1, 8, 8), "colour": "grey"},
    ],
)
def test_impossible_specs(bad):
    with pytest.raises(ValidationError):
        InputSpec(**bad)


def test_the_middle_and_the_width_of_a_range():
    spec = InputSpec((3, 8, 8), low=-1, high=2)
    assert (spec.middle, spec.half, spec.span) == (0.5, 1.5, 3)


def test_tokens_are_integers_below_the_vocabulary():
    spec = InputSpec(shape=(5,), modality=Modality.TEXT, vocabulary=100)
    spec.check_shape(torch.zeros(2, 5, dtype=torch.long))
    with pytest.raises(SpecMismatch, match=r"numbers, got torch\.float32; give tokens as int64"):
        spec.check_shape(torch.zeros(2, 5))
    spec.check_range(torch.tensor([[0, 99]]))
    for foreign, came in ((100, "100 to 100"), (-1, "-1 to -1")):
        with pytest.raises(SpecMismatch, match=f"from 0 to 99, got tokens from {came}; leave out"):
            spec.check_range(torch.full((2, 5), foreign))


def test_other_inputs_than_images_have_to_say_what_they_are():
    with pytest.raises(ValueError, match=r"got \(5,\); of other .* such as Modality.TEXT"):
        InputSpec(shape=(5,), vocabulary=100)


@pytest.mark.parametrize("high", [0.1, 2.64, 2.8])
def test_an_end_of_the_range_may_be_as_float32_has_it_and_no_further(high):
    spec = InputSpec(shape=(1,), high=high, modality=Modality.TABULAR)
    nearest = torch.tensor([[high]])
    spec.check_range(nearest)
    spec.check_range(nearest.double())
    for beyond in (torch.nextafter(nearest, torch.tensor(9.0)), nearest.double() + 1e-6):
        with pytest.raises(SpecMismatch):
            spec.check_range(beyond)
    low = InputSpec(shape=(1,), low=-high, modality=Modality.TABULAR)
    low.check_range(-nearest)
    with pytest.raises(SpecMismatch):
        low.check_range(torch.nextafter(-nearest, torch.tensor(-9.0)))


def test_messages_say_what_was_expected_and_what_came():
    with pytest.raises(SpecMismatch, match=r"\[N, 1, 8, 8\], got a tensor of shape \[2, 8, 8\]"):
        InputSpec(shape=(1, 8, 8)).check_shape(torch.zeros(2, 8, 8))
    with pytest.raises(SpecMismatch, match=r"inputs in \[0, 1\], got values from -1 to 1"):
        InputSpec(shape=(1, 8, 8)).check_range(torch.tensor([-1.0, 1.0]))


@pytest.mark.parametrize("access", list(Access))
def test_what_is_kept_of_an_answer_is_all_of_it(access):
    scores = torch.tensor([[0.2, 0.4, 0.4], [0.7, 0.0, 0.3]])
    answer = Answer(access, torch.tensor([1, 0]), None if access is Access.LABEL else scores)
    packed = answer.pack()
    assert packed is (answer.labels if access is Access.LABEL else scores)
    found = Answer.unpack(access, packed)
    assert found.access is access
    assert torch.equal(found.labels, answer.labels)
    assert found.scores is answer.scores
