"""How Frugal learns from an answer, and by which norm, from its runs' records."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from copycost.attacks.frugal import Frugal
from copycost.report.groups import Group, group_records
from copycost.report.knowledge import held
from copycost.report.table import in_words
from copycost.report.wording import percent, plural
from copycost.runner.record import records_in
from copycost.settings import read_settings
from copycost.types import Access
from tools.passages.frugal import (
    USUAL_LOSS,
    by_labels,
    drawn_kinds,
    loss_of,
    made_by,
    median_agreement,
    of_one_recipe,
    of_usual_loss,
    over_seeds,
    reached,
    views,
)
from tools.passages.markdown import NOT_RUN, table

LOSSES = {USUAL_LOSS: "L1, mean over classes", "l2": "L2"}
DIGITS = "digits-cnn"


class DigitsAim(NamedTuple):
    """What the first try, with two students that disagree and with replay, reached on digits."""

    agreement: float
    budget: int


DIGITS_AIM = DigitsAim(0.99, 60_000)


def lessons_passage(results: Path) -> str:
    """Frugal by how long, and how, it learns from an answer, and by what it asks."""
    groups = group_records(of_usual_loss(records_in(results / "frugal" / "lessons")))
    if not groups:
        return NOT_RUN
    groups.sort(key=lambda one: (*_of_lesson(one), median_agreement(one)))
    head = [
        "data", "access", "images", "queries", "students", "steps", "as asked",
        "the attacker holds", "agreement", "accuracy", "seconds a run",
    ]  # fmt: skip
    recipes = [
        of_one_recipe([group for group in groups if group.victim.dataset == data])
        for data in dict.fromkeys(group.victim.dataset for group in groups)
    ]
    note = " ".join([*recipes, over_seeds(groups)])
    return "\n\n".join([table(head, [_lesson(group) for group in groups]), note, made_by(groups)])


def _of_lesson(group: Group) -> tuple[str, bool, int]:
    """A sort key that is equal for groups to be compared; probabilities come before labels."""
    return group.victim.dataset, by_labels(group), group.setting.budget


def _lesson(group: Group) -> list[str]:
    """One row; "steps" are those of each student per batch of queries, "as asked" is a share."""
    record = group.records[0]
    settings = read_settings(Frugal, record.config["settings"])
    kept = settings.as_asked if settings.shift or settings.flip else 1.0
    return [
        group.victim.dataset,
        str(group.setting.access),
        drawn_kinds(record),
        f"{group.setting.budget:,}",
        f"{settings.members}",
        f"{settings.student_steps}",
        percent(kept),
        held(record),
        *reached(group),
    ]


def digits_aim_passage(results: Path) -> str:
    """Whether the best settings on record pass the agreement of the first try on digits."""
    groups = [
        group
        for group in _own_groups(results, "twentieth", "lessons")
        if (group.setting.victim, group.setting.budget) == (DIGITS, DIGITS_AIM.budget)
        and group.setting.access is Access.PROBABILITIES
    ]
    if not groups:
        return NOT_RUN
    best = max(groups, key=median_agreement)
    settings = read_settings(Frugal, best.records[0].config["settings"])
    verdict = "passed" if median_agreement(best) > DIGITS_AIM.agreement else "missed"
    return (
        f"{percent(DIGITS_AIM.agreement)} with {DIGITS_AIM.budget:,} queries on digits is "
        f"{verdict}: {in_words(best.agreement)} by {plural(settings.members, 'student')}, "
        f"{settings.student_steps} steps for a batch of {settings.batch_size} queries, and "
        f"{LOSSES[loss_of(best.records[0])]}: the best of {len(groups)} settings on record. "
        f"{over_seeds([best])}"
    )


def losses_passage(results: Path) -> str:
    """Frugal by the norm of its students' loss, for groups in which all else is the same."""
    found: dict[tuple[str, ...], dict[str, Group]] = {}
    for group in _own_groups(results, "twentieth", "photographs", "lessons"):
        found.setdefault(_but_for_loss(group), {})[loss_of(group.records[0])] = group
    pairs = {key: by_loss for key, by_loss in found.items() if by_loss.keys() >= LOSSES.keys()}
    if not pairs:
        return NOT_RUN
    head = [
        "data", "student", "access", "queries", "images", "learnt", "students", "steps",
        *LOSSES.values(),
    ]  # fmt: skip
    rows = [
        [*key, *(in_words(by_loss[loss].agreement) for loss in LOSSES)]
        for key, by_loss in sorted(pairs.items())
    ]
    shown = [by_loss[loss] for by_loss in pairs.values() for loss in LOSSES]
    return "\n\n".join([table(head, rows), over_seeds(shown), made_by(shown)])


def _own_groups(results: Path, *folders: str) -> list[Group]:
    records = [record for name in folders for record in records_in(results / "frugal" / name)]
    return group_records([record for record in records if record.attack == "frugal"])


def _but_for_loss(group: Group) -> tuple[str, ...]:
    """What groups that differ only by their loss have in common, as printed."""
    setting, record = group.setting, group.records[0]
    settings = read_settings(Frugal, record.config["settings"])
    return (
        group.victim.dataset,
        f"`{setting.student}`",
        str(setting.access),
        f"{setting.budget:,}",
        drawn_kinds(record),
        views(record),
        f"{settings.members}",
        f"{settings.student_steps}",
    )
