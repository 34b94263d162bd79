"""Students whose layers draw random numbers of PyTorch's own."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from copycost.runner.chance import chance_state, restore_chance
from copycost.runner.copy_model import copy_model
from copycost.runner.record import Record
from copycost.runner.stopping import Stop
from copycost.types import InputSpec
from tests.runner.conftest import tiny_config, tiny_target
from tests.stops import StopAt


def dropping(spec: InputSpec, classes: int) -> nn.Module:
    first = nn.Linear(spec.size, 16)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Dropout(), nn.Linear(16, classes))


def run(folder: Path, stop_at: int) -> Record:
    stop = Stop()
    config = tiny_config(student=f"{__name__}:dropping", budget=1500)
    return copy_model(config, tiny_target(), folder, stop=stop, watcher=StopAt(stop, stop_at))


def test_dropout_draws_by_the_runs_seed_in_one_session_or_several(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    whole = run(tmp_path / "whole", 9999)
    assert torch.equal(torch.rand(3), expected), "the process's own numbers are left alone"
    assert not run(tmp_path / "parts", 700).finished
    parts = run(tmp_path / "parts", 9999)
    assert parts.finished
    assert len(parts.resumed) == 1
    assert parts.student_hash == whole.student_hash


def test_a_checkpoint_from_before_they_were_kept_is_taken(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    before = chance_state(cpu)
    restore_chance(cpu, ())
    assert torch.equal(chance_state(cpu)[0], before[0])
