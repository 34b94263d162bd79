"""Statistics over diagnoses that differ only by the seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from copycost.report import wording
from copycost.studies.vanishing_record import (
    DiagnosisCell,
    Moment,
    Quartiles,
    VanishingRecord,
)

Seeds = Sequence[VanishingRecord]
"""Diagnoses that differ only by the seed, at least one."""
At = tuple[Moment, ...]
"""The same moment of each of these diagnoses."""
Read = Callable[[Moment], float]
Measure = Callable[[Moment], Quartiles]


def moments_of(records: Seeds) -> list[At]:
    """For each moment, what every seed measured there."""
    return list(zip(*(record.moments for record in records), strict=True))


def over(at: At, read: Measure) -> Quartiles:
    """The quartiles of one seed; of several, the lowest, median and highest of their medians."""
    found = [read(moment) for moment in at]
    return found[0] if len(found) == 1 else spread_of([one.middle for one in found])


def spread_of(values: Sequence[float]) -> Quartiles:
    """The lowest, the median and the highest of `values`; a single value is all three."""
    return Quartiles(low=min(values), middle=median(values), high=max(values))


def single(read: Read) -> Measure:
    """A measure of a quantity with a single number per moment: all quartiles are equal."""
    return lambda moment: spread_of([read(moment)])


def plain(at: At, read: Measure) -> str:
    """The result of `over` as text, without a unit: 'middle (low–high)'."""
    return ranged(over(at, read), wording.PLAIN)


def percent(at: At, read: Read) -> str:
    """Like `plain`, for a share in [0, 1], as a percentage."""
    return ranged(over(at, single(read)), wording.PERCENT)


def ranged(found: Quartiles, unit: wording.Unit) -> str:
    """The middle as text, followed by the range unless low and high are equal."""
    return unit.spread(found.middle, found.low, found.high, n=1 + (found.low != found.high))


def arithmetics(record: VanishingRecord) -> list[str]:
    """The arithmetics that a diagnosis compares, in order."""
    return list(dict.fromkeys(cell.arithmetic for cell in record.moments[0].cells))


def cell_of(moment: Moment, name: str, epsilon: float) -> DiagnosisCell:
    """The cell of this arithmetic at this step."""
    return next(c for c in moment.cells if (c.arithmetic, c.epsilon) == (name, epsilon))


def signed(value: float) -> str:
    """A number with two decimals and a real minus sign."""
    return f"{value:.2f}".replace("-", "−")
