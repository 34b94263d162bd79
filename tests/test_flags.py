"""Flags are functions of plain numbers; these are the numbers."""

from __future__ import annotations

import pytest

from copycost.flags import (
    COLLAPSED_SPREAD,
    Flag,
    budget_not_spent,
    estimate_drowned,
    generator_collapsed,
    noise_does_as_well,
    queries_lost,
    student_collapsed,
    student_knows_already,
    too_few_seeds,
    victim_near_chance,
    victim_not_deterministic,
)


@pytest.mark.parametrize(
    ("commonest", "victims", "raised"),
    [
        (1.0, 0.1, True),  # one class, of ten that are alike
        (0.92, 0.1, True),
        (0.90, 0.1, False),
        (0.46, 0.1, False),
        (0.95, 0.90, False),  # data that is of one class for the most part
        (0.995, 0.90, True),
        (1.0, 1.0, False),  # a victim that gives one class itself
        (0.52, 0.5, False),
    ],
)
def test_a_student_is_collapsed_when_it_hardly_ever_leaves_one_class(commonest, victims, raised):
    assert [flag.name for flag in student_collapsed(commonest, victims)] == (
        ["student-collapsed"] if raised else []
    )


def names(found: list[Flag]) -> list[str]:
    return [flag.name for flag in found]


def test_a_victim_that_contradicts_itself_bounds_every_copy():
    assert victim_not_deterministic(1.0, defended=False) == []
    (flag,) = victim_not_deterministic(0.81, defended=False)
    assert flag.name == "victim-not-deterministic"
    assert "0.8100" in flag.detail
    assert "more than 0.9000" in flag.detail


def test_behind_defences_a_copy_may_agree_more_than_the_api_with_itself():
    (flag,) = victim_not_deterministic(0.75, defended=True)
    assert "behind its defences" in flag.detail
    assert "no copy" not in flag.detail


@pytest.mark.parametrize(
    ("found", "raised"),
    [
        (generator_collapsed(COLLAPSED_SPREAD / 2), "generator-collapsed"),
        (generator_collapsed(COLLAPSED_SPREAD), None),
        (generator_collapsed(None), None),
        (student_knows_already(0.31, 10), "student-knows-already"),
        (student_knows_already(0.29, 10), None),
        (student_knows_already(0.3, 10), None),  # exactly three times chance
        (student_knows_already(0.85, 2), None),
        (student_knows_already(0.9, 2), None),
        (student_knows_already(0.95, 2), "student-knows-already"),
        (budget_not_spent(86, 100, 14), "budget-not-spent"),
        (budget_not_spent(87, 100, 14), None),
        (queries_lost(1), "queries-lost"),
        (queries_lost(0), None),
        (estimate_drowned(0.49), "estimate-drowned"),
        (estimate_drowned(0.5), None),
        (estimate_drowned(None), None),
        (noise_does_as_well([0.5, 0.9, 0.6], [0.56]), "noise-does-as-well"),
        (noise_does_as_well([0.5, 0.9, 0.62], [0.56]), None),
        (noise_does_as_well([], [0.5]), None),
        (noise_does_as_well([0.85], [0.8]), None),  # exactly the margin
        (too_few_seeds([0, 1, 1]), "too-few-seeds"),
        (too_few_seeds([0, 1, 2]), None),
    ],
)
def test_a_flag_is_raised_from_its_bound_on(found: list[Flag], raised: str | None):
    assert names(found) == ([] if raised is None else [raised])


def test_a_victim_that_is_hardly_ever_right_is_doubted():
    assert victim_near_chance(0.16, 10) == []
    (flag,) = victim_near_chance(0.15, 10)
    assert flag.name == "victim-near-chance"
    assert "0.150" in flag.detail
