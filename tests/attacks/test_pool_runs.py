"""Attacks with a pool in complete runs: configuration, stops, curves, records."""

from __future__ import annotations

import pytest
import torch
from tests.attacks.pools import POOLED, make, noise
from tests.runner.conftest import tiny_config, tiny_target
from tests.runner.test_resume import Crash, CrashAt, without_time
from tests.stops import StopAt

from copycost.errors import ConfigError, RunError
from copycost.runner import pools
from copycost.runner.audit import AuditConfig
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import CHECKPOINT_FILE
from copycost.runner.stopping import Stop
from copycost.sweep.grid import Grid

SMALL = {"batch_size": 16, "epochs": 2}
OWN = {
    "active-thief": {"rounds": 2},
    "jbda": {"seeds": 40, "last_epochs": 2},
    "fixmatch": {"ratio": 2},
    "knockoff-adaptive": {"groups": 4},
}


@pytest.fixture(autouse=True)
def _noise_for_data(monkeypatch):
    """Every data set's training images are the same noise."""
    found = noise(400).images, "noise of its own", "noise of its own"
    monkeypatch.setattr(pools, "_training_images", lambda reference: found)


def config(attack: str = "knockoff", **more: object) -> RunConfig:
    pool = {"data": "digits"} if attack == "in-distribution" else {"pool": "digits"}
    settings = {**SMALL, **OWN.get(attack, {}), **more.pop("settings", {})}  # type: ignore[dict-item]
    return tiny_config(attack=attack, settings=settings, **{"budget": 211, **pool, **more})


class StopAfter(StopAt):
    """Asks to stop after so many pieces of work, asked or not."""

    def step(self, spent: int) -> None:
        self.queries -= 1
        if self.queries <= 0:
            self.stop.ask("SIGTERM")


@pytest.mark.parametrize("attack", POOLED)
def test_stopped_in_the_middle_of_a_training_it_equals_one_uninterrupted(tmp_path, attack):
    whole = copy_model(config(attack), tiny_target(), tmp_path / "whole")
    record = None
    for pieces in (5, 14, 9):
        stop = Stop()
        record = copy_model(
            config(attack),
            tiny_target(),
            tmp_path / "parts",
            stop=stop,
            watcher=StopAfter(stop, pieces),
        )
        assert record.ended == "SIGTERM"
    assert record is not None
    assert record.spent == 211 or attack in ("active-thief", "jbda"), "asked, and not yet learnt"
    parts = copy_model(config(attack), tiny_target(), tmp_path / "parts")
    assert parts.finished
    assert parts.student_hash == whole.student_hash
    assert without_time(parts) == without_time(whole)
    assert parts.accounts == whole.accounts


def test_the_curve_is_flat_until_the_student_has_learnt(tmp_path):
    record = copy_model(config(evaluations=5), tiny_target(), tmp_path)
    asked = [point.queries for point in record.curve]
    agreement = [point.values["agreement"] for point in record.curve]
    assert asked == sorted(set(asked))
    assert asked[-1] == 211
    assert len(set(agreement[:-1])) == 1
    assert "student/gap" in record.result


def test_with_rounds_the_curve_has_a_student_for_each(tmp_path):
    record = copy_model(config(settings={"rounds": 3}, evaluations=3), tiny_target(), tmp_path)
    assert [point.queries for point in record.curve] == [0, 71, 141, 211]
    assert len({point.values["kl"] for point in record.curve}) == 4


def test_a_crash_loses_no_answer_that_was_saved(tmp_path):
    stop = Stop()
    copy_model(config(), tiny_target(), tmp_path, stop=stop, watcher=StopAt(stop, 100))
    with pytest.raises(Crash):
        copy_model(config(), tiny_target(), tmp_path, watcher=CrashAt(Stop(), 160))
    record = copy_model(config(), tiny_target(), tmp_path)
    assert record.finished
    assert record.spent == 211
    assert "brought nothing" in record.resumed[-1]


# One more image at the front, as where a file was added: as many, and as many bytes.
@pytest.mark.parametrize("change", [lambda x: x.roll(1, 0), lambda x: x[:300], lambda x: 255 - x])
def test_it_does_not_go_on_with_other_images(tmp_path, monkeypatch, change):
    stop = Stop()
    copy_model(config(), tiny_target(), tmp_path, stop=stop, watcher=StopAt(stop, 100))
    begun_with = noise(400).images
    found = [(change(begun_with), "noise", "noise"), (begun_with, "renamed", "noise")]
    monkeypatch.setattr(pools, "_training_images", lambda reference: found[0])
    with pytest.raises(RunError, match=r"expected the images that .* begun with.*or use another"):
        copy_model(config(), tiny_target(), tmp_path)
    found.pop(0)
    assert copy_model(config(), tiny_target(), tmp_path).spent == 211


