"""One complete run: from a configuration and a target to a record and a saved student."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from copycost.attacks import ATTACKS
from copycost.attacks.base import SMALLEST_BATCH, Attack
from copycost.defences.stack import defend
from copycost.engine import Engine
from copycost.errors import RunError
from copycost.files import write_atomically
from copycost.flags import (
    Flag,
    budget_not_spent,
    estimate_drowned,
    generator_collapsed,
    queries_lost,
    student_knows_already,
    victim_not_deterministic,
)
from copycost.nets import ARCHITECTURES
from copycost.nets.seeded import build, derive
from copycost.oracle.ledger import Account, Ledger
from copycost.oracle.meter import Oracle
from copycost.runner.auditor import Auditor
from copycost.runner.config import RunConfig
from copycost.runner.extract import extract
from copycost.runner.record import (
    RECORD_FILE,
    SAMPLES_FILE,
    AccountFacts,
    Record,
    read_record,
)
from copycost.runner.run import CHECKPOINT_FILE, Run, Silent, Watcher, exclusive
from copycost.runner.samples import save_samples
from copycost.runner.stopping import Stop
from copycost.runner.surroundings import surroundings
from copycost.runner.target import Target
from copycost.settings import read_settings
from copycost.types import Modality
from copycost.victims.saved import Card, content_hash, export_onnx, save_model

CLAIM_FILE = "run.json"
LEDGER_FILE = "ledger.sqlite"
STUDENT_FOLDER = "student"
ONNX_FILE = "student.onnx"
SAMPLES = 64


def copy_model(
    config: RunConfig,
    target: Target,
    folder: Path,
    *,
    stop: Stop | None = None,
    watcher: Watcher | None = None,
) -> Record:
    """Run `config` against `target`, and leave everything worth keeping in `folder`.

    `folder` then holds `record.json`, the student as a saved model and as ONNX, samples of
    its queries as a picture, and the ledger. A finished run is returned as it is; a stopped
    one goes on. Raises `RunError` if the folder holds another run or another process has it.
    """
    with exclusive(folder):
        _claim(folder, config, target)
        record = _finished(folder)
        if record is not None:
            return record
        with Ledger(folder / LEDGER_FILE) as ledger:
            job = _Job.prepare(config, target, folder, ledger, stop or Stop(), watcher or Silent())
            return job.work()


def _claim(folder: Path, config: RunConfig, target: Target) -> None:
    """Write down which run the folder is for; `RunError` if it is for another one."""
    path, identity = folder / CLAIM_FILE, config.identity(target.content_hash)
    if not path.exists():
        claim = {"id": identity, "config": config.in_full(), "victim": target.content_hash}
        write_atomically(path, json.dumps(claim, indent=1).encode())
    elif json.loads(path.read_bytes()).get("id") != identity:
        raise RunError(
            f"{folder} holds another run: other settings or another victim. Use another folder."
        )


def _finished(folder: Path) -> Record | None:
    """The record of an earlier session if it ended the run."""
    if not (folder / RECORD_FILE).exists():
        return None
    record = read_record(folder)
    return record if record.finished else None


@dataclass
class _Job:
    """Everything one run is made of, put together but not started."""

    config: RunConfig
    target: Target
    folder: Path
    engine: Engine
    attack: Attack
    oracle: Oracle
    auditor: Auditor
    auditor_account: Account
    run: Run

    @classmethod
    def prepare(
        cls,
        config: RunConfig,
        target: Target,
        folder: Path,
        ledger: Ledger,
        stop: Stop,
        watcher: Watcher,
    ) -> _Job:
        engine = Engine(config.device, config.precision)
        attack: Attack = read_settings(ATTACKS[config.attack], dict(config.settings))
        api = defend(target.victim, config.defences, config.seed)
        oracle = Oracle(
            api, access=config.access, budget=config.budget, ledger=ledger, k=config.top_k
        )
        attack.check(oracle)
        account = ledger.account("auditor", None, block=len(target.held_out))
        auditor = Auditor(
            target,
            config.defences,
            config.seed,
            account,
            folder / "auditor.safetensors",
            engine.device,
        )
        run = Run(
            folder,
            attack,
            oracle,
            api,
            auditor,
            evaluations=config.evaluations,
            stop=stop,
            watcher=watcher,
        )
        return cls(config, target, folder, engine, attack, oracle, auditor, account, run)

    def work(self) -> Record:
        """Extract, then write the record; a stopped run gets one too, and keeps its checkpoint."""
        victim = self.target.victim
        builder = ARCHITECTURES[self.config.student]
        # A seed of its own: a student must not start from the weights a victim started from.
        seed = derive(self.config.seed, "student")
        student = build(builder, victim.spec, victim.classes, seed)
        state = extract(self.attack, self.oracle, student, self.engine, self.run, self.config.seed)
        record = self._record(student)
        if record.finished:
            self._keep(student)
        if victim.spec.modality is Modality.IMAGE:
            images = self.attack.samples(state, self.oracle, SAMPLES)
            save_samples(self.folder / SAMPLES_FILE, images, victim.spec)
        record.write(self.folder)
        if record.finished:
            (self.folder / CHECKPOINT_FILE).unlink(missing_ok=True)
        return record

    def _keep(self, student: nn.Module) -> None:
        """Save the student as a model and as ONNX."""
        victim = self.target.victim
        card = Card(
            architecture=self.config.student,
            spec=victim.spec,
            classes=victim.classes,
            recipe=self.config.in_full(),
            seed=self.config.seed,
            test_accuracy=self.run.curve[-1].values["accuracy"],
        )
        save_model(self.folder / STUDENT_FOLDER, student, card)
        export_onnx(student, victim.spec, self.folder / ONNX_FILE)

    def _record(self, student: nn.Module) -> Record:
        config, run, oracle = self.config, self.run, self.oracle
        self.auditor_account.settle()
        finished = not self.attack.affordable(oracle)
        return Record(
            id=config.identity(self.target.content_hash),
            given=config.model_dump(mode="json", exclude_unset=True),
            config=config.in_full(),
            attack=config.attack,
            knowledge=self.attack.knowledge,
            seed=config.seed,
            access=config.access,
            student=config.student,
            victim=self.auditor.facts(),
            accounts={
                "attacker": AccountFacts(
                    budget=oracle.budget, spent=oracle.spent, lost=oracle.lost
                ),
                "auditor": AccountFacts(
                    budget=None, spent=self.auditor_account.spent, lost=self.auditor_account.lost
                ),
            },
            surroundings=surroundings(self.engine, self.attack.estimate_epsilon),
            curve=run.curve,
            seconds=run.seconds,
            started=run.started,
            ended="finished" if finished else run.stop.reason,
            resumed=run.resumed,
            flags=self._flags(),
            student_hash=content_hash(student),
        )

    def _flags(self) -> list[Flag]:
        first, last = self.run.curve[0].values, self.run.curve[-1].values
        smallest_step = SMALLEST_BATCH * self.attack.queries_per_image
        oracle, facts = self.oracle, self.auditor.facts()
        return [
            *victim_not_deterministic(facts.self_agreement, last["agreement"]),
            *budget_not_spent(oracle.spent, oracle.budget, smallest_step),
            *queries_lost(oracle.lost),
            *generator_collapsed(last.get("generator/spread")),
            *estimate_drowned(last.get("estimate/correlation")),
            *student_knows_already(first["agreement"], facts.classes),
        ]
