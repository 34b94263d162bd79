"""What fails outside of copycost: a victim, a file that somebody took away."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from copycost.datasets.base import Labelled
from copycost.errors import (
    Busy,
    CopycostError,
    Interrupted,
    RunError,
    SpecMismatch,
    Unstable,
    VictimFailed,
)
from copycost.oracle.ledger import Ledger, spent_in
from copycost.runner.audit import audit
from copycost.runner.checkpoint import load_checkpoint
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import CHECKPOINT_FILE, LEDGER_FILE, UNSTABLE_FILE, exclusive
from copycost.runner.record import Record
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.targets import victim_folder
from copycost.runner.transfers import read_transfer_set
from copycost.testing import TINY, SpyVictim, TinyNet, tiny_victim
from copycost.types import InputSpec
from copycost.victims.function import FunctionVictim
from copycost.victims.module import ModuleVictim
from tests.runner.conftest import tiny_config, tiny_target
from tests.stops import StopAt

DIVERGING = {"batch_size": 32, "width": 8, "latent": 8, "student_lr": 1e30}
NOISE = {
    "attack": "random-noise",
    "settings": {"batch_size": 32, "student_steps": 1},
    "budget": 640,
}


class Service:
    """Answers the attack as the tiny victim does, but for the call that goes wrong."""

    def __init__(self, wrong: Callable[[Any], Any], call: int) -> None:
        self.sent = self.calls = 0
        self._wrong, self._call = wrong, call

    def __call__(self, x: np.ndarray[Any, Any]) -> Any:
        p = tiny_victim()(torch.from_numpy(x)).softmax(1).numpy()
        if len(x) != 32:
            return p  # the auditor asks more at a time
        self.calls += 1
        self.sent += len(x)
        return self._wrong(p) if self.calls == self._call else p


def copied(service: Service, folder: Path, **more: Any) -> Record:
    victim = FunctionVictim(service, TINY, 4, "probabilities", name="service")
    return copy_model(tiny_config(**NOISE | more), tiny_target(victim), folder)


def unavailable(p: Any) -> Any:
    raise ConnectionError("503")


def not_a_number(p: Any) -> Any:
    return p * float("nan")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (unavailable, VictimFailed, r"'service' raised ConnectionError: 503. The 32 queries"),
        (lambda p: None, SpecMismatch, "array of numbers from victim 'service', got None"),
        (lambda p: ["no"] * len(p), SpecMismatch, "array of numbers"),
        (not_a_number, SpecMismatch, "NaN or infinity in 32 of 32"),
        (lambda p: 3 * p, SpecMismatch, "sums from 3 to 3"),
    ],
)
def test_a_victim_that_fails_late_costs_its_call_and_nothing_else(
    tmp_path: Path, wrong: Any, error: type[Exception], message: str
) -> None:
    service = Service(wrong, call=12)
    with pytest.raises(error, match=message):
        copied(service, tmp_path)
    record = copied(service, tmp_path)
    assert record.finished
    assert record.updates["student"] == 19
    assert record.spent == service.sent == 640
    assert record.accounts["attacker"].lost == 32
    assert "queries-lost" in {flag.name for flag in record.flags}
    (line,) = record.resumed
    assert "went on from 384 queries" in line


@pytest.mark.parametrize("defences", [(), ("noise:0.1",)])
@pytest.mark.parametrize("call", [1, 2, 4, 6])
def test_held_out_answers_are_kept_where_the_victim_fails_before_all_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defences: tuple[str, ...], call: int
) -> None:
    for name in ("CHUNK", "APART"):
        monkeypatch.setattr(f"copycost.runner.held_out.{name}", 40)
    calls = []

    def ask(x: np.ndarray[Any, Any]) -> Any:
        calls.append(len(x))
        if failing and len(calls) == call:
            raise ConnectionError("503")
        return tiny_victim()(torch.from_numpy(x)).softmax(1).numpy()

    def audited(folder: str) -> Record:
        victim = FunctionVictim(ask, TINY, 4, "probabilities", name="service")
        config = tiny_config(**NOISE | {"defences": defences})
        return copy_model(config, tiny_target(victim), tmp_path / folder / "run")

    failing = False
    whole = audited("whole")
    failing, calls = True, []
    with pytest.raises(VictimFailed):
        audited("parts")
    failing = False
    parts = audited("parts")
    asked, again = (record.accounts["auditor"] for record in (whole, parts))
    assert again.lost == 40
    assert again.spent == asked.spent + 40
    assert parts.victim == whole.victim, "its defences go on from the numbers that they had drawn"
    assert parts.result["agreement"] == whole.result["agreement"]


@pytest.mark.parametrize("call", [1, 2, 4, 5])
def test_whoever_stops_while_the_auditor_asks_need_not_ask_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    for name in ("CHUNK", "APART"):
        monkeypatch.setattr(f"copycost.runner.held_out.{name}", 40)
    stop, calls = Stop(), 0

    def ask(x: np.ndarray[Any, Any]) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            stop.ask("Ctrl-C")
        return tiny_victim()(torch.from_numpy(x)).softmax(1).numpy()

    victim = FunctionVictim(ask, TINY, 4, "probabilities", name="service")
    runs = [tiny_config(**NOISE)]
    assert audit(runs, tiny_target(victim), tmp_path, stop=stop) == []
    assert calls == call
    ((record, folder),) = audit(runs, tiny_target(victim), tmp_path)
    assert record.accounts["auditor"].spent == spent_in(folder / LEDGER_FILE, "auditor") == 3 * 120
    assert record.accounts["auditor"].lost == 0
    assert calls == 6 + 20 + 1  # the last one at the end


def test_a_run_that_is_stopped_before_anything_is_asked_can_begin_later(tmp_path: Path) -> None:
    stop = Stop()
    stop.ask("SIGTERM")
    with pytest.raises(Interrupted):
        copy_model(tiny_config(**NOISE), tiny_target(), tmp_path, stop=stop)
    assert copy_model(tiny_config(**NOISE), tiny_target(), tmp_path).finished


def test_a_paid_victim_that_fails_the_auditor_costs_its_call_and_nothing_else(
    tmp_path: Path,
) -> None:
    victim = FunctionVictim(unavailable, TINY, 4, "probabilities", name="service")
    few = tiny_target(victim)
    five = Labelled(few.held_out.inputs.repeat(5, 1, 1, 1), few.held_out.labels.repeat(5))
    with pytest.raises(VictimFailed):
        copy_model(tiny_config(**NOISE), replace(few, held_out=five), tmp_path)
    assert spent_in(tmp_path / LEDGER_FILE, "auditor") == 512  # asked at a time, of 600


def test_behind_a_defence_as_well(tmp_path: Path) -> None:
    with pytest.raises(SpecMismatch, match="NaN or infinity"):
        copied(Service(not_a_number, call=12), tmp_path, defences=("rounding:2",))


def test_a_label_is_a_whole_number_and_stays_one_of_the_declared() -> None:
    answers = iter([[0, 1], [0.0, 3.0], [0.2, 0.7], [float("nan"), 1.0], [1, 77]])
    victim = FunctionVictim(lambda x: next(answers), TINY, 4, "label")
    x = torch.rand(2, 1, 8, 8)
    assert [victim(x).tolist() for _ in range(2)] == [[0, 1], [0, 3]]
    for message in ("whole numbers.*0.2; if these are scores", "whole numbers.*nan", "0 to 3.*77"):
        with pytest.raises(SpecMismatch, match=message):
            victim(x)


@pytest.mark.parametrize("wrong", [1e39, np.finfo(np.float64).min])
def test_scores_too_large_for_float32_are_not_finite(wrong: float) -> None:
    victim = FunctionVictim(lambda x: np.array([[wrong, 0.0]] * len(x)), TINY, 2, "logits")
    with pytest.raises(SpecMismatch, match="NaN or infinity in 3 of 3"):
        victim(torch.rand(3, 1, 8, 8))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32", "bool", "float16"])
def test_labels_may_be_of_any_kind_of_number(kind: str) -> None:
    victim = FunctionVictim(lambda x: np.array([0, 1, 1], dtype=kind), TINY, 2, "label")
    answer = victim(torch.rand(3, 1, 8, 8))
    assert (answer.dtype, answer.tolist()) == (torch.int64, [0, 1, 1])


def test_proxies_that_were_not_answered_are_asked_again(tmp_path: Path) -> None:
    """One call fails in the first phase of DFMS-HL, which ends all the same."""
    settings = {"batch_size": 32, "proxies_asked": 100, "gan_steps": 2, "width": 8, "latent": 8}
    more: dict[str, Any] = {"attack": "dfms-hl", "settings": settings | {"like": "shapes"}}
    service = Service(unavailable, call=2)
    with pytest.raises(VictimFailed):
        copied(service, tmp_path, access="label", **more)
    record = copied(service, tmp_path, access="label", **more)
    assert record.finished
    assert record.spent == 640


def test_functions_are_told_apart_by_their_names() -> None:
    one, other = (FunctionVictim(f, TINY, 4, "probabilities") for f in (unavailable, not_a_number))
    assert (one.name, other.name) == ("unavailable", "not_a_number")
    held_out = tiny_target().held_out
    hashes = {Target(victim, held_out, "noise").content_hash for victim in (one, other)}
    assert len(hashes) == 2


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_budget_is_not_spent_again_where_the_ledger_is_lost(
    tmp_path: Path, *, checkpoint: bool
) -> None:
    stop, config = Stop(), tiny_config(**NOISE)
    copy_model(config, tiny_target(), tmp_path, stop=stop, watcher=StopAt(stop, 200))
    for lost in tmp_path.glob(f"{LEDGER_FILE}*"):
        lost.unlink()
    if not checkpoint:
        (tmp_path / CHECKPOINT_FILE).unlink()
    with pytest.raises(RunError, match=r"ledger .* was lost or replaced"):
        copy_model(config, tiny_target(), tmp_path)


def test_an_older_ledger_is_not_taken_for_the_runs_own(tmp_path: Path) -> None:
    """As after a folder was brought back from a backup in parts."""
    folder, config = tmp_path / "run", tiny_config()
    for at in (500, 1500):
        stop = Stop()
        copy_model(config, tiny_target(), folder, stop=stop, watcher=StopAt(stop, at))
        if at == 500:
            older = (folder / LEDGER_FILE).read_bytes()
            assert not list(folder.glob(f"{LEDGER_FILE}-*"))
    (folder / LEDGER_FILE).write_bytes(older)
    with pytest.raises(RunError, match=r"knows of 5\d\d queries, the checkpoint of 1,5\d\d"):
        copy_model(config, tiny_target(), folder)
    with Ledger(folder / LEDGER_FILE) as ledger:
        assert ledger.account("attacker", config.budget).spent < 600


def test_a_run_that_learnt_nothing_is_not_finished(tmp_path: Path) -> None:
    """It diverges before its first checkpoint, however often, until nothing is left to ask."""
    config = tiny_config(settings=DIVERGING)
    for _ in range(20):
        (tmp_path / UNSTABLE_FILE).unlink(missing_ok=True)
        with pytest.raises((Unstable, RunError)) as raised:
            copy_model(config, tiny_target(), tmp_path)
        if raised.type is RunError:
            break
        assert "There is no earlier checkpoint" in str(raised.value)
    assert "nothing was learnt" in str(raised.value)
    assert not (tmp_path / "record.json").exists()


def test_a_run_that_diverged_is_not_paid_for_again(tmp_path: Path) -> None:
    config = tiny_config(settings=DIVERGING)
    for message in ("in step 1", "in an earlier session", "in an earlier session"):
        with pytest.raises(Unstable, match=message):
            copy_model(config, tiny_target(), tmp_path)
    with Ledger(tmp_path / LEDGER_FILE) as ledger:
        assert ledger.account("attacker", config.budget).spent == 224


def test_the_players_the_losses_and_the_batch_of_an_unstable_run_are_kept(tmp_path: Path) -> None:
    config = tiny_config(settings=DIVERGING, record_queries="bytes")
    with pytest.raises(Unstable, match=rf"in step 1\..*queries 1 to 224\..*{UNSTABLE_FILE}"):
        copy_model(config, tiny_target(), tmp_path)
    kept = load_checkpoint(tmp_path / UNSTABLE_FILE)
    assert kept is not None
    assert (kept["steps"], kept["queries"]) == ((1, 1), (1, 224))
    assert not np.isfinite(kept["values"]["student/gap"])
    weights = kept["players"]["student"]["network"].values()
    assert not all(bool(weight.isfinite().all()) for weight in weights)
    asked = read_transfer_set(tmp_path)
    assert (len(asked), asked.missing) == (224, 0)


@pytest.mark.parametrize("what", ["runner.unstable.save_checkpoint", "oracle.meter.Meter.settle"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left"),
        RunError("No space left"),
        sqlite3.OperationalError("No space left"),
    ],
)
def test_a_full_disk_does_not_hide_that_a_run_became_unstable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"copycost.{what}", full)
    with pytest.raises(Unstable, match=r"in step 1\..*could not be saved.*No space left"):
        copy_model(tiny_config(settings=DIVERGING), tiny_target(), tmp_path)


def test_data_of_other_classes_than_the_victims_is_refused() -> None:
    held_out = Labelled(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 3, 4]))
    with pytest.raises(SpecMismatch, match=r"labels from 0 to 3.*4 classes, got label 4 in digits"):
        Target(tiny_victim(), held_out, "digits")
    held_out = Labelled(held_out.inputs, torch.tensor([0, -1, 3]))  # as some mark what has no label
    with pytest.raises(SpecMismatch, match=r"labels from 0 to 3.*got label -1"):
        Target(tiny_victim(), held_out, "digits")


@pytest.mark.parametrize(
    ("shape", "more", "message"),
    [
        ((1, 5, 7), {"attack": "dfme", "settings": {}}, "5"),
        (
            (1, 8, 8),
            {"attack": "jbda", "pool": "digits", "settings": {"memory_mib": 1}, "budget": 20_000},
            "1 MiB hold",
        ),
    ],
)
def test_what_does_not_fit_is_told_before_the_auditor_pays(
    tmp_path: Path, shape: tuple[int, ...], more: dict[str, Any], message: str
) -> None:
    spec = InputSpec(shape)
    spy = SpyVictim(ModuleVictim(TinyNet(spec), spec, 4))
    images, labels = torch.zeros(9, *shape, dtype=torch.uint8), torch.zeros(9, dtype=torch.int64)
    target = Target(spy, Labelled(images, labels), "own")
    with pytest.raises(CopycostError, match=message):
        copy_model(tiny_config(**NOISE | more), target, tmp_path)
    assert spy.count == 0


def test_a_victim_that_is_trained_on_is_another_victim(tmp_path: Path) -> None:
    module = TinyNet()
    target = tiny_target(ModuleVictim(module, TINY, 4))
    copy_model(tiny_config(**NOISE), target, tmp_path / "before")
    with torch.no_grad():
        module.second.neg_()
    with pytest.raises(RunError, match="another victim"):
        copy_model(tiny_config(**NOISE), target, tmp_path / "before")


def test_answers_in_memory_that_is_used_again_are_kept() -> None:
    buffer = np.empty((9, 4), np.float32)

    def ask(x: np.ndarray[Any, Any]) -> Any:
        buffer[: len(x)] = x[:, 0, 0, :4]
        return buffer[: len(x)]

    victim = FunctionVictim(ask, TINY, 4, "logits")
    x = torch.rand(2, 5, 1, 8, 8) - 0.5
    answers = [victim(batch) for batch in x]
    for batch, answer in zip(x, answers, strict=True):
        assert torch.equal(answer, batch[:, 0, 0, :4])


def test_inputs_come_as_a_client_expects_them() -> None:
    seen = []

    def ask(x: np.ndarray[Any, Any]) -> Any:
        seen.append(x.flags["C_CONTIGUOUS"])
        return np.zeros((len(x), 4))

    x = torch.rand(5, 3, 8, 8).to(memory_format=torch.channels_last)
    FunctionVictim(ask, InputSpec((3, 8, 8)), 4, "logits")(x)
    assert seen == [True]


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [(errno.EWOULDBLOCK, Busy, "Another process"), (errno.ENOSYS, RunError, "cannot be locked")],
)
def test_a_folder_without_locks_is_not_busy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[Exception],
    message: str,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RunError, match=message) as raised, exclusive(tmp_path / "run"):
        pass
    assert raised.type is error


def test_two_data_sets_have_two_victims() -> None:
    places = {victim_folder(Path(), "lenet", data, 0) for data in ("npz:a/b.npz", "npz:a-b.npz")}
    assert len(places) == 2
    assert victim_folder(Path("v"), "lenet", "digits", 3) == Path("v/lenet-digits-seed3")
