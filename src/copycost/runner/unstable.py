"""Where a run became unstable: in which step, on which batch, and with what players."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from copycost.attacks.state import State
from copycost.errors import RunError, Unstable
from copycost.oracle.meter import Meter
from copycost.ranks import Ranks
from copycost.runner.checkpoint import save_checkpoint
from copycost.runner.folder import CHECKPOINT_FILE, UNSTABLE_FILE, has_diverged


class Trail:
    """Counts a run's steps and queries from its beginning, over all sessions."""

    def __init__(self) -> None:
        """Start before the first step."""
        self.steps = 0
        """Steps taken."""
        self.sound = 0
        """Steps up to which every loss has been checked and was finite."""
        self.batch: tuple[int, int] | None = None
        """First and last query, counted from 1, of the last step that asked anything."""
        self._spent = 0

    def begin(self, spent: int) -> None:
        """Begin a session, at which `spent` queries are charged."""
        self._spent = spent

    def step(self, spent: int) -> None:
        """Count a step, after which `spent` queries are charged."""
        self.steps += 1
        if spent > self._spent:
            self.batch, self._spent = (self._spent + 1, spent), spent

    @property
    def suspects(self) -> tuple[int, int]:
        """First and last of the steps in which a value found not finite now may have become so."""
        return min(self.sound + 1, self.steps), self.steps

    def state(self) -> dict[str, Any]:
        """The counts, for a checkpoint."""
        return {"steps": self.steps, "sound": self.sound, "batch": self.batch}

    def restore(self, state: dict[str, Any]) -> None:
        """Load a saved `state`."""
        self.steps, self.sound, self.batch = state["steps"], state["sound"], state["batch"]


def weights_of(state: State) -> dict[str, float]:
    """For each player, the sums of its weights and buffers, finite only if all of them are.

    A batch norm's buffers may overflow while its weights stay finite.
    """
    sums: dict[str, float] = {}
    for name, player in state.players.items():
        sums[f"weights of the {name}"] = _sum(player.network.parameters())
        sums[f"buffers of the {name}"] = _sum(player.network.buffers())
    return sums


def _sum(tensors: Iterable[Tensor]) -> float:
    return float(sum(t.detach().sum() for t in tensors if t.is_floating_point()))


def not_finite(values: Mapping[str, float]) -> list[str]:
    """The names of the values that are NaN or infinite."""
    return [name for name, value in values.items() if not math.isfinite(value)]


def unstable(
    folder: Path, state: State, values: Mapping[str, float], trail: Trail, meter: Meter
) -> Unstable:
    """The error to raise if some of `values` are not finite; saves the players to show why.

    The account is settled and recorded queries are flushed to disk. The checkpoint stays as it is.
    """
    kept = _keep(folder / UNSTABLE_FILE, state, values, trail, meter)
    path = folder / CHECKPOINT_FILE
    good = (
        f"The last good state is in {path}." if path.exists() else "There is no earlier checkpoint."
    )
    advice = "Lower the learning rates, or raise the setting floor if the attack has one."
    return Unstable(f"{_told(values, trail)} {kept} {good} {advice}")


def refuse_diverged(folder: Path, ranks: Ranks) -> None:
    """Raise `Unstable` on all `ranks` if an earlier session of the run in `folder` diverged.

    From its last good state the run would take the same steps again, and pay for them again.
    """
    if ranks.largest(has_diverged(folder)):
        raise Unstable(
            f"The run in {folder} diverged in an earlier session, and is not tried again: the "
            "same steps would ask the same queries, and most likely be lost again. Choose other "
            "settings, such as lower learning rates, or delete the folder to start over. If the "
            f"victim was at fault, delete {UNSTABLE_FILE} alone: the run then goes on from its "
            "last good state."
        )


def _told(values: Mapping[str, float], trail: Trail) -> str:
    """The part of the message on what became NaN or infinite, in which steps and queries."""
    first, last = trail.suspects
    where = f"in step {last:,}" if first == last else f"in one of the steps {first:,} to {last:,}"
    text = f"{', '.join(not_finite(values))} became NaN or infinite {where}."
    if trail.batch is None:
        return text
    return f"{text} The last batch is queries {trail.batch[0]:,} to {trail.batch[1]:,}."


def _keep(path: Path, state: State, values: Mapping[str, float], trail: Trail, meter: Meter) -> str:
    """Save the players and say where; a fault of the disk must not hide why the run ends."""
    content = {
        "players": {name: player.state() for name, player in state.players.items()},
        "values": dict(values),
        "steps": trail.suspects,
        "queries": trail.batch,
    }
    try:
        meter.settle()
        if state.engine.ranks.leads:  # players are alike on all ranks
            save_checkpoint(path, content)
    except (OSError, sqlite3.Error, RunError) as error:
        return f"The players as they are now could not be saved: {error}."
    return f"The players as they are now are in {path}."
