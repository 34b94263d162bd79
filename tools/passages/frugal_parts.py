"""What each part of Frugal brings, from records of runs without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from copycost.attacks.frugal import Frugal
from copycost.report.groups import Group, flatten, group_records
from copycost.report.table import in_words
from copycost.report.wording import MISSING
from copycost.runner.record import records_in
from copycost.settings import write_settings
from tools.passages.frugal import made_by, median_agreement, over_seeds
from tools.passages.markdown import NOT_RUN, table

DEFAULTS = flatten(write_settings(Frugal()), "settings.")


def parts_passage(results: Path) -> str:
    """Frugal without each of its parts, or with one more, at equal queries."""
    return _parts(results / "frugal" / "parts")


def label_parts_passage(results: Path) -> str:
    """Like `parts_passage`, by labels alone."""
    return _parts(results / "frugal" / "parts-label")


def suited_parts_passage(results: Path) -> str:
    """Frugal with no setting given, without each of its parts, or with another."""
    return _parts(results / "frugal" / "parts-suited")


def suited_label_parts_passage(results: Path) -> str:
    """Like `suited_parts_passage`, by labels alone."""
    return _parts(results / "frugal" / "parts-suited-label")


def _parts(folder: Path) -> str:
    groups = group_records(records_in(folder))
    if not groups:
        return NOT_RUN
    usual = _usual(groups)
    named = [(_change(group, usual), group) for group in groups]
    named.sort(key=lambda pair: (pair[0] != "", -median_agreement(pair[1])))
    head = ["change", "agreement", "seconds a run"]
    rows = [
        [change or "none", in_words(group.agreement), f"{group.seconds.median:,.0f}"]
        for change, group in named
    ]
    first = groups[0]
    note = (
        f"Victim `{first.victim.name}`, {first.setting.budget:,} queries, {first.setting.access} "
        f"access. {over_seeds(groups)}"
    )
    return "\n\n".join([table(head, rows), note, made_by(groups)])


def _usual(groups: Sequence[Group]) -> dict[str, str]:
    """Each setting's value in most of the groups."""
    names = {name for group in groups for name, _ in group.variant}
    values = {name: Counter(dict(group.variant)[name] for group in groups) for name in names}
    return {name: counted.most_common(1)[0][0] for name, counted in values.items()}


def _change(group: Group, usual: dict[str, str]) -> str:
    """The settings of `group` that are not the usual ones; empty for Frugal as it is."""
    changed = [
        (name, value)
        for name, value in group.variant
        if _in_full(name, value) != _in_full(name, usual[name])
    ]
    return ", ".join(f"`{name.removeprefix('settings.')}` {value}" for name, value in changed)


def _in_full(name: str, value: str) -> str:
    """A setting's value; a record that is older than the setting has its default."""
    return DEFAULTS.get(name, value) if value == MISSING else value
