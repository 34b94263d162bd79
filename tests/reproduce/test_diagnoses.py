"""Which diagnoses on disk count as those that a plan asks for, and which are still to be made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from copycost.errors import RunError
from copycost.presets.study import varied
from copycost.reproduce.carry_out import Reproduction
from copycost.reproduce.diagnoses import DIAGNOSES, Diagnosis
from copycost.reproduce.plan import Plan
from copycost.runner.config import RunConfig
from copycost.runner.stopping import Stop
from copycost.studies.vanishing_record import DIAGNOSTIC_FILE, DiagnosisGrid, VanishingRecord
from copycost.sweep.victims import SavedHome
from tests.report.made_up import record
from tests.reproduce.conftest import tiny_plan


def asking(seeds: int | None = 1, **options: Any) -> Plan:
    return tiny_plan(figures=(), analyses=("gradients",), seeds=seeds, **options)


def kept(folder: Path, plan: Plan, seed: int = 0, **changes: Any) -> VanishingRecord:
    """A diagnosis that `plan` asks for, or another by `changes`, among the results."""
    base = varied(plan.scale.cifar10, budget=plan.scale.diagnosed, seed=seed)
    told = {
        "config": RunConfig.read(dict(base)).in_full(),
        "grid": DiagnosisGrid(**plan.scale.looks),
    }
    one = record().model_copy(update=told | changes)
    one.write(folder / DIAGNOSES / f"{len(list(folder.rglob(DIAGNOSTIC_FILE)))}")
    return one


def left(plan: Plan, folder: Path) -> list[int]:
    """Seeds that are still to be looked into."""
    reproduction = Reproduction(plan, folder / "work", folder)
    return [one.config.seed for one in reproduction.undiagnosed]


@pytest.mark.parametrize(
    "change", ["nothing", "victim", "grid", "config", "victim gone", "stopped"]
)
def test_a_diagnosis_counts_for_its_victim_its_grid_and_its_run_if_it_is_finished(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, dict[str, Any]] = {
        "grid": {"grid": DiagnosisGrid()},
        "stopped": {"ended": "time limit"},
    }
    own = kept(tmp_path, asking(), int(change == "config"), **changes.get(change, {}))
    here = {"victim": "0" * 64, "victim gone": None}.get(change, own.victim.content_hash)
    monkeypatch.setattr(SavedHome, "content_hash", property(lambda self: here))
    assert left(asking(), tmp_path) == ([] if change in ("nothing", "victim gone") else [0])


def test_there_is_one_a_seed_as_many_as_the_study_has_or_is_given(tmp_path: Path) -> None:
    assert left(asking(None), tmp_path) == [0, 1, 2]
    assert left(asking(5), tmp_path) == [0, 1, 2, 3, 4]
    assert left(tiny_plan(figures=(5,)), tmp_path) == []
    kept(tmp_path, asking(), seed=1)
    assert left(asking(None), tmp_path) == [0, 2]


def test_where_the_victim_is_gone_all_are_of_the_one_most_looked_into(tmp_path: Path) -> None:
    other = record().victim.model_copy(update={"content_hash": "6f"})
    for seed in (1, 2):
        kept(tmp_path, asking(), seed, victim=other)
    kept(tmp_path, asking(), 0)
    assert left(asking(None), tmp_path) == [0]


@pytest.mark.parametrize("options", [{}, {"precision": "bfloat16"}])
def test_those_there_are_shown_by_a_plan_that_asks_for_none(tmp_path: Path, options: Any) -> None:
    plan = tiny_plan(figures=(5,), **options)
    assert Reproduction(plan, tmp_path / "work", tmp_path).diagnosed() == []
    there = [kept(tmp_path, asking(), seed) for seed in range(2)]
    kept(tmp_path, asking(), seed=2, ended="time limit")
    assert Reproduction(plan, tmp_path / "work", tmp_path).diagnosed() == there


def test_a_plan_that_asks_shows_its_own_alone(tmp_path: Path) -> None:
    there = [kept(tmp_path, asking(), seed) for seed in range(2)]
    for plan, shown in ((asking(None), 2), (asking(1), 1), (asking(3, precision="tf32"), 0)):
        found = Reproduction(plan, tmp_path / "work", tmp_path).diagnosed()
        assert found == there[:shown]


def test_making_them_asks_nobody_where_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Diagnosis, "make", None)
    reproduction, stop = Reproduction(asking(), tmp_path / "work", tmp_path), Stop()
    stop.ask("time limit")
    reproduction.diagnose(reproduction.undiagnosed[0], stop, print)
    assert len(reproduction.undiagnosed) == 1


@pytest.mark.parametrize("figures", [(), (2,)])
@pytest.mark.parametrize("damage", ["version", "torn"])
def test_one_that_cannot_be_read_is_named_before_anything_begins(
    tmp_path: Path, damage: str, figures: tuple[int, ...]
) -> None:
    kept(tmp_path, asking())
    (path,) = tmp_path.rglob(DIAGNOSTIC_FILE)
    text = path.read_text()
    torn = text[: len(text) // 2]
    path.write_text(torn if damage == "torn" else json.dumps(json.loads(text) | {"version": 9}))
    plan = tiny_plan(figures=figures, analyses=() if figures else ("gradients",))
    with pytest.raises(RunError, match="move its folder away first") as error:
        Reproduction(plan, tmp_path / "work", tmp_path)
    assert str(path) in str(error.value)
    assert "Nothing was begun" in str(error.value)
