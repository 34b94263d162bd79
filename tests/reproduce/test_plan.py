"""Which runs a plan is made of, and everything that there is not, said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from copycost.errors import ConfigError
from copycost.presets.kwon2023 import STUDIES
from copycost.reproduce.plan import make_plan

PAPERS = [f"figure-{number}" for number in range(2, 10)]


def test_the_papers_figures_and_its_headline_are_meant_where_nothing_is_named():
    assert list(make_plan(scale="quick").studies) == PAPERS
    assert list(make_plan(scale="full").studies) == [*PAPERS, "headline"]


def test_figures_and_analyses_are_taken_as_named_in_the_registrys_order():
    plan = make_plan(figures=(9, 2, 9), analyses=("modes", "budgets"), scale="tiny")
    assert list(plan.studies) == ["figure-2", "figure-9", "budgets", "modes"]
    assert list(make_plan(analyses=("all",), scale="tiny").studies) == list(STUDIES)[8:]
    assert list(make_plan(analyses=("all", "modes"), figures=(3,), scale="tiny").studies) == [
        "figure-3",
        *list(STUDIES)[8:],
    ]


def test_runs_that_figures_share_are_done_once():
    # One run of figure 2 and two of each other; the base runs of both data sets are in all of
    # them, and cosine and no correction are one more each on either data set.
    plan = make_plan(figures=range(2, 10), scale="tiny", seeds=1)
    assert (plan.named, len(plan.runs)) == (15, 6)
    plan = make_plan(figures=range(2, 10), scale="tiny")
    assert (plan.named, len(plan.runs)) == (45, 18)


def test_runs_go_seed_by_seed():
    seeds = [run.seed for run in make_plan(figures=(2, 8), scale="tiny").runs]
    assert seeds == [0, 0, 1, 1, 2, 2]


def test_a_study_has_its_own_number_of_seeds_unless_one_is_asked_for():
    assert {run.seed for run in make_plan(analyses=("initial-values",)).runs} == {0, 1, 2, 3, 4}
    both = make_plan(figures=(2,), analyses=("initial-values",))
    assert [len(runs) for runs in both.series["figure-2"].values()] == [3]
    plan = make_plan(analyses=("initial-values",), seeds=2)
    assert {run.seed for run in plan.runs} == {0, 1}


def test_precision_and_device_go_over_every_run():
    plan = make_plan(
        analyses=("all",), scale="full", precision="tf32", device="cuda", compile="on", seeds=1
    )
    told = {(run.precision, run.device, run.compile) for run in plan.runs}
    assert told == {("tf32", "cuda", "on")}


def test_everything_that_there_is_not_is_said_at_once():
    with pytest.raises(ConfigError) as error:
        make_plan(
            "kwon2024",
            figures=(1, 2, 12),
            analyses=("budget", "figure-2"),
            scale="tiny",
            device="cuda:1",
            precision="fp8",
        )
    problems = error.value.problems
    assert len(problems) == 7
    text = "\n".join(problems)
    assert "no paper 'kwon2024'" in text
    assert (
        "Figure 1 is a diagram: there is nothing to run. Figures: 2, 3, 4, 5, 6, 7, 8, 9." in text
    )
    assert "Figure 12 does not exist. Figures: 2, 3" in text
    assert "no analysis 'budget'. Known: headline, learning-rates" in text
    assert "Did you mean 'budgets'?" in text
    assert "expected auto, cpu, cuda, got 'cuda:1'" in text
    assert "precision: Input should be 'float32'" in text


def test_a_scale_that_there_is_not_names_those_there_are():
    with pytest.raises(ConfigError, match=r"There is no scale 'big'\. Known: quick, full, tiny"):
        make_plan(scale="big")


def test_what_stands_in_for_the_papers_data_is_said_for_each_study():
    plan = make_plan(figures=(2, 3), scale="quick", seeds=1)
    digits = {"CIFAR-10": "scikit-learn's digits in CIFAR-10's place"}
    assert plan.stand_ins("figure-2") == digits
    house_numbers = {"SVHN": "synthetic house numbers of 16×16 in SVHN's place"}
    assert plan.stand_ins("figure-3") == digits | house_numbers


def test_house_numbers_take_svhns_place_and_nothing_elses(tmp_path: Path):
    plan = make_plan(figures=(3,), scale="full", seeds=1, house_numbers=True)
    assert [run.victim for run in plan.runs] == ["house-numbers-resnet34", "cifar10-resnet34"]
    assert plan.stand_ins("figure-3") == {"SVHN": "synthetic house numbers in SVHN's place"}
    assert make_plan(figures=(3,), scale="full", seeds=1).stand_ins("figure-3") == {}


@pytest.mark.parametrize("scale", ["quick", "tiny"])
def test_options_about_data_are_refused_where_they_change_nothing(tmp_path: Path, scale: str):
    with pytest.raises(ConfigError) as error:
        make_plan(scale=scale, house_numbers=True, data=tmp_path)
    data, numbers = error.value.problems
    assert data.startswith(f"--data: it changes nothing at {scale} scale")
    assert numbers.startswith("--house-numbers: it changes nothing")
    make_plan(scale="full", house_numbers=True, data=tmp_path)
