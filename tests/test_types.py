from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from copycost.errors import SpecMismatch
from copycost.types import Access, InputSpec, Modality


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


def test_tokens_are_integers_below_the_vocabulary():
    spec = InputSpec(shape=(5,), modality=Modality.TEXT, vocabulary=100)
    spec.check_shape(torch.zeros(2, 5, dtype=torch.long))
    with pytest.raises(SpecMismatch, match="token numbers"):
        spec.check_shape(torch.zeros(2, 5))
    with pytest.raises(SpecMismatch, match=r"\[0, 99\]"):
        spec.check_range(torch.full((2, 5), 100))


def test_messages_say_what_was_expected_and_what_came():
    with pytest.raises(SpecMismatch, match=r"\[N, 1, 8, 8\], got a tensor of shape \[2, 8, 8\]"):
        InputSpec(shape=(1, 8, 8)).check_shape(torch.zeros(2, 8, 8))
    with pytest.raises(SpecMismatch, match=r"inputs in \[0, 1\], got values from -1 to 1"):
        InputSpec(shape=(1, 8, 8)).check_range(torch.tensor([-1.0, 1.0]))