def test_a_checkpoint_from_before_its_pool_was_kept_goes_on(tmp_path):
    stop = Stop()
    copy_model(config(), tiny_target(), tmp_path, stop=stop, watcher=StopAt(stop, 100))
    path = tmp_path / CHECKPOINT_FILE
    kept = load_checkpoint(path)
    assert kept is not None
    del kept["attack"]["rounds"]["pool"]
    save_checkpoint(path, kept)
    assert copy_model(config(), tiny_target(), tmp_path).finished


def test_the_record_says_which_pool(tmp_path):
    record = copy_model(config(), tiny_target(), tmp_path)
    assert record.pool is not None
    assert (record.pool.name, record.pool.size) == ("noise of its own", 400)
    assert record.knowledge == "pool"
    assert record.config["pool"] == "digits"


@pytest.mark.parametrize("name", ["noise", "noise, halved"])
def test_a_pool_of_the_victims_own_data_is_called_that_at_any_size(tmp_path, monkeypatch, name):
    found = noise(400).images, name, "noise"
    monkeypatch.setattr(pools, "_training_images", lambda reference: found)
    record = copy_model(config(), tiny_target(), tmp_path)
    assert record.knowledge == "in-distribution"


def test_a_pool_smaller_than_the_budget_is_flagged(tmp_path):
    record = copy_model(config(budget=600), tiny_target(), tmp_path)
    assert record.finished
    assert record.spent == 400
    assert "budget-not-spent" in [flag.name for flag in record.flags]


def test_an_attack_without_a_pool_has_none_in_its_record(tmp_path):
    record = copy_model(tiny_config(budget=300), tiny_target(), tmp_path)
    assert record.pool is None


def test_another_pool_is_another_run(tmp_path):
    copy_model(config(), tiny_target(), tmp_path)
    with pytest.raises(RunError, match="another run"):
        copy_model(config(pool="house-numbers"), tiny_target(), tmp_path)


def test_a_pool_where_it_belongs():
    with pytest.raises(ConfigError, match="knockoff needs a pool of images"):
        RunConfig.read({"attack": "knockoff"})
    with pytest.raises(ConfigError, match="dfme takes no pool"):
        RunConfig.read({"attack": "dfme", "pool": "digits"})
    with pytest.raises(ConfigError, match="in-distribution has the victim's own data"):
        RunConfig.read({"attack": "in-distribution", "pool": "digits"})
    assert RunConfig.read({"attack": "in-distribution"}).pool is None


def test_the_ceiling_needs_to_know_the_data():
    attack = make("in-distribution")
    unnamed = RunConfig.read({"attack": "in-distribution", "victim": "mine"})
    with pytest.raises(ConfigError, match="Name the data set"):
        pools.load_pool(unnamed, attack, tiny_target().victim.spec)
    named = RunConfig.read({"attack": "in-distribution", "victim": "digits-cnn"})
    assert pools.load_pool(named, attack, tiny_target().victim.spec) is not None


@pytest.mark.parametrize("kind", [AuditConfig, Grid])
def test_an_audit_gives_the_pool_to_those_that_take_one(kind):
    values = {
        "attacks": ("knockoff", "random-noise", "in-distribution"),
        "shared": {"pool": "digits", "budget": 100},
    }
    runs = kind.read(values).runs()
    assert [run.pool for run in runs] == ["digits", None, None]
    with pytest.raises(ConfigError, match="random-noise takes no pool"):
        kind.read({"attacks": ("random-noise",), "shared": {"pool": "digits"}})
    with pytest.raises(ConfigError, match="dfme, random-noise take no pool"):
        kind.read({"attacks": ("dfme", "random-noise"), "shared": {"pool": "digits"}})


def test_a_pool_on_an_axis_is_not_asked_for_in_vain_either():
    axes = {"pool": ["digits", "house-numbers"], "budget": [100]}
    assert len(Grid.read({"attacks": ("knockoff", "random-noise"), "axes": axes}).runs()) == 4
    with pytest.raises(ConfigError, match="random-noise takes no pool"):
        Grid.read({"attacks": ("random-noise",), "axes": axes})


def test_labels_of_the_pool_change_nothing(tmp_path):
    # The same images, whatever their labels: a pool holds bytes and no more.
    first = copy_model(config(), tiny_target(), tmp_path / "a")
    torch.manual_seed(5)
    again = copy_model(config(), tiny_target(), tmp_path / "b")
    assert first.student_hash == again.student_hash
