"""From records to groups of comparable runs, with statistics over their seeds.

Runs form one group if they differ only by the seed. Groups may be compared with one another,
above all an attack with random noise, if their `Setting` is the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from copycost.report import wording
from copycost.runner.record import Record, VictimFacts
from copycost.types import Access

NOT_A_SETTING = frozenset({"seed", "adaptations"})
"""Keys of a configuration that tell no settings of an attack from its others: runs of one group
differ by the first, and all have the second in common."""


class Spread(NamedTuple):
    """One quantity over the seeds of a group."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Setting:
    """What must be equal for two attacks to be compared."""

    victim: str
    victim_hash: str
    data: str
    """The held-out data that copies were judged on."""
    defences: tuple[str, ...]
    access: Access
    top_k: int | None
    """k, at top-k access."""
    student: str
    budget: int


@dataclass(frozen=True)
class Group:
    """Runs of one attack with the same settings, which differ by their seeds."""

    attack: str
    setting: Setting
    variant: tuple[tuple[str, str], ...]
    """The settings, as (dotted name, value), in which this group differs from its namesakes."""
    records: tuple[Record, ...] = field(repr=False)

    @property
    def victim(self) -> VictimFacts:
        """The model that was copied."""
        return self.records[0].victim

    @property
    def adaptations(self) -> tuple[str, ...]:
        """What the attacker did about defences, in the order in which answers passed."""
        return self.records[0].adaptations

    @property
    def counted(self) -> tuple[Record, ...]:
        """The runs that statistics use: the finished ones, or all if none finished.

        A stopped run has asked fewer queries, so a median that mixed it with the others would
        describe neither budget.
        """
        return tuple(r for r in self.records if r.finished) or self.records

    @property
    def unfinished(self) -> int:
        """How many runs were stopped."""
        return sum(not r.finished for r in self.records)

    @property
    def finished(self) -> bool:
        """Whether a run finished, so that the statistics are of finished runs."""
        return self.unfinished < len(self.records)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Distinct seeds of the counted runs."""
        return tuple(sorted({r.seed for r in self.counted}))

    @property
    def agreement(self) -> Spread | None:
        """Share of held-out inputs on which copy and victim choose the same class."""
        return self.spread("agreement")

    @property
    def accuracy(self) -> Spread | None:
        """Share of held-out inputs that the copy gets right."""
        return self.spread("accuracy")

    @property
    def kl(self) -> Spread | None:
        """Divergence of the copy's probabilities from the victim's, in nats."""
        return self.spread("kl")

    @property
    def spent(self) -> Spread:
        """Queries charged to the attacker."""
        return _certain(r.spent for r in self.counted)

    @property
    def seconds(self) -> Spread:
        """Wall time of the runs."""
        return _certain(r.seconds for r in self.counted)

    def spread(self, name: str) -> Spread | None:
        """The final value called `name`, or None if no counted run has it."""
        return spread(r.result[name] for r in self.counted if name in r.result)


def spread(values: Iterable[float]) -> Spread | None:
    """Median and range of the finite ones among `values`; None if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return Spread(median(finite), min(finite), max(finite), len(finite)) if finite else None


def group_records(records: Sequence[Record]) -> list[Group]:
    """Group runs, settings in the order given; within one, attacks as given and noise last."""
    alike: dict[tuple[str, tuple[str, ...], Setting], list[Record]] = {}
    for record in records:
        kind = record.attack, record.adaptations, setting_of(record)
        alike.setdefault(kind, []).append(record)
    groups = [
        Group(attack, setting, variant, tuple(members))
        for (attack, _, setting), found in alike.items()
        for variant, members in _variants(found).items()
    ]
    settings = list(dict.fromkeys(group.setting for group in groups))
    attacks = list(dict.fromkeys(group.attack for group in groups))

    def place(group: Group) -> tuple[int, bool, int]:
        noise = group.attack == wording.NOISE
        return settings.index(group.setting), noise, attacks.index(group.attack)

    return sorted(groups, key=place)


def setting_of(record: Record) -> Setting:
    """What another run must share to be compared with this one."""
    victim = record.victim
    return Setting(
        victim=victim.name,
        victim_hash=victim.content_hash,
        data=victim.dataset,
        defences=victim.defences,
        access=record.access,
        top_k=record.config.get("top_k") if record.access is Access.TOP_K else None,
        student=record.student,
        budget=record.budget,
    )


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A nested configuration as dotted names and JSON values: {'attack.epsilon': '0.001'}."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat


def _certain(values: Iterable[float]) -> Spread:
    found = spread(values)
    assert found is not None, "a group holds at least one record, and these fields are required"
    return found


def _variants(records: Sequence[Record]) -> dict[tuple[tuple[str, str], ...], list[Record]]:
    """Split runs by the settings in which they differ other than the seed."""
    configs = [_settings(record) for record in records]
    names = list(dict.fromkeys(name for config in configs for name in config))
    differing = [n for n in names if len({config.get(n) for config in configs}) > 1]
    found: dict[tuple[tuple[str, str], ...], list[Record]] = {}
    for record, config in zip(records, configs, strict=True):
        variant = tuple((name, config.get(name, wording.MISSING)) for name in differing)
        found.setdefault(variant, []).append(record)
    return found


def _settings(record: Record) -> dict[str, str]:
    flat = flatten(record.config)
    return {k: v for k, v in flat.items() if k.rpartition(".")[2] not in NOT_A_SETTING}
