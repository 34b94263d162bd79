"""How a run resumes: each rank's own part of a checkpoint, and the record's line on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from copycost.errors import RunError
from copycost.ranks import Ranks
from copycost.runner.checkpoint import load_checkpoint
from copycost.runner.folder import own


def own_part(path: Path, saved: dict[str, Any], ranks: Ranks) -> dict[str, Any] | None:
    """What this rank saved at the same moment as `saved`, rank 0's checkpoint at `path`.

    None if its file is missing or of another moment: each rank writes its own while the run goes
    on, and after a crash some may have written theirs and others not.
    """
    mine = saved if ranks.leads else load_checkpoint(own(path, ranks))
    # Checkpoints of versions that kept no moment are taken as they are.
    same = mine is not None and mine.get("moment") == saved.get("moment")
    return mine if same else None


def check_ledgers(folder: Path, ranks: Ranks, spent: int, saved: dict[str, Any] | None) -> None:
    """Raise `RunError` if a rank's ledger knows of fewer queries than the checkpoint `saved`.

    Every rank calls it with what its own ledger has `spent`, before any forfeits queries.
    """
    known = min(ranks.all(spent)) * ranks.count
    if saved is not None and known < saved["spent"]:
        which = "The ledger" if ranks.count == 1 else "A rank's ledger"
        raise RunError(
            f"{which} in {folder} knows of {known // ranks.count:,} queries, the checkpoint of "
            f"{saved['spent'] // ranks.count:,}: the ledger was lost or replaced. Put it back, "
            "or delete the folder to start over; queries sent cannot be taken back."
        )


def went_on(saved: dict[str, Any], spent: int, machine: Mapping[str, str]) -> str:
    """The record's line on resuming from `saved`, empty if there was no checkpoint yet.

    It names the queries that were charged in vain since then, up to `spent`, and what the session
    finds changed on its `machine`: results may then differ from those of a run in one piece.
    """
    now, at = datetime.now(UTC).isoformat(timespec="seconds"), saved.get("spent", 0)
    line = f"{now}: went on from {at:,} queries"
    if spent > at:
        line += f" after a crash; {spent - at:,} queries charged since then brought nothing"
    before = saved.get("machine", machine)  # which older checkpoints did not keep
    return "; ".join([line, *_changes(before, machine)])


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    pairs = {name: (now.get(name, "none"), before.get(name, "none")) for name in {**before, **now}}
    return [f"{name} {new} instead of {old}" for name, (new, old) in pairs.items() if new != old]
