"""What defences cost an attacker and the API's users, from the records of `results/defences`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from copycost.report.defended import moved_by
from copycost.report.groups import Group, group_records
from copycost.report.table import in_words
from copycost.report.wording import attack_name, percent
from copycost.runner.record import records_in
from copycost.types import Access
from tools.passages.frugal import by_labels, made_by, median_agreement, of_one_recipe, over_seeds
from tools.passages.markdown import NOT_RUN, table

BEARABLE = 0.01
"""Accuracy that an owner may be willing to give away."""


def defences_passage(results: Path) -> str:
    """For each victim and set of defences: its price to users, and what attacks reach behind it."""
    groups = group_records(records_in(results / "defences"))
    if not groups:
        return NOT_RUN
    victims = [list(found) for _, found in groupby(sorted(groups, key=_data), key=_data)]
    return "\n\n".join([*(_of_one_victim(found) for found in victims), made_by(groups)])


def _of_one_victim(groups: Sequence[Group]) -> str:
    attacks = sorted({_attack(group) for group in groups})
    fronts = {group.setting.defences: group for group in groups if not by_labels(group)}
    reached = {(_attack(group), group.setting.defences): group for group in groups}
    head = ["defences", "the API's accuracy", "moved by (L1)", *(_title(a) for a in attacks)]
    rows = [
        [
            " → ".join(f"`{name}`" for name in names) or "none",
            *_price(front),
            *(_cell(reached.get((attack, names))) for attack in attacks),
        ]
        for names, front in sorted(fronts.items(), key=_place)
    ]
    note = f"{of_one_recipe(groups)} {over_seeds(groups)}"
    return "\n\n".join(filter(None, [note, table(head, rows), _left(groups, attacks)]))


def _data(group: Group) -> str:
    return group.setting.data


def _left(groups: Sequence[Group], attacks: Sequence[tuple[bool, str, int]]) -> str:
    """What the defences that users can live with leave to each attack, as a list; '' for none."""
    bearable = [group for group in groups if group.setting.defences and _bearable(group)]
    head = f"Behind the defences that take less than {percent(BEARABLE)} of accuracy from users:"
    lines = [head, ""] if bearable else []
    for attack in attacks:
        (plain,) = [g for g in groups if _attack(g) == attack and not g.setting.defences]
        behind = [median_agreement(group) for group in bearable if _attack(group) == attack]
        if behind:
            low, high = percent(min(behind)), percent(max(behind))
            told = f"agreement from {low} to {high}; without, {percent(median_agreement(plain))}."
            lines.append(f"- {_title(attack)}: {told}")
    return "\n".join(lines)


def _bearable(group: Group) -> bool:
    return group.victim.accuracy - group.victim.defended_accuracy < BEARABLE


def _attack(group: Group) -> tuple[bool, str, int]:
    return by_labels(group), group.attack, group.setting.budget


def _title(attack: tuple[bool, str, int]) -> str:
    labels, name, budget = attack
    told = Access.LABEL if labels else Access.PROBABILITIES
    return f"{attack_name(name)}, {told}, {budget:,} queries"


def _price(group: Group) -> tuple[str, str]:
    """What users of the API lose: accuracy, and probabilities that are the model's own."""
    return percent(group.victim.defended_accuracy), moved_by(group)


def _cell(group: Group | None) -> str:
    return "–" if group is None else in_words(group.agreement)


def _place(entry: tuple[tuple[str, ...], Group]) -> tuple[float, tuple[str, ...]]:
    """By how far probabilities are moved; without defences first."""
    names, group = entry
    return group.victim.perturbation or 0.0, names
