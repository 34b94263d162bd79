"""A victim's training that is stopped or killed goes on, and ends as one that was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from copycost.engine import Engine
from copycost.errors import Busy, Interrupted, RunError, Unstable
from copycost.runner import keeper as keeper_module
from copycost.runner.folder import CHECKPOINT_FILE
from copycost.runner.keeper import FileKeeper, keeping
from copycost.runner.stopping import Stop
from copycost.runner.targets import train_victim
from copycost.training.recipe import Recipe
from copycost.training.train import Training
from copycost.victims.saved import CARD_FILE, load_card
from tests.stops import Soon

RECIPE = Recipe("lenet", epochs=3, batch_size=500)


def checkpoint(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.work") / CHECKPOINT_FILE


def trained(
    folder: Path,
    stop: Stop | None = None,
    recipe: Recipe = RECIPE,
    seed: int = 0,
    data: str = "digits",
) -> str:
    engine = Engine("cpu")
    return train_victim(recipe, data, folder, engine, seed=seed, stop=stop).content_hash


def test_a_stopped_training_goes_on_and_ends_as_a_whole_one(tmp_path: Path) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    for steps in (1, 2):
        with pytest.raises(Interrupted):
            trained(pieces, Soon(looks=steps + 1))
        assert checkpoint(pieces).exists()
        assert not (pieces / CARD_FILE).exists()
    assert trained(pieces) == trained(whole) == load_card(pieces).content_hash
    assert not checkpoint(pieces).exists()


def test_a_killed_training_loses_no_more_than_since_its_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def step(training: Training) -> None:
        original(training)
        steps.append(1)
        if len(steps) == 4:
            raise Killed

    original, steps = Training.step, list[int]()
    expected = trained(tmp_path / "whole")
    monkeypatch.setattr(Training, "step", step)
    monkeypatch.setattr(keeper_module, "SECONDS", 0.0)
    with pytest.raises(Killed):
        trained(tmp_path / "killed")
    assert trained(tmp_path / "killed") == expected
    in_all = 3 * (1352 // 500)
    assert len(steps) == in_all + 1  # the fourth was done twice


def test_a_checkpoint_comes_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, saved = 1000.0, list[float]()
    monkeypatch.setattr(keeper_module, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(keeper_module, "save_checkpoint", lambda *_: saved.append(now - 1000))
    training: Any = SimpleNamespace(purpose={}, finished=False, state=dict)
    keeper = FileKeeper(tmp_path / "c", Stop())
    for _ in range(15):
        now += 10
        keeper.after_step(training)
    assert saved == [60, 120]


@pytest.mark.parametrize("change", [{"epochs": 4}, {"peak_lr": 0.2}, {"seed": 1}])
def test_another_training_does_not_go_on_from_it(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tmp_path / "victim"
    with pytest.raises(Interrupted):
        trained(folder, Soon(looks=2))
    seed = change.pop("seed", 0)
    with pytest.raises(RunError, match=r"victim\.work.*Finish that one .* or delete the file"):
        trained(folder, recipe=replace(RECIPE, **change), seed=seed)
    assert checkpoint(folder).exists()


def test_it_does_not_go_on_with_what_a_file_was_changed_to(tmp_path: Path) -> None:
    def write(count: int) -> None:
        x = np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
        y = np.arange(count) % 4
        np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x[:8], y_test=y[:8])

    folder, recipe, data = tmp_path / "v", replace(RECIPE, batch_size=16), f"npz:{tmp_path}/d.npz"
    write(160)
    with pytest.raises(Interrupted):
        trained(folder, Soon(looks=25), recipe, data=data)
    write(64)  # of fewer steps an epoch: what was done is more than all
    with pytest.raises(RunError, match="by another recipe or on other data"):
        trained(folder, None, recipe, data=data)
    write(160)
    trained(folder, None, recipe, data=data)


def test_a_training_that_is_lost_leaves_nothing_in_the_way_of_a_gentler_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "SECONDS", 0.0)
    with pytest.raises(Unstable, match="peak_lr below"):
        trained(tmp_path / "victim", recipe=replace(RECIPE, peak_lr=1e6))
    assert not checkpoint(tmp_path / "victim").exists()
    assert trained(tmp_path / "victim")


def test_two_processes_do_not_train_one_victim(tmp_path: Path) -> None:
    with keeping(tmp_path / "victim", Stop()), pytest.raises(Busy):
        trained(tmp_path / "victim")


def test_a_stop_after_the_last_step_is_too_late(tmp_path: Path) -> None:
    trained(tmp_path / "victim", Soon(looks=3 * (1352 // 500)))
    assert (tmp_path / "victim" / CARD_FILE).exists()
