"""Results as numbers: what the CSV, the tables and the verdicts say is what the records say."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from copycost.claims.base import Finding
from copycost.report import wording
from copycost.reproduce.tables import COLUMNS, called, csv_of, made_with, rows, verdicts
from tests.reproduce.made_up import made_up, measured


def plain(text: str) -> str:
    return text.replace(wording.NBSP, " ")


def test_the_csv_holds_what_the_records_hold_to_the_last_digit() -> None:
    result = made_up("headline", seeds=1)
    head, *lines = csv.reader(csv_of(result).splitlines())
    assert tuple(head) == COLUMNS
    found = {(r[1], r[2], r[3], r[5]): (r[0], float(r[6]), r[7]) for r in lines}
    expected = {
        (series.label, str(record.seed), str(point.queries), name): (
            "headline",
            point.values[name],
            record.id,
        )
        for series in result.series
        for record in series.records
        for point in record.curve
        for name in ("accuracy", "agreement")
    }
    assert found == expected
    assert len(lines) == len(expected)


def test_the_csv_has_the_values_of_the_panels() -> None:
    names = {row[5] for row in csv.reader(csv_of(made_up("figure-2")).splitlines()[1:])}
    assert names == {"generator/gap", "student/gap", "accuracy", "agreement"}


def test_an_epoch_is_fifty_iterations_at_the_price_of_the_attack() -> None:
    """At full scale 1,792 queries an iteration: 17.92 million are the paper's 200 epochs."""
    lines = list(csv.reader(csv_of(made_up("figure-5", "full")).splitlines()))
    assert (lines[-1][3], float(lines[-1][4])) == ("17920000", 200.0)
    assert float(lines[1][4]) == 0.0


def test_a_row_gives_medians_and_ranges_and_what_the_runs_cost() -> None:
    first, second = rows(made_up("figure-5"))
    assert first.label == "CIFAR-10 (scikit-learn's digits in CIFAR-10's place)"
    assert second.label == "SVHN (synthetic house numbers of 16×16 in SVHN's place)"
    assert first.seeds == "0, 1 and 2"
    assert plain(first.accuracy) == "81.0 % (80.0–82.0 %)"
    assert plain(first.agreement) == "82.0 % (81.0–83.0 %)"
    assert first.queries == "120,000"
    assert first.minutes == "2.5", "90, 150 and 210 seconds"


def test_a_row_says_what_is_missing() -> None:
    assert [row.seeds for row in rows(made_up("figure-8", finished=2))] == [
        "0 and 1 (1 to come)"
    ] * 2
    (row,) = rows(made_up("figure-2", finished=0))
    assert (row.seeds, row.accuracy, row.minutes) == ("none (3 to come)", "–", "–")


def test_labels_carry_what_stands_for_the_data_only_if_they_name_it() -> None:
    assert called(made_up("figure-8"), "mean correction") == "mean correction"
    assert called(made_up("figure-5", "full"), "SVHN") == "SVHN"
    assert called(made_up("headline"), "SVHN, paper's setting, 50 epochs") == (
        "SVHN, paper's setting, 50 epochs (synthetic house numbers of 16×16 in SVHN's place; "
        "30,000 queries in place of 50 epochs)"
    )
    label = "SVHN, paper's setting, 50 epochs"
    assert called(made_up("headline", "full"), label) == label


def test_a_verdict_gives_the_gap_to_the_reported_number() -> None:
    first, second = verdicts(made_up("figure-5", "full"))
    assert (first.verdict, first.holds) == ("does not hold", False)
    assert plain(first.reported) == "86.18 %"
    assert plain(first.gap) == "−5.2 points", "81.0 − 86.18"
    assert plain(second.gap) == "−15.0 points", "81.0 − 96.02"
    named = dict(first.numbers)
    assert plain(named["accuracy, CIFAR-10"]) == "81.0 % (80.0–82.0 %)"
    assert plain(named["agreement, CIFAR-10"]) == "82.0 % (81.0–83.0 %)"
    assert plain(named["accuracy of the victim, CIFAR-10"]) == "95.5 %"


def test_best_and_worst_have_the_ranges_of_their_seeds() -> None:
    (verdict,) = verdicts(made_up("modes"))
    (_, best), (_, worst), *_ = verdict.numbers
    assert plain(best) == plain(worst) == "81.0 % (80.0–82.0 %)"


def test_only_the_papers_data_networks_and_budget_reach_its_number() -> None:
    better = lambda *_: {"accuracy": 0.99}  # noqa: E731
    there = made_up("figure-5", "full", values=better, victim={"dataset": "CIFAR-10 (JPEG q75)"})
    assert [(v.verdict, v.holds) for v in verdicts(there)] == [("holds", True)] * 2
    assert (there.holds, there.comparable) == (True, True)
    here = made_up("figure-5", values=better)
    assert [(v.verdict, v.holds, v.gap) for v in verdicts(here)] == [
        ("not comparable", None, "–")
    ] * 2
    assert (here.holds, here.comparable) == (None, False)


