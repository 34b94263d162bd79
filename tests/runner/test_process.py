"""A run leaves its process as it was, and shares it with no other run."""

from __future__ import annotations

import threading
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from copycost import ModuleVictim, copy_model
from copycost.engine import Engine
from copycost.runner.watchers import Silent
from copycost.switches import switches_kept
from copycost.testing import TINY
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


def found_switches() -> dict[str, Any]:
    backends: Any = torch.backends
    reads = {
        "products": torch.get_float32_matmul_precision,
        "benchmark": lambda: backends.cudnn.benchmark,
        "CUDA": lambda: backends.cuda.matmul.allow_tf32,
        "cuDNN": lambda: backends.cudnn.allow_tf32,
        "all": lambda: getattr(backends, "fp32_precision", None),
        "CPU": lambda: getattr(backends.mkldnn.matmul, "fp32_precision", None),
    }
    found = dict[str, Any]()
    for name, read in reads.items():
        try:
            found[name] = read()
        except RuntimeError:  # the older words for what the newer ones have set
            found[name] = "unclear"
    return found


def allow_tf32() -> None:
    torch.backends.cuda.matmul.allow_tf32 = True


def newer_words() -> None:
    backends: Any = torch.backends
    backends.fp32_precision = "tf32"


@pytest.mark.parametrize(
    "owner",
    [
        lambda: None,
        allow_tf32,
        newer_words,
        lambda: torch.set_float32_matmul_precision("high"),
        lambda: torch.set_float32_matmul_precision("medium"),
    ],
)
def test_a_run_computes_in_full_precision_and_sets_back_what_it_switched(owner: Any) -> None:
    with switches_kept():
        owner()
        before = found_switches()
        with switches_kept():
            Engine("cpu")
            during = found_switches()
        assert found_switches() == before
    assert (during["products"], during["CUDA"], during["cuDNN"]) == ("highest", False, False)
    assert during["benchmark"]
    assert during["CPU"] in (None, "ieee")


def test_after_a_run_the_owners_model_and_process_are_as_they_were(tmp_path: Path) -> None:
    frozen = nn.Dropout(0.5)
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), frozen, nn.Linear(64, 4)).train()
    frozen.eval()
    target, before = tiny_target(ModuleVictim(module, TINY, 4)), found_switches()
    copy_model(tiny_config(attack="random-noise", settings={}, budget=64), target, tmp_path)
    assert [part.training for part in module.modules()] == [True, True, True, False, True]
    assert found_switches() == before


def test_a_module_stays_where_it_is() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 4, device="meta"))
    victim = ModuleVictim(module, TINY, 4)
    assert victim.device.type == module[1].weight.device.type == "meta"
    assert ModuleVictim(nn.Flatten(), TINY, 4).device.type == "cpu"
