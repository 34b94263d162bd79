"""The passages of `docs/methods/frugal.md`, from the records under `results/frugal`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from copycost.attacks import ATTACKS
from copycost.report.groups import Group, Setting, group_records
from copycost.report.knowledge import held
from copycost.report.table import in_words
from copycost.report.wording import attack_name, percent, plural
from copycost.runner.record import Record, records_in
from copycost.settings import read_settings, write_settings
from copycost.types import Access
from tools.passages.markdown import NOT_RUN, measured_on, table

USUAL_LOSS = "l1"
SHARE = 20
"""Frugal aims to reach with one query what DFME reaches with so many."""


def twentieth_passage(results: Path) -> str:
    """What DFME reaches at a budget, and Frugal at a twentieth of it; a verdict for each victim."""
    # DFME's runs on digits are those of the embedded audit; its Frugal has other settings.
    audited = [record for record in records_in(results / "digits") if record.attack != "frugal"]
    folders = [results / "frugal" / name for name in ("twentieth", "cifar10")]
    found = [record for folder in folders for record in records_in(folder)]
    records = of_usual_loss([*found, *audited])
    victims = {record.victim.name for record in records}
    suited = records_in(results / "frugal" / "suited")
    records += [record for record in suited if record.victim.name in victims]
    groups = [group for group in group_records(records) if group.attack != "random-noise"]
    noise = [group for group in group_records(records) if group.attack == "random-noise"]
    asked = {group.setting.victim for group in groups if group.attack == "frugal"}
    chosen = _best_settings([group for group in groups if group.setting.victim in asked])
    if not chosen:
        return NOT_RUN
    head = ["data", "access", "attack", "queries", "agreement", "random noise", "seconds a run"]
    rows = [_row(group, noise) for group in sorted(chosen, key=_place)]
    parts = [table(head, rows), over_seeds(chosen), "\n".join(_verdicts(chosen)), made_by(chosen)]
    return "\n\n".join(parts)


def _best_settings(groups: Sequence[Group]) -> list[Group]:
    """Of groups that differ only by settings of their attack, the one with the best agreement."""
    best: dict[tuple[object, ...], Group] = {}
    for group in sorted(groups, key=median_agreement):
        best[group.attack, replace(group.setting, victim_hash="")] = group
    return list(best.values())


def photographs_passage(results: Path) -> str:
    """Frugal by the kinds of its images, and DFME, on a model of photographs of 16×16."""
    return _by_images(results / "frugal" / "photographs")


def cifar10_passage(results: Path) -> str:
    """Like `photographs_passage`, on a model of photographs at CIFAR-10's own size."""
    return _by_images(results / "frugal" / "cifar10")


def _by_images(folder: Path) -> str:
    groups = group_records(of_usual_loss(records_in(folder)))
    if not groups:
        return NOT_RUN
    groups.sort(key=median_agreement, reverse=True)
    head = [
        "attack", "access", "images", "learnt", "training", "the attacker holds", "queries",
        "agreement", "accuracy",
    ]  # fmt: skip
    rows = [
        [
            attack_name(group.attack),
            str(group.setting.access),
            drawn_kinds(group.records[0]),
            views(group.records[0]),
            pace(group.records[0]),
            held(group.records[0]),
            f"{group.setting.budget:,}",
            in_words(group.agreement),
            in_words(group.accuracy),
        ]
        for group in groups
    ]
    note = f"{of_one_recipe(groups)} {over_seeds(groups)}"
    return "\n\n".join([table(head, rows), note, made_by(groups)])


def of_one_recipe(groups: Sequence[Group]) -> str:
    """The victim and the student of groups that have the same, as a sentence."""
    first = groups[0]
    return (
        f"{first.victim.dataset}: victim `{first.victim.architecture}` of "
        f"{victims_accuracy(groups)} accuracy, student `{first.setting.student}`."
    )


def victims_accuracy(groups: Sequence[Group]) -> str:
    """In words; a range if one recipe gave several victims, on different processors."""
    found = [record.victim.accuracy for group in groups for record in group.records]
    ends = dict.fromkeys(percent(accuracy) for accuracy in (min(found), max(found)))
    return " to ".join(ends)


def by_labels(group: Group) -> bool:
    """Whether the victim released labels only."""
    return group.setting.access is Access.LABEL


def loss_of(record: Record) -> str:
    """The loss of a run's students; older records have none but the usual one."""
    return str(record.config["settings"].get("loss", USUAL_LOSS))


def of_usual_loss(records: Sequence[Record]) -> list[Record]:
    """The records of runs whose students were trained with `USUAL_LOSS`."""
    return [record for record in records if loss_of(record) == USUAL_LOSS]


def drawn_kinds(record: Record) -> str:
    """The sources of a run's images, if it draws any."""
    sources = record.config["settings"].get("sources", ())
    return ", ".join(f"`{name}`" for name in sources) or "–"


