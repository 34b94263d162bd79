"""`copycost reproduce` in this process: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copycost.cli import reproduce_run
from copycost.errors import Unstable
from copycost.presets.kwon2023 import STUDIES
from copycost.report.vanishing_seeds import Seeds
from copycost.reproduce.diagnoses import Diagnosis
from copycost.reproduce.result import StudyResult
from copycost.runner import copy_model, targets
from copycost.runner.config import RunConfig
from copycost.runner.folder import UNSTABLE_FILE
from copycost.runner.record import Record, read_record
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from tests.reproduce.conftest import Done, Inline, turn_round

FEW = ("--figure", "2", "--figure", "3", "--figure", "8")


@pytest.fixture
def pages(monkeypatch) -> list[list[str]]:
    """Pages are not drawn, which takes seconds a figure: the studies of each that was asked for."""
    asked: list[list[str]] = []

    def write_pages(results: Sequence[StudyResult], folder: Path, looked: Seeds) -> Path:
        asked.append([result.key for result in results])
        return folder / "index.html"

    monkeypatch.setattr(reproduce_run, "write_pages", write_pages)
    return asked


def command(done: Done, *more: str, figures: tuple[str, ...] = FEW) -> tuple[str, ...]:
    """At tiny scale, on what is done."""
    tiny = ("--scale", "tiny", "--seeds", "1", "--device", "cpu", "--workers", "1")
    places = ("--work", str(done.work), "--out", str(done.out))
    return ("reproduce", "kwon2023", *tiny, *figures, *places, *more)


def base_record(done: Done, figure: dict[str, Any], series: str) -> Path:
    (identity,) = figure["runs"][series]["finished"]
    return done.work / f"dfme-seed0-{identity[:12]}" / "record.json"


def test_the_json_of_what_is_done(copycost, copied, pages):
    code, out, err = copycost(*command(copied, "--json"))
    assert code == 0, err
    found = json.loads(out)
    assert (found["paper"], found["scale"], found["analyses"]) == ("kwon2023", "tiny", [])
    assert [figure["figure"] for figure in found["figures"]] == [2, 3, 8]
    second = found["figures"][0]
    assert second["statement"] == STUDIES["figure-2"].statement
    assert second["holds"] is True
    assert second["complete"] is True
    assert second["stand_ins"] == {"CIFAR-10": "scikit-learn's digits in CIFAR-10's place"}
    curve = read_record(base_record(copied, second, "CIFAR-10")).curve
    late = [p.values["student/gap"] for p in curve if p.queries > 0.8 * 600]
    measured = second["measured"]["the student's loss shrinks (CIFAR-10): late"]
    assert measured == pytest.approx(sum(late) / len(late))
    assert Path(found["page"]) == (copied.folder / "index.html").resolve()
    # Also what else is complete: these need nothing but the same runs.
    assert {"figure-2", "figure-3", "figure-4", "figure-5", "figure-8"} <= set(pages[0])
    assert "scikit-learn's digits in SVHN's place" in err


def test_holds_is_computed_from_the_records(copycost, copied, pages):
    _, out, _ = copycost(*command(copied, "--json"))
    figure = json.loads(out)["figures"][0]
    turn_round(base_record(copied, figure, "CIFAR-10"), "student/gap")
    code, out, err = copycost(*command(copied, "--json"))
    assert code == 0  # that something does not hold is no error
    altered = json.loads(out)["figures"][0]
    assert (figure["holds"], altered["holds"]) == (True, False)
    assert "does not hold" in err


GRADIENTS = ("--analysis", "gradients")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unstable("The gap became NaN."), "The gap became NaN."),
        (OSError(28, "No space left"), "OSError: [Errno 28] No space left"),
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
    ],
)
def test_a_diagnosis_that_fails_costs_no_page_and_is_loud(
    copycost, copied, pages, monkeypatch, error, said
):
    def lost(*_: object) -> None:
        raise error

    monkeypatch.setattr(Diagnosis, "make", lost)
    code, _, err = copycost(*command(copied, "--seeds", "2", figures=GRADIENTS))
    assert code == 1
    assert f"the diagnosis of seed 0: {said}" in err
    assert f"the diagnosis of seed 1: {said}" in err
    assert len(pages) == 1


def test_a_dry_run_tells_of_diagnoses_and_of_the_victim_they_need(copycost, copied, tmp_path):
    """All runs are finished; what they copied is gone."""
    moved = replace(copied, work=tmp_path / "none")
    code, out, err = copycost(*command(moved, "--dry-run", "--json", figures=GRADIENTS))
    assert code == 0, err
    found = json.loads(out)
    assert (found["runs"]["left"], found["queries_left"]) == (0, 0)
    told = {"named": 1, "finished": 0, "left": 1, "queries_left": 600, "victim": "digits-cnn"}
    assert found["diagnoses"] == told
    assert found["victims_to_train"] == ["digits-cnn"]
    assert 0 < found["estimate"]["diagnoses_seconds"] < found["estimate"]["seconds"]
    assert "The victim digits-cnn will be trained first." in err
    assert "1 diagnosis of gradients, one a seed, for which copycost looks into digits-cnn" in err
    assert "600 queries that are charged to nobody" in err
    assert not moved.work.exists()


def test_diagnoses_are_made_kept_and_shown(copycost, copied, monkeypatch):
    looked: list[Seeds] = []

    def write_pages(results: object, folder: Path, found: Seeds) -> Path:
        looked.append(found)
        return folder

    monkeypatch.setattr(reproduce_run, "write_pages", write_pages)
    for _ in range(2):
        code, _, err = copycost(*command(copied, "--seeds", "1", figures=GRADIENTS))
        assert code == 0, err
    made, again = looked
    assert made == again
    assert [record.config["seed"] for record in made] == [0]
    _, out, _ = copycost(*command(copied, "--dry-run", "--json", figures=GRADIENTS))
    assert json.loads(out)["diagnoses"]["left"] == 0


@pytest.mark.parametrize("place", ["work", "out"])
def test_a_place_that_cannot_be_written_is_said_before_anything_runs(
    copycost, victims, tmp_path, pages, place
):
    (tmp_path / "file").touch()
    places = {"work": tmp_path / "work", "out": tmp_path / "out"} | {place: tmp_path / "file" / "x"}
    done = Done({}, places["work"], places["out"], [])  # type: ignore[arg-type]
    code, out, err = copycost(*command(done, figures=("--figure", "2")))
    assert (code, out, pages) == (2, "", [])
    assert err.count("error:") == 1
    assert f"{tmp_path}/file/x" in err
    assert "expected a folder to write in, got 'Not a directory'. Name another one." in err
    assert not list(tmp_path.rglob("victims"))


def test_analyses_go_by_their_names(copycost, copied, pages):
    options = ("--analysis", "losses", "--json")
    code, out, err = copycost(*command(copied, *options, figures=()))
    assert code == 0, err
    found = json.loads(out)
    assert found["figures"] == []
    assert [one["analysis"] for one in found["analyses"]] == ["losses"]
    assert found["analyses"][0]["complete"] is True


def test_time_that_is_up_before_the_first_run_ends_with_status_3(copycost, copied, pages):
    options = ("--analysis", "modes", "--max-minutes", "0", "--json")
    code, out, err = copycost(*command(copied, *options, figures=()))
    assert code == 3
    (modes,) = json.loads(out)["analyses"]
    assert (modes["complete"], modes["holds"], modes["measured"]) == (False, None, {})
    assert "INCOMPLETE" in err
    assert "Stopped by time limit. Run the same command again to go on." in err


def lost(recovery: str, *, diverges: bool) -> Callable[..., Record]:
    """`copy_model`, but runs with this recovery diverge, or fail otherwise."""

    def copied(config: RunConfig, target: Target, folder: Path, **more: Any) -> Record:
        if config.settings["recovery"] != recovery:
            return copy_model.copy_model(config, target, folder, **more)
        folder.mkdir(parents=True, exist_ok=True)
        if diverges:
            (folder / UNSTABLE_FILE).touch()
        raise Unstable("student/gap became NaN.") if diverges else RuntimeError("out of memory")

    return copied


EIGHT = ("--figure", "8")


@pytest.mark.usefixtures("pages")
def test_a_run_that_diverged_is_told_and_not_tried_again(copycost, begun, monkeypatch):
    monkeypatch.setattr("copycost.sweep.work.copy_model", lost("none", diverges=True))
    done, asked = begun(figures=(8,)), []
    for _ in range(2):
        executor = Inline()
        monkeypatch.setattr(reproduce_run, "Local", lambda executor=executor: executor)
        code, out, err = copycost(*command(done, "--json", figures=EIGHT))
        asked.append(len(executor.done))
        (folder,) = (path.parent for path in done.work.glob(f"*/{UNSTABLE_FILE}"))
        assert f"seed 0 diverged; delete its folder {folder} to try again" in " ".join(err.split())
        assert "1 of 2, 1 diverged" in err
        assert "INCOMPLETE" not in err
        assert "go on" not in err
        assert code == 1
        (figure,) = json.loads(out)["figures"]
        assert (figure["complete"], figure["holds"]) == (True, True)
    assert asked == [2, 0]
    _, out, err = copycost(*command(done, "--dry-run", "--json", figures=EIGHT))
    told = {"named": 2, "different": 2, "finished": 1, "diverged": 1, "left": 0}
    assert json.loads(out)["runs"] == told
    assert "seed 0 diverged" in err
    shutil.rmtree(folder)
    assert len(done.again().left) == 1


@pytest.mark.parametrize("diverges", [True, False])
@pytest.mark.usefixtures("pages")
def test_time_that_is_up_is_told_though_a_run_failed(copycost, begun, monkeypatch, diverges):
    """The first one fails, and the last is stopped in its middle: the same command goes on."""
    stop = Stop()
    monkeypatch.setattr("copycost.sweep.work.copy_model", lost("mean", diverges=diverges))
    monkeypatch.setattr(reproduce_run, "Local", lambda: Inline(stop, tasks=2))
    monkeypatch.setattr(reproduce_run, "stop_at", lambda _: stop)
    asked = command(begun(figures=(8,)), figures=EIGHT)
    code, _, err = copycost(*asked)
    assert code == 3
    assert "FAILED" in err
    assert "Stopped by time limit. Run the same command again to go on." in err
    monkeypatch.setattr(reproduce_run, "Local", Inline)
    monkeypatch.setattr(reproduce_run, "stop_at", lambda _: Stop())
    code, _, err = copycost(*asked)
    assert (code, "to go on" in err) == (1, False), "nothing but what failed is left"


def test_a_dry_run_spends_nothing_trains_nothing_and_writes_nothing(
    copycost, tmp_path, reproduced, monkeypatch
):
    monkeypatch.setattr(targets, "train_victim", None)
    asked = []

    def read(folder: Path) -> Record:
        asked.append(folder)
        return read_record(folder)

    monkeypatch.setattr(copy_model, "read_record", read)
    fresh = Done(reproduced.plan, tmp_path / "work", tmp_path / "out", [])
    code, out, err = copycost(*command(fresh, "--dry-run", "--json", figures=("--figure", "2")))
    assert code == 0, err
    found = json.loads(out)
    assert found["runs"] == {"named": 1, "different": 1, "finished": 0, "diverged": 0, "left": 1}
    assert found["queries_left"] == 600
    assert found["victims_to_train"] == ["digits-cnn"]
    assert found["estimate"]["seconds"] > 0
    assert found["estimate"]["disk_bytes"] > 0
    assert "An estimate, not a promise" in err
    assert list(tmp_path.iterdir()) == []
    assert asked
    assert all(not folder.is_relative_to(tmp_path) and not folder.exists() for folder in asked)


def test_a_dry_run_knows_what_is_finished_and_shared(copycost, reproduced):
    code, out, err = copycost(*command(reproduced, "--dry-run", "--json"))
    assert code == 0, err
    found = json.loads(out)
    assert found["runs"] == {"named": 5, "different": 3, "finished": 3, "diverged": 0, "left": 0}
    assert (found["queries_left"], found["victims_to_train"]) == (0, [])
    shared = {study["study"]: study["shared"] for study in found["studies"]}
    assert shared == {"figure-2": 1, "figure-3": 1, "figure-8": 1}
    assert found["estimate"]["seconds"] == 0


def test_data_that_is_missing_is_one_message_before_anything_runs(copycost, tmp_path):
    places = ("--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"))
    options = ("--scale", "full", "--figure", "3", "--data", str(tmp_path / "data"), *places)
    code, out, err = copycost("reproduce", "kwon2023", *options)
    assert (code, out) == (2, "")
    assert err.count("error:") == 2
    assert f"{tmp_path}/data: expected the svhn files, got nothing there" in err
    assert "--house-numbers" in err
    assert list(tmp_path.iterdir()) == []


def test_what_there_is_not_is_said_at_once(copycost):
    code, out, err = copycost(
        "reproduce", "nobody2023", "--figure", "1", "--figure", "99", "--scale", "tiny"
    )
    assert (code, out) == (2, "")
    assert err.count("error:") == 3


def test_a_record_of_another_version_ends_with_status_2(copycost, copied):
    path = next(copied.folder.glob("records/*/record.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 7}))
    code, out, err = copycost(*command(copied))
    assert (code, out) == (2, "")
    assert "has record version 7" in err
    assert json.loads(path.read_text())["version"] == 7


def test_studies_are_listed(copycost):
    code, out, _ = copycost("list", "studies", "--json")
    assert code == 0
    assert list(json.loads(out)) == list(STUDIES)


@pytest.mark.slow
def test_all_figures_by_the_real_workers_stopped_and_resumed(
    copycost, victims, tmp_path, monkeypatch
):
    """What CI has of the whole command: every figure's statement is computed."""
    shutil.copytree(victims, tmp_path / "work")
    done = Done({}, tmp_path / "work", tmp_path / "out", [])  # type: ignore[arg-type]
    figures = tuple(text for number in range(2, 10) for text in ("--figure", str(number)))
    # Time for a run or two, on any machine that is not idle for a quarter of a minute.
    with monkeypatch.context() as patched:
        patched.setattr(reproduce_run, "write_pages", lambda results, folder, _: folder / "none")
        options = ("--max-minutes", "0.2", "--json")
        code, out, err = copycost(*command(done, *options, figures=figures))
    assert code in (0, 3), err
    first = json.loads(out)["figures"]
    code, out, err = copycost(*command(done, "--json", figures=figures))
    assert code == 0, err
    found = json.loads(out)
    assert [figure["figure"] for figure in found["figures"]] == list(range(2, 10))
    claims = [claim for figure in found["figures"] for claim in figure["claims"]]
    assert all(figure["complete"] for figure in found["figures"])
    assert all(claim["holds"] in (True, False) for claim in claims if claim["comparable"])
    assert {one["claim"].split(",")[0] for one in claims if not one["comparable"]} == {
        f"the student reaches {number}% accuracy" for number in ("86.18", "96.02", "96.00")
    }
    assert all(figure["measured"] for figure in found["figures"])
    assert len(list(done.work.glob("dfme-seed0-*"))) == 6
    assert Path(found["page"]).read_text().lower().startswith("<!doctype html>")
    for number in range(2, 10):
        assert {path.suffix for path in done.folder.glob(f"figure-{number}.*")} == {
            ".svg",
            ".png",
            ".csv",
        }
    for before, after in zip(first, found["figures"], strict=True):
        if before["complete"]:
            assert before == after
