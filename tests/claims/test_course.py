"""Claims about curves, each holding and failing."""

from __future__ import annotations

from math import exp, nan

import pytest

from copycost.claims.base import Claim, Course
from copycost.claims.course import BetterEarly, EndsLower, FlatAfter, Shrinks, ShrinksFurther
from copycost.claims.final import Better
from tests.claims.courses import course

FALLS = course(loss=[4.0, 3.0, 2.0, 1.5, 1.0])
RISES = course(loss=[1.0, 1.0, 2.0, 3.0, 4.0])
LEVEL = course(loss=[2.0, 1.0, 3.0, 1.0, 2.0])
UNKNOWN = course(loss=[nan, 2.0, 2.0, 2.0, nan])


@pytest.mark.parametrize(
    ("runs", "holds", "measured"),
    [
        ([FALLS], True, {"early": 4.0, "late": 1.0}),
        ([RISES], False, {"early": 1.0, "late": 4.0}),
        ([LEVEL], False, {"early": 2.0, "late": 2.0}),
        ([UNKNOWN], False, {}),
        ([FALLS, RISES, FALLS], True, {"early": 4.0, "late": 1.0}),
        ([FALLS, UNKNOWN], True, {"early": 4.0, "late": 1.0}),
    ],
)
def test_shrinks(runs, holds, measured):
    found = Shrinks("A", "loss", "the loss").judge({"A": runs})
    assert (found.holds, found.measured) == (holds, measured)
    assert found.text == "the loss shrinks (A)"


@pytest.mark.parametrize(
    ("runs", "holds", "overlap"),
    [
        ([FALLS, RISES, FALLS], True, True),
        ([FALLS, RISES, RISES], False, True),
        ([FALLS, FALLS, UNKNOWN], True, False),
        ([RISES, LEVEL], False, False),
        ([FALLS], True, False),
    ],
)
def test_seeds_that_do_not_all_shrink_are_told_beside_the_verdict(runs, holds, overlap):
    found = Shrinks("A", "loss", "the loss").judge({"A": runs})
    assert (found.holds, found.overlap) == (holds, overlap)


def test_runs_that_all_shrink_agree_though_they_begin_and_end_apart():
    """One ends above where the other begins: each is compared with itself."""
    high, low = course(loss=[9.0, 8, 8, 8, 5.0]), course(loss=[4.0, 3, 3, 3, 1.0])
    assert not Shrinks("A", "loss", "the loss").judge({"A": [high, low]}).overlap


def test_the_medians_of_both_ends_are_compared_and_not_each_run():
    """Two of three fall, but the median end is above the median beginning."""
    ends = ((4.0, 3.0), (2.0, 1.0), (1.0, 9.0))
    runs = [course(loss=[first, 9.0, 9.0, 9.0, last]) for first, last in ends]
    found = Shrinks("A", "loss", "the loss").judge({"A": runs})
    assert (found.holds, found.measured) == (False, {"early": 2.0, "late": 3.0})
    assert found.ranges == {"early": (1.0, 4.0), "late": (1.0, 9.0)}


def test_the_end_of_a_run_is_the_mean_of_its_last_fifth():
    """Of tenths of the budget the last two: 4 and 1, where it began with 2."""
    loss = (nan, 2.0, *[3.0] * 7, 4.0, 1.0)
    run = Course(0, 10, tuple(range(11)), {"loss": loss}, 0.9, 10, 0.1)
    found = Shrinks("A", "loss", "the loss").judge({"A": [run]})
    assert (found.holds, found.measured) == (False, {"early": 2.0, "late": 2.5})


def test_shrinks_further_compares_shares_not_amounts():
    # 10 to 2 is a larger amount than 4 to 0.5, but a smaller share: 0.2 against 0.125.
    large = course(loss=[10.0, 8.0, 6.0, 4.0, 2.0])
    small = course(loss=[4.0, 3.0, 2.0, 1.0, 0.5])
    claim = ShrinksFurther("A", "B", "loss", "the loss")
    found = claim.judge({"A": [small], "B": [large]})
    assert found.holds is True
    assert found.measured == {"late/early, A": 0.125, "late/early, B": 0.2}
    assert claim.judge({"A": [large], "B": [small]}).holds is False
    assert claim.judge({"A": [small], "B": [small]}).holds is False


def falling(start: float, end: float, constant: float) -> Course:
    """200 epochs, measured at every fifth: means of what falls exponentially since the last."""
    edges = range(0, 201, 5)

    def mean(low: int, high: int) -> float:
        fallen = constant * (exp(-low / constant) - exp(-high / constant)) / (high - low)
        return end + (start - end) * fallen

    found = (nan, *(mean(high - 5, high) for high in edges[1:]))
    return Course(0, 200, tuple(edges), {"loss": found}, 0.9, 10, 0.1)


