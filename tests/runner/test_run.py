"""One run's clock, curve and rates."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from copycost.attacks.dfme import DFME
from copycost.attacks.random_noise import RandomNoise
from copycost.engine import Engine
from copycost.errors import RunError, SpecMismatch, Unstable
from copycost.files import write_atomically
from copycost.oracle.meter import CountedOracle, Meter
from copycost.ranks import Ranks
from copycost.runner import checkpoint
from copycost.runner.checkpoint import load_checkpoint
from copycost.runner.copy_model import copy_model
from copycost.runner.extract import advance
from copycost.runner.folder import CHECKPOINT_FILE
from copycost.runner.run import Run
from copycost.runner.stopping import Stop
from copycost.runner.watchers import Silent
from copycost.schedules import Steps
from copycost.testing import TINY, TinyNet, tiny_victim
from tests.runner.conftest import SMALL, tiny_config, tiny_target


def begun(folder: Path) -> tuple[Run, Any, Meter]:
    """A run of 1,000 queries with ten evaluations, its fresh student just looked at."""
    victim, attack = tiny_victim(), RandomNoise(batch_size=32)
    meter = Meter(victim, access="probabilities", budget=1000)
    state = attack.start(TinyNet(TINY, 4, seed=5), meter.oracle, Engine("cpu"), 1)
    run = Run(
        folder, attack, meter, victim, None, Ranks(), evaluations=10, stop=Stop(), watcher=Silent()
    )
    run.begin(state)
    return run, state, meter


def test_evaluations_that_were_passed_over_are_not_made_up_for(tmp_path):
    run, state, meter = begun(tmp_path)
    for more in (450, 32, 32):
        meter._account.charge(more)
        run.after_step(state, {})
    assert [point.queries for point in run.curve] == [0, 450, 514]


def test_a_loss_on_the_curve_is_the_mean_of_the_steps_since_the_last_point_that_had_it(tmp_path):
    run, state, meter = begun(tmp_path)
    steps = [{"gap": 1.0, "seldom": 7.0}, {"gap": 2.0}, {"gap": 6.0}, {"gap": 5.0}, {"gap": 4.0}]
    for more, losses in zip((30, 30, 40, 50, 50), steps, strict=True):
        meter._account.charge(more)
        run.after_step(state, {name: torch.tensor(loss) for name, loss in losses.items()})
    _, first, second = run.curve
    assert (first.queries, first.values["gap"], first.values["seldom"]) == (100, 3.0, 7.0)
    assert (second.queries, second.values["gap"]) == (200, 4.5)
    assert "seldom" not in second.values


def test_an_unstable_run_says_which_step_it_was_and_on_which_queries(tmp_path):
    run, state, meter = begun(tmp_path)
    for more in (50, 60, 10):
        meter._account.charge(more)
        run.after_step(state, {})
    where = r"gap became NaN or infinite in step 4\. The last batch is queries 111 to 120\."
    with pytest.raises(Unstable, match=where):
        run.after_step(state, {"student/gap": torch.tensor(float("nan"))})


def test_an_unstable_run_names_a_checkpoint_that_was_still_being_written(tmp_path, monkeypatch):
    run, state, _ = begun(tmp_path)

    def slowly(path: Path, content: bytes) -> None:
        if path.name == CHECKPOINT_FILE:
            time.sleep(0.3)
        write_atomically(path, content)

    monkeypatch.setattr(checkpoint, "write_atomically", slowly)
    run.save(state)
    with pytest.raises(Unstable, match=f"The last good state.* is in .*{CHECKPOINT_FILE}"):
        run.after_step(state, {"student/gap": torch.tensor(float("nan"))})


def test_where_losses_are_looked_at_seldom_the_steps_since_the_last_look_are_named(
    tmp_path, monkeypatch
):
    """As on a GPU."""
    run, state, meter = begun(tmp_path)
    monkeypatch.setattr(state, "engine", Elsewhere(state.engine))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    for loss in [1.0] * 5 + [float("nan")] + [1.0] * 3:
        meter._account.charge(20)
        run.after_step(state, {"student/gap": torch.tensor(loss)})
    assert [point.queries for point in run.curve] == [0, 100]
    meter._account.charge(20)
    where = r"in one of the steps 6 to 10\. The last batch is queries 181 to 200\."
    with pytest.raises(Unstable, match=where):
        run.after_step(state, {"student/gap": torch.tensor(1.0)})


def test_where_inputs_are_looked_at_seldom_one_out_of_range_shows_at_the_next_evaluation(tmp_path):
    """As on a GPU."""
    run, state, meter = begun(tmp_path)
    meter._range._extremes = torch.tensor([0.0, 1.5])
    meter._account.charge(99)
    run.after_step(state, {})
    meter._account.charge(1)
    with pytest.raises(SpecMismatch, match=r"inputs in \[0, 1\]"):
        run.after_step(state, {})


def test_a_diagnosis_that_is_not_finite_ends_the_run(tmp_path, monkeypatch):
    run, state, meter = begun(tmp_path)
    meter._account.charge(10)
    run.after_step(state, {})
    monkeypatch.setattr(RandomNoise, "diagnose", lambda *_: {"cosine": float("inf")})
    with pytest.raises(Unstable, match=r"cosine became NaN or infinite in step 1\."):
        run.log(state)
    assert len(run.curve) == 1


def test_a_rank_saves_when_another_one_does(tmp_path, monkeypatch):
    """Their clocks differ; settling losses takes all of them."""
    run, state, meter = begun(tmp_path)
    monkeypatch.setattr(run._ranks, "largest", lambda number: max(number, 1))
    meter._account.charge(10)
    with run.saving():
        run.after_step(state, {})
    saved = load_checkpoint(tmp_path / CHECKPOINT_FILE)
    assert saved is not None
    assert saved["spent"] == 10


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_failed_step_leaves_is_saved_by_one_process_and_not_by_one_of_several(
    tmp_path, monkeypatch, count
):
    """Saving takes all ranks, and the others are not there."""
    run, state, _ = begun(tmp_path)
    monkeypatch.setattr(run, "_ranks", Ranks(0, count))
    with run.saving():
        run.keep(state)
    assert (tmp_path / CHECKPOINT_FILE).exists() == (count == 1)


def test_a_player_that_has_not_learnt_yet_has_no_gradient(tmp_path):
    run, _, _ = begun(tmp_path)
    assert not any("gradient norm" in name for name in run.curve[0].values)


class Elsewhere:
    """An engine that says it is on a GPU."""

    def __init__(self, engine: Engine) -> None:
        self.device, self.ranks = torch.device("cuda"), engine.ranks


def test_evaluations_come_at_their_shares_to_the_query_and_the_end_is_one_of_them(tmp_path):
    noise = {
        "attack": "random-noise",
        "settings": {"batch_size": 32, "student_steps": 1},
        "budget": 640,
    }
    record = copy_model(tiny_config(**noise, evaluations=4), tiny_target(), tmp_path)
    assert [point.queries for point in record.curve] == [0, 160, 320, 480, 640]


def test_no_share_is_taken_twice_for_a_rounding(tmp_path):
    """29 / 50 of 50 is not 29 to a computer."""
    settings = {
        "attack": "random-noise",
        "settings": {"batch_size": 2, "student_steps": 1},
        "budget": 100,
    }
    record = copy_model(tiny_config(**settings, evaluations=50), tiny_target(), tmp_path)
    assert [point.queries for point in record.curve] == list(range(0, 101, 2))


def test_each_player_has_a_gradient_of_its_own(tmp_path):
    record = copy_model(tiny_config(budget=1500), tiny_target(), tmp_path)
    norms = [record.result[f"{name}/gradient norm"] for name in ("student", "generator")]
    assert norms[0] != norms[1]
    assert min(norms) > 0


def test_rates_follow_the_share_of_the_budget_that_is_spent():
    rates = {"student_lr": 0.2, "generator_lr": 0.01, "schedule": Steps((0.5,), 0.1)}
    attack = DFME(**SMALL | rates)  # type: ignore[arg-type]
    oracle = CountedOracle(tiny_victim(), access="probabilities", budget=10_000)
    state = attack.start(TinyNet(TINY, 4, seed=5), oracle, Engine("cpu"), 1)
    found = []
    for passed_over in (0, 6000):
        oracle._account.charge(passed_over)
        advance(attack, state, oracle)
        found.append([p.optimizer.param_groups[0]["lr"] for p in state.players.values()])
    assert found[0] == pytest.approx([0.2, 0.01])
    assert found[1] == pytest.approx([0.02, 0.001])


def test_a_step_that_asks_nothing_does_not_go_on_for_ever():
    class Never(RandomNoise):
        def step(self, s, oracle, n):
            return {}

    oracle = CountedOracle(tiny_victim(), access="label", budget=100)
    attack = Never(batch_size=32)
    state = attack.start(TinyNet(TINY, 4, seed=5), oracle, Engine("cpu"), 1)
    with pytest.raises(RunError, match=r"step of Never asked nothing; 32 images were due"):
        advance(attack, state, oracle)
