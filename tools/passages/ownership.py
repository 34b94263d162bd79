"""Which models agree with a victim where independent models do not, from `results/ownership`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import median

from copycost.report.groups import spread
from copycost.report.table import in_words
from copycost.report.wording import MISSING, PLAIN, attacker, count, percent, plural
from copycost.runner.verifying import Suspected, Verification
from tools.passages.markdown import NOT_RUN, measured_on, table

INNOCENT = "-innocent"
"""How the name of a file ends whose suspects are no copies of the victim."""


def ownership_passage(results: Path) -> str:
    """For each victim: its controls, copies of it, and innocent models."""
    paths = sorted((results / "ownership").glob("*.json"), key=lambda path: path.stem)
    if not paths:
        return NOT_RUN
    found = [(Verification.read_from(path, "is no verification"), path.stem) for path in paths]
    victims = groupby(found, key=lambda one: one[0].victim_hash)
    parts = [_of_one_victim(list(one)) for _, one in victims]
    return "\n\n".join([*parts, measured_on([one.surroundings for one, _ in found])])


def _of_one_victim(found: Sequence[tuple[Verification, str]]) -> str:
    first, innocent = found[0][0], [one.agreement for one in found[0][0].controls]
    note = (
        f"`{first.victim}`: {plural(len(innocent), 'independent model')} agree with it on "
        f"{percent(min(innocent))} to {percent(max(innocent))} of {count(first.probes)} images."
    )
    rows = [row for one, name in found for row in _rows(one, name.endswith(INNOCENT))]
    head = ["model", "agreement, held-out data", "agreement, these images", "p", "called a copy"]
    return f"{note}\n\n" + table(head, rows)


def _rows(found: Verification, innocent: bool) -> list[list[str]]:
    suspects = sorted(found.suspects, key=_kind)
    return [_row(list(members), innocent) for _, members in groupby(suspects, key=_kind)]


def _kind(one: Suspected) -> tuple[object, ...]:
    made = one.made
    if made is None:
        return (1,)
    return 0, made.attack, made.adaptations, made.access, made.budget


def _row(ones: Sequence[Suspected], innocent: bool) -> list[str]:
    chances = [one.p for one in ones]
    held_out = [one.made.agreement for one in ones if one.made is not None]
    return [
        _named(ones[0], innocent),
        MISSING if innocent or not held_out else in_words(spread(held_out)),
        in_words(spread(one.agreement for one in ones)),
        PLAIN.spread(median(chances), min(chances), max(chances), len(chances)),
        f"{sum(one.copy_of for one in ones)} of {len(ones)}",
    ]


def _named(one: Suspected, innocent: bool) -> str:
    if one.made is None:
        return "trained like the victim, with another seed"
    made = one.made
    whose = " of another model" if innocent else ""
    by = f"{attacker(made.attack, made.adaptations)}{whose}"
    return f"{by}, {made.access}, {count(made.budget)} queries"
