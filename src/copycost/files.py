"""Files that are either the old one or the new one, never half of each."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from copycost.errors import ConfigError

AnyPath = str | os.PathLike[str]
"""A path as callers from outside may write it: text or an object."""


def own_name(path: Path) -> str:
    """The name of a file or folder: '.' and '..' have none, a link has its own."""
    return path.resolve().name if path.name in ("", "..") else path.name


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` so that a crash at any moment leaves one of the two whole.

    The content is on the disk, not only in its cache, when this returns. Raises `ConfigError`
    where `path` is a folder.
    """
    if path.is_dir():
        raise ConfigError([f"{path}: expected a file to write, got a folder. Name a file in it."])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def clear_partial(folder: Path) -> None:
    """Delete what processes that were killed had half written there; nobody may be writing now."""
    for left in folder.glob(".*.partial"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def ensure_writable(folder: Path) -> None:
    """Make `folder` if it is not there; `ConfigError` if no file can be put into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            [f"{folder}: expected a folder to write in, got {error.strerror!r}. Name another one."]
        ) from None


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable; a rename is otherwise only in the cache."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
