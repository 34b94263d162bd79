"""The record of a run: one JSON file, complete enough to redo the run and to draw its figures.

The report reads these files and nothing else. The format is versioned; a reader refuses a
version it does not know rather than guessing. `docs/record.md` describes every field.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from copycost.errors import RunError
from copycost.files import AnyPath, write_atomically
from copycost.flags import Flag
from copycost.settings import explained
from copycost.types import Access, InputSpec

VERSION: Literal[1] = 1
RECORD_FILE = "record.json"
SAMPLES_FILE = "samples.png"
AGAIN = "To make it again, move its folder away first."
"""Advice for a record that cannot be read, which nothing overwrites."""
_CONFIG = (
    "attack", "settings", "victim", "student", "budget", "seed",
    "precision", "estimate_precision", "victim_precision",
)  # fmt: skip
"""Keys that every version has written into `config`, and that readers look up there."""


class Facts(BaseModel):
    """Base of everything in a record: read-only, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read_from(cls, path: Path, fault: str, advice: str = "") -> Self:
        """Read what `write_to` wrote; `RunError` says '`path` `fault`: why. `advice`'.

        Of another kind or version nothing else is looked at, which need not fit either.
        """
        try:
            found = json.loads(path.read_bytes())
            if not isinstance(found, dict):
                raise ValueError("expected a JSON object")
            for name in ("kind", "version"):
                field, came = cls.model_fields.get(name), found.get(name)
                if field and came != field.default:
                    raise ValueError(f"expected {name} {field.default!r}, got {came!r}")
            return cls.model_validate(found)
        except (OSError, ValueError) as error:
            why = f"{path} {fault}: {explained(error)}. {advice}"
            raise RunError(why.rstrip()) from None

    def write_to(self, path: Path) -> Path:
        """Write them as the JSON file `path`, atomically, and return it."""
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())
        return path


class VictimFacts(Facts):
    """The model that was copied, and what stood in front of it."""

    name: str
    architecture: str
    dataset: str
    """Data its accuracy was measured on, with its provenance, e.g. 'CIFAR-10 (JPEG q75)'."""
    classes: int
    spec: InputSpec
    output: Access
    content_hash: str
    """sha256 over the weights, or over the name of a victim whose weights cannot be seen."""
    accuracy: float
    """Share of held-out inputs that the undefended victim gets right."""
    defences: tuple[str, ...] = ()
    """From the innermost to the outermost, as on the command line."""
    defended_accuracy: float
    """The same share for the API with its defences on."""
    perturbation: float | None = None
    """Mean L1 distance, 0 to 2, of what the API releases of held-out inputs from the victim's
    probabilities; None without defences, or where it was not noted."""
    self_agreement: float
    """Agreement of two answers to the same inputs; below 1, the victim is not deterministic."""
    commonest_label: float | None = None
    """Share of held-out inputs that have the commonest label; None where it was not noted."""
    answers_from: str | None = None
    """Folder of the run that paid for the answers to the held-out inputs; None for this one."""
    asked_at_the_end: int = 0
    """Held-out inputs that a function was asked about again when the run was finished."""
    changed_at_the_end: int = 0
    """Those of them that then got another class than before the run."""

    @property
    def one_answer(self) -> float:
        """Share of held-out inputs that the best constant answer gets right; 1/K if not noted."""
        return 1 / self.classes if self.commonest_label is None else self.commonest_label


class AccountFacts(Facts):
    """One account of the ledger, in queries: inputs sent."""

    budget: int | None
    """None: no limit (the auditor's)."""
    spent: int
    """Charged, lost ones included."""
    lost: int = 0
    """Charged, but brought nothing: the victim failed, or the run crashed, in which case they may
    not all have been sent."""


class Point(Facts):
    """Measurements at one moment of a run."""

    queries: int
    seconds: float
    """Seconds of extraction so far, without interruptions but with evaluations."""
    values: dict[str, float]
    """Named in full: 'agreement', 'accuracy', 'kl', 'student/gap', 'generator/gradient norm', …"""


class Surroundings(Facts):
    """The hardware, software and precisions that a run was made with."""

    hardware: str
    device: str
    ranks: int = 1
    """Processes that took every step together, each on such a device."""
    threads: int
    versions: dict[str, str]
    commit: str
    """Git commit of copycost's source, '+' appended if it had been changed; '' if unknown."""
    arithmetic: dict[str, str]
    """E.g. {'training': 'float32', 'tf32': 'off', 'estimate': 'float32'}."""


class PoolFacts(Facts):
    """The unlabelled images that the attacker started with."""

    name: str
    """Provenance, e.g. 'CIFAR-10 (JPEG q75)'."""
    size: int
    """Images in it, asked or not."""
    conversion: str = ""
    """What was done to fit them to the victim's shape; '' for nothing."""


class TransferFacts(Facts):
    """What was kept of the queries themselves."""

    folder: str
    """Folder of the transfer set, beside the record."""
    encoding: str
    """'bytes': inputs rounded to the nearest of their range's 256 levels; 'exact': unchanged."""
    queries: int
    """Queries kept, each with what was released for it."""
    missing: int
    """Queries charged and not kept: a crash lost them, or they were charged without being sent."""


