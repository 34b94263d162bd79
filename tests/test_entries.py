"""What is put in another's place is told in one line, where it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from copycost import (
    AuditConfig,
    FunctionVictim,
    InputSpec,
    ModuleVictim,
    Target,
    audit,
    copy_model,
    load_dataset,
    use_threads,
    write_report,
)
from copycost.errors import ConfigError, Interrupted, RunError, SpecMismatch
from copycost.testing import TINY, tiny_victim
from tests.runner.conftest import tiny_config, tiny_target


def check(expected: str, call: Any, *given: Any) -> None:
    with pytest.raises(SpecMismatch, match=expected) as caught:
        call(*given)
    assert "\n" not in str(caught.value)


def test_a_run_takes_a_configuration_and_a_target(tmp_path: Path) -> None:
    config, target, victim = tiny_config(), tiny_target(), tiny_victim()
    check("expected a RunConfig, got dict; write copy_model", copy_model, {}, target, tmp_path)
    check("expected a RunConfig, got Target", copy_model, target, config, tmp_path)
    check("expected a Target, got ModuleVictim", copy_model, config, victim, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_audit_takes_its_runs(tmp_path: Path) -> None:
    runs, target = [tiny_config()], tiny_target()
    whole = AuditConfig(attacks=["random-noise"])
    check("expected a list of RunConfigs, got AuditConfig;.*runs", audit, whole, target, tmp_path)
    check("RunConfigs, got RunConfig", audit, runs[0], target, tmp_path)
    check("expected a RunConfig for each run, got dict", audit, [{}], target, tmp_path)
    check("expected a Target, got ModuleVictim", audit, runs, tiny_victim(), tmp_path)


def test_a_target_and_a_victim_take_what_they_are_made_of() -> None:
    data = tiny_target().held_out
    check("expected a victim, got Linear; wrap a module", Target, nn.Linear(2, 2), data, "noise")
    check("expected held-out data .*, got list", Target, tiny_victim(), [], "noise")
    check("expected a torch.nn.Module, got builtin.*FunctionVictim", ModuleVictim, len, TINY, 4)
    check("expected a function, got dict", FunctionVictim, {}, TINY, 4, "logits")
    check("expected an InputSpec, got tuple", ModuleVictim, nn.Flatten(), (1, 8, 8), 4)
    check("expected a data set as text, got PosixPath", load_dataset, Path("digits"))


@pytest.mark.parametrize("classes", [10.0, "10", None, torch.tensor(10.0), 1, -3, True])
def test_classes_are_counted_by_whole_numbers(classes: Any) -> None:
    check("classes, got ", ModuleVictim, nn.Flatten(), TINY, classes)


@pytest.mark.parametrize("classes", [np.int64(64), torch.tensor(64)])
def test_of_any_library(classes: Any) -> None:
    assert type(ModuleVictim(nn.Flatten(), TINY, classes).classes) is int


@pytest.mark.parametrize("ends", [(0.0, np.inf), (-np.inf, 0.0), (np.nan, 1.0)])
def test_a_range_has_two_ends(ends: Any) -> None:
    with pytest.raises(ValueError, match="finite"):
        InputSpec((1, 8, 8), *ends)


def test_a_file_is_no_run_folder_and_a_folder_no_report(tmp_path: Path) -> None:
    config = tiny_config(attack="random-noise", settings={}, budget=64)
    copy_model(config, tiny_target(), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"run: expected a file to write, got a folder\. Name"):
        write_report(tmp_path / "run", tmp_path / "run")
    for place in ("file", "file/below"):
        (tmp_path / "file").touch()
        with pytest.raises(RunError, match=f"{place}: expected a folder for the run, and a file"):
            copy_model(config, tiny_target(), tmp_path / place)


@pytest.mark.parametrize("threads", [-3, 0, 4096])
def test_threads_are_as_many_as_there_can_be(threads: int) -> None:
    with pytest.raises(ConfigError, match="threads: expected 1 to 1024, got "):
        use_threads(threads)


def test_an_interruption_says_what_to_do() -> None:
    assert "The same call goes on" in str(Interrupted())
