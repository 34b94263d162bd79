"""How a run resumes: each rank's own part of a checkpoint, and the record's line on it."""

from __future__ import annotations

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


def went_on(at: int, ahead: int) -> str:
    """The record's line on resuming at `at` queries, after `ahead` more were charged in vain."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = f"{now}: went on from {at:,} queries"
    if ahead:
        line += f" after a crash; {ahead:,} queries charged since then brought nothing"
    return line
