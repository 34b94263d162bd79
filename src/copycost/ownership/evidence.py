"""How unlikely a suspect's agreement is, if it is a model like the controls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from scipy.stats import t as student_t

from copycost.errors import ConfigError
from copycost.ownership import LEAST_CONTROLS


def check_controls(count: int) -> int:
    """`count`; `ConfigError` if so few controls say nothing."""
    if count < LEAST_CONTROLS:
        raise ConfigError(
            f"controls: expected {LEAST_CONTROLS} independent models or more, got {count}. Without "
            "them nobody can say how far an innocent model agrees with the victim."
        )
    return count


def chance(agreement: float, controls: Sequence[float]) -> float:
    """p in [0, 1]: how often one more model like the `controls` would agree so much, or more.

    With the mean m and the standard deviation s of c controls, (agreement - m) / (s √(1 + 1/c)) has
    Student's t distribution of c - 1 degrees of freedom, if agreements are normally distributed.
    Raises `ConfigError` for fewer than three controls.
    """
    count = check_controls(len(controls))
    ahead, spread = agreement - fmean(controls), stdev(controls) * math.sqrt(1 + 1 / count)
    if not spread:
        return 0.0 if ahead > 0 else 1.0
    return float(student_t.sf(ahead / spread, count - 1))
