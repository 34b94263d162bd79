"""The facts about one run, in the words and order in which the page shows them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from copycost.errors import RunError
from copycost.report import wording
from copycost.report.groups import flatten
from copycost.report.knowledge import held
from copycost.report.measured import written
from copycost.runner.record import (
    RECORD_FILE,
    SAMPLES_FILE,
    PoolFacts,
    Record,
    Surroundings,
    TransferFacts,
    VictimFacts,
    read_record,
)
from copycost.types import InputSpec

PNG_START = b"\x89PNG\r\n\x1a\n"
SMALL = 320
"""Pictures narrower than this are enlarged by a whole factor, so that pixels stay square."""


@dataclass(frozen=True)
class Samples:
    """The generator's queries as one picture."""

    uri: str
    width: int
    """In CSS pixels, a whole multiple of the picture's own width."""


@dataclass(frozen=True)
class ReportedRun:
    """A record, the folder it came from and the picture beside it."""

    folder: str
    """The last part of the path only, so that a shared page does not reveal the rest."""
    record: Record
    samples: Samples | None


@dataclass(frozen=True)
class ConfigLine:
    """One line of a configuration."""

    name: str
    value: str
    given: bool
    """Whether the user gave it; otherwise it is a default."""


_PATHS = ("victim", "data", "pool")
"""Settings that may be paths."""


def read_run(folder: Path) -> ReportedRun:
    """Read a run's folder, or the record in it; `RunError` says what is wrong with it."""
    record = read_record(folder)
    folder = folder if folder.is_dir() else folder.parent
    return ReportedRun(folder.resolve().name, record, _samples(folder / SAMPLES_FILE))


def settings(record: Record) -> list[ConfigLine]:
    """The full configuration, paths shortened, and which settings the user gave."""
    given, full = flatten(record.given), flatten(record.config)
    told = {name: _without_folders(full[name]) for name in _PATHS if name in full}
    return [ConfigLine(name, value, name in given) for name, value in (full | told).items()]


def _without_folders(value: str) -> str:
    """Shorten `parquet:/home/me/photographs` to `parquet:…/photographs`."""
    kind, colon, path = value.partition(":")
    if not colon or "/" in kind:  # a folder's name may hold a colon, as a data set's label may
        kind, colon, path = "", "", value
    # Of a label with a slash only its end remains: its '#' may as well be a folder's.
    folders, slash, name = path.rpartition("/")
    return f"{kind}{colon}…/{name}" if slash and folders else value


def facts(record: Record) -> list[tuple[str, str]]:
    """How the run went and with what, as (name, value)."""
    around = record.surroundings
    return [
        ("Ended", record.ended),
        ("Started", record.started),
        ("Took", wording.duration(record.seconds)),
        ("The attacker holds", held(record)),
        *([("Pool", _pool(record.pool))] if record.pool else []),
        ("Access", str(record.access)),
        ("Student", record.student),
        *([("Training steps", _steps(record.updates))] if record.updates else []),
        *([("Queries kept", _kept(record.transfer))] if record.transfer else []),
        ("Hardware", around.hardware),
        ("Device", _device(around)),
        ("Arithmetic", _pairs(around.arithmetic)),
        ("Versions", _pairs(around.versions)),
        ("copycost commit", around.commit or "unknown"),
        ("Run identity", record.id),
        ("Student's weights (sha256)", record.student_hash or "not saved"),
    ]


def accounts(record: Record) -> list[tuple[str, str, str, str]]:
    """One row (account, budget, spent, lost) per account, in queries."""
    return [
        (
            name,
            "no limit" if account.budget is None else wording.count(account.budget),
            wording.count(account.spent),
            wording.count(account.lost),
        )
        for name, account in record.accounts.items()
    ]


def measured(record: Record) -> list[tuple[str, str]]:
    """Every value of the last point, by name."""
    return [(name, written(name, value)) for name, value in record.result.items()]


def victim_facts(found: Sequence[VictimFacts]) -> list[tuple[str, str]]:
    """Facts about one victim, and its accuracy and self-agreement behind each set of defences."""
    victim, fronts = found[0], {facts.defences: facts for facts in found}
    return [
        ("Model", victim.name),
        ("Architecture", victim.architecture),
        ("Measured on", victim.dataset),
        ("Input", _input(victim.spec)),
        ("Classes", wording.count(victim.classes)),
        ("Computes", str(victim.output)),
        ("Accuracy", wording.percent(victim.accuracy)),
        *(_front(front) for front in fronts.values()),
        ("Weights (sha256)", victim.content_hash or "not visible"),
    ]


def _front(victim: VictimFacts) -> tuple[str, str]:
    seen = wording.percent(victim.defended_accuracy)
    itself = wording.percent(victim.self_agreement)
    said = f"accuracy {seen}, agreement with itself {itself}"
    if victim.perturbation is not None:
        said += f", probabilities changed by {victim.perturbation:.2f} (L1, mean; at most 2)"
    return (f"Behind {' → '.join(victim.defences)}" if victim.defences else "Undefended", said)


def _input(spec: InputSpec) -> str:
    shape = " × ".join(map(str, spec.shape))
    if spec.vocabulary is not None:
        return f"{spec.modality}, {shape}, of {wording.plural(spec.vocabulary, 'token')}"
    return f"{spec.modality}, {shape}, values in [{spec.low:g}, {spec.high:g}]"


def _pool(pool: PoolFacts) -> str:
    images = f"{wording.plural(pool.size, 'image')} of {pool.name}"
    return f"{images}, {pool.conversion}" if pool.conversion else images


def _steps(updates: dict[str, int]) -> str:
    return ", ".join(f"{player} {wording.count(number)}" for player, number in updates.items())


def _kept(transfer: TransferFacts) -> str:
    kept = f"{wording.count(transfer.queries)} as {transfer.encoding}"
    return f"{kept}, {wording.count(transfer.missing)} missing" if transfer.missing else kept


def _device(around: Surroundings) -> str:
    one = f"{around.device}, {wording.plural(around.threads, 'thread')}"
    return one if around.ranks == 1 else f"{around.ranks} processes, each on {one}"


def _pairs(named: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items()) or wording.MISSING


def _samples(path: Path) -> Samples | None:
    """The picture at `path`, or None if the run left none."""
    if not path.exists():
        return None
    content = path.read_bytes()
    if not content.startswith(PNG_START) or len(content) < 24:
        raise RunError(
            f"{path} is not a PNG picture. Delete it to make the report without it; the record "
            f"in {RECORD_FILE} does not need it."
        )
    width = int.from_bytes(content[16:20], "big")
    encoded = base64.b64encode(content).decode("ascii")
    return Samples(f"data:image/png;base64,{encoded}", width * max(1, SMALL // max(1, width)))
