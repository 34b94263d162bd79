"""Killed at random moments, for real: the account never forgets and the run always goes on."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from copycost.runner.copy_model import copy_model
from copycost.runner.folder import LEDGER_FILE
from copycost.runner.record import read_record
from copycost.testing import SpyVictim, tiny_victim
from copycost.victims.base import Victim
from tests.runner.conftest import tiny_config, tiny_target

KILLS = 20
BUDGET = 60_001


class Diary(SpyVictim):
    """Notes on disk every input that reaches it, so that what was sent outlives the process."""

    def __init__(self, victim: Victim, path: Path) -> None:
        super().__init__(victim)
        self.path = path

    def answer(self, x):
        with self.path.open("ab", buffering=0) as file:
            file.write(b"." * len(x))
        return super().answer(x)


def work(folder: Path) -> None:
    torch.set_num_threads(1)
    victim = Diary(tiny_victim(), folder.with_name("diary"))
    copy_model(tiny_config(budget=BUDGET, evaluations=60), tiny_target(victim), folder)


@pytest.mark.slow
def test_killed_twenty_times(tmp_path):
    # A fork server that has imported PyTorch: a fresh process costs 0.1 s instead of 5.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torch._dynamo", "tests.runner.test_kill"])
    folder, chance = tmp_path / "run", random.Random(0)
    killed = 0
    for _ in range(KILLS):
        process = context.Process(target=work, args=(folder,))
        process.start()
        deadline = time.monotonic() + 60
        while not (folder / LEDGER_FILE).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.join(timeout=chance.uniform(0.02, 0.4))
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.join()
    assert killed == KILLS, "the run must outlast the kills"

    process = context.Process(target=work, args=(folder,))
    process.start()
    process.join(timeout=280)
    assert process.exitcode == 0

    record = read_record(folder)
    sent = (tmp_path / "diary").stat().st_size - record.accounts["auditor"].spent
    assert record.finished
    assert sent <= record.spent <= record.budget == BUDGET
    assert record.accounts["attacker"].lost > 0
    assert record.resumed
