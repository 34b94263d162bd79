"""What defences took from the attackers, beside what they took from the users of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from copycost.report import wording
from copycost.report.groups import Group
from copycost.report.headline import strongest
from copycost.report.table import defences, in_words, labels
from copycost.types import Access


@dataclass(frozen=True)
class DefenceRow:
    """One attack behind one set of defences, ready to print."""

    label: str
    defences: str
    accuracy: str
    """What users of the API get, as a share of held-out inputs."""
    moved: str
    """Mean L1 distance of released probabilities from the victim's own."""
    undefended: str
    """Agreement of the attack's copy without defences."""
    defended: str
    by_labels: str
    """Agreement of the strongest copy behind the same defences by labels alone."""


def defence_rows(groups: Sequence[Group]) -> list[DefenceRow]:
    """A row per group behind defences; `groups` are of one victim."""
    defended = [group for group in groups if group.setting.defences]
    names = labels([_bare(group) for group in defended])
    return [_row(name, group, groups) for name, group in zip(names, defended, strict=True)]


def moved_by(group: Group) -> str:
    """How far the defences move probabilities."""
    distance = group.victim.perturbation
    return wording.MISSING if distance is None else f"{distance:.2f}"


def _row(name: str, group: Group, groups: Sequence[Group]) -> DefenceRow:
    bare = _bare(group)
    twins = [twin for twin in groups if _same(twin, bare) and not twin.adaptations]
    best = strongest([other for other in groups if _by_labels(other, group)])
    return DefenceRow(
        label=name,
        defences=defences(group.setting),
        accuracy=wording.percent(group.victim.defended_accuracy),
        moved=moved_by(group),
        undefended=in_words(twins[0].agreement) if twins else wording.MISSING,
        defended=in_words(group.agreement),
        by_labels=in_words(best.agreement) if best else wording.MISSING,
    )


def _bare(group: Group) -> Group:
    return replace(group, setting=replace(group.setting, defences=()))


def _same(one: Group, other: Group) -> bool:
    return (one.attack, one.variant, one.setting) == (other.attack, other.variant, other.setting)


def _by_labels(other: Group, group: Group) -> bool:
    """Whether `other` shows what an attacker reaches who ignores the probabilities of `group`."""
    wanted = replace(group.setting, access=Access.LABEL, top_k=None)
    return group.setting.access is not Access.LABEL and other.setting == wanted