def test_a_loss_that_is_flat_before_its_first_fifth_ends_has_not_shrunk_less():
    """What the paper says of SVHN: flat from epoch 20 of 200, at a tenth of where it began."""
    svhn, cifar10 = falling(3.0, 0.3, 5), falling(3.0, 1.04, 50)
    found = ShrinksFurther("SVHN", "CIFAR-10", "loss", "the loss").judge(
        {"SVHN": [svhn], "CIFAR-10": [cifar10]}
    )
    assert found.holds is True
    assert found.measured == {
        "late/early, SVHN": pytest.approx(0.15, abs=0.01),
        "late/early, CIFAR-10": pytest.approx(0.38, abs=0.01),
    }


def test_what_falls_at_once_and_then_rises_a_little_has_shrunk():
    """From 3 to 1, then up to 1.5, which is more than the mean of the first fifth."""
    loss = (nan, 3.0, *[1.0] * 20, *[1.5] * 19)
    run = Course(0, 200, tuple(range(0, 201, 5)), {"loss": loss}, 0.9, 10, 0.1)
    found = Shrinks("A", "loss", "the loss").judge({"A": [run]})
    assert (found.holds, found.measured) == (True, {"early": 3.0, "late": 1.5})


def test_shrinks_further_fails_where_either_is_unknown():
    found = ShrinksFurther("A", "B", "loss", "the loss").judge({"A": [FALLS], "B": [UNKNOWN]})
    assert (found.holds, found.measured) == (False, {"late/early, A": 0.25})


def test_a_loss_that_begins_at_nothing_has_no_share_to_shrink_to():
    found = ShrinksFurther("A", "B", "loss", "the loss").judge(
        {"A": [course(loss=[0.0, 1.0, 1.0, 1.0, 1.0])], "B": [FALLS]}
    )
    assert (found.holds, found.measured) == (False, {"late/early, B": 0.25})


@pytest.mark.parametrize(
    ("here", "there", "holds"),
    [(FALLS, RISES, True), (RISES, FALLS, False), (FALLS, FALLS, False), (FALLS, UNKNOWN, False)],
)
def test_ends_lower(here, there, holds):
    found = EndsLower("A", "B", "loss", "the loss").judge({"A": [here], "B": [there]})
    assert found.holds is holds


def test_better_early_looks_at_its_share_only():
    ahead = course(accuracy=[0.5, 0.5, 0.5, 0.5, 0.5], agreement=[0.6, 0.5, 0.5, 0.5, 0.5])
    behind = course(accuracy=[0.4, 0.9, 0.9, 0.9, 0.9], agreement=[0.7, 0.9, 0.9, 0.9, 0.9])
    claim = BetterEarly("A", "B", before=0.2)
    found = claim.judge({"A": [ahead], "B": [behind]})
    assert found.holds is True, "by accuracy; agreement is only shown"
    assert found.measured == {
        "early accuracy, A": 0.5,
        "early accuracy, B": 0.4,
        "early agreement, A": 0.6,
        "early agreement, B": 0.7,
    }
    assert BetterEarly("A", "B", before=0.4).judge({"A": [ahead], "B": [behind]}).holds is False
    # Nothing is measured within the first tenth of these runs.
    found = BetterEarly("A", "B").judge({"A": [ahead], "B": [behind]})
    assert (found.holds, found.measured) == (False, {})


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (ShrinksFurther("A", "B", "loss", "the loss"), "the loss shrinks further on A than on B"),
        (EndsLower("A", "B", "loss", "the loss"), "the loss is lower on A than on B"),
        (BetterEarly("A", "B"), "A is ahead of B in the first 10% of the run"),
        (FlatAfter("A", 0.4), "accuracy is flat after 40% of the run, within 1 point (A)"),
    ],
)
def test_a_claim_names_its_series_in_their_order(claim, sentence):
    assert claim.text == sentence


def test_a_seed_without_measurements_says_nothing_else_than_the_others():
    low, high = course(loss=[9.0, 1, 1, 1, 1.0]), course(loss=[9.0, 2, 2, 2, 2.0])
    found = EndsLower("A", "B", "loss", "it").judge({"A": [low, UNKNOWN], "B": [high, high]})
    assert (found.holds, found.overlap) == (True, False)
    flat, unmeasured = course(accuracy=[0.8] * 5), course(accuracy=[0.8] * 4 + [nan])
    found = FlatAfter("A", after=0.4).judge({"A": [flat, unmeasured, flat]})
    assert (found.holds, found.overlap) == (True, False)


def test_flat_after_takes_the_farthest_point_from_the_end():
    run = course(accuracy=[0.50, 0.795, 0.81, 0.805, 0.80], agreement=[0.5, 0.75, 0.8, 0.8, 0.8])
    found = FlatAfter("A", after=0.4).judge({"A": [run]})
    assert found.measured == {
        "farthest from the end, A": pytest.approx(0.01),
        "farthest from the end in agreement, A": pytest.approx(0.05),
    }
    assert FlatAfter("A", after=0.4, within=0.011).judge({"A": [run]}).holds is True
    assert FlatAfter("A", after=0.4, within=0.009).judge({"A": [run]}).holds is False
    assert FlatAfter("A", after=0.2, within=0.011).judge({"A": [run]}).holds is False


