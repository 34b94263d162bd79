"""The answers to the held-out data: who pays for them, and who takes them over."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from copycost.errors import Busy, Interrupted
from copycost.locks import Lock
from copycost.oracle.ledger import Account, Ledger
from copycost.runner import held_out
from copycost.runner.auditor import Auditor
from copycost.runner.checkpoint import save_checkpoint
from copycost.runner.copy_model import copy_model
from copycost.runner.record import Record
from copycost.runner.stopping import Stop
from copycost.testing import TINY, tiny_victim
from copycost.victims.function import FunctionVictim
from tests.runner.conftest import tiny_config, tiny_target


class Service:
    """The tiny net behind a function; after `until` inputs another net answers."""

    def __init__(self, until: float = float("inf")) -> None:
        self.until, self.asked = until, 0
        self.nets = [tiny_victim(seed=seed).module for seed in (0, 1)]

    def __call__(self, x):
        net = self.nets[self.asked >= self.until]
        self.asked += len(x)
        return net(torch.from_numpy(x)).detach()

    def copied(self, folder: Path, free: bool = False, **more) -> Record:
        victim = FunctionVictim(self, TINY, 4, "logits", name="service", free=free)
        config = tiny_config(attack="random-noise", settings={"batch_size": 32}, budget=320, **more)
        return copy_model(config, tiny_target(victim), folder)


PASS = 120
"""The held-out inputs, of which all are in the sample."""


def test_who_paid_for_the_answers_to_the_same_questions_lends_them(tmp_path):
    service = Service()
    first = service.copied(tmp_path / "first")
    assert service.asked == first.accounts["auditor"].spent + 320 == 3 * PASS + 320
    assert (first.victim.answers_from, first.victim.asked_at_the_end) == (None, PASS)

    service.asked = 0
    second = service.copied(tmp_path / "second", seed=1)
    assert service.asked == second.accounts["auditor"].spent + 320 == 2 * PASS + 320
    assert second.victim == first.victim.model_copy(update={"answers_from": "first"})
    shutil.rmtree(tmp_path / "first")
    third = service.copied(tmp_path / "third", seed=2)
    assert third.victim.answers_from == "first", "who paid for them, not who lent them last"
    assert (
        third.result["agreement"]
        == service.copied(tmp_path / "4" / "x", seed=2).result["agreement"]
    )


class Slow(Service):
    """Waits in its first answer until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.let_on = threading.Event(), threading.Event()

    def __call__(self, x):
        self.begun.set()
        assert self.let_on.wait(30)
        return super().__call__(x)


def auditor_of(service: Service, folder: Path, stop: Stop | None = None) -> Auditor:
    victim = FunctionVictim(service, TINY, 4, "logits", name="service")
    account, cpu = Ledger().account("auditor", None), torch.device("cpu")
    folder.mkdir()
    return Auditor(tiny_target(victim), (), 0, account, folder / "auditor", cpu, stop)


def test_runs_that_start_together_ask_once(tmp_path, monkeypatch):
    looked = threading.Event()

    def lock(place: Path, what: str) -> Lock:
        try:
            return Lock(place, what)
        except Busy:
            looked.set()
            raise

    monkeypatch.setattr("copycost.runner.held_out.Lock", lock)
    slow, service, found = Slow(), Service(), dict[str, Auditor]()

    def audit(name: str, asked: Service) -> threading.Thread:
        run = lambda: found.update({name: auditor_of(asked, tmp_path / name)})  # noqa: E731
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    first = audit("first", slow)
    assert slow.begun.wait(30)
    second = audit("second", service)
    assert looked.wait(30)
    assert service.asked == 0, "the second waits"
    slow.let_on.set()
    first.join()
    second.join()
    assert found["second"].facts().answers_from == "first"
    assert (slow.asked, service.asked) == (2 * PASS, PASS)


def test_beside_a_folder_that_cannot_be_written_to_it_asks(tmp_path, monkeypatch):
    monkeypatch.setattr("copycost.runner.held_out.Lock", Mock(side_effect=PermissionError))
    service = Service()
    auditor_of(service, tmp_path / "first")
    assert service.asked == 2 * PASS


def test_one_that_waits_for_another_can_be_stopped(tmp_path):
    slow = Slow()
    thread = threading.Thread(target=auditor_of, args=(slow, tmp_path / "first"))
    thread.start()
    assert slow.begun.wait(30)
    service = Service()
    with pytest.raises(Interrupted):
        auditor_of(service, tmp_path / "second", Stop(max_minutes=0.01))
    assert service.asked == 0
    slow.let_on.set()
    thread.join()


