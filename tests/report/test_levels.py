"""What curves are compared with."""

from __future__ import annotations

from tests.report.conftest import victim_facts

from copycost.report.levels import Level, level_of, pattern


def test_accuracy_is_compared_with_the_model_that_is_worth_copying() -> None:
    """And not with what its users get behind defences."""
    victim = victim_facts(defences=("noise:2",), defended_accuracy=0.7)
    assert level_of(victim, "accuracy", "the victim") == Level(0.955, "the victim")
    assert level_of(victim, "agreement", "the victim") == Level(0.1, "one in 10, by chance")


def test_dashes_are_those_of_the_page() -> None:
    assert pattern("3 2") == (0.0, (3.0, 2.0))
