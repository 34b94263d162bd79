"""The folder of one run: its files, the run it belongs to, and the lock of its process."""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from copycost.errors import DiskFailed, RunError
from copycost.files import clear_partial, write_atomically
from copycost.locks import Lock
from copycost.ranks import Ranks
from copycost.runner.config import RunConfig
from copycost.runner.record import RECORD_FILE, Record, read_record
from copycost.runner.target import Target

CLAIM_FILE = "run.json"
LEDGER_FILE = "ledger.sqlite"
CHECKPOINT_FILE = "checkpoint.safetensors"
UNSTABLE_FILE = "unstable.safetensors"
AUDITOR_FILE = "auditor.safetensors"
STUDENT_FOLDER = "student"
ONNX_FILE = "student.onnx"
TRANSFER_FOLDER = "transfer"
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""No space, no quota, too large a file, mounted for reading only. Other errors of the system may
come from elsewhere, such as from a watcher whose terminal is gone."""


def own(path: Path, ranks: Ranks) -> Path:
    """This rank's own version of a file: `ledger.sqlite`, `ledger-rank1.sqlite`, …"""
    return path if ranks.leads else path.with_name(f"{path.stem}-rank{ranks.rank}{path.suffix}")


def has_begun(folder: Path) -> bool:
    """Whether it holds a run without a record yet: under way, refused, or killed early."""
    return (folder / CLAIM_FILE).exists() and not (folder / RECORD_FILE).exists()


def has_diverged(folder: Path | None) -> bool:
    """Whether the run in it diverged to NaN or infinity, and has not been finished since."""
    return folder is not None and (folder / UNSTABLE_FILE).exists()


def kept_record(folder: Path, config: RunConfig, target: Target) -> Record | None:
    """The record that earlier sessions left of this run; None if there is none to be read."""
    try:
        _check_claim(folder, config, target)
        return read_record(folder)
    except (OSError, RunError):
        return None


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a run folder for this process; `Busy` if another process holds it.

    Raises `RunError` if the file system has no locks, if a file is in the folder's place, or if
    safetensors could not read a checkpoint from its path. The lock ends with the process, so a
    crash leaves nothing to clean up.
    """
    _check_path(folder.absolute())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RunError(
            f"{folder}: expected a folder for the run, and a file is in its place. Use another."
        ) from None
    with Lock(folder / "lock", str(folder)):
        clear_partial(folder)
        yield


@contextmanager
def disk_faults_told(folder: Path) -> Iterator[None]:
    """Within the block, what the disk refuses the run in `folder` is raised as `DiskFailed`."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise _disk_failed(folder, f"{where}{error.strerror}") from error
    except sqlite3.OperationalError as error:
        raise _disk_failed(folder, f"its ledger: {error}") from error


def _disk_failed(folder: Path, how: str) -> DiskFailed:
    return DiskFailed(
        f"The run in {folder} could not write to its disk: {how}. Every query that was asked is on "
        "its account, and what it saved before is kept. Make room, or mend the disk, and run again "
        "to go on from there."
    )


def _check_path(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise RunError(
            f"{str(path)!a}: expected a path in UTF-8, as safetensors reads no other. "
            "Use another folder."
        ) from None


@contextmanager
def claimed(folder: Path, config: RunConfig, target: Target, ranks: Ranks) -> Iterator[None]:
    """Hold `folder` for this run; rank 0 holds it for all ranks.

    Raises `RunError` if the folder is another run's, if another process is working on it, or if
    the run was begun by another number of ranks.
    """
    with ExitStack() as held:
        with ranks.leader_first():
            if ranks.leads:
                held.enter_context(exclusive(folder))
                _claim(folder, config, target, ranks)
        yield


def _claim(folder: Path, config: RunConfig, target: Target, ranks: Ranks) -> None:
    path = folder / CLAIM_FILE
    if not path.exists():
        claim = {
            "id": config.identity(target.content_hash),
            "config": config.in_full(),
            "victim": target.content_hash,
            "declared": target.declared_hash,
            "ranks": ranks.count,
        }
        write_atomically(path, json.dumps(claim, indent=1).encode())
        return
    found = _check_claim(folder, config, target)
    if found.get("ranks") != ranks.count:
        raise RunError(
            f"{folder} was begun by {found.get('ranks')} processes, each with a ledger of its "
            f"own, and cannot go on with {ranks.count}. Start as many as then, or use "
            "another folder."
        )


def _check_claim(folder: Path, config: RunConfig, target: Target) -> dict[str, object]:
    """The claim, if it is this run's; else `RunError`."""
    found = _read_claim(folder / CLAIM_FILE)
    if found.get("id") != config.identity(target.content_hash):
        raise RunError(
            f"{folder} holds another run: other settings or another victim. Use another folder."
        )
    if found.get("declared") != target.declared_hash:
        raise RunError(
            f"{folder} holds a run of this victim with another range, output or number of classes, "
            "or judged on other data. Use another folder."
        )
    return found


def _read_claim(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}. Use another folder.") from None
    if not isinstance(found, dict):
        raise RunError(f"{path} is damaged: expected a JSON object. Use another folder.")
    return found
