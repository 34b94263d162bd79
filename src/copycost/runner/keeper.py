"""Checkpoints of trainings outside of runs, so that they can be stopped and resumed.

These train a victim, a fresh student on recorded queries, or a network for a diagnosis. The search
for adversarial examples, whose steps are paid for, is kept in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from copycost.errors import Interrupted, RunError, Unstable
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.folder import CHECKPOINT_FILE, exclusive
from copycost.runner.stopping import Stop

SECONDS = 60.0
"""Time between checkpoints: a killed training loses this much at most, give or take a step."""


class Resumable(Protocol):
    """A training that can be saved between two of its steps."""

    @property
    def purpose(self) -> dict[str, Any]:
        """What distinguishes it from other trainings."""

    @property
    def finished(self) -> bool:
        """Whether no step is left."""

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""

    def restore(self, state: dict[str, Any]) -> None:
        """Load a saved `state`."""


class FileKeeper:
    """Keeps a training in one file: writes it every minute and when `stop` is asked."""

    def __init__(self, path: Path, stop: Stop) -> None:
        """The checkpoint is the file `path`."""
        self._path, self._stop = path, stop
        self._saved = time.monotonic()

    def begin(self, training: Resumable) -> None:
        """Go on from the checkpoint, if any; `RunError` if it is of another training."""
        kept = load_checkpoint(self._path)
        if kept is None:
            return
        if kept["purpose"] != training.purpose:
            raise RunError(
                f"{self._path} is of a training that was stopped, by another recipe or on other "
                "data. Finish that one by its own command, or delete the file to give it up."
            )
        training.restore(kept["training"])

    def after_step(self, training: Resumable) -> None:
        """Save it if a minute has passed; if asked to stop, save it and raise `Interrupted`."""
        asked = bool(self._stop.reason) and not training.finished
        if asked or time.monotonic() - self._saved >= SECONDS:
            self.keep(training)
        if asked:
            raise Interrupted

    def keep(self, training: Resumable) -> None:
        """Save it now."""
        save_checkpoint(self._path, {"purpose": training.purpose, "training": training.state()})
        self._saved = time.monotonic()

    @contextmanager
    def until_done(self) -> Iterator[None]:
        """Around a training and the use of its result: delete the checkpoint at the end.

        It is also deleted if the training is `Unstable`, as it may be lost as well.
        """
        try:
            yield
        except Unstable:
            self._path.unlink(missing_ok=True)
            raise
        self._path.unlink(missing_ok=True)


@contextmanager
def keeping(folder: Path, stop: Stop) -> Iterator[FileKeeper]:
    """Hold a work folder beside `folder` for its training; `Busy` if another process has it."""
    folder = folder.absolute()  # "." has no name
    work = folder.with_name(f".{folder.name}.work")
    with exclusive(work):
        yield FileKeeper(work / CHECKPOINT_FILE, stop)
