"""The test of how sure a model is, beside a slow and obvious version of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from copycost.detectors.base import Look, Seen
from copycost.detectors.confidence import EVERY, WINDOW, Confidence
from copycost.errors import ConfigError


def stream(sure: Tensor, batch: int = 64) -> list[Seen]:
    parts = sure.split(batch)
    return [Seen(p[:, None], torch.zeros(len(p), dtype=torch.int64), p) for p in parts]


def looks(usual: Tensor, sure: Tensor, batch: int = 64) -> list[Look]:
    detector = Confidence()
    detector.study(stream(usual))
    return list(detector.looks(stream(sure, batch)))


def slowly(usual: Tensor, window: Tensor) -> float:
    """The largest difference between the shares of both that are no larger than some value."""
    ends = torch.cat([usual, window]).tolist()
    return max(
        abs(float((usual <= end).float().mean()) - float((window <= end).float().mean()))
        for end in ends
    )


@pytest.mark.parametrize("batch", [1, 7, 300])
def test_it_compares_the_latest_queries_with_customers(batch: int) -> None:
    random = torch.Generator().manual_seed(0)
    usual = torch.rand(150, generator=random).pow(0.3)
    sure = torch.cat([torch.rand(150, generator=random), torch.ones(150)])
    found = looks(usual, sure, batch)
    assert [look.queries for look in found] == list(range(WINDOW, 301, EVERY))
    for look in found:
        latest = sure[look.queries - WINDOW : look.queries]
        assert look.suspicion == pytest.approx(slowly(usual, latest), abs=1e-6)


def test_queries_that_are_too_easy_are_as_suspicious_as_hard_ones() -> None:
    usual = torch.linspace(0.4, 1.0, 200)
    same, hard, easy = (
        looks(usual, sure)[-1].suspicion
        for sure in (usual[::2], torch.full((100,), 0.3), torch.ones(100))
    )
    assert same < 0.02
    assert hard == 1
    assert easy > 0.9


def test_it_judges_nobody_by_fewer_queries_than_a_window() -> None:
    assert looks(torch.rand(50), torch.rand(WINDOW - 1)) == []


def test_without_the_models_own_probabilities_it_says_what_to_do() -> None:
    unknown = [part._replace(sure=None) for part in stream(torch.rand(200))]
    with pytest.raises(ConfigError, match="without defences: leave other runs out"):
        Confidence().study(unknown)
    detector = Confidence()
    detector.study(stream(torch.rand(200)))
    with pytest.raises(ConfigError, match="model's own probabilities"):
        list(detector.looks(unknown))


def test_the_same_probabilities_computed_in_two_ways_are_equal() -> None:
    """A service that rounds gives many equal ones; the auditor keeps their logarithms."""
    given = torch.tensor([0.3, 0.36, 0.45]).repeat(100)
    kept = given.log().exp()
    assert not torch.equal(kept, given)
    assert max(look.suspicion for look in looks(kept, given)) < 0.02
