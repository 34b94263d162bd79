"""PRADA, beside a slow and obvious version of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import shapiro
from torch import Tensor

from copycost.detectors.base import Seen
from copycost.detectors.prada import EVERY, LEAST, Prada, normality
from copycost.errors import ConfigError


def images(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, 4, 4, generator=random)
    return x, torch.randint(0, 3, (n,), generator=random)


def looks(x: Tensor, labels: Tensor, batch: int = 64) -> list[tuple[int, float]]:
    pairs = zip(x.split(batch), labels.split(batch), strict=True)
    stream = [Seen(inputs, given, None) for inputs, given in pairs]
    return [(look.queries, look.suspicion) for look in Prada().looks(stream)]


def slowly(x: Tensor, labels: Tensor) -> list[tuple[int, float]]:
    """Algorithm 3 of the paper, with the constants of its authors' code."""
    kept: dict[int, list[np.ndarray]] = {}
    apart: dict[int, list[float]] = {}
    limit: dict[int, float] = {}
    distances: dict[int, list[float]] = {}
    found = []
    rows = zip(x.flatten(1).numpy(), labels.tolist(), strict=True)
    for i, (row, c) in enumerate(rows, start=1):
        if c not in kept:
            kept[c], apart[c], limit[c], distances[c] = [row], [0.0], 0.0, []
        else:
            d = min(float(np.linalg.norm(row - other)) for other in kept[c])
            distances[c].append(d)
            if d > limit[c]:
                kept[c].append(row)
                apart[c].append(d)
                limit[c] = max(limit[c], float(np.mean(apart[c]) - np.std(apart[c])))
        if i % 10 == 0:
            every = np.array([d for one in distances.values() if len(one) >= 10 for d in one])
            if len(every):
                every = every[abs(every - every.mean()) < 3 * every.std()]
            if len(every) > 100:
                found.append((i, 1 - shapiro(every).statistic))
    return found


@pytest.mark.parametrize("batch", [1, 7, 400])
def test_it_is_the_papers_algorithm(batch: int) -> None:
    x, labels = images(400)
    x[1:20] = x[0]  # what is asked again is not kept again
    x[200:] = 0.5 + 0.1 * x[200:]  # another kind of query from here on
    found, expected = looks(x, labels, batch), slowly(x, labels)
    assert [queries for queries, _ in found] == [queries for queries, _ in expected]
    np.testing.assert_allclose(
        [suspicion for _, suspicion in found], [s for _, s in expected], atol=1e-4
    )
    assert len({round(s, 3) for _, s in found}) > 5


def test_it_judges_nobody_by_few_distances_and_looks_now_and_then() -> None:
    x, labels = images(300)
    found = [queries for queries, _ in looks(x, labels)]
    assert found == list(range(found[0], 301, EVERY))
    assert LEAST < found[0] <= LEAST + 20
    assert looks(x[:100], labels[:100]) == []
    seldom = torch.arange(300) // 10  # ten of each class have nine distances, too few to count
    assert looks(x, seldom) == []
    assert looks(x, torch.arange(300) // 11) != []


def test_one_kind_of_query_is_less_suspicious_than_two() -> None:
    x, labels = images(600)
    plain = looks(x, labels)[-1][1]
    x[::2] = x[:1] + 0.001 * x[::2]  # every other query is nearly the same
    assert looks(x, labels)[-1][1] > plain + 0.1


def test_queries_that_are_all_the_same_are_not_judged() -> None:
    """Their distances do not vary, and a test of normality says nothing of them."""
    x, labels = images(1)
    assert looks(x.expand(400, -1, -1, -1), labels.expand(400)) == []


def test_tokens_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"tokens have none\. Choose confidence"):
        looks(torch.ones(20, 6, dtype=torch.int64), torch.zeros(20, dtype=torch.int64))


def test_outliers_are_left_out() -> None:
    usual = np.random.default_rng(0).normal(5, 1, 300).tolist()
    assert normality([*usual, 1e6]) == pytest.approx(normality(usual), abs=1e-3)
    assert normality([]) is None
    assert normality(usual[:100]) is None
