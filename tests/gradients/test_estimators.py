"""Contract tests over the registry of estimators; what each promises beyond it."""

from __future__ import annotations

import pytest
import torch

from copycost.gradients import ESTIMATORS
from copycost.gradients.estimator import along, unit_directions
from copycost.gradients.forward import forward_slopes
from copycost.gradients.quality import mean_cosine
from tests.gradients.in_the_open import gap, points, random, true_gradient

HONEST = ["forward", "central"]


@pytest.fixture(params=list(ESTIMATORS))
def estimator(request):
    return ESTIMATORS[request.param]


@pytest.mark.parametrize("name", HONEST)
def test_its_mean_is_the_gradient_in_direction_and_in_scale(name):
    x = points(3)
    estimate, _ = ESTIMATORS[name](gap, x, 20_000, 1e-4, random())
    for found, wanted in zip(estimate.flatten(1), true_gradient(x).flatten(1), strict=True):
        assert float(torch.cosine_similarity(found, wanted, dim=0)) > 0.99
        assert abs(float(found @ wanted / (wanted @ wanted)) - 1) < 0.03


@pytest.mark.parametrize("m", [1, 2, 7])
def test_it_asks_what_it_says_in_one_call(estimator, m):
    asked = []

    def counting(x):
        asked.append(len(x))
        return gap(x)

    x = points(5)
    estimate, values = estimator(counting, x, m, 1e-3, random())
    assert asked == [5 * estimator.queries(m)]
    assert estimate.shape == x.shape
    torch.testing.assert_close(values, gap(x), atol=1e-2, rtol=0)


def test_prices():
    assert [ESTIMATORS[name].queries(4) for name in ("forward", "central", "random")] == [5, 8, 5]


def test_neighbours_in_the_batch_do_not_matter(estimator):
    x, other = points(4), points(4, seed=9)
    first, _ = estimator(gap, x, 3, 1e-4, random())
    second, _ = estimator(gap, torch.cat((x[:1], other[1:])), 3, 1e-4, random())
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])


def test_no_graph_is_kept(estimator):
    estimate, values = estimator(gap, points(2).requires_grad_(), 1, 1e-3, random())
    assert not estimate.requires_grad
    assert not values.requires_grad


def quadratic(x):
    return x.flatten(1).square().sum(dim=1)


def test_central_is_exact_on_a_quadratic_where_forward_is_not():
    x, epsilon = points(2), 0.5
    u = unit_directions(x, 3, random())
    slopes = 2 * (u * x).flatten(2).sum(dim=2)
    exact = 64 * (slopes.reshape(3, 2, 1, 1, 1) * u).mean(dim=0)
    central, _ = ESTIMATORS["central"](quadratic, x, 3, epsilon, random())
    torch.testing.assert_close(central, exact)
    forward, _ = ESTIMATORS["forward"](quadratic, x, 3, epsilon, random())
    # f(x + εu) - f(x) = ε·slope + ε², so each slope is ε too large.
    torch.testing.assert_close(forward, exact + 64 * epsilon * u.mean(dim=0))


def test_central_takes_one_step_to_each_side():
    asked = []

    def noting(x):
        asked.append(x)
        return gap(x)

    x = points(4)
    ESTIMATORS["central"](noting, x, 3, 0.1, random())
    ahead, behind = asked[0].reshape(2, 3, 4, 64)
    torch.testing.assert_close((ahead + behind) / 2, x.flatten(1).expand(3, -1, -1))
    torch.testing.assert_close((ahead - behind).norm(dim=2), torch.full((3, 4), 0.2).double())


def test_random_has_the_lengths_of_forward_and_none_of_its_directions():
    x = points(1).repeat(4000, 1, 1, 1)
    forward, _ = ESTIMATORS["forward"](gap, x, 1, 1e-4, random())
    control, _ = ESTIMATORS["random"](gap, x, 1, 1e-4, random())
    torch.testing.assert_close(control.flatten(1).norm(dim=1), forward.flatten(1).norm(dim=1))
    true = true_gradient(x[:1]).flatten()
    assert float(torch.cosine_similarity(forward.mean(0).flatten(), true, dim=0)) > 0.95
    # By chance a cosine in 64 dimensions is 1/8 wide, and a mean of 4,000 of them 0.002.
    assert float(mean_cosine(forward, true.expand(4000, -1))) > 0.05
    assert abs(float(mean_cosine(control, true.expand(4000, -1)))) < 0.01


def test_random_has_about_the_lengths_of_forward_with_several_directions():
    x = points(1).repeat(2000, 1, 1, 1)
    lengths = [
        float(ESTIMATORS[name](gap, x, 8, 1e-4, random())[0].flatten(1).norm(dim=1).mean())
        for name in ("forward", "random")
    ]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.1)


def test_the_value_of_central_is_the_mean_over_all_its_points():
    # Two points, two directions: 0 and 1, 2 and 3 ahead, then 4 and 5, 6 and 7 behind.
    _, values = ESTIMATORS["central"](lambda p: 1.0 * torch.arange(8), points(2), 2, 0.1, random())
    assert values.tolist() == [(0 + 2 + 4 + 6) / 4, (1 + 3 + 5 + 7) / 4]


def test_random_puts_the_slopes_of_each_point_on_the_next_directions_of_the_stream():
    x, stream = points(4), random()
    slopes, _ = forward_slopes(gap, x, unit_directions(x, 2, stream), 1e-3)
    expected = along(slopes, unit_directions(x, 2, stream))
    torch.testing.assert_close(ESTIMATORS["random"](gap, x, 2, 1e-3, random())[0], expected)
