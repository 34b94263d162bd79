"""Adversarial examples of a run's student, tried on the victim at the auditor's expense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from copycost.engine import Engine
from copycost.hashes import hash_of
from copycost.metrics.transferability import PGD
from copycost.nets.seeded import derive
from copycost.runner.auditor import Auditor
from copycost.runner.folder import STUDENT_FOLDER
from copycost.runner.held_out import CHUNK
from copycost.runner.keeper import FileKeeper
from copycost.runner.record import Facts
from copycost.settings import write_settings
from copycost.victims.saved import load_model


class TransferRate(Facts):
    """What adversarial examples made on a run's student do to the victim."""

    tried: int
    """Held-out inputs that the victim gets right, each the start of one example."""
    on_victim: float | None
    """Share of the examples to which the victim gives another label; None if none was tried."""
    on_student: float | None
    """The same share for the student they were made on."""
    by_chance: float | None
    """The same share for the victim after equally large changes in random directions."""
    asked: int
    """Queries charged to the run's auditor account for this measure, lost ones included."""
    auditor_spent: int
    """The total charged to that account afterwards."""


def transfer_rate(
    folder: Path, auditor: Auditor, pgd: PGD, engine: Engine, seed: int, keeper: FileKeeper
) -> TransferRate:
    """Make adversarial examples on the student in `folder`, and try them on the victim.

    Each starts from a held-out input that the victim gets right. For each, the undefended victim is
    asked twice, at the auditor's expense: about the example, and about an equally large random
    change.

    `keeper` holds the progress of earlier sessions. Raises what `keeper` raises, and `Interrupted`
    if the auditor is asked to stop: answers already paid for are kept and not asked again.
    """
    student = load_model(folder / STUDENT_FOLDER)[0].to(engine.device).requires_grad_(False)
    trial = TransferTrial(student, auditor, pgd, engine, seed)
    keeper.begin(trial)
    trial.asking = True
    try:
        while not trial.finished:
            _keep(trial, keeper, auditor)
            trial.step()
    finally:
        trial.asking = False
        _keep(trial, keeper, auditor)
    return trial.rate()


def _keep(trial: TransferTrial, keeper: FileKeeper, auditor: Auditor) -> None:
    """Save the trial, then settle: a process killed between the two asks nothing again."""
    keeper.keep(trial)
    auditor.account.settle()


class TransferTrial:
    """The measurement of a transfer rate, between two chunks of held-out inputs."""

    def __init__(
        self, student: nn.Module, auditor: Auditor, pgd: PGD, engine: Engine, seed: int
    ) -> None:
        """Try nothing yet. The arguments are those of `transfer_rate`."""
        self._student, self._auditor, self._pgd = student, auditor, pgd
        self._random = engine.random(derive(seed, "adversarial examples"))
        # Tokens have no size, so none is a little larger: nothing is tried.
        tokens = auditor.target.victim.spec.vocabulary is not None
        self._which = auditor.right.cpu().nonzero().flatten()[: 0 if tokens else None]
        self.purpose: dict[str, Any] = {
            "pgd": write_settings(pgd),
            "seed": seed,
            "inputs": hash_of(self._which),
        }
        self._tried = self._asked = 0
        self._changed = [0, 0, 0]
        self.asking = False
        """Whether all that the account is charged from now on is for this trial."""

    @property
    def finished(self) -> bool:
        """Whether every input that the victim gets right has been tried."""
        return self._tried == len(self._which)

    def step(self) -> None:
        """Try the next chunk of inputs; if interrupted, the victim was not asked about them.

        Whatever it raises, the same chunk is tried next.
        """
        rows = self._which[self._tried : self._tried + CHUNK]
        before, drawn = self._auditor.account.spent, self._random.state()
        try:
            moved = self._moved(rows)
        except BaseException:
            self._random.restore(drawn)
            raise
        finally:
            self._asked += self._auditor.account.spent - before
        self._tried += len(rows)
        self._changed = [sum(counts) for counts in zip(self._changed, moved, strict=True)]

    def rate(self) -> TransferRate:
        """The shares among the inputs tried."""
        tried = self._tried
        shares = (count / tried if tried else None for count in self._changed)
        on_victim, on_student, by_chance = shares
        return TransferRate(
            tried=tried,
            on_victim=on_victim,
            on_student=on_student,
            by_chance=by_chance,
            asked=self._asked,
            auditor_spent=self._auditor.account.spent,
        )

    def state(self) -> dict[str, Any]:
        """Everything needed to resume bit for bit."""
        return {
            "tried": self._tried,
            "asked": self._asked,
            "changed": self._changed,
            "random": self._random.state(),
            "spent": self._auditor.account.spent if self.asking else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved `state`.

        What was charged since, if the trial was asking, was for a chunk that a crash cut short.
        """
        self._tried, self._asked = state["tried"], state["asked"]
        self._changed = state["changed"]
        self._random.restore(state["random"])
        spent = state.get("spent")  # older versions did not save it
        if spent is not None:
            self._asked += max(0, self._auditor.account.spent - spent)

    def _moved(self, rows: Tensor) -> list[int]:
        """How many labels change on held-out `rows`: victim's, student's, victim's by chance."""
        auditor, device = self._auditor, self._random.device
        held_out, spec = auditor.target.held_out, auditor.target.victim.spec
        bounds = (spec.low, spec.high)
        labels, x = held_out.labels.to(device)[rows], held_out.values(rows, device)
        start = 2 * self._random.uniform(len(x), *spec.shape) - 1
        made = self._pgd.against(self._interruptible, x, labels, bounds, start)
        noisy = self._pgd.near(x, start.sign(), bounds)
        changed = (
            auditor.labels_of(made) != labels,
            self._student(made).argmax(dim=1) != labels,
            auditor.labels_of(noisy) != labels,
        )
        return [int(which.sum()) for which in changed]

    def _interruptible(self, x: Tensor) -> Tensor:
        """The student's logits [n, K]; heeds a stop, as one chunk may take minutes on a CPU."""
        self._auditor.heed_stop()
        logits: Tensor = self._student(x)
        return logits
