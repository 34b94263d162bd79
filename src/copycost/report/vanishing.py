"""What diagnoses of vanishing gradients show: curves and rows for any page, passages for the docs.

The passages of `docs/vanishing-gradients.md` come from the records under `results/kwon2023`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from copycost.report import wording
from copycost.report.figures import Curve
from copycost.report.markdown import measured_on, table
from copycost.studies.vanishing_record import (
    DIAGNOSTIC_FILE,
    Cell,
    Moment,
    Quartiles,
    VanishingRecord,
    read_vanishing,
)

NOT_RUN = "*Not run yet: there is no committed record.*"
FIGURE = (
    "![Norms of gradients, and cosines of the estimate with the true gradient, over queries]"
    "(figures/vanishing-gradients.svg)"
)
CHANGED = 2.0
"""Up to this factor a quantity is neither said to grow nor to shrink."""
SEES = 0.9
"""An arithmetic keeps a step if the slopes it measures correlate at least so much with the true."""


class Rows(NamedTuple):
    """A table for any kind of page."""

    head: list[str]
    rows: list[list[str]]


def diagnoses(results: Path) -> list[VanishingRecord]:
    """The finished diagnoses under `results/kwon2023`, in the order of their paths."""
    paths = sorted((results / "kwon2023").rglob(DIAGNOSTIC_FILE))
    return [record for path in paths if (record := read_vanishing(path)).finished]


def title(record: VanishingRecord) -> str:
    """Who was looked into."""
    return f"{record.victim.name}, {record.victim.dataset}"


def norm_curves(record: VanishingRecord) -> list[Curve]:
    """Norms over the queries: medians and quartiles over images, or one number of all weights."""
    return [
        *(_curve(record, name, read) for name, read in BY_IMAGE.items()),
        _curve(record, "generator's weights", lambda m: _single(m.generator)),
        _curve(record, "student's weights", lambda m: _single(m.student)),
    ]


def cosine_curves(record: VanishingRecord) -> list[Curve]:
    """Cosines over the queries: the first arithmetic at every m, the others at the largest m.

    At the least step that was measured, which is the paper's; of the last arithmetic, the
    coarsest, also at its default.
    """
    first, *coarse = _arithmetics(record)
    step, most = min(c.epsilon for c in record.moments[0].cells), max(record.grid.directions)
    shown = [(first, step, m) for m in record.grid.directions]
    shown += [(name, step, most) for name in coarse]
    shown += [(name, _default(record, name), most) for name in coarse[-1:]]
    return [
        _curve(record, f"{name}, ε = {epsilon:g}, m = {m}", _cosine_at(name, epsilon, m))
        for name, epsilon, m in shown
    ]


def norm_rows(record: VanishingRecord) -> Rows:
    """A row a quantity, a column each for the start, the middle and the end."""
    chosen = start_middle_end(record)
    head = ["", *(f"{wording.count(moment.queries)} queries" for moment in chosen)]
    rows = [[name, *(_quartiles(read(m)) for m in chosen)] for name, read in BY_IMAGE.items()]
    rows += [[name, *(wording.plain(read(m)) for m in chosen)] for name, read in SINGLE.items()]
    rows += [[name, *(wording.percent(read(m)) for m in chosen)] for name, read in SHARES.items()]
    return Rows(head, rows)


def cosine_rows(record: VanishingRecord) -> Rows:
    """A row an arithmetic and step; in every cell the start, the middle and the end."""
    chosen, directions = start_middle_end(record), record.grid.directions
    head = ["arithmetic", "ε", *(f"m = {m}" for m in directions), "correlation", "unchanged"]
    exact = [_three([moment.exact_cosines[m] for moment in chosen]) for m in directions]
    rows = [["exact slopes", "", *exact, "", ""]]
    for cell in record.moments[0].cells:
        found = [_cell(moment, cell.arithmetic, cell.epsilon) for moment in chosen]
        rows.append(
            [
                cell.arithmetic,
                f"{cell.epsilon:g}" + (" (default)" if cell.default else ""),
                *(_three([c.cosines[m] for c in found]) for m in directions),
                _three([c.correlation for c in found]),
                _three([c.still for c in found]),
            ]
        )
    return Rows(head, rows)


def verdict(record: VanishingRecord) -> list[str]:
    """What the numbers say, as sentences that follow from them."""
    said = [_said_of_norms(record), _said_of_weights(record), _said_of_floor(record)]
    return said + [_said_of_arithmetic(record, name) for name in _arithmetics(record)]


def norms_passage(results: Path) -> str:
    """The figure, and for every diagnosis its table of norms."""
    found = [
        f"**{title(record)}**; `{record.config['student']}` as the student; medians and "
        f"quartiles over {record.grid.images} images:\n\n{table(*norm_rows(record))}"
        for record in diagnoses(results)
    ]
    return "\n\n".join([FIGURE, *found, _made(results)]) if found else NOT_RUN


def cosines_passage(results: Path) -> str:
    """For every diagnosis its table of cosines."""
    return _one_each(results, lambda record: table(*cosine_rows(record)))


def verdict_passage(results: Path) -> str:
    """For every diagnosis what its numbers say."""
    return _one_each(results, lambda record: "\n".join(f"- {line}" for line in verdict(record)))


def start_middle_end(record: VanishingRecord) -> list[Moment]:
    """Three of the moments."""
    moments = record.moments
    return [moments[0], moments[len(moments) // 2], moments[-1]]


BY_IMAGE: dict[str, Callable[[Moment], Quartiles]] = {
    "true gradient": lambda m: m.true,
    "through the victim alone": lambda m: m.through_victim,
    "true gradient without the floor": lambda m: m.unfloored,
    "the attack's estimate": lambda m: m.estimate,
}
SINGLE: dict[str, Callable[[Moment], float]] = {
    "generator's weights, by the estimate": lambda m: m.generator,
    "generator's weights, by the true gradient": lambda m: m.generator_true,
    "cosine between these two": lambda m: m.generator_cosine,
    "student's weights": lambda m: m.student,
    "gap": lambda m: m.gap,
}
SHARES: dict[str, Callable[[Moment], float]] = {
    "images with a true gradient of 0": lambda m: m.flat,
    "probabilities below the floor": lambda m: m.floored,
    "images with one class above the floor": lambda m: m.blind,
    "student's accuracy": lambda m: m.accuracy,
}


def _said_of_norms(record: VanishingRecord) -> str:
    first, last = record.moments[0], record.moments[-1]
    before, after = first.true.middle, last.true.middle
    return (
        f"The median norm of the true gradient {_changed(before, after)}, from "
        f"{wording.plain(before)} to {wording.plain(after)}; the gap itself "
        f"{_changed(first.gap, last.gap)}, from {wording.plain(first.gap)} to "
        f"{wording.plain(last.gap)}. The attack's estimate was {_beside(first)} at the start and "
        f"{_beside(last)} at the end."
    )


def _beside(moment: Moment) -> str:
    """How long the estimate is beside the true gradient, which may vanish altogether."""
    estimate, true = moment.estimate.middle, moment.true.middle
    if not true:
        return f"{wording.plain(estimate)} long beside a true gradient of 0"
    return f"{wording.plain(estimate / true)} times as long as the true gradient"


def _said_of_weights(record: VanishingRecord) -> str:
    first, last = record.moments[0], record.moments[-1]
    cosines = [moment.generator_cosine for moment in record.moments]
    return (
        f"The gradient of the generator's weights {_changed(first.generator, last.generator)} by "
        f"the attack's estimate, from {wording.plain(first.generator)} to "
        f"{wording.plain(last.generator)}; by the true gradient it "
        f"{_changed(first.generator_true, last.generator_true)}, from "
        f"{wording.plain(first.generator_true)} to {wording.plain(last.generator_true)}. The "
        f"cosine between the two lay from {_signed(min(cosines))} to {_signed(max(cosines))}."
    )


def _said_of_floor(record: VanishingRecord) -> str:
    first, last = record.moments[0], record.moments[-1]
    return (
        f"Of the victim's probabilities {wording.percent(first.floored)} lay below the floor at "
        f"the start and {wording.percent(last.floored)} at the end; images with a single class "
        f"above it: {wording.percent(first.blind)} and {wording.percent(last.blind)}. Without the "
        f"floor the true gradient's median at the end would be "
        f"{wording.plain(last.unfloored.middle)} in place of {wording.plain(last.true.middle)}."
    )


def _said_of_arithmetic(record: VanishingRecord, name: str) -> str:
    """Over which of its steps it sees the slope at every moment."""
    steps = [c.epsilon for c in record.moments[0].cells if c.arithmetic == name]
    worst = {
        step: min(_cell(moment, name, step).correlation for moment in record.moments)
        for step in steps
    }
    seen = [f"{step:g}" for step, least in worst.items() if least >= SEES]
    shortest, best = min(steps), max(steps, key=worst.__getitem__)
    return (
        f"{wording.capital(name)} keeps the slope (a correlation of {SEES:g} or more at every "
        f"moment) {f'at ε = {wording.listing(seen)}' if seen else 'at none of its steps'}. Its "
        f"least correlation is {_signed(worst[shortest])} at ε = {shortest:g}, and "
        f"{_signed(worst[best])} at its best step, {best:g}."
    )


def _changed(before: float, after: float) -> str:
    if not before:
        return "was 0 at the start"
    factor = after / before
    if factor > CHANGED:
        return f"grew {wording.plain(factor)}-fold"
    if factor < 1 / CHANGED:
        return f"shrank to {wording.percent(factor)}"
    return f"changed by less than a factor of {CHANGED:g} (to {wording.percent(factor)})"


def _curve(record: VanishingRecord, label: str, read: Callable[[Moment], Quartiles]) -> Curve:
    found = [read(moment) for moment in record.moments]
    return Curve(
        label=label,
        queries=np.array([moment.queries for moment in record.moments], dtype=float),
        middle=np.array([q.middle for q in found]),
        low=np.array([q.low for q in found]),
        high=np.array([q.high for q in found]),
        runs=1,
        noise=False,
    )


def _single(value: float) -> Quartiles:
    return Quartiles(low=value, middle=value, high=value)


def _arithmetics(record: VanishingRecord) -> list[str]:
    return list(dict.fromkeys(cell.arithmetic for cell in record.moments[0].cells))


def _default(record: VanishingRecord, name: str) -> float:
    cells = record.moments[0].cells
    return next(c.epsilon for c in cells if c.arithmetic == name and c.default)


def _cell(moment: Moment, name: str, epsilon: float) -> Cell:
    return next(c for c in moment.cells if (c.arithmetic, c.epsilon) == (name, epsilon))


def _cosine_at(name: str, epsilon: float, m: int) -> Callable[[Moment], Quartiles]:
    return lambda moment: _single(_cell(moment, name, epsilon).cosines[m])


def _quartiles(q: Quartiles) -> str:
    return f"{wording.plain(q.middle)} ({wording.plain_range(q.low, q.high)})"


def _three(values: Sequence[float]) -> str:
    return " / ".join(_signed(value) for value in values)


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _one_each(results: Path, write: Callable[[VanishingRecord], str]) -> str:
    found = [f"**{title(record)}**\n\n{write(record)}" for record in diagnoses(results)]
    return "\n\n".join(found) or NOT_RUN


def _made(results: Path) -> str:
    return measured_on([record.surroundings for record in diagnoses(results)])
