"""How long a student learns at each budget."""

from __future__ import annotations

import pytest

from copycost.attacks.patience import STEPS, suited_lessons


@pytest.mark.parametrize("budget", [3_000, 6_000, 24_000, 100_000, 1_000_000])
def test_a_student_takes_as_many_steps_at_any_budget(budget):
    batch, steps = suited_lessons(budget)
    assert budget / batch * steps == pytest.approx(STEPS, rel=0.05)


def test_batches_grow_with_the_square_root_of_the_budget():
    sizes = [suited_lessons(budget)[0] for budget in (6_000, 24_000, 96_000, 384_000)]
    assert sizes == [32, 64, 128, 256]
