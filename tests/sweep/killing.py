"""How the tests find the worker of a run, and the moment at which killing it hurts."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

CHECKPOINT_FILE = "checkpoint.safetensors"
LEDGER_FILE = "ledger.sqlite"


def saved_at(folder: Path) -> int:
    """When the run's checkpoint was written, in nanoseconds; 0 while there is none."""
    path = folder / CHECKPOINT_FILE
    return path.stat().st_mtime_ns if path.exists() else 0


def wait_for_save(folder: Path, after: int = 0) -> None:
    while saved_at(folder) <= after:
        time.sleep(0.01)


def kill_in_the_middle(folder: Path) -> None:
    """SIGKILL to the run's worker, once it has saved and has queries reserved since."""
    wait_for_save(folder, saved_at(folder))
    while not _reserved(folder):
        time.sleep(0.001)
    os.kill(holder(folder), signal.SIGKILL)


def holder(folder: Path) -> int:
    """The process that has the lock file of a run open."""
    lock = str((folder / "lock").resolve())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(file.readlink()) == lock for file in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:
            continue
    raise AssertionError(f"nobody works on {folder}")


def _reserved(folder: Path) -> bool:
    question = "SELECT COUNT(*) FROM reservations WHERE account = 'attacker' AND state = 'open'"
    with closing(sqlite3.connect(folder / LEDGER_FILE)) as ledger:
        return bool(ledger.execute(question).fetchone()[0])
