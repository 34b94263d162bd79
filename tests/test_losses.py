from __future__ import annotations

import math

import pytest
import torch

from copycost.losses import (
    LOSSES,
    class_entropy,
    cross_entropy,
    disagreement,
    kl,
    l1,
    l1_one_hot,
    l1_sum,
    l2,
)

FOR_LABELS = {"cross-entropy", "l1-one-hot"}


def logits(n=50, k=7, seed=0, scale=3.0):
    return scale * torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=sorted(LOSSES))
def loss(request):
    return LOSSES[request.param]


@pytest.mark.parametrize("gap", [60, 70, 80, 90, 95, 100, 103, 120])
def test_disagreement_has_a_finite_slope_however_sure_the_members_are(gap):
    z = torch.zeros(2, 3, 4)
    z[0, :, 0], z[1, :, 0] = gap, gap + 1.5
    z[1, 1, 1] = gap
    z.requires_grad_()
    disagreement(z.softmax(dim=2)).sum().backward()
    assert z.grad is not None
    assert bool(z.grad.isfinite().all())


def test_one_number_a_sample_independent_of_its_neighbours(loss):
    s, v = logits(seed=1), logits(seed=2)
    whole = loss(s, v)
    assert whole.shape == (50,)
    rows = torch.cat([loss(a, b) for a, b in zip(s.split(1), v.split(1), strict=True)])
    torch.testing.assert_close(whole, rows)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - FOR_LABELS))
def test_zero_for_equal_scores_and_positive_otherwise(name):
    loss, s = LOSSES[name], logits()
    torch.testing.assert_close(loss(s, s), torch.zeros(50))
    assert bool((loss(s, logits(seed=9)) > 0).all())


def test_by_hand():
    s, v = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 2.0]])
    assert l1(s, v).item() == 2.5
    assert l1_sum(s, v).item() == 5.0
    assert l2(s, v).item() == pytest.approx(17**0.5)


def test_losses_for_labels_see_the_victims_first_choice_alone():
    s = torch.tensor([[1.0, 3.0, 0.0]])
    for victim in (torch.tensor([[0.1, 0.0, -5.0]]), torch.tensor([[90.0, 0.0, 89.0]])):
        p = math.e / (math.e + math.e**3 + 1)
        assert cross_entropy(s, victim).item() == pytest.approx(-math.log(p), rel=1e-6)
        assert l1_one_hot(s, victim).item() == pytest.approx((0 + 3 + 0) / 3)


def test_kl_is_the_definition_and_counts_from_the_victim():
    s, v = logits(seed=1), logits(seed=2)
    p, q = v.softmax(1), s.softmax(1)
    torch.testing.assert_close(kl(s, v), (p * (p / q).log()).sum(1), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(kl(s, v), kl(v, s))


def test_saturated_scores_give_finite_losses_and_gradients(loss):
    s = torch.tensor([[200.0, -200.0, 0.0]], requires_grad=True)
    v = torch.tensor([[-200.0, 200.0, 0.0]])
    value = loss(s, v).sum()
    value.backward()
    assert bool(value.isfinite())
    assert s.grad is not None
    assert bool(s.grad.isfinite().all())


@pytest.mark.parametrize("name", sorted(set(LOSSES) - FOR_LABELS))
def test_the_slope_is_that_of_both_players(name):
    """A generator climbs through both, where it sees both: the ideal attack, and DFME's check."""
    both = [logits(n=3, k=4, seed=seed).double().requires_grad_() for seed in (1, 2)]
    assert torch.autograd.gradcheck(LOSSES[name], both)


def test_l2_of_equal_scores_has_slope_zero():
    s = logits().requires_grad_()
    l2(s, logits()).sum().backward()
    assert s.grad is not None
    assert torch.equal(s.grad, torch.zeros(50, 7))


def test_a_class_that_the_victim_rules_out_adds_nothing_to_kl():
    s = torch.zeros(1, 3, requires_grad=True)
    value = kl(s, torch.tensor([[0.0, 0.0, -math.inf]]))
    assert value.item() == pytest.approx(math.log(3 / 2))  # 1/2 each, told 1/3 each
    value.backward()
    assert s.grad is not None
    assert s.grad.tolist()[0] == pytest.approx([1 / 3 - 1 / 2, 1 / 3 - 1 / 2, 1 / 3])


def test_members_differ_over_unlikely_classes_too():
    p = torch.tensor([[[1e-4, 1 - 1e-4]], [[3e-4, 1 - 3e-4]]], dtype=torch.float64)
    # Of two numbers 2e-4 apart the standard deviation is 2e-4 / √2, for either class.
    assert disagreement(p).item() == pytest.approx(2e-4 / 2**0.5)


def test_each_probability_of_a_distribution_gains_a_millionth():
    p = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    value = class_entropy(p)
    expected = -(1 + 1e-6) * math.log(1 + 1e-6) - 1e-6 * math.log(1e-6)
    assert value.item() == pytest.approx(expected, rel=1e-9)
    value.backward()
    assert p.grad is not None
    assert p.grad.tolist() == pytest.approx([-1, -1 - math.log(1e-6)], rel=1e-5)
