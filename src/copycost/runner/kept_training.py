"""The training of a victim, kept on the disk so that it can be stopped and go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from copycost.errors import RunError
from copycost.runner.checkpoint import load_checkpoint, save_checkpoint
from copycost.runner.folder import CHECKPOINT_FILE, exclusive
from copycost.runner.stopping import Stop
from copycost.training.train import Training

SECONDS = 60.0
"""Between two checkpoints: what a killed training loses at the most, a step aside."""


class Interrupted(Exception):
    """A victim's training was stopped; the next one goes on from where it was."""


class KeptTraining:
    """A training's checkpoint: written now and then and when `stop` is asked."""

    def __init__(self, folder: Path, stop: Stop) -> None:
        """The checkpoint lies in `folder`."""
        self._path, self._stop = folder / CHECKPOINT_FILE, stop
        self._saved = time.monotonic()

    def begin(self, training: Training) -> None:
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

    def after_step(self, training: Training) -> None:
        """Save it if a minute has passed; raise `Interrupted`, all saved, if it is to stop."""
        asked = bool(self._stop.reason) and not training.finished
        if asked or time.monotonic() - self._saved >= SECONDS:
            save_checkpoint(self._path, {"purpose": training.purpose, "training": training.state()})
            self._saved = time.monotonic()
        if asked:
            raise Interrupted

    def forget(self) -> None:
        """Delete the checkpoint: the model is there."""
        self._path.unlink(missing_ok=True)


@contextmanager
def keeping(folder: Path, stop: Stop) -> Iterator[KeptTraining]:
    """Hold the place beside a victim's `folder` for its training; `Busy` if another has it."""
    work = folder.with_name(f".{folder.name}.work")
    with exclusive(work):
        yield KeptTraining(work, stop)
