"""Claims about the last students, each holding and failing, and what is only measured."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from copycost.claims.base import Course
from copycost.claims.final import AboutEqual, Better, Bounds, Learns, Reaches
from copycost.claims.measures import (
    ALIKE,
    APART,
    OTHERS,
    Grid,
    QueriesTo,
    Ranking,
    Spread,
)
from copycost.thresholds import knows_nothing, least_budgets
from tests.claims.courses import course, ending


@pytest.mark.parametrize(
    ("finals", "holds"),
    [
        ((0.87,), True),
        ((0.86, 0.10, 0.90), True),  # by the median: one collapse of three does not decide
        ((0.855,), True),  # within a point of it
        ((0.845,), False),
        ((0.10, 0.10, 0.90), False),
        ((nan,), False),
    ],
)
def test_reaches(finals, holds):
    found = Reaches("A", 0.86).judge({"A": ending(*finals)})
    assert (found.holds, found.reported) == (holds, 0.86)
    assert found.measured["accuracy of the victim, A"] == 0.9


def test_a_published_accuracy_is_quoted_to_its_last_digit():
    said = "the student reaches 86.12% accuracy, within 1 point (A)"
    assert Reaches("A", 0.8612).text == said


def test_reaches_says_how_far_it_is_from_what_is_reported():
    assert Reaches("A", 0.75).judge({"A": ending(0.5)}).gap == -0.25


@pytest.mark.parametrize("final", [0.1, 0.9])
def test_a_published_number_is_not_reached_by_other_data_or_budgets(final):
    runs = [replace(run, comparable=False) for run in ending(final)]
    found = Reaches("A", 0.86).judge({"A": runs})
    assert (found.holds, found.gap, found.comparable) == (None, None, False)
    assert (found.measured["accuracy, A"], found.reported) == (final, 0.86)


@pytest.mark.parametrize(("final", "holds"), [(0.31, True), (0.29, False), (nan, False)])
def test_learns_is_three_times_chance(final, holds):
    assert Learns("A").judge({"A": ending(final)}).holds is holds


def test_a_seed_that_is_just_where_learning_begins_has_learnt_like_the_others():
    found = Learns("A").judge({"A": ending(0.3, 0.9)})
    assert (found.holds, found.overlap) == (True, False)


@pytest.mark.parametrize(("final", "holds"), [(0.76, True), (0.75, True), (0.74, False)])
def test_chance_is_that_of_the_victims_own_classes(final, holds):
    of_four = [replace(run, classes=4) for run in ending(final)]
    assert Learns("A").judge({"A": of_four}).holds is holds


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [(0.80, 0.81, True), (0.81, 0.80, True), (0.80, 0.83, False), (0.80, nan, False)],
)
def test_about_equal(first, second, holds):
    found = AboutEqual("A", "B").judge({"A": ending(first), "B": ending(second)})
    assert found.holds is holds
    assert "within 2 points" in found.text


@pytest.mark.parametrize(
    ("first", "second", "holds", "overlap"),
    [
        ((0.717, 0.728, 0.825), (0.746, 0.751, 0.825), False, True),  # figure 6 at quick scale
        ((0.70, 0.75, 0.80), (0.74, 0.75, 0.76), True, True),
        ((0.446, 0.574, 0.598), (0.471, 0.505, 0.536), False, True),  # none within 2 points
        ((0.750, 0.751), (0.752, 0.753), True, False),
        ((0.5, 0.6), (0.8, 0.9), False, False),
        ((0.955, 0.960, 0.962), (0.957, 0.959, 0.965), True, False),  # every pair is as near
        ((0.700, 0.702), (0.718, 0.723), True, True),  # one pair is farther apart
        ((0.700, 0.706), (0.718, 0.730), False, True),  # one pair is nearer
    ],
)
def test_about_equal_says_where_seeds_differ(first, second, holds, overlap):
    found = AboutEqual("A", "B").judge({"A": ending(*first), "B": ending(*second)})
    assert (found.holds, found.overlap) == (holds, overlap)


@pytest.mark.parametrize("claim", [AboutEqual("A", "B"), Better("A", "B"), Bounds("A")])
def test_copies_that_learnt_nothing_are_equal_or_better_by_chance(claim):
    """10.2 % against 9.9 %, of ten classes: no pair of seeds says otherwise."""
    nothing, less = ending(0.102, 0.102), ending(0.099, 0.099)
    found = claim.judge({"A": nothing, "B": less})
    assert (found.holds, found.overlap) == (True, True)
    for other in (ending(0.5, 0.5), less):  # one that has learnt is enough
        assert not claim.judge({"A": ending(0.51, 0.51), "B": other}).overlap


@pytest.mark.parametrize(
    ("finals", "holds", "overlap"),
    [
        ((0.9, 0.9, 0.1), True, True),
        ((0.1, 0.9, 0.1), False, True),
        ((0.9, 0.8), True, False),
        ((0.9, nan, 0.8), True, False),  # what was not measured is on neither side
    ],
)
def test_seeds_on_both_sides_of_a_level_are_told_beside_the_verdict(finals, holds, overlap):
    for claim in (Learns("A"), Reaches("A", 0.75)):
        found = claim.judge({"A": ending(*finals)})
        assert (found.holds, found.overlap) == (holds, overlap)
    found = Reaches("A", 0.75).judge({"A": [replace(r, comparable=False) for r in ending(*finals)]})
    assert not found.overlap  # nothing was decided


def test_exactly_as_far_as_is_allowed_is_near_enough():
    """0.50 - 0.48 is more than 0.02 in floating point, and 0.5006 - 0.01 more than 0.4906."""
    assert AboutEqual("A", "B").judge({"A": ending(0.50), "B": ending(0.48)}).holds is True
    assert Reaches("A", 0.5006).judge({"A": ending(0.4906)}).holds is True


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [(0.81, 0.80, True), (0.80, 0.80, False), (0.79, 0.80, False), (nan, 0.1, False)],
)
def test_better(first, second, holds):
    found = Better("A", "B").judge({"A": ending(first), "B": ending(second)})
    assert found.holds is holds
    assert found.measured.get("accuracy, B") == second


def test_spread_counts_the_students_that_learnt_nothing():
    found = Spread("A").judge({"A": ending(0.6, 0.15, 0.1, 0.8, 0.16)})
    assert found.holds is None
    assert found.measured == {
        "seeds": 5.0,
        "lowest accuracy": 0.1,
        "median accuracy": 0.16,
        "highest accuracy": 0.8,
        "share collapsed": pytest.approx(0.4),  # 1.5 times chance is 0.15
    }


def test_spread_goes_by_the_commonest_class_where_one_is_commoner_than_others():
    """On SVHN's own digits one answer is right on 19.6 %, which is no collapse by 1/K."""
    runs = [replace(run, one_answer=0.1959) for run in ending(0.1959, 0.27, 0.5)]
    assert Spread("A").judge({"A": runs}).measured["share collapsed"] == pytest.approx(2 / 3)