class Record(Facts):
    """One run of one attack with one seed."""

    version: Literal[1] = VERSION
    id: str
    """Hash of `config` and of the victim's content: the same on every machine."""
    given: dict[str, Any]
    """The configuration as the user gave it."""
    config: dict[str, Any]
    """The configuration in full, every default written out."""
    attack: str
    knowledge: str
    """What the attacker is assumed to hold: 'strictly data-free', 'pool', …"""
    seed: int
    access: Access
    student: str
    """Name of the student's architecture."""
    victim: VictimFacts
    accounts: dict[str, AccountFacts]
    """'attacker' and 'auditor'."""
    surroundings: Surroundings
    curve: list[Point]
    """The last point is the result: the student as it stood when the budget ended."""
    seconds: float
    started: str
    """ISO 8601, UTC."""
    ended: str
    """'finished', or what stopped it: see `Stop.reason`."""
    resumed: list[str] = Field(default_factory=list)
    """One line for every resumption: from where, after what, and what had been lost."""
    flags: list[Flag] = Field(default_factory=list)
    student_hash: str = ""
    """sha256 over the student's weights, saved in the folder `student` beside the record."""
    updates: dict[str, int] = Field(default_factory=dict)
    """Optimiser steps of each player, 'student' and so on; empty if they were not counted."""
    transfer: TransferFacts | None = None
    """None if the queries themselves were not kept."""
    pool: PoolFacts | None = None
    """None for an attack without a pool."""

    @property
    def adaptations(self) -> tuple[str, ...]:
        """What the attacker did about defences; runs that did nothing do not mention it."""
        return tuple(self.config.get("adaptations", ()))

    @property
    def finished(self) -> bool:
        """Whether the attack had nothing left to do, rather than being stopped."""
        return self.ended == "finished"

    @property
    def budget(self) -> int:
        """Queries the attacker was allowed."""
        budget = self.accounts["attacker"].budget
        assert budget is not None, "the attacker's account always has a budget"
        return budget

    @property
    def spent(self) -> int:
        """Queries charged to the attacker."""
        return self.accounts["attacker"].spent

    @property
    def result(self) -> dict[str, float]:
        """The values of the last point: at least 'accuracy' and 'agreement' in a finished run.

        'kl' is among them unless the victim computes only labels.
        """
        return self.curve[-1].values if self.curve else {}

    def write(self, folder: Path) -> Path:
        """Write `folder/record.json` atomically and return its path."""
        return self.write_to(folder / RECORD_FILE)


def records_in(folder: Path) -> list[Record]:
    """The records of all runs in `folder`, in the order of their names; see `read_record`."""
    return [read_record(path) for path in sorted(folder.glob(f"*/{RECORD_FILE}"))]


def read_record(path: AnyPath) -> Record:
    """Read a record from its file or its run folder; `RunError` says what is wrong with it.

    Its curve has only values that were measured: older runs wrote others too.
    """
    path = Path(path)
    path = path / RECORD_FILE if path.is_dir() and path.name != RECORD_FILE else path
    try:
        data = json.loads(path.read_bytes())
    except IsADirectoryError:
        raise RunError(f"{path} is not a record: expected a file, got a folder. {AGAIN}") from None
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"There is no record at {path}. Name the folders of single runs, such as runs/*-seed*."
        ) from None
    except ValueError as error:
        raise RunError(f"{path} is not a record: {error}. {AGAIN}") from None
    version = data.get("version") if isinstance(data, dict) else None
    if version != VERSION:
        raise RunError(
            f"{path} has record version {version!r}; this copycost reads version {VERSION}. "
            f"Read it with the release that wrote it. {AGAIN}"
        )
    try:
        record = Record.model_validate(data)
    except ValidationError as error:
        raise RunError(f"{path} is not a valid record: {explained(error)}. {AGAIN}") from None
    lacking = _lacking(record)
    if lacking:
        raise RunError(f"{path} is not a valid record: {lacking}. {AGAIN}")
    return record.model_copy(update={"curve": [_as_measured(point) for point in record.curve]})


def _lacking(record: Record) -> str:
    """What this record lacks that every record needs; '' if nothing."""
    attacker = record.accounts.get("attacker")
    if attacker is None or attacker.budget is None or "auditor" not in record.accounts:
        return "accounts: expected the attacker's, with its budget, and the auditor's"
    if record.finished and not {"accuracy", "agreement"} <= record.result.keys():
        return "curve: expected accuracy and agreement at its last point"
    absent = [name for name in _CONFIG if name not in record.config]
    if absent:
        return f"config: expected {', '.join(absent)}, got nothing"
    settings = record.config["settings"]
    if not isinstance(settings, dict):
        return f"config: expected settings by their names, got {settings!r:.40}"
    return ""


def _as_measured(point: Point) -> Point:
    """Drop the zero gradient norms that older runs wrote before the first query."""
    if point.queries:
        return point
    kept = {n: v for n, v in point.values.items() if v or not n.endswith("/gradient norm")}
    return point.model_copy(update={"values": kept})
