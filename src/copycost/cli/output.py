"""Console output: results go to standard output, all else to standard error."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

LOG_WIDTH = 120

FAILED = 1
"""Exit status of a command in which a run failed."""
STOPPED = 3
"""Exit status of a command that was stopped before its end and can be resumed."""

LEADS = os.environ.get("RANK", "0") == "0"
"""Whether this process prints: of several that `torchrun` started, only the first does."""


class _Patient(Console):
    """A console that falls silent when its terminal or pipe is closed, so that the run goes on.

    It prints text without markup: the user's names of models and data may contain brackets.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        width = None if sys.stderr.isatty() else LOG_WIDTH
        super().__init__(
            stderr=True, highlight=False, markup=False, emoji=False, width=width, quiet=quiet
        )

    def on_broken_pipe(self) -> None:
        self.fall_silent()

    def print(self, *objects: Any, **style: Any) -> None:
        try:
            super().print(*objects, **style)
        except OSError:  # the terminal is gone
            self.fall_silent()

    def fall_silent(self) -> None:
        """Discard all further output to standard error, whatever writes it."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


console = _Patient(quiet=not LEADS)
"""Progress and tables: never mixed with the JSON on standard output."""
_loud = _Patient()
"""For error messages, which any process may print."""


def complain(message: str, *, everywhere: bool = False) -> None:
    """Print an error message for a person, each line without markup or wrapping.

    Of several processes only the first prints, unless `everywhere`: for errors that may have
    occurred in one process alone.
    """
    if not (LEADS or everywhere):
        return
    rank = "" if LEADS else f"rank {os.environ['RANK']}: "
    for line in message.split("\n"):
        error = Text.assemble(("error:", "bold red"), f" {rank}{line}")
        _loud.print(error, soft_wrap=True)


def say(message: str) -> None:
    """Print a remark for a person, without markup or wrapping."""
    console.print(message, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")


def print_text(text: str) -> None:
    """Print a result on standard output."""
    sys.stdout.write(text + "\n")
