"""Diagnoses that differ by nothing but the seed: what they span."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from copycost.report import wording
from copycost.studies.vanishing_record import (
    Cell,
    Moment,
    Quartiles,
    VanishingRecord,
)

Seeds = Sequence[VanishingRecord]
"""Diagnoses that differ by nothing but the seed, one or more."""
At = tuple[Moment, ...]
"""The same moment of each of them."""
Read = Callable[[Moment], float]
Measure = Callable[[Moment], Quartiles]


def moments_of(records: Seeds) -> list[At]:
    """Moment by moment, that of every seed."""
    return list(zip(*(record.moments for record in records), strict=True))


def over(at: At, read: Measure) -> Quartiles:
    """Of one seed what is read of it; of several the median, the lowest and the highest."""
    found = [read(moment) for moment in at]
    return found[0] if len(found) == 1 else spread_of([one.middle for one in found])


def spread_of(values: Sequence[float]) -> Quartiles:
    """The median with the lowest and the highest; of one value, itself three times."""
    return Quartiles(low=min(values), middle=median(values), high=max(values))


def single(read: Read) -> Measure:
    """For a number of which there is one a moment."""
    return lambda moment: spread_of([read(moment)])


def plain(at: At, read: Measure) -> str:
    """As text, without a unit: 'median (lowest–highest)'."""
    return ranged(over(at, read), wording.plain, wording.plain_range)


def percent(at: At, read: Read) -> str:
    """The same of a share in [0, 1]."""
    return ranged(over(at, single(read)), wording.percent, wording.percent_range)


def ranged(
    found: Quartiles, write: Callable[[float], str], write_range: Callable[[float, float], str]
) -> str:
    """What is in the middle, and where it is one of several, the range around it."""
    middle = write(found.middle)
    return middle if found.low == found.high else f"{middle} ({write_range(found.low, found.high)})"


def arithmetics(record: VanishingRecord) -> list[str]:
    """Those it compares, in order."""
    return list(dict.fromkeys(cell.arithmetic for cell in record.moments[0].cells))


def cell_of(moment: Moment, name: str, epsilon: float) -> Cell:
    """The one of this arithmetic at this step."""
    return next(c for c in moment.cells if (c.arithmetic, c.epsilon) == (name, epsilon))


def signed(value: float) -> str:
    """With two decimals and a true minus."""
    return f"{value:.2f}".replace("-", "−")
