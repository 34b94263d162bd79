"""The passages of `docs/methods/frugal.md`, from the records under `results/frugal`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from copycost.attacks.frugal import Frugal
from copycost.report.knowledge import held
from copycost.report.markdown import measured_on, table
from copycost.report.table import Group, group_records, in_words
from copycost.report.wording import attack_name, percent, plural
from copycost.runner.record import Record, records_in
from copycost.settings import read_settings
from copycost.types import Access

NOT_RUN = "*Not run yet: there is no committed record.*"
USUAL_LOSS = "l1"
LOSSES = {USUAL_LOSS: "L1, mean over classes", "l2": "L2"}
DIGITS = "digits-cnn"
SHARE = 20
"""Frugal is to reach with one query what DFME reaches with so many."""


class DigitsAim(NamedTuple):
    """What two students that disagree, and replay, reached on digits in the first try."""

    agreement: float
    budget: int


DIGITS_AIM = DigitsAim(0.99, 60_000)


def twentieth_passage(results: Path) -> str:
    """What DFME reaches at a budget, and Frugal at a twentieth of it; a verdict for each victim."""
    # DFME's runs on digits are those of the embedded audit; its Frugal has other settings.
    audited = [record for record in records_in(results / "digits") if record.attack != "frugal"]
    records = _usual_loss([*records_in(results / "frugal" / "twentieth"), *audited])
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
    """Of groups that differ by an attack's own settings alone the one that agrees most."""
    best: dict[tuple[object, ...], Group] = {}
    for group in sorted(groups, key=median_agreement):
        setting = group.setting
        best[group.attack, setting.victim, setting.access, setting.budget] = group
    return list(best.values())


def photographs_passage(results: Path) -> str:
    """Frugal by the kinds of its images, and DFME, on a model of photographs of 16×16."""
    return _by_images(results / "frugal" / "photographs")


def cifar10_passage(results: Path) -> str:
    """The same on a model of photographs at CIFAR-10's own size."""
    return _by_images(results / "frugal" / "cifar10")


def _by_images(folder: Path) -> str:
    groups = group_records(_usual_loss(records_in(folder)))
    if not groups:
        return NOT_RUN
    groups.sort(key=median_agreement, reverse=True)
    head = [
        "attack", "access", "images", "learnt", "the attacker holds", "queries", "agreement",
        "accuracy",
    ]  # fmt: skip
    rows = [
        [
            attack_name(group.attack),
            str(group.setting.access),
            drawn_kinds(group.records[0]),
            _views(group.records[0]),
            held(group.records[0]),
            f"{group.setting.budget:,}",
            in_words(group.agreement),
            in_words(group.accuracy),
        ]
        for group in groups
    ]
    note = f"{_of_one_recipe(groups)} {over_seeds(groups)}"
    return "\n\n".join([table(head, rows), note, made_by(groups)])


def _of_one_recipe(groups: Sequence[Group]) -> str:
    """Who copies whom."""
    first = groups[0]
    return (
        f"{first.victim.dataset}: victim `{first.victim.architecture}` of "
        f"{_victims_accuracy(groups)} accuracy, student `{first.setting.student}`."
    )


def _victims_accuracy(groups: Sequence[Group]) -> str:
    """In words; a range where one recipe came out as several victims, on other processors."""
    found = [record.victim.accuracy for group in groups for record in group.records]
    ends = dict.fromkeys(percent(accuracy) for accuracy in (min(found), max(found)))
    return " to ".join(ends)


def lessons_passage(results: Path) -> str:
    """Frugal by how long, and how, it learns from an answer, and by what it asks."""
    groups = group_records(_usual_loss(records_in(results / "frugal" / "lessons")))
    if not groups:
        return NOT_RUN
    groups.sort(key=lambda one: (*_of_lesson(one), median_agreement(one)))
    head = [
        "data", "access", "images", "queries", "students", "steps", "as asked",
        "the attacker holds", "agreement", "accuracy", "seconds a run",
    ]  # fmt: skip
    recipes = [
        _of_one_recipe([group for group in groups if group.victim.dataset == data])
        for data in dict.fromkeys(group.victim.dataset for group in groups)
    ]
    note = " ".join([*recipes, over_seeds(groups)])
    return "\n\n".join([table(head, [_lesson(group) for group in groups]), note, made_by(groups)])


def _of_lesson(group: Group) -> tuple[str, bool, int]:
    """The same for groups that are to be compared; labels after probabilities."""
    return group.victim.dataset, _by_labels(group), group.setting.budget