def with_lost(*finals: float, **changes: Any) -> list[Course]:
    """Runs that ended so, and two more that diverged."""
    found = [replace(run, **changes) for run in ending(*finals)]
    return [*found, *(found[0].lost(seed) for seed in (8, 9))]


def test_runs_that_diverged_learnt_nothing():
    found = Spread("A").judge({"A": with_lost(0.8)}).measured
    assert found["share collapsed"] == pytest.approx(2 / 3)
    assert (found["seeds"], found["median accuracy"], found["highest accuracy"]) == (3, 0, 0.8)


def test_a_budget_at_which_most_diverged_reaches_nothing():
    few = with_lost(0.91, budget=10_000, victim_accuracy=1.0)
    many = [
        replace(run, budget=30_000, victim_accuracy=1.0, seed=seed)
        for run, seed in zip(ending(0.92, 0.92, 0.92), (0, 8, 9), strict=True)
    ]
    found = QueriesTo().judge({"few": few, "many": many}).measured
    assert found["queries to 90%"] == 30_000
    assert QueriesTo().judge({"few": few}).measured["seeds that never reach 90%"] == 2


def test_what_is_left_of_a_series_that_diverged_is_not_the_best():
    runs = {"A": with_lost(0.95), "B": ending(0.9, 0.9, 0.9)}
    assert [*Ranking().judge(runs).measured][:2] == ["best: B", "worst: A"]
    places = {"A": (1.0, 1.0), "B": (2.0, 1.0)}
    assert Grid("x", "y", places).judge(runs).measured["x that ends highest"] == 2.0
    assert Better("B", "A").judge(runs).holds is True


