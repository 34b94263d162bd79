"""Runs done once, records kept, studies judged by them, and nothing lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from copycost.errors import RunError
from copycost.presets.kwon2023 import STUDIES
from copycost.reproduce import carry_out
from copycost.reproduce.carry_out import Reproduction
from copycost.runner.audit import run_folder
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import UNSTABLE_FILE
from copycost.runner.record import read_record
from copycost.runner.stopping import Stop
from copycost.sweep.executors.base import Terms
from copycost.sweep.victims import homes_of
from tests.reproduce.conftest import Inline, tiny_plan, turn_round
from tests.reproduce.made_up import record_of

FOREIGN = 99
"""A version of records that there is not."""


def kept(folder: Path) -> dict[str, Path]:
    """The records among the results, by their folders' names."""
    return {path.parent.name: path for path in folder.glob("records/*/record.json")}


def alter(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_shared_runs_are_done_once_and_every_study_is_complete(reproduced):
    assert len(reproduced.tasks) == 3
    results = reproduced.again().results()
    assert [result.key for result in results] == ["figure-2", "figure-3", "figure-8"]
    assert all(result.complete for result in results)
    base = {label: run["finished"] for result in results for label, run in result.runs.items()}
    assert base["CIFAR-10"] == base["mean correction"]


def test_only_records_are_kept_and_they_are_the_runs_own(reproduced):
    records = reproduced.folder / "records"
    names = sorted(str(path.relative_to(records)) for path in records.rglob("*"))
    runs = [path.name for path in reproduced.work.glob("dfme-seed0-*")]
    assert names == sorted([*runs, *(f"{run}/record.json" for run in runs)])
    for run in runs:
        assert read_record(records / run) == read_record(reproduced.work / run)


def test_what_is_finished_is_not_repeated(copied):
    executor = Inline()
    before = {path: path.stat().st_mtime_ns for path in kept(copied.folder).values()}
    reproduction = copied.do(executor)
    assert executor.done == []
    assert reproduction.left == []
    assert before == {path: path.stat().st_mtime_ns for path in kept(copied.folder).values()}


def test_kept_records_count_where_the_runs_are_gone_and_so_are_the_victims(copied):
    shutil.rmtree(copied.work)
    executor = Inline()
    results = copied.do(executor).results()
    assert executor.done == []
    assert all(result.complete for result in results)
    assert not copied.work.exists()


def test_kept_records_of_another_victim_do_not_count(copied):
    for path in kept(copied.folder).values():
        facts = json.loads(path.read_text())["victim"]
        alter(path, victim=facts | {"content_hash": "0" * 64}, id="0" * 64)
    shutil.rmtree(next(copied.work.glob("dfme-seed0-*")))
    assert len(copied.again().left) == 1


def test_records_of_the_same_victim_on_other_data_are_no_hindrance(copied):
    """More of them, of another content: the victim that the runs copied is still known."""
    shutil.rmtree(copied.work)
    for name, path in kept(copied.folder).items():
        record = json.loads(path.read_text())
        for number in range(3):
            other = path.parent.parent / f"{name}-{number}" / path.name
            other.parent.mkdir()
            record["victim"]["content_hash"] = "0" * 64
            record["config"]["data"] = "digits"
            other.write_text(json.dumps(record | {"id": f"{name}{number}"}))
    assert copied.again().left == []


def test_of_two_victims_that_are_both_gone_the_one_copied_more_often_counts(copied):
    shutil.rmtree(copied.work)
    records = {path: json.loads(path.read_text()) for path in kept(copied.folder).values()}
    of_one_victim = [p for p, record in records.items() if record["victim"]["name"] == "digits-cnn"]
    assert len(of_one_victim) == 2
    path, record = of_one_victim[0], records[of_one_victim[0]]
    for first in ("a-other", "z-other"):  # wherever it lies
        other = path.parent.parent / first / path.name
        other.parent.mkdir()
        record["victim"]["content_hash"] = "0" * 64
        other.write_text(json.dumps(record | {"id": "0" * 64}))
    assert copied.again().left == []


def test_what_a_new_victim_leaves_is_done_in_the_same_go(copied, monkeypatch):
    """The first sweep trains it, and finds that kept records were of another."""
    lefts, asked = [["one"], ["two", "three"], []], []

    class Swept:
        def __init__(self, runs, root):
            asked.append(runs)

        def run(self, *_, **__):
            lefts.pop(0)
            return [SimpleNamespace(finished=True, record=None)] * len(asked[-1])

    reproduction, terms = copied.again(), Terms(copied.work)
    monkeypatch.setattr(carry_out, "Sweep", Swept)
    monkeypatch.setattr(Reproduction, "left", property(lambda self: lefts[0]))
    assert len(reproduction.run(Inline(), terms, Stop())) == 3
    assert asked == [["one"], ["two", "three"]]
    lefts[:] = [["one"]] * 5
    assert len(reproduction.run(Inline(), terms, Stop())) == 1, "and no more where it is vain"


def test_a_run_that_is_gone_from_both_is_done_again_alone(copied):
    (name, *_) = kept(copied.folder)
    for folder in (copied.work, copied.folder / "records"):
        shutil.rmtree(folder / name)
    executor = Inline()
    assert all(result.complete for result in copied.do(executor).results())
    assert len(executor.done) == 1
    assert name in kept(copied.folder)


def test_a_run_that_was_lost_is_told_from_one_that_was_never_begun(begun):
    """By what its folder keeps of it, until it is finished."""
    reproduction = begun().again()
    assert not any(map(reproduction.diverged, reproduction.plan.runs))
    first, *others = reproduction.left
    (home,) = homes_of([first], reproduction.work)
    assert home.content_hash
    folder = run_folder(reproduction.work, first, home.content_hash)
    folder.mkdir(parents=True)
    (folder / UNSTABLE_FILE).touch()
    assert reproduction.diverged(first)
    assert not any(map(reproduction.diverged, others))
    assert (reproduction.left, reproduction.lost) == (others, {folder: first})
    assert [one.config for one in reproduction.unfinished] == others
    seeds = [one.diverged for result in reproduction.results() for one in result.series]
    assert (0,) in seeds
    assert () in seeds


def test_a_stopped_reproduction_goes_on_where_it_was(begun, reproduced):
    done = begun()
    stop = Stop()
    first = Inline(stop, tasks=2)
    halfway = done.do(first, stop)
    assert len(first.done) == 2  # one finished, one cut short, one never begun
    assert len(halfway.left) == 2
    cut, never = halfway.unfinished
    assert 0 < cut.queries_left < cut.config.budget
    assert never.queries_left == never.config.budget
    assert len(kept(done.folder)) == 1
    assert [result.complete for result in halfway.results()] == [True, False, False]
    assert [result.holds is None for result in halfway.results()] == [False, True, True]

    second = Inline()
    whole = done.do(second)
    assert len(second.done) == 2
    assert sorted(kept(done.folder)) == sorted(kept(reproduced.folder))
    resumed = [read_record(path) for path in kept(done.folder).values()]
    assert sum(bool(record.resumed) for record in resumed) == 1
    for mine, theirs in zip(whole.results(), reproduced.again().results(), strict=True):
        assert mine.measured == theirs.measured


def test_a_failed_run_is_loud_and_its_study_incomplete(begun, monkeypatch):
    def fails_without_recovery(config, *rest, **more):
        if config.settings["recovery"] == "none":
            raise RuntimeError("out of luck")
        return copy_model(config, *rest, **more)

    monkeypatch.setattr("copycost.sweep.work.copy_model", fails_without_recovery)
    done = begun(figures=(2, 8))
    reproduction = done.do(Inline())
    assert [result.complete for result in reproduction.results()] == [True, False]
    assert reproduction.results()[1].findings == ()
    assert len(reproduction.left) == 1


@pytest.mark.parametrize("place", ["work", "folder"])
def test_a_record_of_another_version_is_named_and_nothing_is_changed(copied, place):
    folder = getattr(copied, place)
    (path, other, *_) = sorted(folder.glob("**/dfme-seed0-*/record.json"))
    alter(path, version=FOREIGN)
    other.write_text("{")
    before = {p: p.read_bytes() for p in copied.work.parent.rglob("*") if p.is_file()}
    with pytest.raises(RunError) as error:
        copied.again()
    assert f"{path} has record version {FOREIGN}; this copycost reads version 1" in str(error.value)
    assert f"{other} is not a record" in str(error.value)
    assert str(error.value).count("To make it again, move its folder away first.") == 2
    assert "nothing was changed" in str(error.value)
    assert before == {p: p.read_bytes() for p in copied.work.parent.rglob("*") if p.is_file()}


@pytest.mark.parametrize("place", ["work", "folder"])
@pytest.mark.parametrize("change", [{"budget": 601}, {"settings": {}}, {"attack": "unheard of"}])
def test_a_record_whose_settings_are_not_those_of_its_id_is_named(copied, place, change):
    path = sorted(getattr(copied, place).glob("**/dfme-seed0-*/record.json"))[0]
    alter(path, config=json.loads(path.read_text())["config"] | change)
    with pytest.raises(RunError) as error:
        copied.again()
    (name,) = change
    told = f"{path} is not a valid record: config: expected what its id stands for"
    assert f"{told}, got other values of {name}. To make it again, move" in str(error.value)


def test_holds_follows_the_records(copied):
    before = copied.again().results()[0]
    assert before.holds is True
    (record,) = before.series[0].records
    turn_round(copied.work / f"dfme-seed0-{record.id[:12]}" / "record.json", "student/gap")
    after = copied.again().results()[0]
    assert [finding.holds for finding in after.findings] == [True, False]
    assert after.holds is False


def test_other_studies_that_are_complete_are_shown_as_well(reproduced):
    shown = [result.key for result in reproduced.again().everything()]
    # Figures 4 and 5, and three analyses, need nothing but the base runs.
    assert {"figure-2", "figure-3", "figure-4", "figure-5", "figure-8", "losses"} <= set(shown)
    assert "figure-6" not in shown
    assert [result.key for result in reproduced.again().results()] == [
        "figure-2",
        "figure-3",
        "figure-8",
    ]


def recorded(folder: Path, **asked: Any) -> None:
    """Leave made-up records of every run of a tiny plan."""
    plan = tiny_plan(**asked)
    for series in plan.series.values():
        for label, runs in series.items():
            for run in runs:
                record_of(run, label).write(run_folder(folder / "records", run, "5e" * 32))


def shown(folder: Path, **asked: Any) -> dict[str, int]:
    """What a command would show, from records alone: the seeds of every study."""
    results = Reproduction(tiny_plan(**asked), folder / "work", folder).everything()
    assert list(results) == sorted(results, key=lambda one: list(STUDIES).index(one.key))
    return {one.key: len(one.series[0].records) for one in results}


@pytest.mark.parametrize("seeds", [1, 5])
def test_the_seeds_asked_for_are_of_the_studies_named_and_of_no_other(tmp_path, seeds):
    recorded(tmp_path, figures=(5, 8), seeds=3)
    found = shown(tmp_path, figures=(5,), seeds=seeds)
    assert (found["figure-5"], found["figure-8"]) == (min(seeds, 3), 3)
    assert "figure-6" not in found


def test_a_seed_that_diverged_is_not_dropped_from_a_study_that_was_not_asked_for(tmp_path):
    recorded(tmp_path, figures=(8,), seeds=2)
    (label, (_, run)), *_ = tiny_plan(figures=(8,), seeds=2).series["figure-8"].items()
    shutil.rmtree(run_folder(tmp_path / "records", run, "5e" * 32))
    lost = run_folder(tmp_path / "work", run, "5e" * 32)
    lost.mkdir(parents=True)
    (lost / UNSTABLE_FILE).touch()
    results = Reproduction(tiny_plan(figures=(6,)), tmp_path / "work", tmp_path).everything()
    (found,) = (one for one in results if one.key == "figure-8")
    assert {one.label: one.diverged for one in found.series if one.diverged} == {label: (1,)}


def test_a_study_is_shown_with_the_seeds_that_all_of_its_series_have(tmp_path):
    recorded(tmp_path, figures=(8,), seeds=2)
    recorded(tmp_path, figures=(2,), seeds=3)
    assert shown(tmp_path, figures=(3,))["figure-8"] == 2


@pytest.mark.parametrize(
    "options", [{"precision": "bfloat16"}, {"compile": "on"}, {"device": "auto"}]
)
def test_options_are_of_the_studies_named_and_of_no_other(tmp_path, options):
    recorded(tmp_path, figures=(5, 8), seeds=3)
    before = shown(tmp_path, figures=(5,), seeds=3)
    assert {"figure-2", "figure-5", "figure-8"} <= set(before)
    assert shown(tmp_path, figures=(5,), **options) == before | {"figure-5": 0}
    recorded(tmp_path, figures=(5,), seeds=1, **options)
    assert shown(tmp_path, figures=(5,), **options) == before | {"figure-5": 1}


def test_data_is_of_the_studies_named_and_of_no_other(tmp_path):
    full = {"scale": "full", "seeds": 1}
    recorded(tmp_path, figures=(3, 8), house_numbers=True, data=tmp_path / "one", **full)
    with_svhn = shown(tmp_path, figures=(3,), data=tmp_path / "other", **full)
    assert with_svhn["figure-3"] == 0
    assert with_svhn["figure-8"] == 1
    assert with_svhn["figure-4"] == 1, "on the house numbers"


def test_runs_measure_what_the_studies_draw(reproduced):
    for record in map(read_record, kept(reproduced.folder).values()):
        assert {panel.value for study in STUDIES.values() for panel in study.panels} <= set(
            record.result
        )


@pytest.mark.slow
def test_every_analysis_runs_tiny(begun):
    done = begun(figures=(), analyses=("all",))
    results = done.do(Inline()).results()
    assert [result.key for result in results] == [k for k, s in STUDIES.items() if not s.figure]
    assert [result.key for result in results if not (result.complete and result.findings)] == []


def test_numbers_of_claims_that_name_them_alike_are_told_apart(reproduced):
    measured = reproduced.again().results()[0].measured
    assert set(measured) == {
        f"the {player}'s loss shrinks (CIFAR-10): {when}"
        for player in ("generator", "student")
        for when in ("early", "late")
    }


def test_looking_writes_nothing(tmp_path):
    reproduction = Reproduction(tiny_plan(), tmp_path / "work", tmp_path / "out")
    assert len(reproduction.left) == 3
    assert [home.name for home in reproduction.untrained] == ["digits-cnn", "digits-lenet"]
    assert [result.complete for result in reproduction.results()] == [False] * 3
    assert list(tmp_path.iterdir()) == []
