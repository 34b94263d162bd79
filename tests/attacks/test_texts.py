"""What the random texts are like."""

from __future__ import annotations

import math

import pytest
import torch

from copycost.attacks.sources import uniform
from copycost.attacks.texts import phrases, zipfian
from copycost.engine import Engine
from copycost.types import InputSpec, Modality

N = 2_000


@pytest.fixture
def random():
    return Engine("cpu").random(0)


TOKENS = InputSpec((16,), modality=Modality.TEXT, vocabulary=900)


def test_phrases_are_short_as_often_as_long_and_of_any_tokens(random):
    x = phrases(TOKENS, N, random)
    TOKENS.check_shape(x)
    TOKENS.check_range(x)
    length = torch.where(x > 0, torch.arange(16) + 1, 0).amax(dim=1)
    assert bool(((x > 0).sum(dim=1) >= length - 1).all()), "only a token that happens to be 0"
    for least, below in ((1, 2), (2, 4), (4, 8), (8, 17)):
        share = float(((length >= least) & (length < below)).float().mean())
        assert share == pytest.approx(math.log(below / least, 17), abs=0.04)
    counts = x[x > 0].bincount(minlength=900)[1:]
    assert float(counts.float().std() / counts.float().mean().sqrt()) == pytest.approx(1, abs=0.1)


def test_tokens_of_noise_are_uniform_over_the_vocabulary(random):
    x = uniform(TOKENS, N, random)
    counts = x.flatten().bincount(minlength=900)
    assert len(counts) == 900
    assert float(counts.float().std() / counts.float().mean().sqrt()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("source", [uniform, phrases, zipfian])
def test_a_text_does_not_depend_on_which_others_are_drawn(source, random):
    among, kept = Engine("cpu").random(0), torch.tensor([5, 0, 2])
    some = source(TOKENS, 3, random.of(kept, 6))
    assert torch.equal(some, source(TOKENS, 6, among)[kept])


def test_zipfian_tokens_are_as_likely_as_their_number_is_small(random):
    x = zipfian(TOKENS, 20_000, random)
    TOKENS.check_shape(x)
    TOKENS.check_range(x)
    shares = x[x > 0].bincount(minlength=900) / (x > 0).sum()
    for r in (1, 2, 5, 10):
        expected = math.log((r + 1) / r, 900)
        assert float(shares[r]) == pytest.approx(expected, rel=0.08)
    assert float(shares[300:].sum()) == pytest.approx(math.log(3, 900), rel=0.05)


@pytest.mark.parametrize("source", [uniform, phrases, zipfian])
@pytest.mark.parametrize(("shape", "vocabulary"), [((1,), 2), ((2, 3), 2), ((40,), 70_000)])
def test_texts_fit_any_shape_and_vocabulary(source, shape, vocabulary, random):
    spec = InputSpec(shape, modality=Modality.TEXT, vocabulary=vocabulary)
    x = source(spec, 50, random)
    spec.check_shape(x)
    spec.check_range(x)
    if source is not uniform and shape == (1,):
        assert bool((zipfian(spec, 50, random) == 1).all()), "one place is never empty"
