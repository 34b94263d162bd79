"""One complete run: from a configuration and a target to a record and a saved student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from copycost.adaptations.base import Adaptation
from copycost.adaptations.stack import read_adaptations
from copycost.attacks.base import Attack
from copycost.attacks.state import State
from copycost.defences.stack import defend
from copycost.engine import Engine
from copycost.errors import RunError, check_kind
from copycost.files import AnyPath
from copycost.nets.seeded import derive
from copycost.oracle.base import Oracle
from copycost.oracle.ledger import Ledger
from copycost.oracle.meter import Meter
from copycost.oracle.transfer.recorder import Recorder
from copycost.pool import Pool
from copycost.ranks import Ranks
from copycost.runner.adapting import check_adapted, learn
from copycost.runner.auditor import Auditor, auditors_account
from copycost.runner.chance import runs_chance
from copycost.runner.config import RunConfig
from copycost.runner.extract import extract
from copycost.runner.folder import (
    AUDITOR_FILE,
    CHECKPOINT_FILE,
    LEDGER_FILE,
    ONNX_FILE,
    STUDENT_FOLDER,
    claimed,
    disk_faults_told,
    own,
)
from copycost.runner.making import (
    attack_of,
    check_runs,
    engine_of,
    fresh_student,
    maps_its_range,
    ready_victim,
)
from copycost.runner.outcome import EndedRun
from copycost.runner.pools import load_pool
from copycost.runner.process import process_lent
from copycost.runner.record import RECORD_FILE, SAMPLES_FILE, Record, read_record
from copycost.runner.run import Run
from copycost.runner.samples import save_samples
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.transfers import recording
from copycost.runner.trying import check_student
from copycost.runner.unstable import refuse_diverged
from copycost.runner.watchers import Silent, Watcher
from copycost.victims.base import Victim
from copycost.victims.saved import Card, export_onnx, save_model

SAMPLES = 64


def copy_model(
    config: RunConfig,
    target: Target,
    folder: AnyPath,
    *,
    stop: Stop | None = None,
    watcher: Watcher | None = None,
) -> Record:
    """Copy the victim of `target` as `config` says, and write the results into `folder`.

    `folder` then holds `record.json`, the student as a saved model and as ONNX, a picture of
    sample queries, the ledger and, if `config` records them, the queries themselves. A finished
    run's record is returned as it is; a stopped run goes on. Under `torchrun` all processes call
    this together, and all return the record.

    Without a `stop`, the first Ctrl-C, SIGTERM or SIGHUP stops the run after a step, saves it, and
    then takes its usual effect; the same call resumes the run. `Stop(max_minutes)` sets a time
    limit, and handles signals within `stop.on_signals()`: the record of the stopped run is
    returned. A stop before the attacker's first query, while an adaptation learns or the auditor
    asks about the held-out data, leaves no record and raises `Interrupted`.

    Only one run at a time uses the process: threads that call this take turns. On return,
    PyTorch's switches and the mode of the victim's module are as they were before.

    Raises `RunError` if the folder holds another run or another process has it, `DiskFailed`, one
    of its kinds, if the disk is full, and `Unstable` if a loss or a player became NaN or infinite,
    now or in an earlier session.
    """
    order = "write copy_model(RunConfig(…), Target(…), folder)"
    check_kind(config, RunConfig, "a RunConfig", order)
    check_kind(target, Target, "a Target", order)
    with process_lent(target.victim), disk_faults_told(Path(folder)):
        return _copied(config, target, Path(folder), stop, watcher)


def _copied(
    config: RunConfig, target: Target, folder: Path, stop: Stop | None, watcher: Watcher | None
) -> Record:
    engine = engine_of(config, target.victim)
    check_runs([config], engine.ranks.count)
    with (
        Stop.given_or_own(stop) as asked,
        claimed(folder, config, target, engine.ranks),
        runs_chance(config.seed, engine),
    ):
        record = _finished(folder)
        if record is not None:
            _clear(folder, engine.ranks)  # in case the process was killed before it did
            return record
        refuse_diverged(folder, engine.ranks)
        with (
            Ledger(own(folder / LEDGER_FILE, engine.ranks)) as ledger,
            recording(config, target.victim, folder) as recorder,
        ):
            place = _Place(target, folder, engine, ledger, recorder)
            shown = watcher if watcher is not None and engine.ranks.leads else Silent()
            return _Job.prepare(config, place, asked, shown).work()


def _finished(folder: Path) -> Record | None:
    """The record of an earlier session if it ended the run."""
    if not (folder / RECORD_FILE).exists():
        return None
    record = read_record(folder)
    return record if record.finished else None


def _clear(folder: Path, ranks: Ranks) -> None:
    """Delete what a finished run no longer needs."""
    own(folder / CHECKPOINT_FILE, ranks).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Place:
    """What a run is given: whom to ask, where to compute and where to write."""

    target: Target
    folder: Path
    engine: Engine
    ledger: Ledger
    recorder: Recorder | None


@dataclass
class _Job:
    """Everything one run is made of, put together but not started."""

    config: RunConfig
    place: _Place
    attack: Attack
    pool: Pool | None
    meter: Meter
    state: State
    auditor: Auditor | None
    run: Run

    @classmethod
    def prepare(cls, config: RunConfig, place: _Place, stop: Stop, watcher: Watcher) -> _Job:
        ranks = place.engine.ranks
        attack = attack_of(config, ranks.count)
        pool = load_pool(config, attack, place.target.victim.spec)
        api = _api(config, place, attack)
        adaptations = read_adaptations(config.adaptations)
        meter = _meter(config, place, api, adaptations)
        oracle = meter.oracle
        attack.check(oracle)
        check_student(config, oracle.spec, oracle.classes, place.engine.device)
        learn(adaptations, config, oracle.classes, place.engine.device, stop)
        if adaptations:
            check_adapted(adaptations, config, oracle.spec, oracle.classes, place.engine.device)
        student = fresh_student(config, oracle.spec, oracle.classes)
        # Before the auditor asks, so that a generator or pool that does not fit costs nothing.
        state = attack.start_with(pool, student, oracle, place.engine, config.seed)
        # The other ranks wait for a slow victim here, as later collectives would time out.
        with ranks.leader_first():
            auditor = _auditor(config, place, stop) if ranks.leads else None
        run = Run(
            place.folder,
            attack,
            meter,
            api,
            auditor,
            ranks,
            evaluations=config.evaluations,
            stop=stop,
            watcher=watcher,
        )
        return cls(config, place, attack, pool, meter, state, auditor, run)

    @property
    def oracle(self) -> Oracle:
        """What the attack holds."""
        return self.meter.oracle

    def work(self) -> Record:
        """Run the attack, then write the record; a stopped run also keeps its checkpoint."""
        config, engine, folder = self.config, self.place.engine, self.place.folder
        extract(self.attack, self.state, self.oracle, self.run)
        images = self._samples()
        with engine.ranks.leader_first():
            if self.auditor is not None and self.run.finished:
                self.auditor.close()
        spent, lost = (sum(engine.ranks.all(n)) for n in (self.meter.spent, self.meter.lost))
        if self.auditor is not None:
            ended = EndedRun(
                config, self.attack, self.run, self.auditor, engine, spent, lost, self.pool
            )
            record = ended.record(self.state, self.place.recorder)
            if record.finished:
                self._keep(self.state.judged, record)
            if images is not None:
                save_samples(folder / SAMPLES_FILE, images, self.oracle.spec)
            record.write(folder)
        engine.ranks.wait()
        record = read_record(folder)
        if record.finished:
            _clear(folder, engine.ranks)
        return record

    def _samples(self) -> Tensor | None:
        """Sample queries of the attack as it now stands, if they are images; all ranks call it."""
        if not self.oracle.spec.in_levels:
            return None
        return self.attack.samples(self.state, self.oracle, SAMPLES)

    def _keep(self, student: nn.Module, record: Record) -> None:
        """Save the student as a model and as ONNX."""
        folder, spec = self.place.folder, self.oracle.spec
        card = Card(
            architecture=self.config.student,
            normalised=maps_its_range(self.config.student, spec),
            spec=spec,
            classes=self.oracle.classes,
            recipe=self.config.in_full(),
            seed=self.config.seed,
            test_accuracy=record.result["accuracy"],
        )
        save_model(folder / STUDENT_FOLDER, student, card)
        # A plain network, without the modules that the engine put in.
        plain = fresh_student(self.config, spec, self.oracle.classes)
        plain.load_state_dict(student.state_dict())
        export_onnx(plain, spec, folder / ONNX_FILE)


def _api(config: RunConfig, place: _Place, attack: Attack) -> Victim:
    """The victim as the attacker meets it: in the run's precision, with its defences on."""
    ready = ready_victim(place.target.victim, place.engine, attack)
    rank = place.engine.ranks.rank
    # Each rank's defences draw their own random numbers; rank 0's are those of a single process.
    seed = derive(config.seed, f"defences of rank {rank}") if rank else config.seed
    return defend(ready, config.defences, seed)


def _meter(
    config: RunConfig, place: _Place, api: Victim, adaptations: Sequence[Adaptation]
) -> Meter:
    """What counts the attacker's queries to `api`; each rank has its share of the budget."""
    return Meter(
        api,
        access=config.access,
        budget=config.budget // place.engine.ranks.count,
        ledger=place.ledger,
        k=config.top_k,
        recorder=place.recorder,
        defences=config.defences,
        adaptations=adaptations,
    )


def _auditor(config: RunConfig, place: _Place, stop: Stop) -> Auditor:
    account = auditors_account(place.ledger, place.target)
    if not account.spent and (place.folder / AUDITOR_FILE).exists():
        raise RunError(
            f"The ledger in {place.folder} is empty, and what it paid for is in the folder: it was "
            "lost or replaced. Put it back, or delete the folder to start over."
        )
    return Auditor(
        place.target,
        config.defences,
        config.seed,
        account,
        place.folder / AUDITOR_FILE,
        place.engine.device,
        stop,
    )