def test_queries_to_a_share_are_the_least_budget_that_reaches_it():
    runs = {
        str(budget): [course(budget=budget, victim=0.8, accuracy=[0.1] * 4 + [final])]
        for budget, final in [(1000, 0.70), (10, 0.1), (100, 0.5)]
    }
    found = QueriesTo().judge(runs)  # shares 0.875, 0.125 and 0.625 of the victim's
    assert {name: v for name, v in found.measured.items() if "," not in name} == {
        "queries to 50%": 100.0,
        "queries to 80%": 1000.0,
        "seeds that never reach 50%": 0.0,
        "seeds that never reach 80%": 0.0,
        "seeds that never reach 90%": 1.0,
        "seeds that never reach 95%": 1.0,
    }
    assert found.holds is None


def test_queries_to_a_share_are_told_for_every_seed_alone():
    """Shares of the victim's: seed 0 has 60 and 90 %, seed 1 has 10 and 60 %."""
    runs = {
        str(budget): [
            course(seed, budget=budget, victim=1.0, accuracy=[0.1] * 4 + [final])
            for seed, final in enumerate(finals)
        ]
        for budget, finals in [(10, (0.6, 0.1)), (100, (0.9, 0.6))]
    }
    assert QueriesTo().judge(runs).measured == {
        "queries to 50%": 100.0,
        "queries to 50%, first seed": 10.0,
        "queries to 50%, last seed to reach it": 100.0,
        "seeds that never reach 50%": 0.0,
        "queries to 80%, first seed": 100.0,
        "queries to 80%, last seed to reach it": 100.0,
        "seeds that never reach 80%": 1.0,
        "queries to 90%, first seed": 100.0,
        "queries to 90%, last seed to reach it": 100.0,
        "seeds that never reach 90%": 1.0,
        "seeds that never reach 95%": 2.0,
    }


def test_a_bound_is_held_against_the_best_of_the_others():
    runs = {"A": ending(0.5), "bound": ending(0.6), "C": ending(0.55)}
    found = Bounds("bound").judge(runs)
    assert (found.holds, found.measured) == (True, {"accuracy, bound": 0.6, "accuracy, C": 0.55})
    assert Bounds("bound").judge(runs | {"C": ending(0.6)}).holds is True
    assert Bounds("bound").judge(runs | {"A": ending(0.7)}).holds is False


def test_of_several_that_are_best_the_bound_is_held_against_the_last_by_name():
    """And not against whichever comes first in a set, whose order is another in each process."""
    runs = {name: ending(0.5) for name in "CFAHBDGE"} | {"bound": ending(0.6)}
    assert "accuracy, H" in Bounds("bound").judge(runs).measured


def test_a_grid_tells_what_each_axis_moves_with_the_other_fixed():
    """Over the first 0.3 at either of the second; over the second 0.1 at either of the first."""
    places = {"B": (10.0, 1.0), "C": (1.0, 2.0), "D": (10.0, 2.0), "A": (1.0, 1.0)}
    ends = {"D": 0.7, "C": 0.4, "A": 0.5, "B": 0.8}
    runs = {
        name: [course(accuracy=[0.1] * 4 + [end], agreement=[0.1] * 4 + [end / 2])]
        for name, end in ends.items()
    }
    found = Grid("x", "y", places).judge(runs)
    assert found.holds is None
    assert found.measured == {
        "moved by x": pytest.approx(0.3),
        "moved in agreement by x": pytest.approx(0.15),
        "x that ends highest": 10.0,
        "x, least tried": 1.0,
        "x, most tried": 10.0,
        "moved by y": pytest.approx(0.1),
        "moved in agreement by y": pytest.approx(0.05),
        "y that ends highest": 1.0,
        "y, least tried": 1.0,
        "y, most tried": 2.0,
    }


