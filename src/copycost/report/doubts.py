"""Every reason to doubt the results: flags of single runs, and those that only groups raise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from copycost import flags
from copycost.flags import Flag
from copycost.report import wording
from copycost.report.groups import Group
from copycost.report.table import labels
from copycost.types import Access


class Doubt(NamedTuple):
    """A flag, and what it was raised for."""

    flag: Flag
    where: str
    """The group, or the run: 'DFME' or 'DFME, seed 0'."""


def doubts(groups: Sequence[Group]) -> list[Doubt]:
    """All flags, those of groups first; a group is compared with the noise of its own setting."""
    named = list(zip(groups, labels(groups), strict=True))
    of_groups = [Doubt(f, name) for g, name in named for f in _of_group(g, groups)]
    return of_groups + [doubt for g, name in named for doubt in _of_runs(g, name)]


def by_flag(found: Sequence[Doubt]) -> dict[str, list[Doubt]]:
    """The doubts under the name of their flag, in order of first appearance."""
    sections: dict[str, list[Doubt]] = {}
    for doubt in found:
        sections.setdefault(doubt.flag.name, []).append(doubt)
    return sections


def noise_beside(group: Group, groups: Sequence[Group]) -> list[Group]:
    """The groups of random noise that `group`, which is not of noise, may be compared with."""
    return [g for g in groups if g.attack == wording.NOISE and g.setting == group.setting]


def agreements(group: Group) -> list[float]:
    """Final agreements of the finished runs in `group`."""
    return [r.result["agreement"] for r in group.records if r.finished]


def no_better_than_noise(group: Group, groups: Sequence[Group]) -> list[Flag]:
    """Flag a group whose finished runs do not clearly beat the best noise in their setting."""
    if group.attack == wording.NOISE:
        return []
    kinds = [found for noise in noise_beside(group, groups) if (found := agreements(noise))]
    return flags.noise_does_as_well(agreements(group), max(kinds, key=median, default=[]))


def _of_group(group: Group, groups: Sequence[Group]) -> list[Flag]:
    return [
        *no_better_than_noise(group, groups),
        *flags.too_few_seeds(group.seeds),
        *_no_adaptive_attack(group, groups),
    ]


def _no_adaptive_attack(group: Group, groups: Sequence[Group]) -> list[Flag]:
    """Flag a group behind defences if no attacker adapted to them; using labels alone counts."""
    setting = group.setting
    if setting.access is Access.LABEL:
        return []
    tried = [g.adaptations for g in groups if g.setting == setting and g.adaptations]
    return flags.no_adaptive_attack(setting.defences, tried)


def _of_runs(group: Group, name: str) -> Iterator[Doubt]:
    for record in group.records:
        for flag in record.flags:
            yield Doubt(flag, f"{name}, seed {record.seed}")
