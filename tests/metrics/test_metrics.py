"""Metrics by hand."""

from __future__ import annotations

import math

import pytest
import torch

from copycost.metrics import accuracy, agreement, commonest_share, mean_kl, mean_l1


def test_kl_by_hand_counts_from_the_victim():
    victim = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    student = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    by_hand = [
        0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75),
        0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5),
    ]
    assert mean_kl(victim.log(), student.log()) == pytest.approx(sum(by_hand) / 2, rel=1e-6)


def test_what_the_victim_never_says_costs_nothing():
    victim = torch.tensor([[1.0, 0.0]]).log()  # 0 · (-∞ - …) is no number
    assert mean_kl(victim, torch.tensor([[0.5, 0.5]]).log()) == pytest.approx(math.log(2))


def test_distance_by_hand():
    one = torch.tensor([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0]])
    other = torch.tensor([[0.25, 0.5, 0.25], [0.0, 0.1, 0.9]])
    assert mean_l1(one, other) == pytest.approx((0.5 + 1.8) / 2)


def test_shares():
    chosen = torch.tensor([0, 2, 2, 1, 2])
    assert accuracy(chosen, torch.tensor([0, 2, 1, 1, 0])) == pytest.approx(3 / 5)
    assert agreement(chosen, chosen) == 1
    assert agreement(chosen, torch.tensor([0, 2, 1, 1, 0])) == pytest.approx(3 / 5)
    assert commonest_share(chosen) == 3 / 5
