"""Whether runs suit a victim is known before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from copycost.datasets.base import Labelled
from copycost.errors import ConfigError, CopycostError, Unstable
from copycost.runner.audit import audit
from copycost.runner.config import RunConfig
from copycost.runner.fitting import Interface, faults
from copycost.runner.target import Target
from copycost.testing import SpyVictim, TinyNet
from copycost.types import Access, InputSpec
from copycost.victims.module import ModuleVictim
from tests.runner.conftest import tiny_config, tiny_target

NOISE = {
    "attack": "random-noise",
    "settings": {"batch_size": 32, "student_steps": 1},
    "budget": 640,
}
ODD = InputSpec((1, 7, 5))


@pytest.mark.parametrize(
    ("more", "victim", "expected"),
    [
        ({}, Interface(ODD, 4), "dfme: expected images whose height and width divide by 4"),
        ({}, Interface(InputSpec((1, 8, 8)), 4), ""),
        ({"attack": "maze", "settings": {}}, Interface(ODD, 4), "maze: expected images"),
        ({"attack": "frugal", "settings": {}}, Interface(ODD, 4), ""),
        ({"attack": "frugal", "settings": {"generated": True}}, Interface(ODD, 4), "frugal: "),
        (NOISE, Interface(ODD, 4), ""),
        (NOISE, Interface(InputSpec((1, 2, 9)), 4), "student lenet: expected images of at least"),
        (NOISE | {"access": "top-k"}, Interface(ODD, 3), "say --top-k 3 or less"),
        (NOISE | {"access": "logits"}, Interface(ODD, 3, Access.PROBABILITIES), "at least logits"),
        (
            {"attack": "knockoff", "settings": {}, "pool": "digits"},
            Interface(InputSpec((2, 8, 8)), 10),
            "",
        ),
        (
            {"attack": "knockoff", "settings": {}, "pool": "house-numbers-16"},
            Interface(InputSpec((2, 8, 8)), 10),
            "knockoff's pool: pool: ",
        ),
    ],
)
def test_faults(more: dict[str, object], victim: Interface, expected: str) -> None:
    (found,) = faults([tiny_config(**more)], victim)
    assert len(found) == bool(expected)
    assert expected in "".join(found)


def test_a_fault_of_several_runs_is_told_once_and_before_anyone_asks(tmp_path: Path) -> None:
    spy = SpyVictim(ModuleVictim(TinyNet(ODD), ODD, 4))
    images, labels = torch.zeros(9, *ODD.shape, dtype=torch.uint8), torch.zeros(9, dtype=torch.long)
    target = Target(spy, Labelled(images, labels), "own")
    runs = [tiny_config(**NOISE), tiny_config(), tiny_config(seed=1), tiny_config(top_k=9)]
    with pytest.raises(ConfigError) as raised:
        audit(runs, target, tmp_path)
    assert len(raised.value.problems) == 1
    assert (spy.count, list(tmp_path.iterdir())) == (0, [])


def test_a_script_is_told_of_a_run_that_diverged_and_the_others_go_on(tmp_path: Path) -> None:
    settings = {"batch_size": 32, "width": 8, "latent": 8, "student_lr": 1e30}
    runs = [tiny_config(settings=settings), tiny_config(**NOISE)]
    told: list[tuple[RunConfig, CopycostError]] = []
    done = audit(runs, tiny_target(), tmp_path, failed=lambda *why: told.append(why))
    assert [record.attack for record, _ in done] == ["random-noise"]
    ((run, error),) = told
    assert run is runs[0]
    assert isinstance(error, Unstable)
    with pytest.raises(Unstable):
        audit(runs, tiny_target(), tmp_path)