def test_exactly_as_far_from_the_end_as_is_allowed_is_flat():
    """0.51 - 0.50 is more than 0.01 in floating point."""
    run = course(accuracy=[0.1, 0.51, 0.5, 0.5, 0.5])
    assert FlatAfter("A", after=0.4).judge({"A": [run]}).holds is True
    farther = course(accuracy=[0.1, 0.511, 0.5, 0.5, 0.5])
    assert FlatAfter("A", after=0.4).judge({"A": [farther]}).holds is False


def test_flat_after_fails_where_the_end_was_not_measured():
    run = course(accuracy=[0.8, 0.8, 0.8, 0.8, nan])
    found = FlatAfter("A", after=0.4).judge({"A": [run]})
    assert (found.holds, found.measured) == (False, {})


def test_a_run_that_diverged_is_not_flat_and_has_no_course():
    run = course(accuracy=[0.1, 0.8, 0.1, 0.8, 0.8], loss=[4.0, 3.0, 2.0, 1.5, 1.0])
    courses = {"A": [run, run.lost(1), run.lost(2)]}
    assert FlatAfter("A", after=0.4).judge(courses).holds is False
    found = Shrinks("A", "loss", "it").judge(courses)
    assert (found.holds, found.measured) == (True, {"early": 4.0, "late": 1.0})


@pytest.mark.parametrize("lost", ["A", "B"])
def test_what_only_the_surviving_seeds_say_may_be_chance(lost):
    """Of either series, where two are compared; nothing of A and B overlaps otherwise."""
    low = course(accuracy=[0.9, 0.9, 0.9, 0.9, 0.9], loss=[9.0, 5.0, 2.0, 1.5, 1.0])
    high = course(accuracy=[0.5, 0.5, 0.5, 0.5, 0.5], loss=[9.0, 9.0, 9.0, 9.0, 8.0])
    whole = {"A": [low, low], "B": [high, high]}
    torn = whole | {lost: [whole[lost][0], whole[lost][0].lost(1)]}
    claims: list[Claim] = [
        EndsLower("A", "B", "loss", "it"),
        ShrinksFurther("A", "B", "loss", "it"),
        BetterEarly("A", "B", before=0.2),
        Shrinks(lost, "loss", "it"),
        FlatAfter(lost, after=0.4),
    ]
    for claim in claims:
        before, after = claim.judge(whole), claim.judge(torn)
        assert (before.holds, before.overlap) == (True, False), claim
        assert (after.holds, after.overlap) == (True, True), claim


def ending_at(*ends: float) -> list[Course]:
    """One run a seed: its loss falls from 1 to this, and its accuracy is this throughout."""
    return [
        course(seed, loss=[1, 1, 1, 1, end], accuracy=[end] * 5) for seed, end in enumerate(ends)
    ]


@pytest.mark.parametrize(
    ("theirs", "overlap"), [((5.0, 5.2), False), ((5.0, 0.55), True), ((nan, nan), False)]
)
def test_seeds_that_overlap_are_told_beside_the_verdict(theirs, overlap):
    courses = {"A": ending_at(0.5, 0.6), "B": ending_at(*theirs)}
    claims: list[Claim] = [
        EndsLower("A", "B", "loss", "it"),
        ShrinksFurther("A", "B", "loss", "it"),
        BetterEarly("A", "B", before=0.2),
        Better("A", "B"),
    ]
    assert [claim.judge(courses).overlap for claim in claims] == [overlap] * 4


def test_flat_after_is_by_the_median_over_seeds():
    flat, steep = (
        course(accuracy=[0.1, 0.5, a, 0.5, 0.5], agreement=[0.1, 1.0, 2 * a, 1.0, 1.0])
        for a in (0.5, 0.25)
    )
    found = FlatAfter("A", after=0.4).judge({"A": [flat, steep, flat]})
    accuracy, agreement = "farthest from the end, A", "farthest from the end in agreement, A"
    assert (found.holds, found.measured) == (True, {accuracy: 0.0, agreement: 0.0})
    assert found.overlap  # one seed says otherwise
    assert found.ranges == {accuracy: (0.0, 0.25), agreement: (0.0, 0.5)}
    assert not FlatAfter("A", after=0.4).judge({"A": [flat, flat]}).overlap


def test_a_student_that_learnt_nothing_is_flat_and_ahead_by_chance():
    low, less = (course(accuracy=[accuracy] * 5) for accuracy in (0.102, 0.099))
    for claim in (FlatAfter("A", after=0.4), BetterEarly("A", "B", before=0.2)):
        found = claim.judge({"A": [low], "B": [less]})
        assert (found.holds, found.overlap) == (True, True)