def _by_labels(group: Group) -> bool:
    return group.setting.access is Access.LABEL


def _lesson(group: Group) -> list[str]:
    """Students, steps of each for a batch of queries, and the share of a lesson as asked."""
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
        in_words(group.agreement),
        in_words(group.accuracy),
        f"{group.seconds.median:,.0f}",
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
        f"{LOSSES[_loss(best.records[0])]}: the best of {len(groups)} settings on record. "
        f"{over_seeds([best])}"
    )


def losses_passage(results: Path) -> str:
    """Frugal by the norm that its students descend, where all else was the same."""
    found: dict[tuple[str, ...], dict[str, Group]] = {}
    for group in _own_groups(results, "twentieth", "photographs", "lessons"):
        found.setdefault(_but_for_loss(group), {})[_loss(group.records[0])] = group
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
    """What two groups share that differ by their loss alone, as it is printed."""
    setting, record = group.setting, group.records[0]
    settings = read_settings(Frugal, record.config["settings"])
    return (
        group.victim.dataset,
        f"`{setting.student}`",
        str(setting.access),
        f"{setting.budget:,}",
        drawn_kinds(record),
        _views(record),
        f"{settings.members}",
        f"{settings.student_steps}",
    )


def _loss(record: Record) -> str:
    """The loss of a run's students; older records have none but the usual one."""
    return str(record.config["settings"].get("loss", USUAL_LOSS))


def _usual_loss(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if _loss(record) == USUAL_LOSS]


def drawn_kinds(record: Record) -> str:
    """The sources of a run's images, if it draws any."""
    sources = record.config["settings"].get("sources", ())
    return ", ".join(f"`{name}`" for name in sources) or "–"


def _views(record: Record) -> str:
    """How a run's images are shown to its students, if it may move them."""
    settings = record.config["settings"]
    if "sources" not in settings:
        return "–"
    shift, flip = settings.get("shift", 0.0), settings.get("flip", False)
    ways = [f"moved by up to {percent(shift)}"] * bool(shift) + ["mirrored"] * flip
    # Records that are older than `as_asked` moved all they learnt from.
    kept = settings.get("as_asked", 0.0) if ways else 0.0
    return ", ".join([f"{percent(kept)} as asked"] * bool(kept) + ways) or "as asked"


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
    return group.victim.dataset, _by_labels(group), group.attack


def over_seeds(groups: Sequence[Group]) -> str:
    """What the numbers of a table are taken over."""
    seeds = sorted({len(group.seeds) for group in groups})
    number = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    alone = " (without a range: one)" if seeds[0] == 1 < seeds[-1] else ""
    over = f"Median and range over {number} seeds{alone}"
    return f"{over}; agreement with the victim on held-out images."


def _verdicts(groups: Sequence[Group]) -> list[str]:
    """A line for each copy by Frugal at a twentieth, or less, of the queries of another attack.

    The other is told as much, or probabilities where Frugal is told labels alone.
    """
    return [
        _verdict(own, model)
        for model in groups
        for own in groups
        if own.attack == "frugal"
        and model.attack != "frugal"
        and own.setting.victim == model.setting.victim
        and own.setting.budget * SHARE <= model.setting.budget
        and model.setting.access in (own.setting.access, Access.PROBABILITIES)
    ]


def _verdict(own: Group, model: Group) -> str:
    reached = median_agreement(own) >= median_agreement(model)
    share = model.setting.budget / own.setting.budget
    same = own.setting.victim_hash == model.setting.victim_hash
    other = "" if same else " Each copied its own victim, both trained by one recipe."
    labels = " by labels alone" if _by_labels(own) else ""
    told = ", told probabilities," if model.setting.access != own.setting.access else ""
    return (
        f"- {own.victim.dataset}{labels}: {'reached' if reached else 'missed'}. Frugal has "
        f"{percent(median_agreement(own))} with {own.setting.budget:,} queries, "
        f"{attack_name(model.attack)}{told} {percent(median_agreement(model))} with {share:.3g} "
        f"times as many.{other}"
    )


def median_agreement(group: Group) -> float:
    """Over its seeds; 0 where none has one."""
    return group.agreement.median if group.agreement else 0.0


def made_by(groups: Sequence[Group]) -> str:
    """Hardware, versions and commits of the groups' runs."""
    return measured_on([record.surroundings for group in groups for record in group.records])
