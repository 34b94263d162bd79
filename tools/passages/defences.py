"""What defences cost an attacker and the API's users, from the records of `results/defences`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from copycost.report.defended import moved_by
from copycost.report.groups import Group, group_records
from copycost.report.table import in_words
from copycost.report.wording import attacker, percent
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


class _Attack(NamedTuple):
    """What a column is about, in the order of the columns."""

    labels: bool
    """Whether only labels were released."""
    name: str
    adaptations: tuple[str, ...]
    budget: int

    @classmethod
    def of(cls, group: Group) -> _Attack:
        return cls(by_labels(group), group.attack, group.adaptations, group.setting.budget)

    def __str__(self) -> str:
        told = Access.LABEL if self.labels else Access.PROBABILITIES
        return f"{attacker(self.name, self.adaptations)}, {told}, {self.budget:,} queries"


def _of_one_victim(groups: Sequence[Group]) -> str:
    attacks = sorted({_Attack.of(group) for group in groups})
    plain_last = sorted(groups, key=lambda group: not group.adaptations)
    fronts = {group.setting.defences: group for group in plain_last if not by_labels(group)}
    reached = {(_Attack.of(group), group.setting.defences): group for group in groups}
    columns = [one for one in attacks if sum(attack == one for attack, _ in reached) > 1]
    head = ["defences", "the API's accuracy", "moved by (L1)", *map(str, columns)]
    rows = [
        [
            " → ".join(f"`{name}`" for name in names) or "none",
            *_price(front),
            *(_cell(reached.get((attack, names))) for attack in columns),
        ]
        for names, front in sorted(fronts.items(), key=_place)
    ]
    note = f"{of_one_recipe(groups)} {over_seeds(groups)}"
    return "\n\n".join(filter(None, [note, table(head, rows), _left(groups, attacks)]))


def _data(group: Group) -> str:
    return group.setting.data


def _left(groups: Sequence[Group], attacks: Sequence[_Attack]) -> str:
    """What the defences that users can live with leave to each attack, as a list; '' for none."""
    plain = {_Attack.of(group): group for group in groups if not group.setting.defences}
    bearable = [group for group in groups if group.setting.defences and _bearable(group)]
    head = f"Behind the defences that take less than {percent(BEARABLE)} of accuracy from users:"
    lines = [head, ""] if bearable else []
    for attack in attacks:
        behind = [group for group in bearable if _Attack.of(group) == attack]
        if behind:
            without = median_agreement(plain[attack._replace(adaptations=())])
            lines.append(f"- {attack}: {_agreement(behind)}; without, {percent(without)}.")
    return "\n".join(lines)


def _agreement(groups: Sequence[Group]) -> str:
    """From the lowest to the highest; of a single group, behind which defences."""
    if len(groups) == 1:
        behind = " → ".join(f"`{name}`" for name in groups[0].setting.defences)
        return f"agreement of {in_words(groups[0].agreement)} behind {behind}"
    found = [median_agreement(group) for group in groups]
    return f"agreement from {percent(min(found))} to {percent(max(found))}"


def _bearable(group: Group) -> bool:
    return group.victim.accuracy - group.victim.defended_accuracy < BEARABLE


def _price(group: Group) -> tuple[str, str]:
    """What users of the API lose: accuracy, and probabilities that are the model's own."""
    return percent(group.victim.defended_accuracy), moved_by(group)


def _cell(group: Group | None) -> str:
    return "–" if group is None else in_words(group.agreement)


def _place(entry: tuple[tuple[str, ...], Group]) -> tuple[float, tuple[str, ...]]:
    """By how far probabilities are moved; without defences first."""
    names, group = entry
    return group.victim.perturbation or 0.0, names
