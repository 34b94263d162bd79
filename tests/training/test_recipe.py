"""Recipes: what cannot be is refused, and the rate goes up once and down to nothing."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copycost.training.recipe import Recipe
from copycost.training.train import one_cycle


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch": 3},
        {"architecture": "resnet-34"},
        {"epochs": 0},
        {"batch_size": 1},
        {"peak_lr": 0.0},
        {"peak_lr": math.inf},
        {"peak_lr": math.nan},
        {"momentum": 1.0},
        {"weight_decay": -1e-4},
        {"warm_up": 1.0},
        {"label_smoothing": 1.0},
        {"crop": -1},
        {"precision": "fp16"},
    ],
)
def test_what_cannot_be_is_refused(wrong):
    (setting,) = wrong
    with pytest.raises(ValueError, match=setting):
        Recipe(**{"architecture": "lenet", "epochs": 1, **wrong})


def test_a_recipe_is_fixed_and_replaced_with_the_same_checks():
    recipe = Recipe("lenet", 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 4  # type: ignore[misc]
    assert dataclasses.replace(recipe, epochs=4).epochs == 4
    with pytest.raises(ValueError, match="epochs"):
        dataclasses.replace(recipe, epochs=0)


@given(warm_up=st.floats(0, 0.95), steps=st.integers(2, 200))
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(warm_up, steps):
    rates = [one_cycle(i / steps, warm_up) for i in range(steps + 1)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert one_cycle(warm_up, warm_up) == 1
    risen = [rate for i, rate in enumerate(rates) if i / steps <= warm_up]
    fallen = rates[len(risen) :]
    assert risen == sorted(risen)
    assert fallen == sorted(fallen, reverse=True)


def test_the_rate_half_way_up_and_down():
    assert one_cycle(0.1, 0.2) == 0.5
    assert one_cycle(0.4, 0.2) == pytest.approx(0.75)
    assert one_cycle(0.6, 0.2) == pytest.approx(0.5)
