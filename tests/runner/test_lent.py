"""A run leaves its process as it was, and shares it with no other run."""

from __future__ import annotations

import threading
from itertools import groupby
from pathlib import Path

import torch

from copycost import copy_model
from copycost.runner.run import Silent
from tests.runner.conftest import tiny_config, tiny_target


class Noting(Silent):
    """Notes whose step it was."""

    def __init__(self, number: int, steps: list[int]) -> None:
        self.number, self.steps = number, steps

    def step(self, spent: int) -> None:
        self.steps.append(self.number)


def test_threads_give_the_students_of_one_thread(tmp_path: Path) -> None:
    target = tiny_target()
    configs = [tiny_config(seed=seed, budget=400, evaluations=1) for seed in (0, 1, 2)]
    alone = [copy_model(c, target, tmp_path / f"{c.seed}").student_hash for c in configs]
    before = torch.get_rng_state()
    found: dict[int, str] = {}
    steps: list[int] = []
    together = threading.Barrier(len(configs))

    def copy(number: int) -> None:
        together.wait()
        folder, watcher = tmp_path / f"thread {number}", Noting(number, steps)
        record = copy_model(configs[number], target, folder, watcher=watcher)
        found[number] = record.student_hash

    threads = [threading.Thread(target=copy, args=(n,)) for n in range(len(configs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.get(number) for number in range(len(configs))] == alone
    assert len(list(groupby(steps))) == len(configs)
    assert torch.equal(torch.get_rng_state(), before)
