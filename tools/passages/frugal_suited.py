"""Frugal with no setting given, from its runs' records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from copycost.attacks.frugal import Frugal
from copycost.report.groups import Group, group_records
from copycost.runner.config import read_attack
from copycost.runner.record import Record, records_in
from copycost.settings import read_settings, write_settings
from tools.passages.frugal import by_labels, by_settings, made_by, over_seeds, pace, reached
from tools.passages.markdown import NOT_RUN, table

PLAIN = "two students, 16 steps for each batch of 256"


def suited_passage(results: Path) -> str:
    """Frugal with no setting given, by budget, and with one set of settings for all budgets."""
    groups = group_records(records_in(results / "frugal" / "suited"))
    if not groups:
        return NOT_RUN
    groups.sort(key=_place)
    drawn = by_settings(groups, "settings", lambda group: _in_use(group.records[0]))
    return "\n\n".join([drawn, _students(groups), over_seeds(groups), made_by(groups)])


def clip_passage(results: Path) -> str:
    """Frugal with a student without batch norms, its gradients clipped and not."""
    groups = group_records(records_in(results / "frugal" / "clip"))
    if not groups:
        return NOT_RUN
    groups.sort(key=lambda group: (group.setting.budget, _settings(group.records[0]).clip))
    head = ["queries", "`clip`", "agreement", "accuracy", "seconds a run"]
    rows = [
        [
            f"{group.setting.budget:,}",
            f"{_settings(group.records[0]).clip:g}",
            *reached(group),
        ]
        for group in groups
    ]
    return "\n\n".join([table(head, rows), _students(groups), over_seeds(groups), made_by(groups)])


def _place(group: Group) -> tuple[str, bool, int, bool]:
    """By data, probabilities before labels, then by budget, plain defaults first."""
    suited = _is_suited(group.records[0])
    return group.victim.dataset, by_labels(group), group.setting.budget, suited


def _settings(record: Record) -> Frugal:
    settings: Frugal = read_settings(Frugal, record.config["settings"])
    return settings


def _is_suited(record: Record) -> bool:
    """Whether a run's settings are those that suit its budget.

    `clip` is ignored: most records are older, and it has no effect on their students' nets.
    """
    suited = write_settings(read_attack("frugal", {}, record.budget))
    return write_settings(_settings(record)) | {"clip": suited["clip"]} == suited


def _in_use(record: Record) -> str:
    used = _settings(record)
    if used == Frugal():
        return PLAIN
    own = "the budget's: " if _is_suited(record) else ""
    return f"{own}{pace(record)}, {used.candidates} candidates"


def _students(groups: Sequence[Group]) -> str:
    pairs = {f"`{g.victim.name}` into `{g.setting.student}`" for g in groups}
    return f"Copied: {', '.join(sorted(pairs))}."