def test_agreement_stands_beside_accuracy_and_decides_nothing():
    runs = {
        name: [course(accuracy=[0.1] * 4 + [end], agreement=[0.1] * 4 + [1 - end])]
        for name, end in [("A", 0.6), ("B", 0.5)]
    }
    for claim in (Reaches("A", 0.6), Learns("A"), Better("A", "B"), Bounds("A")):
        found = claim.judge(runs)
        assert (found.holds, found.measured["agreement, A"]) == (True, 0.4)
    assert AboutEqual("A", "B").judge(runs).measured["agreement, B"] == 0.5
    assert Ranking().judge(runs).measured["agreement, B"] == 0.5
    assert Spread("A").judge(runs).measured["median agreement"] == 0.4


def test_ranking_says_whether_seeds_could_have_done_it():
    runs = {"A": ending(0.5, 0.6, 0.7), "B": ending(0.1, 0.2, 0.3), "C": ending(0.2, 0.3, 0.9)}
    found = Ranking().judge(runs)
    assert found.measured == {
        "best: A": 0.6,
        "worst: B": 0.2,
        "worst of the best minus best of the worst": pytest.approx(0.2),
        OTHERS: 2.0,
        ALIKE: 1.0,  # C's best is better than A's
    }
    assert found.holds is None


@pytest.mark.parametrize(("best", "worst"), [((0.9,), (0.1, 0.2)), ((0.8, 0.9), (0.1,))])
def test_where_either_has_one_seed_nothing_is_said_of_how_far_they_are_apart(best, worst):
    found = Ranking().judge({"A": ending(*best), "B": ending(*worst)})
    assert APART not in found.measured


def test_a_victim_that_knows_nothing_is_reached_by_nobody():
    nothing = [course(victim=0.0, accuracy=[0.1, 0.2, 0.3, 0.4, 0.5])]
    assert QueriesTo().judge({"A": nothing}).measured == {
        f"seeds that never reach {share}": 1.0 for share in ("50%", "80%", "90%", "95%")
    }


def test_one_run_that_is_not_comparable_is_enough():
    one, other = ending(0.9, 0.9)
    found = Reaches("A", 0.86).judge({"A": [one, replace(other, comparable=False)]})
    assert (found.holds, found.gap, found.comparable) == (None, None, False)


def test_what_an_axis_moves_is_the_median_over_the_other():
    """Over x 0.1, 0.2 and 0.6, at y of 1, 2 and 3."""
    places, ends = {}, {}
    for y, moved in ((1.0, 0.1), (2.0, 0.2), (3.0, 0.6)):
        for x, end in ((1.0, 0.3), (2.0, 0.3 + moved)):
            places[f"{x} {y}"], ends[f"{x} {y}"] = (x, y), ending(end)
    assert Grid("x", "y", places).judge(ends).measured["moved by x"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("accuracy", "one_answer", "nothing"),
    [
        (0.15, 0.1, True), (0.151, 0.1, False),  # of ten classes half as often again decides
        (0.55, 0.5, True), (0.551, 0.5, False),  # of two a tenth of the rest
        (0.905, 0.9, True), (0.92, 0.9, False),
    ],
)  # fmt: skip
def test_who_hardly_does_better_than_one_answer_knows_nothing(accuracy, one_answer, nothing):
    assert knows_nothing(accuracy, one_answer) is nothing


def test_a_share_that_is_reached_but_for_rounding_is_reached():
    assert least_budgets([(10, 0.72 / 0.9)])["80%"] == 10