def views(record: Record) -> str:
    """How a run's images are shown to its students; '–' for attacks that draw none."""
    settings = record.config["settings"]
    if "sources" not in settings:
        return "–"
    shift, flip = settings.get("shift", 0.0), settings.get("flip", False)
    ways = [f"moved by up to {percent(shift)}"] * bool(shift) + ["mirrored"] * flip
    # Runs older than the setting `as_asked` moved every image that they learnt from.
    kept = settings.get("as_asked", 0.0) if ways else 0.0
    return ", ".join([f"{percent(kept)} as asked"] * bool(kept) + ways) or "as asked"


def pace(record: Record) -> str:
    """How many steps a student took for how many queries, whatever the attack."""
    used = write_settings(read_settings(ATTACKS[record.attack], record.config["settings"]))
    steps = plural(used["student_steps"], "step")
    return f"{steps} for each batch of {used['batch_size']}"


def _row(group: Group, noise: Sequence[Group]) -> list[str]:
    floor = next((other for other in noise if other.setting == group.setting), None)
    return [
        group.victim.dataset,
        str(group.setting.access),
        attack_name(group.attack),
        f"{group.setting.budget:,}",
        in_words(group.agreement),
        in_words(floor.agreement) if floor else "–",
        f"{group.seconds.median:,.0f}",
    ]


def _place(group: Group) -> tuple[str, bool, str]:
    # Probabilities before labels, DFME before what is compared with it.
    return group.victim.dataset, by_labels(group), group.attack


def over_seeds(groups: Sequence[Group], inputs: str = "images") -> str:
    """The number of seeds that the numbers of a table are taken over, as a sentence."""
    seeds = sorted({len(group.seeds) for group in groups})
    number = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    alone = " (without a range: one)" if seeds[0] == 1 < seeds[-1] else ""
    over = f"Median and range over {number} seeds{alone}"
    return f"{over}; agreement with the victim on held-out {inputs}."


def reached(group: Group) -> list[str]:
    """The last cells of a row: agreement, accuracy, seconds a run."""
    return [
        in_words(group.agreement),
        in_words(group.accuracy),
        f"{group.seconds.median:,.0f}",
    ]


def by_settings(groups: Sequence[Group], name: str, told: Callable[[Group], str]) -> str:
    """The table of `groups` by data, access, queries and a column `name`, which `told` fills."""
    head = ["data", "access", "queries", name, "agreement", "accuracy", "seconds a run"]
    rows = [
        [
            group.victim.dataset,
            str(group.setting.access),
            f"{group.setting.budget:,}",
            told(group),
            *reached(group),
        ]
        for group in groups
    ]
    return table(head, rows)


def _verdicts(groups: Sequence[Group]) -> list[str]:
    """A line for each copy by Frugal at a twentieth, or less, of the queries of another attack.

    The other has the same access, or probabilities where Frugal has labels alone.
    """
    return [
        _verdict(own, model)
        for model in groups
        for own in groups
        if own.attack == "frugal"
        and model.attack != "frugal"
        and _copying(own.setting) == _copying(model.setting)
        and own.setting.budget * SHARE <= model.setting.budget
        and model.setting.access in (own.setting.access, Access.PROBABILITIES)
    ]


def _copying(setting: Setting) -> tuple[object, ...]:
    """What compared groups share; victims of one recipe count as the same on any machine."""
    return setting.victim, setting.student, setting.data, setting.defences


def _verdict(own: Group, model: Group) -> str:
    reached = median_agreement(own) >= median_agreement(model)
    share = model.setting.budget / own.setting.budget
    same = own.setting.victim_hash == model.setting.victim_hash
    other = "" if same else " They copied two victims, trained by the same recipe."
    labels = " by labels alone" if by_labels(own) else ""
    told = ", told probabilities," if model.setting.access != own.setting.access else ""
    return (
        f"- {own.victim.dataset}{labels}: **{'reached' if reached else 'missed'}**. Frugal has "
        f"{percent(median_agreement(own))} with {own.setting.budget:,} queries, "
        f"{attack_name(model.attack)}{told} {percent(median_agreement(model))} with {share:.3g} "
        f"times as many.{_in_doubt(own, model)}{other}"
    )


def _in_doubt(own: Group, model: Group) -> str:
    """A caveat if the ranges over seeds overlap; else ''."""
    one, other = own.agreement, model.agreement
    if one is None or other is None or one.low > other.high or other.low > one.high:
        return ""
    return " The ranges over seeds overlap, so this may be chance."


def median_agreement(group: Group) -> float:
    """Median agreement over the seeds of `group`; 0 if none has one."""
    return group.agreement.median if group.agreement else 0.0


def made_by(groups: Sequence[Group]) -> str:
    """Hardware, versions and commits of the groups' runs."""
    return measured_on([record.surroundings for group in groups for record in group.records])
