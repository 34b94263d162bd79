"""Which diagnosis on disk counts as the one that a plan asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from copycost.presets.study import varied
from copycost.reproduce.diagnosing import DIAGNOSES, diagnosis
from copycost.runner.config import RunConfig
from copycost.runner.stopping import Stop
from copycost.studies.vanishing_record import Grid
from copycost.sweep.victims import Home
from tests.report.test_vanishing import record
from tests.reproduce.conftest import tiny_plan


class Begun(Exception):
    """A diagnosis was not found, and would be made."""


@pytest.mark.parametrize(
    "change", ["nothing", "victim", "grid", "config", "victim gone", "stopped"]
)
def test_a_diagnosis_counts_for_its_victim_its_grid_and_its_run_if_it_is_finished(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tiny_plan(figures=(), analyses=("gradients",))
    base = dict(varied(plan.scale.cifar10, budget=plan.scale.diagnosed, seed=0))
    config = RunConfig.read(base | ({"seed": 1} if change == "config" else {}))
    grid = Grid() if change == "grid" else Grid(**plan.scale.looks)
    ended = "time limit" if change == "stopped" else "finished"
    told = {"config": config.in_full(), "grid": grid, "ended": ended}
    kept = record().model_copy(update=told)
    kept.write(tmp_path / DIAGNOSES / "one")
    own = kept.victim.content_hash
    here = {"victim": "0" * 64, "victim gone": None}.get(change, own)

    def begun(*_: object, **__: object) -> None:
        raise Begun

    monkeypatch.setattr(Home, "content_hash", property(lambda self: here))
    monkeypatch.setattr(Home, "train", begun)
    if change in ("nothing", "victim gone"):
        found = diagnosis(plan, tmp_path, tmp_path, Stop(), print)
        assert found == tmp_path / DIAGNOSES / "one"
        return
    with pytest.raises(Begun):
        diagnosis(plan, tmp_path, tmp_path, Stop(), print)


def test_one_that_is_there_is_shown_by_a_plan_that_asks_for_none_which_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tiny_plan(figures=(5,))
    monkeypatch.setattr(Home, "train", None)
    assert diagnosis(plan, tmp_path, tmp_path, Stop(), print) is None
    config = RunConfig.read(dict(varied(plan.scale.cifar10, budget=plan.scale.diagnosed, seed=0)))
    told = {"config": config.in_full(), "grid": Grid(**plan.scale.looks)}
    record().model_copy(update=told).write(tmp_path / DIAGNOSES / "one")
    assert diagnosis(plan, tmp_path, tmp_path, Stop(), print) == tmp_path / DIAGNOSES / "one"
