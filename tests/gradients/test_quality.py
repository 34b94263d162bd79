from __future__ import annotations

import pytest
import torch

from copycost.gradients import ESTIMATORS
from copycost.gradients.quality import mean_cosine, slope_correlation, true_gradient
from copycost.losses import l1
from copycost.noise import Noise
from copycost.testing import TinyNet


def gap(x):
    return l1(TinyNet()(torch.sigmoid(x)), torch.zeros(len(x), 4))


def rounded(x):
    """The same gap with its inputs rounded to bfloat16, as autocast would."""
    return gap(x.bfloat16().float())


def random(seed=1):
    return Noise(seed, torch.device("cpu"))


def points(n=128):
    return random(0).normal(n, 1, 8, 8)


def correlation(measured, epsilon, form="forward"):
    x = points()
    estimate, _ = ESTIMATORS[form](measured, x, 1, epsilon, random())
    return slope_correlation(estimate, true_gradient(gap, x))


@pytest.mark.parametrize("form", ["forward", "central"])
def test_float32_resolves_the_reference_step(form):
    assert correlation(gap, 1e-3, form) > 0.99


@pytest.mark.parametrize("form", ["forward", "central"])
def test_bfloat16_drowns_a_small_step_and_one_of_length_one_survives(form):
    assert abs(correlation(rounded, 1e-4, form)) < 0.3
    assert correlation(rounded, 1.0, form) > 0.8


def test_far_too_large_a_step_is_no_slope():
    assert correlation(gap, 100.0) < 0.9


def test_gradients_of_random_direction_have_none():
    assert abs(correlation(gap, 1e-3, "random")) < 0.3


def test_it_is_the_correlation_of_slopes():
    # One direction a point, slopes s against t known: Σ st / √(Σs² Σt²) = 3 / √(5 · 2).
    u = torch.eye(2)
    estimate = 2 * torch.tensor([1.0, 2.0])[:, None] * u
    true = torch.tensor([1.0, 1.0])[:, None] * u
    assert slope_correlation(estimate, true) == pytest.approx(3 / 10**0.5)
    assert slope_correlation(-estimate, true) == pytest.approx(-3 / 10**0.5)


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_the_correlation_is_the_same_in_any_unit(scale):
    random = torch.Generator().manual_seed(0)
    estimate, true = (torch.randn(50, 8, generator=random) for _ in range(2))
    whole = slope_correlation(estimate + true, true)
    assert slope_correlation(scale * (estimate + true), true) == pytest.approx(whole, rel=1e-4)


def test_a_function_that_does_not_vary_has_none():
    assert correlation(lambda p: p.flatten(1).sum(1) * 0, 1e-3) == 0.0


def test_more_directions_come_nearer():
    x = points()
    true = true_gradient(gap, x)
    found = [
        mean_cosine(ESTIMATORS["forward"](gap, x, m, 1e-3, random())[0], true) for m in (1, 16, 256)
    ]
    # √(m / (m + d)) to first order.
    assert found[0] < 0.2 < found[1] < 0.6 < found[2]
    assert mean_cosine(true, true) == pytest.approx(1.0)


def test_where_the_estimate_is_zero_the_slope_was_missed():
    # Four points of four values: one slope found, three rounded away. Their gradients are of
    # length 2, so their slopes are 1 in root mean square over directions.
    estimate = torch.zeros(4, 4)
    estimate[0, 0] = 3.0
    true = torch.ones(4, 4)
    assert slope_correlation(estimate, true) == pytest.approx(1 / 4**0.5)


@pytest.mark.parametrize("seed", range(8))
def test_the_few_points_that_were_not_rounded_away_do_not_speak_for_all(seed):
    x = points(64)
    estimate, _ = ESTIMATORS["forward"](rounded, x, 1, 1e-5, random(seed))
    missed = estimate.flatten(1).norm(dim=1) == 0
    assert 0.8 < missed.float().mean() < 1
    assert abs(slope_correlation(estimate, true_gradient(gap, x))) < 0.4


def test_the_true_gradient_of_a_plane_is_its_slope_at_every_point():
    x, slope = points(3), torch.arange(64.0)
    assert torch.equal(
        true_gradient(lambda p: p.flatten(1) @ slope, x), slope.view(1, 1, 8, 8).expand(3, 1, 8, 8)
    )
    assert not x.requires_grad  # nor is anything else of the caller's tensor changed


def test_every_point_counts_the_same_in_the_mean_cosine():
    estimate = torch.tensor([[100.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    true = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 7.0]])
    assert mean_cosine(estimate, true) == pytest.approx((1 + 4 / 5 + 0) / 3)
