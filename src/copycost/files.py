"""Atomic and durable writes: after a crash a file is the old one or the new one, never a mix."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from copycost.errors import ConfigError

AnyPath = str | os.PathLike[str]
"""A path as users may pass it: a string or a path object."""


def own_name(path: Path) -> str:
    """The name of a file or folder: '.' and '..' are resolved, a link keeps its own name."""
    return path.resolve().name if path.name in ("", "..") else path.name


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file `path` by one with `content`; a crash leaves one of the two, whole.

    The content is on the disk, not only in its cache, when this returns. Raises `ConfigError`
    if `path` is a folder.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: expected a file to write, got a folder. Name a file in it.")
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
    """Delete half-written files that killed processes left; nothing may be writing there now."""
    for left in folder.glob(".*.partial"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def ensure_writable(folder: Path) -> None:
    """Create `folder` if it is missing; `ConfigError` if no file can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"{folder}: expected a folder to write in, got {error.strerror!r}. Name another one."
        ) from None


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable; otherwise a rename is only in the cache."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
