"""Trainings that are kept on the disk, so that they can be stopped and go on.

A victim's, that of a fresh student of recorded queries, and that of a diagnosis; adversarial
examples, too, whose steps are paid for.
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
"""Between two checkpoints: what a killed training loses at the most, a step aside."""


class Resumable(Protocol):
    """A training between two of its steps."""

    @property
    def purpose(self) -> dict[str, Any]:
        """What makes it another training than others."""

    @property
    def finished(self) -> bool:
        """Whether no step is left."""

    def state(self) -> dict[str, Any]:
        """All that it takes to go on."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a saved `state`."""


class KeptTraining:
    """A training's checkpoint: written now and then and when `stop` is asked."""

    def __init__(self, path: Path, stop: Stop) -> None:
        """The checkpoint is the file `path`."""
        self._path, self._stop = path, stop
        self._saved = time.monotonic()

    def begin(self, training: Resumable) -> None:
        """Go on from the checkpoint, if there is one; `RunError` if it is of something else."""
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
        """Save it if a minute has passed; raise `Interrupted`, all saved, if it is to stop."""
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
        """Around a training and what is made of it: then its checkpoint goes.

        It goes as well with a training whose loss is lost: the checkpoint may be, too.
        """
        try:
            yield
        except Unstable:
            self._path.unlink(missing_ok=True)
            raise
        self._path.unlink(missing_ok=True)


@contextmanager
def keeping(folder: Path, stop: Stop) -> Iterator[KeptTraining]:
    """Hold the place beside a victim's `folder` for its training; `Busy` if another has it."""
    folder = folder.absolute()  # "." has no name
    work = folder.with_name(f".{folder.name}.work")
    with exclusive(work):
        yield KeptTraining(work / CHECKPOINT_FILE, stop)
