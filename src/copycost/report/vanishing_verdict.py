"""What diagnoses of vanishing gradients say, as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from copycost.report import wording
from copycost.report.vanishing_seeds import (
    At,
    Read,
    Seeds,
    arithmetics,
    cell_of,
    moments_of,
    percent,
    plain,
    ranged,
    signed,
    single,
    spread_of,
)

CHANGED = 2.0
"""A quantity counts as grown or shrunk from this factor on."""
SEES = 0.9
"""An arithmetic resolves a step if its slopes correlate with the true ones at least this much."""


def verdict(records: Seeds) -> list[str]:
    """Sentences computed from the numbers; the first says how many seeds there are."""
    moments = moments_of(records)
    first, last = moments[0], moments[-1]
    return [
        _said_of_seeds(records),
        _said_of_norms(first, last),
        _said_of_weights(first, last, moments),
        _said_of_floor(first, last),
        *(_said_of_arithmetic(records, name) for name in arithmetics(records[0])),
    ]


def _said_of_seeds(records: Seeds) -> str:
    if len(records) == 1:
        return "This is one seed (n = 1), so that nothing is known of the spread over seeds."
    return (
        f"These are medians over n = {len(records)} seeds, with the lowest and the highest in "
        "brackets; the least and the greatest of several moments are those of all seeds."
    )


def _said_of_norms(first: At, last: At) -> str:
    return (
        f"The median norm of the true gradient {_changed(first, last, lambda m: m.true.middle)}; "
        f"the gap itself {_changed(first, last, lambda m: m.gap)}. The attack's estimate was "
        f"{_beside(first)} at the start and {_beside(last)} at the end."
    )


def _beside(at: At) -> str:
    """How long the estimate is relative to the true gradient, which may be exactly 0."""
    if not all(moment.true.middle for moment in at):
        return f"{plain(at, single(lambda m: m.estimate.middle))} long beside a true gradient of 0"
    times = plain(at, single(lambda m: m.estimate.middle / m.true.middle))
    return f"{times} times as long as the true gradient"


def _said_of_weights(first: At, last: At, moments: Sequence[At]) -> str:
    cosines = [moment.generator_cosine for at in moments for moment in at]
    return (
        f"The gradient of the generator's weights by the attack's estimate "
        f"{_changed(first, last, lambda m: m.generator)}; by the true gradient it "
        f"{_changed(first, last, lambda m: m.generator_true)}. The cosine between the two lay from "
        f"{signed(min(cosines))} to {signed(max(cosines))}."
    )


def _said_of_floor(first: At, last: At) -> str:
    start, end = (
        (percent(at, lambda m: m.floored), percent(at, lambda m: m.blind)) for at in (first, last)
    )
    unfloored = plain(last, single(lambda m: m.unfloored.middle))
    return (
        f"Of the victim's probabilities {start[0]} lay below the floor at the start and {end[0]} "
        f"at the end; images with a single class above it: {start[1]} and {end[1]}. Without the "
        f"floor the true gradient's median at the end would be {unfloored} in place of "
        f"{plain(last, single(lambda m: m.true.middle))}."
    )


def _said_of_arithmetic(records: Seeds, name: str) -> str:
    """At which steps this arithmetic resolves the slope, at every moment of every seed."""
    moments = [moment for record in records for moment in record.moments]
    steps = [c.epsilon for c in moments[0].cells if c.arithmetic == name]
    worst = {step: min(cell_of(m, name, step).correlation for m in moments) for step in steps}
    seen = [f"{step:g}" for step, least in worst.items() if least >= SEES]
    shortest, best = min(steps), max(steps, key=worst.__getitem__)
    return (
        f"{wording.capital(name)} keeps the slope (a correlation of {SEES:g} or more at every "
        f"moment) {f'at ε = {wording.listing(seen)}' if seen else 'at none of its steps'}. Its "
        f"least correlation is {signed(worst[shortest])} at ε = {shortest:g}, and "
        f"{signed(worst[best])} at its best step, {best:g}."
    )


def _changed(first: At, last: At, read: Read) -> str:
    """By which factor a quantity changed, and from which median to which."""
    pairs = [(read(before), read(after)) for before, after in zip(first, last, strict=True)]
    before, after = (wording.plain(median(values)) for values in zip(*pairs, strict=True))
    return f"{_factor(pairs)}, from {before} to {after}"


def _factor(pairs: Sequence[tuple[float, float]]) -> str:
    if not all(before for before, _ in pairs):
        return "was 0 at the start"
    found = spread_of([after / before for before, after in pairs])
    if found.middle >= CHANGED:
        return f"grew {ranged(found, wording.PLAIN)}-fold"
    to = ranged(found, wording.PERCENT)
    if found.middle <= 1 / CHANGED:
        return f"shrank to {to}"
    return f"changed by less than a factor of {CHANGED:g}, to {to}"
