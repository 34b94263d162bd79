"""What copies of models of rows and of texts reach, from `results/tables` and `results/texts`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from copycost.report.groups import Group, group_records
from copycost.report.table import in_words
from copycost.report.wording import MISSING, attack_name, percent
from copycost.runner.record import VictimFacts, records_in
from tools.passages.frugal import by_labels, made_by, over_seeds
from tools.passages.markdown import NOT_RUN, table


def tables_passage(results: Path) -> str:
    """For each table: what every attack reaches, with a column for every model."""
    return _of_all_data(results / "tables", "rows")


def texts_passage(results: Path) -> str:
    """The same for texts."""
    return _of_all_data(results / "texts", "texts")


def _of_all_data(folder: Path, inputs: str) -> str:
    groups = group_records(records_in(folder))
    if not groups:
        return NOT_RUN
    found = [list(alike) for _, alike in groupby(sorted(groups, key=_data), key=_data)]
    return "\n\n".join([*map(_of_one, found), over_seeds(groups, inputs), made_by(groups)])


def _of_one(groups: Sequence[Group]) -> str:
    models = {group.victim.architecture: group.victim for group in groups}
    reached = {(_attack(group), group.victim.architecture): group for group in groups}
    names = sorted(models)
    head = ["agreement / accuracy of the copy", *(_model(models[name]) for name in names)]
    rows = [
        [_in_words(attack), *(_cell(reached.get((attack, name))) for name in names)]
        for attack in sorted({attack for attack, _ in reached})
    ]
    commonest = percent(groups[0].victim.one_answer)
    note = f"**{_data(groups[0])}**: the best constant answer is right in {commonest}."
    return f"{note}\n\n{table(head, rows)}"


def _data(group: Group) -> str:
    return group.setting.data


class _Attack(NamedTuple):
    labels: bool
    name: str
    student: str
    texts: tuple[str, ...]
    """Kinds of texts that were asked about, if the attack chooses among them."""
    budget: int


def _attack(group: Group) -> _Attack:
    tokens = group.victim.spec.vocabulary is not None
    texts = group.records[0].config["settings"].get("texts", ()) if tokens else ()
    setting = group.setting
    return _Attack(by_labels(group), group.attack, setting.student, tuple(texts), setting.budget)


def _in_words(attack: _Attack) -> str:
    asked = "".join(f", `{kind}`" for kind in attack.texts) + (", labels" if attack.labels else "")
    name = attack_name(attack.name)
    return f"{name} into `{attack.student}`{asked}, {attack.budget:,} queries"


def _model(victim: VictimFacts) -> str:
    return f"`{victim.architecture}`, accuracy {percent(victim.accuracy)}"


def _cell(group: Group | None) -> str:
    if group is None or group.accuracy is None:
        return MISSING
    return f"{in_words(group.agreement)} / {percent(group.accuracy.median)}"
