"""Every study at every scale is a set of runs that can be, and claims that can be judged."""

from __future__ import annotations

import re
from importlib import import_module
from math import isfinite

import pytest

from copycost.attacks import ATTACKS
from copycost.claims.base import Course
from copycost.claims.final import Reaches
from copycost.presets.kwon2023 import SCALES, STUDIES
from copycost.presets.kwon2023.scales import FULL, epochs
from copycost.presets.victims import VICTIMS
from copycost.reproduce.plan import make_plan
from copycost.runner.config import RunConfig

VALUES = (
    "accuracy",
    "agreement",
    "generator/gap",
    "student/gap",
    "student/gradient norm",
    "generator/gradient norm",
    "estimate/norm",
)
"""What a run of DFME measures; tests/reproduce sees that it does."""


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("key", STUDIES)
def test_a_study_is_made_of_runs_that_can_be(key, scale):
    study = STUDIES[key]
    series = study.series(SCALES[scale])
    labels = [one.label for one in series]
    assert len(set(labels)) == len(labels) > 0
    runs = [RunConfig.read({**one.values, "seed": 0}) for one in series]
    # Two series that are one run would be compared with themselves.
    assert len({run.identity("") for run in runs}) == len(runs)
    assert all(run.attack in ATTACKS and run.victim in VICTIMS for run in runs)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("key", STUDIES)
def test_claims_and_panels_name_what_runs_measure(key, scale):
    """On courses in which all is measured, every claim has numbers and says where they lie."""
    study = STUDIES[key]
    courses = {
        one.label: [made_up(one.values["budget"], seed) for seed in range(2)]
        for one in study.series(SCALES[scale])
    }
    assert {panel.value for panel in study.panels} <= set(VALUES)
    for claim in study.claims:
        found = claim.judge(courses)
        assert found.measured, found.text
        assert all(isfinite(value) for value in found.measured.values())
        assert found.text == claim.text


def made_up(budget: int, seed: int) -> Course:
    """Measured at every twentieth, everything falling from 1 to a half."""
    moments = range(21)
    falling = tuple(1 - moment / 40 for moment in moments)
    return Course(
        seed=seed,
        budget=budget,
        queries=tuple(moment * budget // 20 for moment in moments),
        values=dict.fromkeys(VALUES, falling),
        victim_accuracy=0.9,
        classes=10,
        one_answer=0.1,
    )


def test_a_value_that_no_run_measures_would_be_noticed():
    study = STUDIES["figure-2"]
    bare = Course(0, 100, (0, 50, 100), {"accuracy": (0.1, 0.5, 0.9)}, 0.9, 10, 0.1)
    found = [claim.judge({"CIFAR-10": [bare]}) for claim in study.claims]
    assert [(one.holds, one.measured) for one in found] == [(False, {}), (False, {})]


def test_figures_have_the_papers_numbers_and_their_names():
    numbers = {key: STUDIES[key].figure for key in STUDIES}
    assert {key: n for key, n in numbers.items() if n} == {
        f"figure-{number}": number for number in range(2, 10)
    }


@pytest.mark.parametrize("key", STUDIES)
def test_the_head_of_a_study_says_how_it_is_run(key):
    name = key.replace("-", "" if STUDIES[key].figure else "_")
    module = import_module(f"copycost.presets.kwon2023.{name}")
    assert module.STUDY is STUDIES[key]
    head = module.__doc__ or ""
    option = f"--figure {STUDIES[key].figure}" if STUDIES[key].figure else f"--analysis {key}"
    assert f"Command:  copycost reproduce kwon2023 {option}\n" in head
    assert all(f"\n{word}:" in head for word in ("Paper", "Hardware", "Time", "Expected"))
    assert re.search(r"^Time: .*\d minutes?\b|^Time: .*not measured yet", head, re.MULTILINE)
    expected = " ".join(head.partition("\nExpected:")[2].split())
    aims = [claim.reported for claim in STUDIES[key].claims if isinstance(claim, Reaches)]
    assert [aim for aim in aims if f"{100 * aim:.4g} %" not in expected] == []


def test_full_scale_is_the_papers_setting():
    run = RunConfig.read({**FULL.cifar10, "seed": 0})
    settings = run.in_full()["settings"]
    assert isinstance(settings, dict)
    assert (settings["batch_size"], settings["generator_lr"], settings["student_lr"]) == (
        256,
        5e-4,
        0.1,
    )
    assert (run.student, VICTIMS[run.victim].recipe.architecture) == ("resnet18-8x", "resnet34-8x")
    # 50 iterations an epoch, of 256 images asked 2 times for the generator and 5 for the student.
    assert (epochs(200), run.budget) == (17_920_000, 17_920_000)
    headline = {run.budget for run in make_plan(scale="full", analyses=("headline",)).runs}
    assert headline == {2_000_000, 4_480_000, 17_920_000, 20_000_000}
