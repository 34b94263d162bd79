from __future__ import annotations

from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from copycost.oracle.access import release
from copycost.recovery import CENTRINGS, mean, minimum, none, recover_logits
from copycost.types import Access, Answer


def logits(n=40, k=6, seed=0):
    return 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


def answer(access, k=6, of=None):
    of = logits() if of is None else of
    return release(of, Access.LOGITS, access, k)


def test_mean_recovers_true_logits_up_to_their_mean():
    true = logits()
    found = recover_logits(answer(Access.PROBABILITIES), 6, mean)
    torch.testing.assert_close(found, true - true.mean(1, keepdim=True), atol=1e-4, rtol=1e-4)


def test_minimum_and_none():
    true = logits()
    found = recover_logits(answer(Access.PROBABILITIES), 6, minimum)
    torch.testing.assert_close(found, true - true.amin(1, keepdim=True), atol=1e-4, rtol=1e-4)
    found = recover_logits(answer(Access.PROBABILITIES), 6, none)
    torch.testing.assert_close(found, true.log_softmax(1), atol=1e-4, rtol=1e-4)


def test_true_logits_are_left_alone():
    assert torch.equal(recover_logits(answer(Access.LOGITS), 6, mean), logits())


@pytest.mark.parametrize("name", sorted(CENTRINGS))
@pytest.mark.parametrize("access", list(Access))
def test_the_order_of_classes_and_the_rows_survive(name, access):
    given_answer = answer(access, k=2)
    found = recover_logits(given_answer, 6, CENTRINGS[name])
    assert torch.equal(found.argmax(1), given_answer.labels)
    for i in range(0, 40, 7):
        row = Answer(
            access,
            given_answer.labels[i : i + 1],
            None if given_answer.scores is None else given_answer.scores[i : i + 1],
        )
        torch.testing.assert_close(recover_logits(row, 6, CENTRINGS[name]), found[i : i + 1])


@pytest.mark.parametrize("name", sorted(CENTRINGS))
def test_no_nan_from_saturated_probabilities(name):
    p = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1e-38, 1.0, 0.0]])
    found = recover_logits(Answer(Access.PROBABILITIES, p.argmax(1), p), 3, CENTRINGS[name])
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("floor", [1e-44, 1e-60, 1e-300])
def test_a_floor_that_float32_has_not_is_its_smallest_number(floor):
    labels = torch.tensor([2, 0])
    found = recover_logits(Answer(Access.LABEL, labels, None), 3, mean, floor)
    assert bool(found.isfinite().all())
    assert torch.equal(found.argmax(dim=1), labels)
    p = torch.tensor([[1.0, 1e-200]], dtype=torch.float64)
    exact = recover_logits(Answer(Access.PROBABILITIES, labels[1:], p), 2, none, 1e-300)
    torch.testing.assert_close(exact, p.log())


def test_top_k_spreads_what_is_missing():
    p = torch.tensor([[0.6, 0.2, 0.15, 0.05]])
    cut = release(p, Access.PROBABILITIES, Access.TOP_K, 2)
    found = recover_logits(cut, 4, none).exp()
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.2, 0.1, 0.1]]))


def test_top_k_with_all_classes_is_probabilities():
    whole = recover_logits(answer(Access.TOP_K, k=6), 6)
    torch.testing.assert_close(whole, recover_logits(answer(Access.PROBABILITIES), 6))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 1000), st.floats(1e-12, 1e-2), st.integers(0, 1000))
def test_finite_for_any_number_of_classes(classes, floor, seed):
    of = logits(n=3, k=classes, seed=seed) * 20
    for access in Access:
        k = min(5, classes)
        found = recover_logits(release(of, Access.LOGITS, access, k), classes, mean, floor)
        assert found.shape == (3, classes)
        assert bool(found.isfinite().all())


def test_what_stands_for_a_class_not_released_and_where_logits_are_centred_by_default():
    answer = Answer(Access.LABEL, torch.tensor([2, 0]), None)
    assert torch.equal(recover_logits(answer, 3), recover_logits(answer, 3, mean))
    assert float(recover_logits(answer, 3, none)[0, 0]) == pytest.approx(log(1e-7))