def test_answers_that_the_victim_no_longer_gives_are_not_borrowed(tmp_path):
    Service().copied(tmp_path / "first")
    service = Service(until=0)
    second = service.copied(tmp_path / "second", seed=1)
    assert second.victim.answers_from is None
    assert second.accounts["auditor"].spent == 4 * PASS  # a sample, two passes, the end
    assert "victim-changed" not in {flag.name for flag in second.flags}
    third = service.copied(tmp_path / "third", seed=2)  # both have answers to these questions
    assert third.victim.answers_from == "second"


@pytest.mark.parametrize(
    ("changed", "borrows"),
    [
        ({}, True),
        ({"free": True}, False),
        ({"defences": ["noise:0.1"]}, False),
        ({"attack": "frugal", "settings": {"batch_size": 32, "student_steps": 1}}, True),
    ],
)
def test_other_questions_are_asked(tmp_path, changed, borrows):
    Service().copied(tmp_path / "first")
    service = Service()
    victim = FunctionVictim(service, TINY, 4, "logits", name="service", free="free" in changed)
    values = {"attack": "random-noise", "settings": {"batch_size": 32}, "budget": 320, "seed": 1}
    changed.pop("free", None)
    config = tiny_config(**values | changed)
    record = copy_model(config, tiny_target(victim), tmp_path / "second")
    assert (record.victim.answers_from == "first") == borrows


def test_behind_the_same_random_defences_answers_are_lent_at_the_same_seed(tmp_path):
    def lender(folder: str, seed: int, batch: int) -> str | None:
        victim = FunctionVictim(Service(), TINY, 4, "logits", name="service")
        config = tiny_config(
            attack="random-noise", settings={"batch_size": batch}, budget=320, seed=seed,
            defences=["noise:0.1"],
        )  # fmt: skip
        return copy_model(config, tiny_target(victim), tmp_path / folder).victim.answers_from

    assert lender("first", 0, 32) is None
    assert lender("second", 1, 32) is None
    assert lender("third", 0, 16) == "first"


def test_a_damaged_file_beside_a_run_is_passed_over(tmp_path):
    Service().copied(tmp_path / "first")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "auditor.safetensors").write_bytes(b"torn")
    assert Service().copied(tmp_path / "second", seed=1).victim.answers_from == "first"


@pytest.mark.parametrize("free", [False, True])
def test_a_victim_that_changes_while_it_is_copied_is_flagged(tmp_path, free):
    record = Service(until=2 * PASS + 100).copied(tmp_path / "run", free=free)
    assert record.victim.asked_at_the_end == PASS
    assert record.victim.changed_at_the_end > 0.3 * PASS
    (flag,) = [flag for flag in record.flags if flag.name == "victim-changed"]
    assert f"{record.victim.changed_at_the_end} of 120" in flag.detail


def test_the_end_is_asked_once_however_often_the_run_is_resumed(tmp_path, monkeypatch):
    service = Service()
    with monkeypatch.context() as patched:
        patched.setattr(Record, "write", Mock(side_effect=OSError("disk full")))
        with pytest.raises(OSError, match="full"):
            service.copied(tmp_path / "run")
    asked = service.asked
    record = service.copied(tmp_path / "run")
    assert service.asked == asked == record.accounts["auditor"].spent + 320
    assert record.accounts["auditor"].spent == 3 * PASS


@pytest.mark.parametrize("act", [1, 3], ids=["all answers", "those at the end"])
def test_answers_are_kept_before_their_charge_is_settled(tmp_path, monkeypatch, act):
    """A copy of the folder between the two is what a process leaves that is killed there."""
    acts, left = list[str](), tmp_path / "later" / "left"

    def noted(name: str) -> None:
        acts.append(name)
        if len(acts) == act + 1:
            shutil.copytree(tmp_path / "run", left)

    def kept(path: Path, content: dict[str, Any]) -> None:
        noted("kept")
        save_checkpoint(path, content)

    def settled(account: Account) -> None:
        if account.name == "auditor":
            noted("settled")
        settle(account)

    settle, service = Account.settle, Service()
    with monkeypatch.context() as patched:
        patched.setattr(held_out, "save_checkpoint", kept)
        patched.setattr(Account, "settle", settled)
        service.copied(tmp_path / "run")
    assert acts == ["kept", "settled"] * 2
    record = service.copied(left)
    assert record.accounts["auditor"].spent == 3 * PASS  # each was asked, and charged, once


def test_a_module_in_this_process_is_not_asked_at_the_end(tmp_path):
    record = copy_model(tiny_config(budget=320), tiny_target(), tmp_path)
    assert record.accounts["auditor"].spent == 2 * PASS
    assert (record.victim.asked_at_the_end, record.victim.answers_from) == (0, None)
