"""An audit: the attacks and seeds a user asks for, run one after another and reported together."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from copycost.attacks import ATTACKS
from copycost.errors import (
    BudgetExceeded,
    Busy,
    ConfigError,
    CopycostError,
    DiskFailed,
    Interrupted,
    RunError,
    Unstable,
    check_kind,
    faults_of,
    for_each,
)
from copycost.files import AnyPath
from copycost.hashes import text_hash
from copycost.ranks import Ranks
from copycost.runner.config import RunConfig, takes_pool
from copycost.runner.copy_model import copy_model
from copycost.runner.failing import ERROR_FILE, note_failure, unexpected
from copycost.runner.fitting import Interface, check_fits
from copycost.runner.folder import kept_record
from copycost.runner.record import Record
from copycost.runner.stopping import Stop
from copycost.runner.target import Target
from copycost.runner.watchers import Display, NoDisplay
from copycost.settings import Several, explain_fields, listed, truths

FLOOR_ATTACK = "random-noise"


Failed = Callable[[RunConfig, Exception], None]
"""Called with the configuration of a run that failed, and its error."""


class AuditConfig(BaseModel):
    """Attacks × seeds on one victim at one budget, compared with the floor."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attacks: Annotated[
        Several[Annotated[str, listed(ATTACKS)]],
        AfterValidator(lambda names: tuple(dict.fromkeys(names))),
    ] = Field(default=("frugal", "dfme", FLOOR_ATTACK), min_length=1)
    """An attack named twice runs once."""
    seeds: int = Field(default=1, ge=1)
    """Runs of each attack, with seeds first_seed, first_seed + 1, …"""
    first_seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    """Threads of one operation; None: see `use_threads`. Small nets are faster with 1.

    Only the command line and a sweep's workers read it: a script calls `use_threads` itself.
    """
    settings: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """The settings of each attack, by its name, that differ from its defaults."""
    shared: dict[str, JsonValue] = Field(default_factory=dict)
    """Fields of `RunConfig` that all runs have in common."""

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        """Validate `values` and every run in them; `ConfigError` lists every fault at once."""
        try:
            config = cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(*explain_fields(error, cls)) from None
        in_runs = faults_of(partial(for_each, config._runs(), RunConfig.read))
        problems = dict.fromkeys([*truths(values, config), *in_runs])
        if problems:
            raise ConfigError(*problems)
        return config

    @model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        stray = set(self.settings) - set(self.attacks)
        if stray:
            raise ValueError(
                f"settings: there are some for {', '.join(sorted(stray))}, which is not to be run. "
                "Name it among the attacks, or leave its settings out"
            )
        return self

    @model_validator(mode="after")
    def _shared_is_shared(self) -> Self:
        own = sorted({"attack", "settings", "seed"} & set(self.shared))
        if own:
            raise ValueError(
                f"shared: {', '.join(own)} cannot be the same for all runs. Use attacks, settings, "
                "first_seed"
            )
        return self

    @model_validator(mode="after")
    def _pool_is_used(self) -> Self:
        named = any(pool is not None for pool in self._pools())
        if named and not any(map(takes_pool, self.attacks)):
            take = "takes" if len(self.attacks) == 1 else "take"
            raise ValueError(f"pool: {', '.join(self.attacks)} {take} no pool. Leave --pool out")
        return self

    def _pools(self) -> list[JsonValue]:
        return [self.shared.get("pool")]

    def runs(self) -> list[RunConfig]:
        """All runs, seed by seed, so that an audit cut short still compares attacks."""
        return [RunConfig.read(values) for values in self._runs()]

    def _runs(self) -> list[dict[str, Any]]:
        return [
            {
                **fit(self.shared, name),
                "attack": name,
                "settings": self.settings.get(name, {}),
                "seed": seed,
            }
            for seed in range(self.first_seed, self.first_seed + self.seeds)
            for name in self.attacks
        ]


