"""A disk that is full while a run writes: one clear error, and nothing is paid for twice."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from copycost.errors import CopycostError, DiskFailed
from copycost.oracle.ledger import Account, spent_in
from copycost.runner import checkpoint
from copycost.runner import copy_model as copying
from copycost.runner.audit import audit
from copycost.runner.config import RunConfig
from copycost.runner.copy_model import copy_model
from copycost.runner.folder import LEDGER_FILE
from copycost.runner.record import Record
from copycost.runner.watchers import Silent
from tests.runner.conftest import tiny_config, tiny_target

NOISE = {
    "attack": "random-noise",
    "settings": {"batch_size": 32, "student_steps": 1},
    "budget": 640,
}
NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
FULL = sqlite3.OperationalError("database or disk is full")


class FullFrom:
    """Does as `function` does until its call of this number; from then on it raises `error`."""

    def __init__(self, function: Callable[..., Any], call: int, error: Exception) -> None:
        self.left, self._function, self._error = call, function, error

    def __call__(self, *args: Any) -> Any:
        self.left -= 1
        if self.left < 1:
            raise self._error
        return self._function(*args)


PLACES = [
    (Account, "_book", 1, FULL, 240),  # before the auditor asks
    (checkpoint, "write_atomically", 1, NO_SPACE, 480),  # the held-out answers, which are lost
    (Account, "_book", 3, FULL, 240),  # in the loop
    (checkpoint, "write_atomically", 3, NO_SPACE, 240),
    (copying, "save_model", 1, NO_SPACE, 240),
    (copying, "save_samples", 1, NO_SPACE, 240),
    (Record, "write", 1, NO_SPACE, 240),
]


@pytest.mark.parametrize(("owner", "name", "call", "error", "paid"), PLACES)
def test_a_full_disk_is_told_and_the_run_goes_on_where_there_is_room(
    tmp_path: Path, owner: Any, name: str, call: int, error: Exception, paid: int
) -> None:
    config, folder = tiny_config(**NOISE), tmp_path / "run"
    with pytest.MonkeyPatch.context() as patched:
        full = FullFrom(getattr(owner, name), call, error)
        patched.setattr(owner, name, lambda *args: full(*args))
        with pytest.raises(DiskFailed, match=f"{folder} could not write.*Make room") as raised:
            copy_model(config, tiny_target(), folder)
    assert raised.value.__cause__ is error
    assert str(error.args[-1]) in str(raised.value)
    charged = spent_in(folder / LEDGER_FILE, "attacker")
    record = copy_model(config, tiny_target(), folder)
    assert record.finished
    assert record.spent == 640 >= charged
    assert record.accounts["auditor"].spent == paid


@pytest.mark.parametrize("error", [OSError(errno.EIO, "terminal"), BrokenPipeError(), ValueError()])
def test_what_a_watcher_raises_is_not_taken_for_a_fault_of_the_disk(
    tmp_path: Path, error: Exception
) -> None:
    class Failing(Silent):
        def step(self, spent: int) -> None:
            raise error

    with pytest.raises(type(error)) as raised:
        copy_model(tiny_config(**NOISE), tiny_target(), tmp_path, watcher=Failing())
    assert raised.value is error


def test_an_audit_ends_at_a_full_disk_before_the_next_run_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = FullFrom(lambda *_: None, 1, NO_SPACE)
    monkeypatch.setattr(Record, "write", lambda *args: full(*args))
    runs = [tiny_config(**NOISE, seed=seed) for seed in (0, 1)]
    told: list[tuple[RunConfig, CopycostError]] = []
    with pytest.raises(DiskFailed):
        audit(runs, tiny_target(), tmp_path, failed=lambda *why: told.append(why))
    assert told == []
    assert len(list(tmp_path.iterdir())) == 1
