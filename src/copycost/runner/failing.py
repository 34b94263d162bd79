"""What is told of a run, or of other work, that failed: one line, and a traceback in a file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from copycost.errors import CopycostError, RunError, Unstable
from copycost.files import write_atomically

ERROR_FILE = "error.txt"


def note_failure(file: Path, text: str) -> None:
    """Write `text` to the error file `file`, if the disk allows it."""
    with suppress(OSError):
        write_atomically(file, text.encode())


def in_one_line(error: Exception) -> str:
    """The error's text in one line; for errors that are not copycost's, with the type."""
    text = " ".join(str(error).split())
    return text if isinstance(error, CopycostError) else f"{type(error).__name__}: {text}"


def unexpected(error: Exception) -> bool:
    """Whether only a traceback tells where it is from: it is none that says why a run ends."""
    return not isinstance(error, RunError | Unstable)
