from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from copycost.claims.base import Finding
from copycost.presets.kwon2023 import SCALES, STUDIES
from copycost.reproduce.answers import answer
from copycost.reproduce.causes import causes
from copycost.reproduce.figures import plots
from copycost.reproduce.page import verdict
from copycost.reproduce.result import SHARES, StudyResult, course, is_run_of, result_of
from copycost.reproduce.tables import rows, verdicts
from copycost.runner.config import RunConfig
from tests.reproduce.made_up import planned, record_of


def frugal(**settings: Any) -> RunConfig:
    """A run of an attack whose settings follow its budget where none are given."""
    return RunConfig(
        attack="frugal", settings=settings, victim="digits-lenet", student="lenet", budget=6_000
    )


@pytest.mark.parametrize(("shift", "same"), [(0.0, True), (0.0625, False)])
def test_what_a_record_is_older_than_counts_as_the_fields_default(shift, same):
    whole = record_of(frugal(shift=0.0), "")
    older = {name: value for name, value in whole.config["settings"].items() if name != "shift"}
    record = whole.model_copy(update={"config": {**whole.config, "settings": older}})
    assert is_run_of(record, frugal(shift=shift)) is same


def test_a_run_that_differs_in_a_setting_is_another():
    record = record_of(frugal(student_steps=8), "")
    assert is_run_of(record, frugal(student_steps=8))
    assert not is_run_of(record, frugal(student_steps=9))


@pytest.mark.parametrize(
    ("claims", "chance"),
    [
        ([(True, False), (True, True)], True),
        ([(True, False), (True, False), (None, False)], False),
        ([(True, True), (False, False)], False),  # the claim that fails decides
        ([(False, True), (False, False)], False),
        ([(True, False), (False, True)], True),
        ([(None, False)], False),
    ],
)
def test_chance_decides_a_figure_if_it_decides_the_claims_that_matter(claims, chance):
    findings = tuple(Finding("", holds, overlap=overlap) for holds, overlap in claims)
    assert replace(all_lost("modes"), findings=findings).chance is chance


def with_one_seed(*, diverged: bool) -> StudyResult:
    """A study of rankings: of the first series two seeds diverged, or were not run yet."""
    runs = planned("modes", SCALES["quick"])
    first, *others = runs
    done = [runs[first][0], *(config for label in others for config in runs[label])]
    records = [record_of(config, "") for config in done]
    lost = runs[first][1:] if diverged else []
    study = STUDIES["modes"]
    return result_of("modes", study, SCALES["quick"], runs, records, diverged=lost)


def test_seeds_that_diverged_count_as_having_learnt_nothing():
    result = with_one_seed(diverged=True)
    first, *_ = result.series
    assert (first.lasts("accuracy")[1:], first.diverged) == ([0.0, 0.0], (1, 2))
    assert result.findings[0].measured[f"worst: {first.label}"] == 0.0
    assert result.runs[first.label]["diverged"] == [1, 2]
    assert result.complete, "nothing more is known of a seed that diverged"
    assert rows(result)[0].seeds == "0 (2 diverged)"
    assert dict(verdicts(result)[0].numbers)[f"worst: {first.label}"].startswith("0.0")


def all_lost(key: str, *labels: str) -> StudyResult:
    """A study of which every seed of the series named diverged; of all series without a name."""
    runs = planned(key, SCALES["quick"])
    gone = [config for label in labels or runs for config in runs[label]]
    done = [config for configs in runs.values() for config in configs if config not in gone]
    records = [record_of(config, "") for config in done]
    return result_of(key, STUDIES[key], SCALES["quick"], runs, records, diverged=gone)


def test_a_series_of_which_every_seed_diverged_learnt_nothing_and_is_judged():
    first, *_ = planned("modes", SCALES["quick"])
    result = all_lost("modes", first)
    assert result.complete
    assert result.findings[0].measured[f"worst: {first}"] == 0.0
    assert rows(result)[0].seeds == "none (3 diverged)"
    assert rows(result)[0].accuracy.startswith("0.0")


@pytest.mark.parametrize("key", list(STUDIES))
def test_a_study_that_diverged_as_a_whole_is_shown(key):
    result = all_lost(key)
    assert (result.complete, len(result.findings)) == (True, len(STUDIES[key].claims))
    assert "Not known" not in " ".join(answer(result))
    assert "diverged" in verdict(result)
    assert verdicts(result)
    assert isinstance(causes(result), list)
    assert [plot.title for plot in plots(result)] == [
        panel.title
        for panel in STUDIES[key].panels
        if panel.value in SHARES and panel.kind != "course"
    ]


def test_of_initial_values_the_share_that_collapsed_counts_the_seeds_that_diverged():
    runs = planned("initial-values", SCALES["quick"], seeds=10)
    done = [config for configs in runs.values() for config in configs]
    lost = done.pop(9)
    records = [record_of(config, "") for config in done]
    study, scale = STUDIES["initial-values"], SCALES["quick"]
    result = result_of("initial-values", study, scale, runs, records, diverged=[lost])
    assert result.findings[0].measured["share collapsed"] == 0.1
    assert "10% of the runs learnt nothing" in " ".join(answer(result))
    assert verdict(result).endswith(", 1 diverged")
    assert all("1 diverged" in plot.described for plot in plots(result))


def test_seeds_that_are_not_run_yet_are_left_out():
    result = with_one_seed(diverged=False)
    first, *_ = result.series
    assert (len(first.lasts("accuracy")), first.diverged) == (1, ())
    assert all(value > 0.5 for name, value in result.findings[0].measured.items() if ": " in name)
    assert rows(result)[0].seeds == "0 (2 to come)"


@pytest.mark.parametrize(("noted", "share"), [(0.1959, 0.1959), (None, 0.1)])
def test_one_answer_is_right_as_often_as_the_record_says(noted, share):
    record = record_of(frugal(), "", victim={"commonest_label": noted})
    assert course(record, None).one_answer == share
