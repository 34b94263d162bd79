"""What defences cost an attacker and the API's users, from the records of `results/defences`."""

from __future__ import annotations

from pathlib import Path

from copycost.report.defended import moved_by
from copycost.report.groups import Group, group_records
from copycost.report.table import in_words
from copycost.report.wording import attack_name, percent
from copycost.runner.record import records_in
from copycost.types import Access
from tools.passages.frugal import by_labels, made_by, of_one_recipe, over_seeds
from tools.passages.markdown import NOT_RUN, table


def defences_passage(results: Path) -> str:
    """For each set of defences: its price to users, and what each attack reaches behind it."""
    groups = group_records(records_in(results / "defences"))
    if not groups:
        return NOT_RUN
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
    return "\n\n".join([table(head, rows), note, made_by(groups)])


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
