"""What random noise reaches with one and with many steps per batch, from its runs' records."""

from __future__ import annotations

from pathlib import Path

from copycost.attacks.random_noise import RandomNoise
from copycost.report.groups import Group, group_records
from copycost.runner.record import records_in
from copycost.settings import read_settings
from tools.passages.frugal import by_labels, by_settings, made_by, over_seeds, pace
from tools.passages.markdown import NOT_RUN


def noise_passage(results: Path) -> str:
    """Random noise by data, access and budget, and by the steps for each batch."""
    groups = group_records(records_in(results / "noise"))
    if not groups:
        return NOT_RUN
    groups.sort(key=_place)
    drawn = by_settings(groups, "learnt", _learnt)
    return "\n\n".join([drawn, over_seeds(groups), made_by(groups)])


def _place(group: Group) -> tuple[str, bool, int, int]:
    steps = _settings(group).student_steps
    return group.victim.dataset, by_labels(group), group.setting.budget, steps


def _settings(group: Group) -> RandomNoise:
    settings: RandomNoise = read_settings(RandomNoise, group.records[0].config["settings"])
    return settings


def _learnt(group: Group) -> str:
    used = _settings(group)
    if used.student_steps == 1:
        return f"once, in batches of {used.batch_size}"
    return pace(group.records[0])