def fit(shared: Mapping[str, Any], attack: str) -> dict[str, Any]:
    """The `shared` fields that `attack` takes: a pool only if it starts with one."""
    return {k: v for k, v in shared.items() if k != "pool" or takes_pool(attack)}


def audit(
    runs: Sequence[RunConfig],
    target: Target,
    root: AnyPath,
    *,
    stop: Stop | None = None,
    display: Display | None = None,
    ranks: Ranks | None = None,
    failed: Failed | None = None,
) -> list[tuple[Record, Path]]:
    """Do all `runs` that are not finished yet, each in its own folder under `root`.

    `ranks` are the processes that do them together, all of which call this. `failed` is called for
    a run that diverges, cannot go on from what is stored, or whose attack raises an error, and the
    others go on; the traceback of an attack's error is written to `ERROR_FILE` in the run's folder.
    Without it, or with several ranks, the run's error ends the audit. What other runs would meet as
    well ends it always, such as a victim that fails or a full disk.

    Returns the records with their folders, those of earlier sessions too if `stop` ends this one
    early; a run without a record is left out. Without a `stop`, signals end an audit as they end
    `copy_model`. Raises `ConfigError`, with every fault, for runs that do not suit the victim.
    """
    order = "write audit(AuditConfig(…).runs(), Target(…), folder)"
    check_kind(runs, Sequence, "a list of RunConfigs", order)
    for run in runs:
        check_kind(run, RunConfig, "a RunConfig for each run", order)
    check_kind(target, Target, "a Target", order)
    check_fits(runs, Interface.of(target.victim))
    display, ranks, done = display or NoDisplay(), ranks or Ranks(), list[tuple[Record, Path]]()
    with Stop.given_or_own(stop) as asked:
        for number, config in enumerate(runs, start=1):
            folder, record = run_folder(Path(root), config, target.content_hash), None
            asked.agree(ranks)
            if not asked.reason:
                with (
                    _alone(config, folder, None if ranks.several else failed),
                    display.run(config, f"{number}/{len(runs)}") as watcher,
                ):
                    record = copy_model(config, target, folder, stop=asked, watcher=watcher)
                    if record.finished:
                        (folder / ERROR_FILE).unlink(missing_ok=True)  # from an earlier try
            record = record or kept_record(folder, config, target)
            if record is not None:
                done.append((record, folder))
    return done


@contextmanager
def _alone(config: RunConfig, folder: Path, failed: Failed | None) -> Iterator[None]:
    """Around one run, which may be interrupted or, if `failed` is given, fail."""
    try:
        yield
    except Interrupted:
        pass
    except Exception as error:  # a user's own attack may raise anything
        if failed is None or _meets_all(error):
            raise
        if unexpected(error):
            note_failure(folder / ERROR_FILE, traceback.format_exc())
        failed(config, error)


def _meets_all(error: Exception) -> bool:
    """Whether the other runs would most likely meet this error as well."""
    # The process that is busy with this run would only collide with us at the next one. On a
    # full disk the next one would ask about the held-out data and fail as well.
    if isinstance(error, Busy | DiskFailed):
        return True
    of_one_run = RunError | Unstable | BudgetExceeded
    return isinstance(error, CopycostError) and not isinstance(error, of_one_run)


def run_folder(root: Path, config: RunConfig, victim_hash: str) -> Path:
    """A run's folder: a readable name, different for every configuration and victim."""
    identity = config.identity(victim_hash)
    name = config.attack.replace(":", ".")  # MODULE:CLASS; some systems allow no colon in names
    return root / f"{name}-seed{config.seed}-{identity[:12]}"


def audit_folder(root: Path, runs: Sequence[RunConfig], target: Target) -> Path:
    """The folder of the report over these runs."""
    identities = "".join(config.identity(target.content_hash) for config in runs)
    return root / f"audit-{text_hash(identities)[:12]}"
