"""Courses and findings: what of a run a claim sees."""

from __future__ import annotations

import math
from math import inf, isnan, nan

import pytest

from copycost.claims.base import (
    Course,
    Finding,
    finals,
    finding,
    middle,
    overlapping,
    within,
)
from tests.claims.courses import course, ending

RUN = course(loss=[5.0, 4.0, 3.0, 2.0, 1.0])


def test_the_mean_leaves_the_start_out_and_takes_the_end():
    assert RUN.mean("loss", 0.0, 0.4) == 4.5
    assert RUN.mean("loss", 0.2, 0.4) == 4.0
    assert RUN.mean("loss", 0.0, 1.0) == 3.0


def test_early_is_the_first_measurement_after_the_fresh_student_and_late_the_last_fifth():
    assert (RUN.early("loss"), RUN.late("loss"), RUN.final("loss")) == (5.0, 1.0, 1.0)


def test_a_measurement_a_step_past_its_share_counts_where_it_was_due():
    """Evaluations come after the step that crosses a fifth of the budget, two fifths, and so on."""
    values = {"loss": (9.0, 5.0, 4.0, 3.0, 2.0, 1.0)}
    run = Course(0, 1000, (0, 204, 404, 604, 804, 1000), values, 0.9, 10, 0.1)
    assert (run.early("loss"), run.late("loss")) == (5.0, 1.0)
    assert run.mean("loss", 0, 0.4) == 4.5
    often = Course(0, 200, tuple(range(201)), {"loss": tuple(map(float, range(201)))}, 0.9, 10, 0.1)
    assert (often.early("loss"), often.late("loss")) == (1.0, 180.5)
    assert (often.mean("loss", 0, 0.2), often.mean("loss", 0.2, 0.4)) == (20.5, 60.5)


def test_a_mean_is_over_all_measurements_of_its_part():
    run = course(loss=[9.0, 0.0, 3.0, 5.0, 1.0])
    assert run.mean("loss", 0.2, 0.8) == pytest.approx(8 / 3)


@pytest.mark.parametrize(
    ("count", "late", "counts"),
    [
        (6, 10, True),  # of 1,000 queries, a hundredth
        (6, 11, False),
        (101, 4, True),  # and no more than half of the way to the next of 101
        (101, 5, False),
    ],
)
def test_how_late_a_measurement_may_be(count, late, counts):
    queries = (*range(count - 2), 200 + late, 1000)
    values = (*[math.nan] * (count - 2), 7.0, 1.0)
    run = Course(0, 1000, queries, {"loss": values}, 0.9, 10, 0.1)
    assert run.early("loss") == (7.0 if counts else pytest.approx(math.nan, nan_ok=True))
    assert isnan(run.mean("loss", 0.2, 0.4)) == counts


def test_what_is_just_late_enough_counts_before_and_not_after():
    """A hundredth after the start it is the fresh student's; after the end, the last."""
    queries, values = (0, 10, 11, 510, 511, 1000), (9.0, 8.0, 3.0, 5.0, 7.0, 1.0)
    run = Course(0, 1000, queries, {"loss": values}, 0.9, 10, 0.1)
    assert run.mean("loss", 0, 0.5) == 4.0


def test_a_run_that_is_lost_has_what_such_a_run_measures():
    one, both = course(accuracy=[0.5] * 5), course(accuracy=[0.5] * 5, agreement=[0.6] * 5)
    assert one.lost(1).values == {"accuracy": (0.0,)}
    assert both.lost(1).values == {"accuracy": (0.0,), "agreement": (0.0,)}
    assert (both.lost(1).seed, both.lost(1).late("agreement")) == (1, 0.0)


def test_what_was_not_measured_is_left_out_of_means():
    run = course(loss=[nan, 4.0, inf, 2.0, nan])
    assert run.mean("loss", 0, 1) == 3.0
    assert isnan(run.early("loss"))
    assert isnan(run.late("loss"))


def test_what_was_measured_late_only_has_no_beginning():
    often = Course(0, 5, tuple(range(6)), {"loss": (nan, nan, 4.0, 3.0, 2.0, 1.0)}, 0.9, 10, 0.1)
    assert isnan(often.early("loss"))
    often = Course(0, 10, tuple(range(11)), {"loss": (nan, nan, *range(9, 0, -1))}, 0.9, 10, 0.1)
    assert often.early("loss") == 9


def test_a_value_that_was_never_measured_is_nan():
    assert isnan(RUN.final("agreement"))
    assert isnan(RUN.early("agreement"))


def test_a_budget_that_is_not_spent_to_the_end_still_has_a_late_part():
    run = Course(0, 100, (0, 45, 90), {"loss": (9.0, 2.0, 1.0)}, 0.9, 10, 0.1)
    assert (run.late("loss"), isnan(run.early("loss"))) == (1.0, True)


def test_the_middle_is_the_median_of_the_finite():
    assert middle([1.0, nan, 5.0, 2.0, inf]) == 2.0
    assert middle([1.0, 2.0]) == 1.5
    assert isnan(middle([nan]))
    assert isnan(middle([]))


def test_last_accuracies_go_by_seed_and_the_name_of_their_series():
    assert finals({"A": ending(0.1, 0.3, 0.2)}, "A") == {"A": [0.1, 0.3, 0.2]}


def test_a_finding_names_no_number_that_is_missing():
    found = finding("x", nan < 1.0, {"there": 1.0, "not": nan, "nor": inf})
    assert (found.measured, found.holds) == ({"there": 1.0}, False)
    assert finding("x", None, {}).holds is None


def test_a_finding_has_the_ranges_of_numbers_with_several_seeds():
    """Of each its finite numbers, as for its medians."""
    seeds = {"a": [0.2, nan, 0.1, 0.3], "one": [0.5], "one of two": [0.5, nan]}
    assert finding("x", None, {}, seeds=seeds).ranges == {"a": (0.1, 0.3)}
    assert finding("x", None, {}).ranges == {}


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.02, "2 points"), (0.01, "1 point"), (0.29 - 0.28, "1 point")],
)
def test_one_point_is_not_points_however_it_was_computed(share, said):
    assert within(share) == f"within {said}"


@pytest.mark.parametrize(
    ("measured", "reported", "gap"),
    [({"a": 0.75, "b": 9.0}, 0.5, 0.25), ({"a": 0.75}, None, None), ({}, 0.5, None)],
)
def test_the_gap_is_the_first_number_less_the_reported_one(measured, reported, gap):
    assert Finding("x", True, measured, reported).gap == gap


def test_ranges_overlap_where_there_are_any():
    assert overlapping([0.1, 0.3], [0.3, nan])
    assert overlapping([0.3, 0.5], [0.1, 0.3])
    assert overlapping([0.1, 0.5], [0.2, 0.3])
    assert not overlapping([0.1, 0.3], [0.4, 0.9])
    assert not overlapping([0.3], [0.3])
    assert not overlapping([nan], [0.1, 0.2])
