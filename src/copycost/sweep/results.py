"""The outcome of each run of a sweep, for people, programs and exit codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from copycost.runner.config import RunConfig
from copycost.runner.record import Record


class RunState(StrEnum):
    """Where a run stands."""

    PLANNED = "planned"
    """Not started, or started and stopped in an earlier sweep."""
    SKIPPED = "skipped"
    """Finished before this sweep began."""
    FINISHED = "finished"
    STOPPED = "stopped"
    """Cut short, or not started, because the sweep was stopped; the same command resumes it."""
    FAILED = "failed"


@dataclass(frozen=True)
class Result:
    """One run of a sweep."""

    name: str
    config: RunConfig
    state: RunState
    identity: str | None = None
    """None while its victim is not trained: the identity covers the victim's weights."""
    folder: Path | None = None
    record: Record | None = None
    """The record of a run that finished or was stopped midway; else None."""
    error: str | None = None
    """One line."""
    error_file: Path | None = None
    """The file with the traceback."""

    @property
    def finished(self) -> bool:
        """Whether its result may be compared with others."""
        return self.state in (RunState.FINISHED, RunState.SKIPPED)

    @property
    def queries_left(self) -> int:
        """The part of the budget that is not spent."""
        return self.config.budget - (self.record.spent if self.record else 0)

    def as_json(self) -> dict[str, Any]:
        """One element of `runs` in `copycost sweep --json`."""
        config, record = self.config, self.record
        return {
            "identity": self.identity,
            "name": self.name,
            "state": str(self.state),
            "folder": _text(self.folder),
            "attack": config.attack,
            "seed": config.seed,
            "victim": config.victim,
            "student": config.student,
            "access": str(config.access),
            "defences": list(config.defences),
            "adaptations": list(config.adaptations),
            "budget": config.budget,
            "spent": record.spent if record else None,
            "lost": record.accounts["attacker"].lost if record else None,
            "resumed": len(record.resumed) if record else None,
            "seconds": record.seconds if record else None,
            "result": record.result if record and self.finished else None,
            "error": self.error,
            "error_file": _text(self.error_file),
        }


def sweep_json(results: Sequence[Result], report: Path | None) -> dict[str, Any]:
    """The contract of `copycost sweep --json`."""
    return {
        "runs": [result.as_json() for result in results],
        "counts": counts(results),
        "report": _text(report),
    }


def counts(results: Sequence[Result]) -> dict[str, int]:
    """The number of runs in each state that occurs, in the order of `RunState`."""
    found = Counter(result.state for result in results)
    return {str(state): found[state] for state in RunState if found[state]}


def _text(path: Path | None) -> str | None:
    return str(path.resolve()) if path else None
