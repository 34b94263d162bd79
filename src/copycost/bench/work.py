"""Measures a finished run: a task for any executor, with its results beside the record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from copycost.bench.adversarial import TransferRate, transfer_rate
from copycost.bench.fresh import FreshRecipe, Trained, refuse_lost, train_fresh
from copycost.bench.queries import first_queries
from copycost.engine import Engine
from copycost.hashes import text_hash
from copycost.metrics.transferability import PGD
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import derive
from copycost.oracle.ledger import Ledger
from copycost.runner.auditor import Auditor, auditors_account
from copycost.runner.config import RunConfig
from copycost.runner.failing import ERROR_FILE
from copycost.runner.folder import AUDITOR_FILE, LEDGER_FILE, exclusive
from copycost.runner.keeper import FileKeeper
from copycost.runner.making import student_of
from copycost.runner.record import Facts
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.transfers import read_transfer_set
from copycost.settings import write_settings
from copycost.sweep.work import Ended, Outcome, Task


class FreshResult(Facts):
    """A fresh student trained on one budget's queries."""

    budget: int
    steps: int
    """Steps of its optimiser: the same for all attacks at this budget."""
    learnt: int
    """Recorded queries that it learnt from."""
    kept_out: int
    """Recorded queries that it did not learn from, by which `chosen` was chosen."""
    last: dict[str, float]
    """Accuracy, agreement and so on of the student at the end, on held-out data."""
    chosen: dict[str, float] | None
    """The same of the student chosen by the queries kept out; None if there were none."""
    chosen_at: int | None
    """Steps that `chosen` had taken."""
    seconds: float
    """Of its training, over all sessions."""


@dataclass(frozen=True)
class Measure(Task):
    """Measures a finished run: adversarial examples on its student, then fresh students."""

    config: RunConfig
    folder: Path
    pgd: PGD
    recipe: FreshRecipe
    budgets: tuple[int, ...]
    """Budgets of the fresh students; empty unless the run has its attack's largest budget."""

    @property
    def done(self) -> bool:
        """Whether all of it has been measured."""
        return self.transfer() is not None and all(map(self.fresh, self.budgets))

    def transfer(self) -> TransferRate | None:
        """The transfer rate of the run's own student; None if it has not been measured."""
        return _read(TransferRate, self._transfer_file)

    def fresh(self, budget: int) -> FreshResult | None:
        """The result of the fresh student of one budget; None if it has not been measured."""
        return _read(FreshResult, self._fresh_file(budget))

    def run(self, stop: Stop) -> Outcome:
        """Take the missing measurements, until all are done or `stop` is asked."""
        with exclusive(self.folder), Ledger(self.folder / LEDGER_FILE) as ledger:
            self._measure(ledger, stop)
        return Outcome(Ended.FINISHED)

    @property
    def error_file(self) -> Path:
        """In the run's folder."""
        return self.folder / ERROR_FILE

    def _measure(self, ledger: Ledger, stop: Stop) -> None:
        target, engine = self.home.load(), Engine(self.config.device)
        account = auditors_account(ledger, target)
        cache = self.folder / AUDITOR_FILE
        config = self.config
        ARCHITECTURES.check(config.student)  # imports a user's network before its weights are read
        auditor = Auditor(target, config.defences, config.seed, account, cache, engine.device, stop)
        if self.transfer() is None:
            keeper = FileKeeper(self._transfer_file.with_suffix(".safetensors"), stop)
            with keeper.until_done():
                rate = transfer_rate(self.folder, auditor, self.pgd, engine, config.seed, keeper)
                rate.write_to(self._transfer_file)
        for budget in self.budgets:
            if self.fresh(budget) is None:
                keeper = FileKeeper(self._fresh_file(budget).with_suffix(".safetensors"), stop)
                with keeper.until_done():
                    student = self._train(budget, target, auditor, engine, keeper)
                    student.write_to(self._fresh_file(budget))

    def _train(
        self, budget: int, target: Target, auditor: Auditor, engine: Engine, keeper: FileKeeper
    ) -> FreshResult:
        steps, seed = self.recipe.steps(budget), self.config.seed
        spec, classes = target.victim.spec, target.victim.classes
        trained = train_fresh(
            self.recipe,
            # A seed of its own: it must not start from the weights of the victim or run's student.
            lambda: student_of(self.config.student, spec, classes, derive(seed, "fresh student")),
            first_queries(read_transfer_set(self.folder), budget),
            steps,
            derive(seed, "fresh student's lessons"),
            engine.device,
            keeper,
        )
        return _judged(trained, budget, steps, auditor)

    @property
    def _transfer_file(self) -> Path:
        return self.folder / f"transfer-rate-{_key(self.pgd)}.json"

    def _fresh_file(self, budget: int) -> Path:
        return self.folder / f"fresh-{budget}-{_key(self.recipe)}.json"


def _judged(trained: Trained, budget: int, steps: int, auditor: Auditor) -> FreshResult:
    """Evaluate both students; `Unstable` if the values of the final one are not finite."""
    last = auditor.evaluate(trained.last)
    refuse_lost(sum(last.values()), steps)
    return FreshResult(
        budget=budget,
        steps=steps,
        learnt=trained.learnt,
        kept_out=trained.kept_out,
        last=last,
        chosen=None if trained.chosen is None else auditor.evaluate(trained.chosen),
        chosen_at=trained.chosen_at,
        seconds=trained.seconds,
    )


F = TypeVar("F", bound=Facts)


def _read(kind: type[F], path: Path) -> F | None:
    if not path.exists():
        return None
    return kind.read_from(path, "is damaged", "Delete it to measure again.")


def _key(settings: PGD | FreshRecipe) -> str:
    """The part of a file name that stands for the settings of a measurement."""
    text = json.dumps(write_settings(settings), sort_keys=True)
    return text_hash(text)[:12]
