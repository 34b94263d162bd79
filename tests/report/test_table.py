"""Grouping and the numbers made of a group."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from copycost.report import wording
from copycost.report.groups import Spread, flatten, group_records, spread
from copycost.report.table import in_words, labels, rows
from copycost.runner.record import Point, Record
from copycost.types import Access

MakeRecord = Callable[..., Record]


def test_runs_that_differ_by_the_seed_are_one_group_with_median_and_range(
    make_record: MakeRecord,
) -> None:
    (group,) = group_records([make_record("dfme", s, a) for s, a in enumerate((0.9, 0.5, 0.8))])
    assert group.seeds == (0, 1, 2)
    assert group.agreement == Spread(0.8, 0.5, 0.9, 3)
    assert group.kl is not None
    (row,) = rows([group])
    assert row.label == "DFME"
    assert row.agreement == "80.0\u00a0% (50.0–90.0\u00a0%)"
    assert (row.seeds, row.spent, row.budget) == ("3", "150,000", "150,000")
    assert row.seconds == "1\u00a0h 23\u00a0min"


def test_a_line_tells_the_median_of_each_number_under_its_own_name(
    make_record: MakeRecord,
) -> None:
    """No two of the numbers are alike, and the medians are not in the middle of the ranges."""

    def of(seed: int, more: float, spent: int) -> Record:
        values = {"agreement": 0.5 + more, "accuracy": 0.3 + more, "kl": 1.25 + more}
        curve = [Point(queries=spent, seconds=60.0, values=values)]
        return make_record(seed=seed, spent=spent, curve=curve, seconds=100 * (more + 0.6))

    (row,) = rows(group_records([of(0, 0.3, 90), of(1, 0.0, 10), of(2, 0.1, 30)]))
    told = (row.agreement, row.accuracy, row.kl, row.spent, row.seconds)
    assert tuple(text.replace(wording.NBSP, " ") for text in told) == (
        "60.0 % (50.0–80.0 %)", "40.0 % (30.0–60.0 %)", "1.35 (1.25–1.55)", "30", "1 min 10 s",
    )  # fmt: skip


def test_attacks_stay_as_given_and_noise_comes_last(make_record: MakeRecord) -> None:
    given = ["random-noise", "maze", "dfme", "maze"]
    groups = group_records([make_record(name, seed) for seed, name in enumerate(given)])
    assert [group.attack for group in groups] == ["maze", "dfme", "random-noise"]
    assert [row.noise for row in rows(groups)] == [False, False, True]


def test_settings_stay_as_given_and_each_has_its_attacks_together(make_record: MakeRecord) -> None:
    given = [("maze", 2_000), ("random-noise", 1_000), ("dfme", 2_000), ("maze", 1_000)]
    groups = group_records([make_record(name, budget=budget) for name, budget in given])
    assert [(group.attack, group.setting.budget) for group in groups] == [
        ("maze", 2_000), ("dfme", 2_000), ("maze", 1_000), ("random-noise", 1_000),
    ]  # fmt: skip


def test_a_setting_that_some_runs_do_not_have_yet_tells_them_apart(make_record: MakeRecord) -> None:
    """Those are of an older version."""
    new = {"settings": {"epsilon": 1e-3, "clip": 1.0}}
    groups = group_records([make_record(), make_record(config=new)])
    assert labels(groups) == ["DFME, settings.clip –", "DFME, settings.clip 1.0"]


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"budget": 20_000}, "DFME, 20,000 queries"),
        ({"access": Access.LABEL}, "DFME, label"),
        ({"student": "lenet"}, "DFME, lenet"),
        ({"victim": {"defences": ("rounding(2)",)}}, "DFME, behind rounding(2)"),
        ({"victim": {"name": "another"}}, "DFME, another 5e5e5e5e"),
        ({"epsilon": 1.0}, "DFME, settings.epsilon 1.0"),
    ],
)
def test_what_differs_makes_another_group_and_is_in_its_name(
    make_record: MakeRecord, change: dict[str, object], label: str
) -> None:
    base, other = group_records([make_record(), make_record(seed=1, **change)])
    if "budget" in change:  # The fake's configuration holds the budget, too.
        assert other.variant == ()
    assert labels([base, other])[1] == label


@pytest.mark.parametrize(
    ("access", "said"), [(Access.TOP_K, "top-k (k = 5)"), (Access.LABEL, "label")]
)
def test_k_is_told_where_it_counts(make_record: MakeRecord, access: Access, said: str) -> None:
    """The configuration has one at any access."""
    (row,) = rows(group_records([make_record(access=access, config={"top_k": 5})]))
    assert row.access == said


def test_who_meets_no_defence_is_said_to_and_weights_that_are_hidden_leave_no_gap(
    make_record: MakeRecord,
) -> None:
    victims = [{}, {"defences": ("mad:1",)}, {"name": "hidden", "content_hash": ""}]
    assert labels(group_records([make_record(victim=victim) for victim in victims])) == [
        "DFME, cifar10-resnet34 5e5e5e5e, no defence",
        "DFME, cifar10-resnet34 5e5e5e5e, behind mad:1",
        "DFME, hidden, no defence",
    ]


def test_stopped_runs_are_counted_apart(make_record: MakeRecord) -> None:
    records = [make_record(seed=0, agreement=0.9), make_record(seed=1, agreement=0.2, ended="x")]
    (group,) = group_records(records)
    assert group.unfinished == 1
    assert group.agreement == Spread(0.9, 0.9, 0.9, 1)
    assert rows([group])[0].seeds == "1 (+1 unfinished)"
    (group,) = group_records(records[1:])
    assert not group.finished
    assert group.agreement == Spread(0.2, 0.2, 0.2, 1)
    assert rows([group])[0].seeds == "1 (unfinished)"


def test_values_that_are_missing_are_shown_as_missing(make_record: MakeRecord) -> None:
    (row,) = rows(group_records([make_record(curve=[])]))
    assert (row.agreement, row.accuracy, row.kl) == ("–", "–", "–")
    assert spread([math.nan, 0.25, math.inf]) == Spread(0.25, 0.25, 0.25, 1)


def test_a_single_number_has_no_range_whatever_its_unit() -> None:
    assert in_words(Spread(0.5, 0.5, 0.5, 1), wording.PLAIN) == "0.5"
    assert in_words(Spread(0.5, 0.25, 1.5, 3), wording.PLAIN) == "0.5 (0.25–1.5)"
    assert in_words(Spread(0.5, 0.5, 0.5, 2)) == "50.0\u00a0% (50.0–50.0\u00a0%)"


def test_no_records_are_no_rows() -> None:
    assert rows(group_records([])) == []
    assert labels([]) == []


def test_configurations_are_flattened_with_their_types_visible() -> None:
    config = {"a": {"b": 1, "c": {"d": None}}, "e": [1, "ä"], "f": "text", "g": {}}
    assert flatten(config) == {
        "a.b": "1",
        "a.c.d": "null",
        "e": '[1, "ä"]',
        "f": "text",
        "g": "{}",
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2 s"),
        (41.4, "41 s"),
        (59.9, "1 min 00 s"),
        (125, "2 min 05 s"),
        (7500, "2 h 05 min"),
        (359_940, "99 h 59 min"),
        (360_000, "4 d 04 h"),
        (1_000_000, "11 d 13 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert wording.duration(seconds).replace(wording.NBSP, " ") == text


def test_listing() -> None:
    assert wording.listing([]) == ""
    assert wording.listing(["a"]) == "a"
    assert wording.listing(["a", "b", "c"]) == "a, b and c"


def test_plurals() -> None:
    said = [wording.plural(number, "query", "queries") for number in (0, 1, 2_000)]
    assert said == ["0 queries", "1 query", "2,000 queries"]
    assert wording.plural(0, "seed") == "0 seeds"
