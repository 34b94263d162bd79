"""The outcome of a run: its record, with the flags that cast doubt on it."""

from __future__ import annotations

from dataclasses import dataclass

from copycost.attacks.base import Attack
from copycost.attacks.state import State
from copycost.engine import Engine
from copycost.flags import (
    Flag,
    budget_not_spent,
    estimate_drowned,
    generator_collapsed,
    queries_lost,
    student_collapsed,
    student_hardly_trained,
    student_knows_already,
    victim_changed,
    victim_near_chance,
    victim_not_deterministic,
)
from copycost.oracle.transfer.recorder import Recorder
from copycost.pool import Pool
from copycost.runner.auditor import Auditor
from copycost.runner.config import RunConfig
from copycost.runner.pools import knowledge, pool_facts
from copycost.runner.record import AccountFacts, Record
from copycost.runner.run import Run
from copycost.runner.surroundings import surroundings
from copycost.runner.transfers import transfer_facts
from copycost.runner.victim_precision import arithmetic
from copycost.victims.saved import content_hash


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended or been stopped, as rank 0 sees it."""

    config: RunConfig
    attack: Attack
    run: Run
    auditor: Auditor
    engine: Engine
    spent: int
    """Queries charged to the attacker, by all ranks together."""
    lost: int
    """Those of them that brought nothing: see `AccountFacts`."""
    pool: Pool | None

    def record(self, state: State, recorder: Recorder | None) -> Record:
        """The record of the run whose players are in `state`."""
        config, run, target = self.config, self.run, self.auditor.target
        step = self.attack.estimate_step(self.engine, target.victim.spec)
        return Record(
            id=config.identity(target.content_hash),
            given=config.model_dump(mode="json", exclude_unset=True),
            config=config.in_full(),
            attack=config.attack,
            knowledge=knowledge(self.attack, self.pool, target),
            seed=config.seed,
            access=config.access,
            student=config.student,
            victim=self.auditor.facts(),
            accounts=self._accounts(),
            surroundings=surroundings(
                self.engine.device,
                arithmetic(self.engine, step, target.victim),
                self.engine.ranks.count,
            ),
            curve=run.curve,
            seconds=run.seconds,
            started=run.started,
            ended="finished" if run.finished else run.stop.reason,
            resumed=run.resumed,
            flags=self._flags(state.student.updates),
            student_hash=content_hash(state.judged),
            updates={name: player.updates for name, player in state.players.items()},
            transfer=transfer_facts(recorder, self.spent),
            pool=pool_facts(self.pool),
        )

    def _accounts(self) -> dict[str, AccountFacts]:
        audited = self.auditor.account
        return {
            "attacker": AccountFacts(budget=self.config.budget, spent=self.spent, lost=self.lost),
            "auditor": AccountFacts(budget=None, spent=audited.spent, lost=audited.lost),
        }

    def _flags(self, steps: int) -> list[Flag]:
        first, last = self.run.curve[0].values, self.run.curve[-1].values
        each = self.config.queries_per_input * self.engine.ranks.count
        smallest = self.attack.least_queries * each
        facts, target = self.auditor.facts(), self.auditor.target
        return [
            *victim_not_deterministic(facts.self_agreement, defended=bool(facts.defences)),
            *victim_changed(
                facts.changed_at_the_end,
                facts.asked_at_the_end,
                1.0 if facts.defences else facts.self_agreement,
            ),
            *victim_near_chance(facts.accuracy, facts.one_answer),
            *budget_not_spent(self.spent, self.config.budget, smallest),
            *queries_lost(self.lost),
            *generator_collapsed(last.get("generator/spread")),
            *estimate_drowned(last.get("estimate/correlation")),
            *student_collapsed(last["accuracy"], facts.one_answer, last["commonest class"]),
            *student_hardly_trained(steps, last["agreement"]),
            *student_knows_already(first["agreement"], facts.classes, len(target.held_out)),
        ]
