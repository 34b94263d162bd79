"""The fast estimator against the obviously correct slow thing: autograd on a net in the open."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from copycost.gradients.estimator import unit_directions
from copycost.gradients.forward import forward_difference
from tests.gradients.in_the_open import SHAPE, gap, points, random, true_gradient


def test_directions_are_unit_and_uniform():
    u = unit_directions(torch.zeros(4, *SHAPE), 5000, random())
    assert u.shape == (5000, 4, *SHAPE)
    torch.testing.assert_close(u.flatten(2).norm(dim=2), torch.ones(5000, 4))
    flat = u[:, 0].flatten(1)
    # E[u uᵀ] = I / d, and neighbours in the batch get directions of their own.
    torch.testing.assert_close(flat.T @ flat / 5000 * 64, torch.eye(64), atol=0.12, rtol=0)
    assert float((u[:, 0] * u[:, 1]).flatten(1).sum(1).mean().abs()) < 0.01


def test_its_mean_is_the_gradient_in_direction_and_in_scale():
    x = points(3)
    estimate, _ = forward_difference(gap, x, 20_000, 1e-4, random())
    true = true_gradient(x)
    for found, wanted in zip(estimate.flatten(1), true.flatten(1), strict=True):
        assert float(torch.cosine_similarity(found, wanted, dim=0)) > 0.99
        assert abs(float(found @ wanted / (wanted @ wanted)) - 1) < 0.03


def test_its_spread_is_that_of_the_theory():
    # For one unit direction the cosine with the gradient has mean square 1 / d.
    x = points(1).repeat(4000, 1, 1, 1)
    estimate, _ = forward_difference(gap, x, 1, 1e-4, random())
    true = true_gradient(x[:1]).flatten()
    cosine = torch.cosine_similarity(estimate.flatten(1), true[None], dim=1)
    assert abs(float(cosine.square().mean()) * 64 - 1) < 0.1


@pytest.mark.parametrize("m", [1, 2, 7, 19])
def test_queries_and_points(m):
    asked = []

    def counting(x):
        asked.append(x)
        return gap(x)

    x = points(5)
    estimate, values = forward_difference(counting, x, m, 1e-3, random())
    assert [len(batch) for batch in asked] == [(m + 1) * 5]
    assert torch.equal(asked[0][:5], x)
    distances = (asked[0].reshape(m + 1, 5, -1)[1:] - x.flatten(1)).norm(dim=2)
    torch.testing.assert_close(distances, torch.full((m, 5), 1e-3).double())
    assert estimate.shape == x.shape
    torch.testing.assert_close(values, gap(x))


def test_neighbours_in_the_batch_do_not_matter():
    x, other = points(4), points(4, seed=9)
    first, _ = forward_difference(gap, x, 3, 1e-4, random())
    mixed = torch.cat((x[:1], other[1:]))
    second, _ = forward_difference(gap, mixed, 3, 1e-4, random())
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_exact_on_linear_functions_along_its_directions(seed, m):
    slope = random(seed).normal(64).double()
    x = points(2, seed)
    estimate, _ = forward_difference(lambda p: p.flatten(1) @ slope, x, m, 0.5, random(seed))
    u = unit_directions(x, m, random(seed)).flatten(2)
    expected = 64 * ((u @ slope)[..., None] * u).mean(0)
    torch.testing.assert_close(estimate.flatten(1), expected)


def test_no_graph_is_kept():
    estimate, values = forward_difference(gap, points(2).requires_grad_(), 1, 1e-3, random())
    assert not estimate.requires_grad
    assert not values.requires_grad


def test_the_rows_of_a_batch_get_the_directions_they_have_in_the_whole():
    whole = unit_directions(torch.zeros(5, *SHAPE), 3, random())
    rows = torch.tensor([1, 4])
    part = unit_directions(torch.zeros(2, *SHAPE), 3, random().of(rows, 5))
    assert torch.equal(part, whole[:, rows])
