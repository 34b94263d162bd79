"""Where a run became unstable: the steps and the queries that may have done it."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import nn

from copycost.runner.folder import UNSTABLE_FILE
from copycost.runner.unstable import Trail, not_finite, unstable, weights_of


def test_the_last_batch_is_that_of_the_last_step_that_asked_anything() -> None:
    trail = Trail()
    trail.begin(100)  # charged in an earlier session
    batches = []
    for spent in (100, 130, 130, 131):
        trail.step(spent)
        batches.append(trail.batch)
    assert batches == [None, (101, 130), (101, 130), (131, 131)]
    assert trail.steps == 4


def test_a_value_found_now_may_be_of_any_step_since_the_last_sound_one() -> None:
    trail = Trail()
    for _ in range(5):
        trail.step(0)
    assert trail.suspects == (1, 5)
    trail.sound = 3
    assert trail.suspects == (4, 5)
    trail.sound = 5  # what is found then, such as in a diagnosis, came after the last step
    assert trail.suspects == (5, 5)


def test_a_trail_goes_on_where_another_session_left_it() -> None:
    trail, later = Trail(), Trail()
    for spent in (10, 20):
        trail.step(spent)
    trail.sound = 1
    later.restore(trail.state())
    assert (later.steps, later.sound, later.batch) == (2, 1, (11, 20))


def test_weights_and_buffers_of_each_player_are_looked_at_but_no_counters() -> None:
    norm = nn.BatchNorm1d(2)
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.running_var[0] = inf
    with torch.no_grad():
        norm.weight[:] = torch.tensor([0.5, 2.0])
    state: Any = SimpleNamespace(players={"student": SimpleNamespace(network=norm)})
    assert weights_of(state) == {"weights of the student": 2.5, "buffers of the student": inf}
    norm.running_var[0] = 1.0
    norm.num_batches_tracked.fill_(7)
    assert weights_of(state)["buffers of the student"] == 2.0


@pytest.mark.parametrize(("spent", "batch"), [(0, ""), (64, " The last batch is queries 1 to 64.")])
def test_who_asked_nothing_is_told_of_no_batch(tmp_path: Path, spent: int, batch: str) -> None:
    state: Any = SimpleNamespace(
        players={}, engine=SimpleNamespace(ranks=SimpleNamespace(leads=False))
    )
    trail, meter = Trail(), Mock()
    for _ in range(2):
        trail.step(spent)
    error = str(unstable(tmp_path, state, {"fine": 1.0, "gap": nan}, trail, meter))
    assert error.startswith(
        f"gap became NaN or infinite in one of the steps 1 to 2.{batch} The players"
    )
    meter.settle.assert_called_once_with()
    assert not (tmp_path / UNSTABLE_FILE).exists(), "the first rank saves them"


def test_infinity_is_not_finite_either() -> None:
    assert not_finite({"a": 1.0, "b": nan, "c": -inf, "d": inf}) == ["b", "c", "d"]
