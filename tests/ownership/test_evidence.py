"""How unlikely a suspect's agreement is among independent models'."""

from __future__ import annotations

import numpy as np
import pytest

from copycost.errors import ConfigError
from copycost.ownership.evidence import chance


def test_by_hand() -> None:
    """Three controls, two degrees of freedom: t = 2 / √(4/3), p = (1 - t / √(2 + t²)) / 2."""
    t = 2 / (4 / 3) ** 0.5
    assert chance(0.4, [0.1, 0.2, 0.3]) == pytest.approx((1 - t / (2 + t * t) ** 0.5) / 2)
    assert chance(0.2, [0.1, 0.2, 0.3]) == pytest.approx(0.5)


def test_an_innocent_model_is_below_p_in_a_share_p_of_cases() -> None:
    drawn = np.random.default_rng(0).normal(0.6, 0.03, (4000, 5))
    found = [chance(suspect, controls) for suspect, *controls in drawn]
    for p in (0.01, 0.1, 0.5):
        assert np.mean(np.array(found) < p) == pytest.approx(p, abs=4 * (p * (1 - p) / 4000) ** 0.5)


def test_controls_that_all_agree_alike() -> None:
    assert chance(0.7, [0.6] * 3) == 0
    assert chance(0.6, [0.6] * 3) == chance(0.5, [0.6] * 3) == 1


@pytest.mark.parametrize("controls", [[], [0.5], [0.5, 0.6]])
def test_too_few_say_nothing(controls: list[float]) -> None:
    with pytest.raises(ConfigError, match=f"expected 3 independent models .* got {len(controls)}"):
        chance(0.9, controls)
