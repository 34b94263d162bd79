from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from copycost.oracle.ledger import spent_in
from copycost.runner import stopping
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import LEDGER_FILE
from copycost.runner.stopping import Stop
from copycost.testing import TINY, tiny_victim
from copycost.victims.function import FunctionVictim
from tests.runner.conftest import tiny_config, tiny_target


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Signals as a terminal leaves them: `nohup` and the jobs of a shell have some ignored."""
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGHUP, hangup)
    signal.signal(signal.SIGINT, interrupt)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C"), (signal.SIGHUP, "SIGHUP")],
)
def test_a_signal_asks_to_stop_and_handlers_are_put_back(number, reason):
    before = signal.getsignal(number)
    stop = Stop()
    with stop.on_signals():
        assert stop.reason == ""
        os.kill(os.getpid(), number)
        assert stop.reason == reason
    assert signal.getsignal(number) is before


def test_a_handler_that_python_does_not_know_is_replaced_by_the_default(monkeypatch):
    """As one of a program in C that runs this one: `signal.signal` then returns None."""
    before, install = signal.getsignal(signal.SIGTERM), signal.signal
    monkeypatch.setattr(signal, "signal", lambda *how: install(*how) and None)
    try:
        with Stop().on_signals():
            pass
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        install(signal.SIGTERM, before)


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with stop.on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.reason == ""
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_first_signal_is_answered_and_no_other():
    told: list[str] = []
    with Stop(told=told.append).on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
    assert told == ["SIGTERM"]


def test_a_terminal_that_is_gone_does_not_keep_a_run_from_stopping():
    def told(reason: str) -> None:
        raise OSError(5, "Input/output error")

    stop = Stop(told=told)
    with stop.on_signals():
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.reason == "SIGHUP"


def test_a_second_interrupt_interrupts():
    with Stop().on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def interrupted(stop: Stop | None, reasons: list[str]) -> None:
    with Stop.given_or_own(stop) as asked:
        signal.raise_signal(signal.SIGINT)
        reasons.append(asked.reason)


def test_who_gives_none_has_one_of_his_own_and_the_signal_after_it():
    reasons: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(None, reasons)
    assert reasons == ["Ctrl-C"]
    with pytest.raises(KeyboardInterrupt):
        interrupted(Stop(), reasons)
    assert reasons == ["Ctrl-C"], "who gives one listens by himself"
    with Stop.given_or_own(None) as asked:
        assert not asked.reason


def test_a_script_that_is_interrupted_then_ends_by_the_signal(tmp_path):
    def ask(x):
        signal.raise_signal(signal.SIGINT)
        return tiny_victim()(torch.from_numpy(x)).softmax(1).numpy()

    victim = FunctionVictim(ask, TINY, 4, "probabilities", name="service")
    with pytest.raises(KeyboardInterrupt):
        copy_model(tiny_config(), tiny_target(victim), tmp_path)
    assert spent_in(tmp_path / LEDGER_FILE, "auditor") == 120, "what is paid for is kept"


def test_another_thread_hears_no_signals():
    heard = []

    def work():
        with Stop.given_or_own(None) as stop:
            heard.append(stop.reason)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [""]


def test_the_first_reason_stays():
    stop = Stop(max_minutes=0)
    assert stop.reason == "time limit"
    stop.ask("SIGTERM")
    assert stop.reason == "time limit"
    stop = Stop(max_minutes=0)
    stop.ask("SIGTERM")
    assert stop.reason == "SIGTERM"


def test_a_limit_is_in_minutes(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(stopping, "time", SimpleNamespace(monotonic=lambda: now))
    stop = Stop(max_minutes=2)
    now += 119
    assert stop.reason == ""
    now += 1
    assert stop.reason == "time limit"
