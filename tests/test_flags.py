"""Flags are functions of plain numbers; these are the numbers."""

from __future__ import annotations

import pytest

from copycost.flags import (
    Flag,
    budget_not_spent,
    estimate_drowned,
    generator_collapsed,
    noise_does_as_well,
    queries_lost,
    student_collapsed,
    student_hardly_trained,
    student_knows_already,
    too_few_seeds,
    victim_changed,
    victim_near_chance,
    victim_not_deterministic,
)


@pytest.mark.parametrize(
    ("accuracy", "one_answer", "raised"),
    [
        (0.1, 0.1, True),  # of ten classes that are equally common
        (0.15, 0.1, True),
        (0.16, 0.1, False),
        (0.016, 0.01, False),  # of a hundred
        (0.55, 0.5, True),  # of two
        (0.56, 0.5, False),
        (0.74, 0.5, False),
        (0.90, 0.90, True),  # data that is of one class for the most part
        (0.92, 0.90, False),
    ],
)
def test_a_student_is_collapsed_when_it_does_hardly_better_than_one_answer(
    accuracy, one_answer, raised
):
    found = student_collapsed(accuracy, one_answer, commonest=0.97)
    assert names(found) == (["student-collapsed"] if raised else [])
    assert all("one class to 0.970 of held-out inputs" in flag.detail for flag in found)


def names(found: list[Flag]) -> list[str]:
    return [flag.name for flag in found]


def test_a_victim_that_contradicts_itself_bounds_every_copy():
    assert victim_not_deterministic(1.0, defended=False) == []
    assert names(victim_not_deterministic(0.9999, defended=False)) == ["victim-not-deterministic"]
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
        (generator_collapsed(0.0099), "generator-collapsed"),
        (generator_collapsed(0.01), None),
        (generator_collapsed(None), None),
        (student_hardly_trained(999, 0.89), "student-hardly-trained"),
        (student_hardly_trained(1_000, 0.1), None),
        (student_hardly_trained(5, 0.9), None),
        (student_knows_already(0.31, 10, 1_000), "student-knows-already"),
        (student_knows_already(0.29, 10, 1_000), None),
        (student_knows_already(0.3, 10, 1_000), None),  # exactly three times chance
        (student_knows_already(0.85, 2, 1_000), None),
        (student_knows_already(0.9, 2, 1_000), None),
        (student_knows_already(0.95, 2, 1_000), "student-knows-already"),
        (student_knows_already(4 / 300, 1_000, 300), None),  # four inputs
        (student_knows_already(5 / 300, 1_000, 300), "student-knows-already"),
        (student_knows_already(5 / 77, 100, 77), "student-knows-already"),  # 5 but for rounding
        (budget_not_spent(86, 100, 14), "budget-not-spent"),
        (budget_not_spent(87, 100, 14), None),
        (queries_lost(1), "queries-lost"),
        (queries_lost(0), None),
        (estimate_drowned(0.49), "estimate-drowned"),
        (estimate_drowned(0.5), None),
        (estimate_drowned(None), None),
        (noise_does_as_well([0.5, 0.9, 0.6], [0.56]), "noise-does-as-well"),
        (noise_does_as_well([0.5, 0.9, 0.62], [0.56]), None),
        (noise_does_as_well([0.6], [0.5, 0.9, 0.5]), None),
        (noise_does_as_well([0.6], [0.5, 0.6, 0.6]), "noise-does-as-well"),
        (noise_does_as_well([], [0.5]), None),
        (noise_does_as_well([0.5], []), None),
        (noise_does_as_well([0.85], [0.8]), None),  # exactly the margin
        (too_few_seeds([0, 1, 1]), "too-few-seeds"),
        (too_few_seeds([0, 1, 2]), None),
    ],
)
def test_a_flag_is_raised_from_its_bound_on(found: list[Flag], raised: str | None):
    assert names(found) == ([] if raised is None else [raised])


def test_a_victim_that_is_hardly_ever_right_is_doubted():
    assert victim_near_chance(0.16, 0.1) == []
    assert victim_near_chance(0.74, 0.5) == []
    assert names(victim_near_chance(0.90, 0.9)) == ["victim-near-chance"]
    (flag,) = victim_near_chance(0.15, 0.1)
    assert flag.name == "victim-near-chance"
    assert "0.150" in flag.detail


@pytest.mark.parametrize(
    ("changed", "asked", "itself", "raised"),
    [
        (0, 128, 1.0, False),
        (1, 128, 1.0, True),
        (128, 128, 1.0, True),
        (0, 0, 1.0, False),
        (0, 128, 0.5, False),
        (13, 128, 0.9, False),  # as many as expected
        (21, 128, 0.9, False),  # P(X >= 21) = 0.0161
        (22, 128, 0.9, True),  # P(X >= 22) = 0.0083
        (128, 128, 0.0, False),
    ],
)
def test_a_change_is_told_from_a_victim_that_contradicts_itself(changed, asked, itself, raised):
    found = victim_changed(changed, asked, itself)
    assert names(found) == (["victim-changed"] if raised else [])
    assert all(f"{changed} of {asked}" in flag.detail for flag in found)
