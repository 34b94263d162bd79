"""The transfer set of a run: whether it is kept, where, and how it is read again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from copycost.errors import RunError
from copycost.files import AnyPath
from copycost.oracle.ledger import spent_in
from copycost.oracle.transfer.frames import Encoding, Layout
from copycost.oracle.transfer.reader import TransferSet
from copycost.oracle.transfer.recorder import Recorder
from copycost.runner.config import RunConfig
from copycost.runner.folder import LEDGER_FILE, TRANSFER_FOLDER
from copycost.runner.record import RECORD_FILE, TransferFacts, read_record
from copycost.types import Access
from copycost.victims.base import Victim

SPARE = 1.05
"""Room required, relative to the rows alone, for headers and other uses of the disk."""


@contextmanager
def recording(config: RunConfig, victim: Victim, folder: Path) -> Iterator[Recorder | None]:
    """The recorder of the run in `folder`, or None if its configuration keeps nothing.

    Raises `RunError` if the disk has no room for the queries that are left.
    """
    if config.record_queries == "off":
        yield None
        return
    wanted = Encoding(config.record_queries)
    layout = Layout.choose(victim.spec, victim.classes, Access(config.access), wanted)
    with Recorder(folder / TRANSFER_FOLDER, layout) as recorder:
        _check_room(recorder, config.budget)
        yield recorder


def transfer_facts(recorder: Recorder | None, spent: int) -> TransferFacts | None:
    """The record's entry on the transfer set, once everything is on the disk."""
    if recorder is None:
        return None
    return TransferFacts(
        folder=TRANSFER_FOLDER,
        encoding=str(recorder.layout.encoding),
        queries=recorder.recorded,
        missing=spent - recorder.recorded,
    )


def read_transfer_set(folder: AnyPath, ledger: str = LEDGER_FILE) -> TransferSet:
    """The queries and answers of the run in `folder`, also during the run or after a crash.

    They are compared with the attacker's account in the file `ledger` of that folder. Raises
    `RunError` if the run keeps no transfer set, or if it is finished and their number is not the
    one in its record.
    """
    run = Path(folder)
    account = run / ledger
    spent = spent_in(account, "attacker") if account.exists() else None
    return TransferSet(run / TRANSFER_FOLDER, spent, _recorded(run))


def _recorded(run: Path) -> int | None:
    """Queries in the transfer set of a finished run; None if the run may still add to it."""
    if not (run / RECORD_FILE).exists():
        return None
    record = read_record(run)
    return record.transfer.queries if record.finished and record.transfer else None


def _check_room(recorder: Recorder, budget: int) -> None:
    needed = int((budget - recorder.recorded) * recorder.layout.row_bytes * SPARE)
    free = shutil.disk_usage(recorder.folder).free
    if needed > free:
        raise RunError(
            f"Recording the queries takes {needed / 1e9:,.1f} GB, and {recorder.folder} has "
            f"{free / 1e9:,.1f} GB left. Make room, or leave --record-queries out."
        )
