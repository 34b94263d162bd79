"""Frugal and DFME at the scale of a paper, from the records under `results/frugal/full`.

Aims are shares of the victim's accuracy, as our victims' accuracy differs from the papers'.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from copycost.attacks.base import STRICTLY_DATA_FREE
from copycost.report.figures import LINES, queries_across, scale_shares
from copycost.report.groups import Group, group_records
from copycost.report.knowledge import held
from copycost.report.stand_alone import on_paper, svg
from copycost.report.table import access_in_words, in_words
from copycost.report.wording import attack_name, plural
from copycost.runner.record import Record, records_in
from copycost.types import Access
from tools.passages.frugal import drawn_kinds, victims_accuracy
from tools.passages.markdown import NOT_RUN, measured_on, table

OURS = "frugal"
ESTIMATE = "estimate/correlation"


class Aim(NamedTuple):
    """What one student should reach within a budget."""

    share: float
    """Of the victim's accuracy."""
    budget: int
    access: Access
    words: str


AIMS = (
    Aim(0.902, 2_000_000, Access.PROBABILITIES, "86.18 % of 95.5 %, Kwon et al.'s figure of DFME"),
    Aim(0.9225, 2_000_000, Access.PROBABILITIES, "88.1 % of 95.5 %, DFME's with 20 million"),
    Aim(0.984, 20_000_000, Access.PROBABILITIES, "94 % of 95.5 %, DisGUIDE's vote"),
    Aim(0.921, 8_000_000, Access.LABEL, "88 % of 95.5 %, DisGUIDE's vote by 20 million labels"),
)


def runs_passage(results: Path) -> str:
    """What every attack reached, one line each."""
    groups = _groups(results)
    if not groups:
        return NOT_RUN
    head = [
        "attack", "access", "the attacker holds", "images", "queries", "agreement", "accuracy",
        "of the victim's", "steps of the student", "seeds", "minutes a run",
    ]  # fmt: skip
    first = groups[0]
    note = (
        f"{first.victim.dataset}: victim `{first.victim.architecture}` of "
        f"{victims_accuracy(groups)} accuracy, student `{first.setting.student}`, in "
        f"{first.records[0].surroundings.arithmetic['training']}. Agreement and accuracy are of "
        "the last student, on held-out images."
    )
    made = measured_on([record.surroundings for group in groups for record in group.records])
    return "\n\n".join([table(head, [_row(group) for group in groups]), note, made])


def aims_passage(results: Path) -> str:
    """Whether each aim was reached, one line each."""
    groups = _groups(results)
    return "\n".join(_verdict(aim, groups) for aim in AIMS)


def estimates_passage(results: Path) -> str:
    """How good the gradients estimated by finite differences were, one line per run."""
    lines = [_estimates(record) for record in _records(results) if ESTIMATE in record.result]
    return "\n".join(lines) or NOT_RUN


def curves_figure(results: Path) -> str | None:
    """Accuracy and agreement of every run over its queries, as SVG; None without records."""
    groups = _groups(results)
    if not groups:
        return None
    with on_paper("full-scale"):
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        accuracy, agreement = figure.subplots(1, 2)
        _draw_all(accuracy, groups, "accuracy")
        _draw_all(agreement, groups, "agreement")
        # A victim that was trained again, on another machine, has another accuracy.
        for number, victim in enumerate(sorted({group.victim.accuracy for group in groups})):
            label = "_" if number else "the victim"  # once in the legend
            accuracy.axhline(victim, color="grey", linestyle="--", linewidth=0.8, label=label)
        handles, labels = accuracy.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        return svg(figure)


def _draw_all(axes: Axes, groups: Sequence[Group], value: str) -> None:
    for colour, group in zip(LINES, groups, strict=False):
        for record in group.records:
            _draw(axes, record, value, colour)
    axes.set_ylabel(value)
    scale_shares(axes)
    queries_across(axes)


def _estimates(record: Record) -> str:
    found = [point.values[ESTIMATE] for point in record.curve]
    used, nets = record.surroundings.arithmetic, (record.victim.architecture, record.student)
    return (
        f"- {attack_name(record.attack)}, {record.budget:,} queries, `{nets[0]}` into `{nets[1]}`, "
        f"points in {used['estimate']}, ε = {used['epsilon']}: {median(found):.2f} "
        f"({min(found):.2f}–{max(found):.2f}), over {len(found)} moments."
    )


def _draw(axes: Axes, record: Record, value: str, colour: str) -> None:
    queries = [point.queries for point in record.curve]
    values = [point.values[value] for point in record.curve]
    kinds = drawn_kinds(record).strip("–").replace("`", "")
    name = attack_name(record.attack) + f" ({kinds})" * bool(kinds)
    label = f"{name}, {record.budget:,} queries, seed {record.seed}"
    axes.plot(queries, values, marker=".", color=colour, label=label)


def _records(results: Path) -> list[Record]:
    return records_in(results / "frugal" / "full")


def _groups(results: Path) -> list[Group]:
    """All groups, the best first."""
    return sorted(group_records(_records(results)), key=_share, reverse=True)


def _row(group: Group) -> list[str]:
    record = group.records[0]
    return [
        attack_name(group.attack),
        access_in_words(group.setting),
        held(record),
        drawn_kinds(record),
        f"{group.setting.budget:,}",
        in_words(group.agreement),
        in_words(group.accuracy),
        f"{_share(group):.3f}",
        f"{record.updates['student']:,}",
        f"{len(group.seeds)}",
        f"{group.seconds.median / 60:.1f}",
    ]


def _verdict(aim: Aim, groups: Sequence[Group]) -> str:
    said = f"- {aim.share:g} of the victim's accuracy within {aim.budget:,} queries"
    said += f" at {aim.access} access ({aim.words}): "
    tried = [
        group
        for group in groups
        if group.attack == OURS
        and group.setting.access is aim.access
        and group.setting.budget <= aim.budget
    ]
    return said + "; ".join(_by_class(aim, kind, tried) for kind in _classes(tried)) + "."


def _classes(tried: Sequence[Group]) -> list[str]:
    """What attackers held: the strictest class, which is the aim, and then any other."""
    others = dict.fromkeys(held(group.records[0]) for group in tried)
    return list(dict.fromkeys([STRICTLY_DATA_FREE, *others]))


def _by_class(aim: Aim, kind: str, tried: Sequence[Group]) -> str:
    """The verdict on the best of those groups whose attacker held `kind`."""
    best = max(
        (group for group in tried if held(group.records[0]) == kind), key=_share, default=None
    )
    if best is None:
        return f"{kind}, not run yet"
    verdict = "**reached**" if _share(best) >= aim.share else "**missed so far**"
    queries, seeds = best.setting.budget, plural(len(best.seeds), "seed")
    return f"{kind}, {verdict}: {_share(best):.3f} with {queries:,} queries ({seeds})"


def _share(group: Group) -> float:
    accuracy = group.accuracy
    return accuracy.median / group.victim.accuracy if accuracy else 0.0
