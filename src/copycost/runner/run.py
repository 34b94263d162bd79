"""The time and storage of one run: what is logged, when it is saved, how it ends and resumes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from copycost.attacks.base import Attack
from copycost.attacks.state import State
from copycost.errors import RunError
from copycost.oracle.meter import Meter
from copycost.ranks import Ranks
from copycost.runner.auditor import Auditor
from copycost.runner.chance import chance_state, restore_chance
from copycost.runner.checkpoint import Saver, load_checkpoint
from copycost.runner.folder import CHECKPOINT_FILE, own
from copycost.runner.record import Point
from copycost.runner.resuming import check_ledgers, own_part, went_on
from copycost.runner.stopping import Stop
from copycost.runner.surroundings import machine
from copycost.runner.unstable import Trail, not_finite, unstable, weights_of
from copycost.runner.watchers import Watcher
from copycost.victims.base import Victim

SAVE_EVERY_SECONDS = 60.0
"""Time between checkpoints if evaluations are rare; an evaluation saves one as well."""
SAVING_SHARE = 0.05
"""Largest share of the time for checkpoints that take long: a replay memory can be gigabytes."""
LONG_SECONDS = 1.0
"""A checkpoint that takes at least this long does not come with every evaluation."""


class Run:
    """The part of a run that is kept on disk: curve, checkpoint, clock.

    A cleanly stopped run resumes bit for bit. After a crash the account may be ahead of the
    checkpoint: its charges stand, and `resumed` says so. Several ranks take every step together.
    Rank 0 evaluates and saves what they share; each saves its own ledger and victim's state.
    """

    def __init__(
        self,
        folder: Path,
        attack: Attack,
        meter: Meter,
        api: Victim,
        auditor: Auditor | None,
        ranks: Ranks,
        *,
        evaluations: int,
        stop: Stop,
        watcher: Watcher,
    ) -> None:
        """`api` is the victim as the oracle asks it: its random state is saved with the run.

        `auditor` is None on all ranks but the first.
        """
        self.folder, self.stop, self.watcher = folder, stop, watcher
        self._attack, self._api, self._auditor, self._ranks = attack, api, auditor, ranks
        self._meter, self._oracle = meter, meter.oracle
        self._evaluations = evaluations
        self.curve: list[Point] = []
        self.resumed: list[str] = []
        self.finished = False
        """Whether the attack has nothing left to do; set at the end of the loop."""
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self._saver, self._trail, self._next = Saver(), Trail(), 1
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._before = self._rest = 0.0
        self._clock = self._saved_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of extraction so far, over all sessions."""
        return self._before + time.monotonic() - self._clock

    @property
    def spent(self) -> int:
        """Queries charged so far, by all ranks together."""
        return self._meter.spent * self._ranks.count

    def stopped(self) -> bool:
        """Whether any rank has been asked to stop; all then stop after the same step."""
        self.stop.agree(self._ranks)
        return bool(self.stop.reason)

    def begin(self, state: State) -> None:
        """Restore a stopped run into `state`, or evaluate the fresh student."""
        saved = load_checkpoint(self.folder / CHECKPOINT_FILE)
        check_ledgers(self.folder, self._ranks, self._meter.spent, saved)
        # What other ranks lost in a crash, so that all take the same steps from here.
        self._meter.forfeit(self._ranks.largest(self._meter.spent) - self._meter.spent)
        if saved is not None:
            self._restore(state, saved)
        elif self._meter.spent:
            self._write_off_since(spent=0, lost=0)
            self.resumed.append(went_on({}, self.spent, {}))
        self._trail.begin(self.spent)
        self._clock = self._saved_at = time.monotonic()
        if not self.curve:
            self.log(state)

    def after_step(self, state: State, losses: dict[str, Tensor]) -> None:
        """Add up the losses, on the device; log and save when it is time.

        A student that has yet to learn from what was asked (`Attack.studies`) is not judged.
        """
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0) + loss
            self._counts[name] = self._counts.get(name, 0) + 1
        self._trail.step(self.spent)
        if state.engine.device.type == "cpu" and not self._ranks.several:
            # At once, where reading values is free; else at the next evaluation, on all ranks.
            self._check_finite(state, {name: float(loss) for name, loss in losses.items()})
            self._trail.sound = self._trail.steps
        self.watcher.step(self.spent)
        due = self._meter.spent * self._evaluations >= self._next * self._meter.budget
        pause = max(SAVE_EVERY_SECONDS, self._rest)
        if due and not self._attack.studies(state, self._oracle):
            self.log(state)
            pause = self._rest
        if self._ranks.largest(time.monotonic() - self._saved_at >= pause):
            self.save(state)

    def log(self, state: State) -> None:
        """Evaluate the student and add a point to the curve.

        Raises `Unstable` if a loss became NaN or infinite; the last checkpoint stays.
        """
        values = self._mean_losses(state)
        for name, player in state.players.items():
            if player.updates:
                values[f"{name}/gradient norm"] = float(player.gradient_norm())
        self._check_finite(state, values)
        self._meter.verify()
        with self._ranks.leader_first():  # the others wait here, as later collectives time out
            if self._auditor is not None:
                values |= self._judge(self._auditor, state)
        values |= self._attack.diagnose(state, self._meter.rehearsal)
        self._check_finite(state, values)
        self._trail.sound = self._trail.steps
        point = Point(queries=self.spent, seconds=self.seconds, values=values)
        self.curve.append(point)
        self._sums, self._counts = {}, {}
        self._next = self._meter.spent * self._evaluations // self._meter.budget + 1
        self.watcher.point(point)

    def _mean_losses(self, state: State) -> dict[str, float]:
        """Mean losses since the last evaluation; all ranks call it. `Unstable` if not finite."""
        sums = {name: self._ranks.mean(total) for name, total in self._sums.items()}
        values = {name: float(total) / self._counts[name] for name, total in sums.items()}
        self._check_finite(state, values)
        return values

    @staticmethod
    def _judge(auditor: Auditor, state: State) -> dict[str, float]:
        """Evaluate the judged network under plain names, others as in 'ensemble/agreement'."""
        values = auditor.evaluate(state.judged)
        for name, network in state.beside.items():
            found = auditor.evaluate(network)
            values |= {f"{name}/{quantity}": value for quantity, value in found.items()}
        return values

    def save(self, state: State) -> None:
        """Settle the account and begin to write a checkpoint; rank 0 writes the shared part.

        Raises `Unstable` rather than replace the last good state if a loss is not finite.
        """
        began = time.monotonic()
        self._mean_losses(state)
        self._trail.sound = self._trail.steps
        self._meter.settle()
        content = self._own(state) | (self._shared(state) if self._ranks.leads else {})
        self._saver.put(own(self.folder / CHECKPOINT_FILE, self._ranks), content)
        self._saved_at = time.monotonic()
        took = self._saved_at - began
        self._rest = took / SAVING_SHARE if took >= LONG_SECONDS else 0.0

    def keep(self, state: State) -> None:
        """Save what was learnt before a step that failed midway.

        Only in a single process, as all ranks would have to reach the same point.
        """
        if not self._ranks.several:
            self.save(state)

    def finish(self, state: State, done: bool) -> None:
        """Note whether the attack has nothing left to do.

        Raises `RunError` if the budget is gone and the student has never learnt.
        """
        if done and not state.student.updates:
            raise RunError(
                f"All {self.spent:,} queries of {self.folder} are charged, and nothing was learnt: "
                "each session ended before its first checkpoint. Find out why, then delete the "
                "folder and start over with other settings."
            )
        self.finished = done

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Around the loop: at its end, wait until the last checkpoint is on the disk."""
        try:
            yield
        finally:
            self._saver.wait()

    def _own(self, state: State) -> dict[str, Any]:
        """This rank's part of a checkpoint."""
        return {
            "victim": self._api.state(),
            "layers": chance_state(state.engine.device),
            "sums": self._sums,
            # Steps alone do not identify a moment: after a crash they are taken again.
            "moment": [self._trail.steps, self.spent],
        }

    def _shared(self, state: State) -> dict[str, Any]:
        """The part that rank 0 saves for all."""
        return {
            "attack": state.state(),
            "account": (self._meter.spent, self._meter.lost),
            "trail": self._trail.state(),
            "counts": self._counts,
            "next": self._next,
            "curve": [point.model_dump() for point in self.curve],
            "seconds": self.seconds,
            "started": self.started,
            "resumed": self.resumed,
            "spent": self.spent,
            "machine": machine(state.engine.device),
        }

    def _restore(self, state: State, saved: dict[str, Any]) -> None:
        state.restore(saved["attack"])
        self._restore_own(state, saved)
        self._trail.restore(saved["trail"])
        self._next = saved["next"]
        self.curve = [Point.model_validate(point) for point in saved["curve"]]
        self._before, self.started = saved["seconds"], saved["started"]
        self._write_off_since(*saved["account"])  # the same on all ranks at that moment
        line = went_on(saved, self.spent, machine(state.engine.device))
        self.resumed = [*saved["resumed"], line]

    def _restore_own(self, state: State, saved: dict[str, Any]) -> None:
        """Restore this rank's part; if it is missing, draw anew, and all ranks drop their sums."""
        mine = own_part(self.folder / CHECKPOINT_FILE, saved, self._ranks)
        torn = self._ranks.largest(mine is None)
        if mine is None:
            self._api.draw_anew(f"crash at {self._meter.spent} queries")
            return
        self._api.restore(mine["victim"])
        restore_chance(state.engine.device, mine.get("layers", ()))
        if not torn:
            device = state.engine.device
            self._sums = {name: value.to(device) for name, value in mine["sums"].items()}
            self._counts = dict(saved["counts"])

    def _write_off_since(self, spent: int, lost: int) -> None:
        """Write off what was settled after a checkpoint and did not reach the next one."""
        unkept = (self._meter.spent - spent) - (self._meter.lost - lost)
        self._meter.write_off(max(0, unkept))

    def refuse_lost_weights(self, state: State) -> None:
        """Raise `Unstable` if a player's weights or buffers are no longer finite."""
        weights = weights_of(state)
        if not_finite(weights):
            self._trail.step(self.spent)  # the step that failed midway
        self._check_finite(state, weights)

    def _check_finite(self, state: State, values: dict[str, float]) -> None:
        if not_finite(values):
            self._saver.wait()
            raise unstable(self.folder, state, values, self._trail, self._meter)
