"""Diagnosis of the paper's vanishing gradients: DFME, with the true gradient measured beside it.

A diagnosis uses what no attacker has. It therefore charges a throw-away account in memory, leaves
a separate kind of record, and has no effect on any run.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import nn

from copycost.arithmetic import described
from copycost.attacks.dfme import DFME
from copycost.attacks.state import State
from copycost.engine import Engine, arranged
from copycost.errors import ConfigError, Interrupted, RunError
from copycost.nets.seeded import derive
from copycost.oracle.base import Oracle
from copycost.oracle.meter import Meter
from copycost.runner.chance import chance_state, own_chance, restore_chance, runs_chance
from copycost.runner.config import RunConfig
from copycost.runner.extract import advance
from copycost.runner.keeper import FileKeeper, keeping
from copycost.runner.making import engine_of, fresh_student, ready_victim
from copycost.runner.stopping import Stop
from copycost.runner.surroundings import surroundings
from copycost.runner.target import Target
from copycost.settings import read_settings
from copycost.studies.in_the_open import Game
from copycost.studies.vanishing_record import (
    DIAGNOSTIC_FILE,
    DiagnosedVictim,
    DiagnosisGrid,
    Moment,
    VanishingRecord,
    read_vanishing,
)
from copycost.training.train import accuracy
from copycost.types import Access
from copycost.victims.base import Victim
from copycost.victims.module import ModuleVictim
from copycost.victims.saved import content_hash


def diagnose(
    values: Mapping[str, Any],
    target: Target,
    folder: Path,
    grid: DiagnosisGrid | None = None,
    *,
    stop: Stop | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> VanishingRecord:
    """Do the run that `values`, fields of `RunConfig`, describe, and measure its gradients.

    Training proceeds exactly as in `copy_model`, and the student ends with the same weights.
    Writes `folder/diagnostic.json`. A finished diagnosis is returned as it is; a stopped one is
    resumed. `say` receives a line for every moment.

    Raises `ConfigError` for an attack other than DFME, a `student_mode` other than eval, defences,
    several processes, or a victim that is not a `ModuleVictim` giving logits; `RunError` if the
    folder holds another diagnosis; `Busy` if another process works on it; `Unstable` if a player
    diverges.
    """
    config, grid = RunConfig.read(dict(values)), grid or DiagnosisGrid()
    _check(config, target)
    earlier = _earlier(folder, config.identity(target.content_hash), grid)
    if earlier is not None:
        return earlier
    with keeping(folder, stop := stop or Stop()) as kept:
        return _Diagnosis.prepare(config, target, grid).play(folder, kept, stop, say)


def _check(config: RunConfig, target: Target) -> None:
    problems, victim = [], target.victim
    if config.attack != "dfme":
        problems.append(f"attack: only dfme can be diagnosed, got {config.attack!r}.")
    elif _attack(config).student_mode != "eval":
        problems.append("dfme.student_mode: only gradients in eval mode can be diagnosed.")
    if config.defences:
        problems.append("defences: a diagnosis looks through an undefended victim. Leave them out.")
    if config.adaptations:
        problems.append("adaptations: a diagnosis has no defences to adapt to. Leave them out.")
    if type(victim) is not ModuleVictim or victim.output is not Access.LOGITS:
        problems.append(
            f"victim: {victim.name} cannot be differentiated from here. A diagnosis needs a "
            "ModuleVictim whose module gives logits."
        )
    if problems:
        raise ConfigError(*problems)


def _earlier(folder: Path, identity: str, grid: DiagnosisGrid) -> VanishingRecord | None:
    """The finished diagnosis that `folder` holds; None if there is none, or a stopped one."""
    if not (folder / DIAGNOSTIC_FILE).exists():
        return None
    record = read_vanishing(folder)
    if (record.id, record.grid) != (identity, grid):
        raise RunError(f"{folder} holds another diagnosis. Take another folder.")
    return record if record.finished else None


@dataclass
class _Diagnosis:
    """A run in progress, and the moments measured so far."""

    config: RunConfig
    target: Target
    game: Game
    meter: Meter
    players: State
    moments: list[Moment] = field(default_factory=list)
    measuring: float = 0.0
    """Seconds spent on measurements."""
    before: float = 0.0
    """Seconds of earlier sessions."""
    began: float = field(default_factory=time.monotonic)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @classmethod
    def prepare(cls, config: RunConfig, target: Target, grid: DiagnosisGrid) -> _Diagnosis:
        attack, victim, spec = _attack(config), target.victim, target.victim.spec
        assert isinstance(victim, ModuleVictim)
        engine = _engine(config, victim)
        ready = ready_victim(victim, engine, attack)
        # Without a ledger: this account ends with the process and belongs to no run.
        meter = Meter(ready, access=config.access, budget=config.budget, k=config.top_k)
        attack.check(meter.oracle)
        student = fresh_student(config, spec, victim.classes)
        game = Game(
            attack=attack,
            engine=engine,
            victim=_frozen(victim.module).to(engine.device),
            spec=spec,
            access=Access(config.access),
            k=config.top_k,
            seed=config.seed,
            grid=grid,
            held_out=target.held_out,
        )
        players = attack.start(student, meter.oracle, engine, config.seed)
        return cls(config, target, game, meter, players)

    def play(
        self, folder: Path, kept: FileKeeper, stop: Stop, say: Callable[[str], None]
    ) -> VanishingRecord:
        """Run the attack's loop and measure in between; the last time at the end of the budget.

        Writes the record into `folder`, before the checkpoint is deleted.
        """
        chance = runs_chance(self.config.seed, self.game.engine)
        with suppress(Interrupted), chance, kept.until_done():
            kept.begin(self)
            if not self.moments:
                self._look(say)
            while not self.finished:
                before = self._pieces
                advance(self.game.attack, self.players, self.oracle)
                if self._pieces > before:
                    self._look(say)
                kept.after_step(self)
            if self.moments[-1].queries != self.oracle.spent:
                self._look(say)
            return self._written(folder, "finished")
        return self._written(folder, stop.reason)

    @property
    def oracle(self) -> Oracle:
        """The oracle that the attack queries."""
        return self.meter.oracle

    @property
    def _pieces(self) -> int:
        """How many equal parts of the budget are spent; a measurement ends each."""
        return self.oracle.spent * (self.game.grid.moments - 1) // self.oracle.budget

    @property
    def purpose(self) -> dict[str, Any]:
        """What identifies this diagnosis: its run, its victim and its grid."""
        identity = self.config.identity(self.target.content_hash)
        return {"diagnosis": identity, "grid": self.game.grid.model_dump_json()}

    @property
    def finished(self) -> bool:
        """Whether the attack is done."""
        return self.game.attack.done(self.players, self.oracle)

    def state(self) -> dict[str, Any]:
        """The players, the moments measured, and the queries and time spent."""
        return {
            "players": self.players.state(),
            "layers": chance_state(self.game.engine.device),
            "moments": [moment.model_dump_json() for moment in self.moments],
            "spent": self.oracle.spent,
            "measuring": self.measuring,
            "seconds": self.seconds,
            "started": self.started,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved `state`; the new account is charged what the old one had spent."""
        self.players.restore(state["players"])
        restore_chance(self.game.engine.device, state.get("layers", ()))
        self.moments = [Moment.model_validate_json(moment) for moment in state["moments"]]
        self.meter.forfeit(state["spent"])
        self.measuring, self.before = state["measuring"], state["seconds"]
        self.started = state["started"]

    @property
    def seconds(self) -> float:
        """Seconds of all sessions so far."""
        return self.before + time.monotonic() - self.began

    def _look(self, say: Callable[[str], None]) -> None:
        self.meter.verify()
        began = time.monotonic()
        with own_chance(derive(self.config.seed, "diagnosis layers"), self.game.engine.device):
            moment = self.game.measure(self.players, self.oracle.spent)
        took = time.monotonic() - began
        self.measuring += took
        self.moments.append(moment)
        say(
            f"{moment.queries:,} queries: true gradient {moment.true.middle:.3g}, estimate "
            f"{moment.estimate.middle:.3g} (medians), looked at in {took:.0f} s"
        )

    def _written(self, folder: Path, ended: str) -> VanishingRecord:
        record = self._record(ended)
        record.write(folder)
        return record

    def _record(self, ended: str) -> VanishingRecord:
        engine, config = self.game.engine, self.config
        step = self.game.attack.estimate_step(engine, self.game.spec)
        names = (described(p, engine.device) for p in self.game.grid.arithmetics)
        arithmetic = engine.arithmetic(step) | {"compared": ", ".join(names)}
        return VanishingRecord(
            id=config.identity(self.target.content_hash),
            config=config.in_full(),
            grid=self.game.grid,
            victim=self._victim(),
            moments=self.moments,
            budget=config.budget,
            spent=self.oracle.spent,
            student_hash=content_hash(self.players.judged),
            surroundings=surroundings(engine.device, arithmetic),
            seconds=self.seconds,
            measuring=self.measuring,
            started=self.started,
            ended=ended,
        )

    def _victim(self) -> DiagnosedVictim:
        target, game = self.target, self.game
        return DiagnosedVictim(
            name=target.victim.name,
            architecture=target.architecture,
            dataset=target.dataset,
            classes=target.victim.classes,
            dimensions=game.spec.size,
            content_hash=target.content_hash,
            accuracy=accuracy(game.victim, target.held_out, game.engine.device),
        )


def _attack(config: RunConfig) -> DFME:
    attack: DFME = read_settings(DFME, dict(config.settings))
    return attack


def _engine(config: RunConfig, victim: Victim) -> Engine:
    engine = engine_of(config, victim)
    if engine.ranks.several:
        raise ConfigError(
            "torchrun: a diagnosis is made by one process. Start it without torchrun."
        )
    return engine


def _frozen(module: nn.Module) -> nn.Module:
    """A frozen copy in evaluation mode; the owner's module is left unchanged."""
    return arranged(copy.deepcopy(module)).eval().requires_grad_(False)
