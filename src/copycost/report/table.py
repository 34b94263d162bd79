"""Groups of runs as the rows of a table, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from copycost.report import wording
from copycost.report.groups import Group, Setting, Spread
from copycost.report.knowledge import held


@dataclass(frozen=True)
class Row:
    """One line of the table, ready to print."""

    label: str
    victim: str
    data: str
    knowledge: str
    defences: str
    access: str
    student: str
    budget: str
    seeds: str
    agreement: str
    accuracy: str
    kl: str
    spent: str
    seconds: str
    noise: bool
    """Whether this is the baseline, which tables set apart."""


def rows(groups: Sequence[Group]) -> list[Row]:
    """One printable row per group, in the order of `groups`."""
    return [_row(group) for group in groups]


def labels(groups: Sequence[Group]) -> list[str]:
    """A name for each group: its attack, and whatever else tells it from the others."""
    settings = [_parts(group) for group in groups]
    differing = {k for parts in settings for k, text in parts.items() if text != settings[0][k]}
    return [
        ", ".join(
            [attacker(group)]
            + [text for key, text in parts.items() if key in differing]
            + [f"{name} {value}" for name, value in group.variant]
        )
        for group, parts in zip(groups, settings, strict=True)
    ]


def attacker(group: Group) -> str:
    """The attack, and what it does about defences: 'Frugal + invert'."""
    return wording.attacker(group.attack, group.adaptations)


def defences(setting: Setting) -> str:
    """The defences from the innermost to the outermost."""
    return " → ".join(setting.defences) or "none"


def access_in_words(setting: Setting) -> str:
    """E.g. `label`, or `top-k (k = 3)`."""
    return str(setting.access) + ("" if setting.top_k is None else f" (k = {setting.top_k})")


def in_words(found: Spread | None, unit: wording.Unit = wording.PERCENT) -> str:
    """A median and, over several runs, its range: '94.1 % (92.0–95.1 %)'."""
    return wording.MISSING if found is None else unit.spread(*found)


def _row(group: Group) -> Row:
    setting = group.setting
    return Row(
        label=", ".join([attacker(group), *(f"{key} {value}" for key, value in group.variant)]),
        victim=setting.victim,
        data=setting.data,
        knowledge=held(group.records[0]),
        defences=defences(setting),
        access=access_in_words(setting),
        student=setting.student,
        budget=wording.count(setting.budget),
        seeds=_seeds(group),
        agreement=in_words(group.agreement),
        accuracy=in_words(group.accuracy),
        kl=in_words(group.kl, wording.PLAIN),
        spent=wording.count(group.spent.median),
        seconds=wording.duration(group.seconds.median),
        noise=group.attack == wording.NOISE,
    )


def _seeds(group: Group) -> str:
    """How many seeds the numbers rest on, and how many runs they leave out."""
    seeds = str(len(group.seeds))
    if not group.finished:
        return f"{seeds} (unfinished)"
    return f"{seeds} (+{group.unfinished} unfinished)" if group.unfinished else seeds


def _parts(group: Group) -> dict[str, str]:
    """Each part of a setting in words, so that those which differ can be shown."""
    setting = group.setting
    return {
        "victim": f"{setting.victim} {setting.victim_hash[:8]}".strip(),
        "data": f"on {setting.data}",
        "defences": f"behind {defences(setting)}" if setting.defences else "no defence",
        "access": access_in_words(setting),
        "student": setting.student,
        "budget": f"{wording.count(setting.budget)} queries",
    }
