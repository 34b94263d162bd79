"""Locks on files. A lock ends with the process that holds it, so a crash leaves none behind."""

from __future__ import annotations

import fcntl
import weakref
from pathlib import Path
from typing import Self

from copycost.errors import Busy, RunError


class Lock:
    """An exclusive lock on a file, held until it is released or garbage-collected.

    A second lock on the file is refused, in this process or another.
    """

    def __init__(self, path: Path, what: str) -> None:
        """Lock `path`, created if missing, without waiting; errors call what it protects `what`.

        Raises `Busy` if the file is locked already, `RunError` if the file system has no locks,
        `OSError` if the file cannot be opened.
        """
        file = path.open("w")
        self.release = weakref.finalize(self, file.close)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise _refusal(what, error) from None

    def __enter__(self) -> Self:
        """The lock itself; it is released at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self.release()


def _refusal(what: str, error: OSError) -> RunError:
    if isinstance(error, BlockingIOError):
        return Busy(
            f"Another process is working on {what}, or this one still has it open. "
            "Wait for it, or close it."
        )
    return RunError(
        f"{what} cannot be locked ({error.strerror}): two processes might work on it at once. "
        "Choose a folder on a file system with locks."
    )
