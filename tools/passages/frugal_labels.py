"""Frugal at label access, from its runs' records."""

from __future__ import annotations

from pathlib import Path

from copycost.attacks.frugal import Frugal
from copycost.report.groups import Group, group_records
from copycost.report.knowledge import held
from copycost.report.table import in_words
from copycost.runner.record import records_in
from copycost.settings import read_settings
from tools.passages.frugal import (
    by_labels,
    drawn_kinds,
    made_by,
    median_agreement,
    of_one_recipe,
    over_seeds,
    reached,
)
from tools.passages.markdown import NOT_RUN, table


def label_photographs_passage(results: Path) -> str:
    """Frugal by labels of photographs: candidates, how they are chosen, and training steps."""
    own = records_in(results / "frugal" / "label-photographs")
    victims = {record.victim.name for record in own}
    lessons = [
        record
        for record in records_in(results / "frugal" / "lessons")
        if record.victim.name in victims
    ]
    groups = [group for group in group_records([*own, *lessons]) if by_labels(group)]
    if not groups:
        return NOT_RUN
    groups.sort(key=lambda group: (group.setting.budget, median_agreement(group)))
    head = [
        "queries", "images", "the attacker holds", "candidates", "turns", "`adjustment`", "steps",
        "agreement", "accuracy", "seconds a run",
    ]  # fmt: skip
    note = f"{of_one_recipe(groups)} {over_seeds(groups)}"
    return "\n\n".join([table(head, [_choice(group) for group in groups]), note, made_by(groups)])


def _choice(group: Group) -> list[str]:
    record = group.records[0]
    settings = read_settings(Frugal, record.config["settings"])
    return [
        f"{group.setting.budget:,}",
        drawn_kinds(record),
        held(record),
        f"{settings.candidates}",
        "of classes" if settings.balanced else "–",
        f"{settings.adjustment:g}",
        f"{settings.student_steps}",
        *reached(group),
    ]


def adjustment_passage(results: Path) -> str:
    """Frugal by labels, with and without adjustment for each class's share of the answers."""
    records = [
        record
        for folder in ("twentieth", "adjustment")
        for record in records_in(results / "frugal" / folder)
        # Runs that are older than the setting were not made for this comparison.
        if record.attack == "frugal" and "adjustment" in record.config["settings"]
    ]
    groups = [group for group in group_records(records) if by_labels(group)]
    if not groups:
        return NOT_RUN
    groups.sort(key=lambda group: (group.victim.dataset, _adjustment(group)))
    head = ["data", "queries", "`adjustment`", "agreement", "accuracy", "commonest class"]
    rows = [
        [
            group.victim.dataset,
            f"{group.setting.budget:,}",
            f"{_adjustment(group):g}",
            in_words(group.agreement),
            in_words(group.accuracy),
            in_words(group.spread("commonest class")),
        ]
        for group in groups
    ]
    return "\n\n".join([table(head, rows), over_seeds(groups), made_by(groups)])


def _adjustment(group: Group) -> float:
    return float(group.records[0].config["settings"]["adjustment"])
