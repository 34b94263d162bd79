"""How ActiveThief divides its budget, and what it asks while there is no student to choose."""

from __future__ import annotations

import pytest
import torch
from tests.attacks.pools import begin, finish, make, oracle


def test_shares_that_float_rounds_up_cost_no_query_more():
    """In float 100 · (0.1 + 2 · 0.09) is 28 and a little."""
    ends = make("active-thief", rounds=10, first=0.1).ends(100)
    assert ends == [10, 19, 28, 37, 46, 55, 64, 73, 82, 91, 100]


@pytest.mark.parametrize(("budget", "lost"), [(100, 20), (5, 0)])
@pytest.mark.parametrize("strategy", ["entropy", "k-centre"])
def test_a_student_that_learnt_nothing_chooses_nothing(strategy, budget, lost):
    """The first round is over, and was lost by a crash, or one answer that teaches nothing."""
    attack, asked = make("active-thief", rounds=3, first=0.2, strategy=strategy), oracle(budget)
    asked._account.charge(lost)
    s = begin(attack, asked)
    finish(attack, s, asked, until=lambda: s.trained == 1)
    place, free = s.random.state(), s.unasked()
    chosen = attack.choose(s, asked, 27)
    s.random.restore(place)
    assert torch.equal(chosen, free[s.shuffled(len(free))[:27]])
