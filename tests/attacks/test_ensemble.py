"""Several students: how they are made, and how they vote."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from copycost.attacks.ensemble import Vote, fellows
from copycost.errors import ConfigError
from copycost.testing import TINY, TinyNet


def test_the_vote_is_the_mean_of_the_probabilities():
    members = [TinyNet(TINY, 4, seed) for seed in range(3)]
    x = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    mean = sum(member(x).softmax(1) for member in members) / 3
    vote = Vote(members)(x)
    torch.testing.assert_close(vote.softmax(1), mean)
    torch.testing.assert_close(vote.exp().sum(1), torch.ones(20))


def test_the_vote_is_not_that_of_mean_logits():
    class Says(nn.Module):
        def __init__(self, *logits: float) -> None:
            super().__init__()
            self.logits = torch.tensor([logits])

        def forward(self, x):
            return self.logits

    sure, other = Says(0.0, -20.0), Says(0.0, 1.0)
    voted = Vote([sure, other])(torch.zeros(1)).softmax(1)
    assert voted[0, 0].item() == pytest.approx((1 + 1 / (1 + math.e)) / 2, abs=1e-6)


def test_the_vote_of_members_in_half_precision_is_counted_in_full():
    members = [TinyNet(TINY, 4, seed).bfloat16() for seed in range(2)]
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    vote = Vote(members)(x)
    assert vote.dtype == torch.float32
    mean = sum(member(x).float().softmax(1) for member in members) / 2
    torch.testing.assert_close(vote.exp(), mean)


def test_the_vote_follows_its_members_as_they_learn():
    members = [TinyNet(TINY, 4, seed) for seed in range(2)]
    vote = Vote(members)
    assert list(vote.members) == members


def test_fellows_are_of_one_architecture_and_start_apart():
    student = TinyNet(TINY, 4, seed=5)
    one, two = (fellows(student, 2, seed) for seed in (1, 1))
    assert list(one) == ["member 2", "member 3"]
    for name in one:
        assert torch.equal(
            nn.utils.parameters_to_vector(one[name].parameters()),
            nn.utils.parameters_to_vector(two[name].parameters()),
        )
    seen = [student, *one.values(), *fellows(student, 1, 2).values()]
    firsts = [next(net.parameters()).detach() for net in seen]
    assert not any(torch.equal(a, b) for i, a in enumerate(firsts) for b in firsts[:i])


def test_an_architecture_that_cannot_start_anew_is_an_error():
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

    with pytest.raises(ConfigError, match="second Fixed would start from the first one's weights"):
        fellows(Fixed(), 1, seed=0)


def test_layers_that_all_start_alike_do_not_keep_the_others_from_starting_apart():
    student = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))  # a norm starts at 1 and 0
    (other,) = fellows(student, 1, seed=0).values()
    assert not torch.equal(next(other.parameters()), next(student.parameters()))