def test_what_fails_is_said_though_another_part_is_not_comparable() -> None:
    """Figure 7: 96 %, which house numbers cannot reach, and flat, which these curves are not."""
    assert made_up("figure-7").holds is False
    flat = made_up("figure-7", values=lambda *_: {"accuracy": 0.97})
    assert (flat.holds, [finding.holds for finding in flat.findings].count(True)) == (None, 3)


def test_published_numbers_carry_their_marks() -> None:
    marked = [plain(verdict.reported) for verdict in verdicts(made_up("headline", seeds=1))]
    assert marked == ["88.1 % [S]", "95.2 % [S]", "86.18 %", "96.02 %"]


def test_a_curve_that_is_altered_changes_the_verdict() -> None:
    def rising(label: str, seed: int, share: float) -> dict[str, float]:
        return {**measured(label, seed, share), "student/gap": 1 + share}

    assert [v.verdict for v in verdicts(made_up("figure-2"))] == ["holds", "holds"]
    altered = verdicts(made_up("figure-2", values=rising))
    assert [v.verdict for v in altered] == ["holds", "does not hold"]


def test_an_unfinished_study_is_judged_so_far_and_one_without_runs_not_at_all() -> None:
    assert {v.verdict for v in verdicts(made_up("figure-2", finished=1))} == {"holds, so far"}
    unknown = verdicts(made_up("figure-2", finished=0))
    assert [(v.verdict, v.numbers, v.gap) for v in unknown] == [("not known yet", [], "–")] * 2
    assert unknown[0].text == "the generator's loss shrinks (CIFAR-10)"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("queries to 50%", 10_000.0, "10,000"),
        ("seeds", 5.0, "5"),
        ("share collapsed", 0.2, "20.0 %"),
        ("lowest accuracy", 0.123, "12.3 %"),
        ("best: generator 0.0005, student 0.1", 0.9, "90.0 %"),
        ("worst of the best minus best of the worst", -0.02, "−2.0 points"),
        ("farthest from the end, multistep", 0.013, "+1.3 points"),
        ("moved by the student's rate", 0.12, "+12.0 points"),
        ("the student's rate, least tried", 0.03, "0.03"),
        ("the student's rate that ends highest", 0.1, "0.1"),
        ("number that seeds do not tell from the best", 3.0, "3"),
        ("queries to 50%, first seed", 10_000.0, "10,000"),
        ("median agreement", 0.4, "40.0 %"),
        ("late/early, SVHN", 0.0907, "0.0907"),
        ("late", 0.51, "0.51"),
        ("early accuracy, no correction", 0.4, "40.0 %"),
    ],
)
def test_numbers_are_written_in_their_own_units(name: str, value: float, said: str) -> None:
    result = made_up("figure-2", seeds=1)
    (verdict,) = verdicts(replace(result, findings=(Finding("text", None, {name: value}),)))
    assert [(n, plain(v)) for n, v in verdict.numbers] == [(name, said)]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("late", 0.51, "0.51 (0.5–0.75)"),
        ("early accuracy, no correction", 0.51, "51.0 % (50.0–75.0 %)"),
        ("farthest from the end, multistep", 0.51, "+51.0 points (+50.0 to +75.0 points)"),
    ],
)
def test_medians_over_seeds_have_their_range_beside_them(
    name: str, value: float, said: str
) -> None:
    finding = Finding("text", None, {name: value}, ranges={name: (0.5, 0.75)})
    (verdict,) = verdicts(replace(made_up("figure-2"), findings=(finding,)))
    assert [(n, plain(v)) for n, v in verdict.numbers] == [(name, said)]


def test_a_range_of_whole_numbers_has_all_their_digits() -> None:
    finding = Finding("text", None, {"queries": 12_345}, ranges={"queries": (9_999, 123_456)})
    (verdict,) = verdicts(replace(made_up("figure-2"), findings=(finding,)))
    assert verdict.numbers == [("queries", "12,345 (9,999–123,456)")]


def test_of_several_seeds_every_course_has_a_range() -> None:
    for key in ("figure-2", "figure-3", "figure-4", "figure-7", "figure-9"):
        for finding in made_up(key).findings:
            of_courses = {
                n for n in finding.measured if not n.startswith(("accuracy", "agreement"))
            }
            assert finding.ranges.keys() >= of_courses, finding.text
    assert not any(finding.ranges for finding in made_up("figure-3", seeds=1).findings)


def test_what_the_runs_were_made_with_is_said_once() -> None:
    facts = dict(made_with(made_up("figure-8")))
    assert plain(facts["Victims"]) == (
        "digits-cnn (gap-cnn on scikit-learn digits, accuracy 95.5 %)"
    )
    assert facts["Hardware"] == "a test machine, 1 thread"
    assert facts["Versions"] == "Python 3.11, PyTorch 2.8, copycost 0.1.0"
    assert facts["copycost commit"] == "0123abc"
    assert made_with(made_up("figure-2", finished=0)) == []
