"""Attacks side by side on 8×8 digits, at equal queries, on a CPU: three comparisons.

Paper:    none; every attack in small batches with rates of its own that work at this size.
Command:  copycost bench
          copycost bench --preset bench-digits-label
          copycost bench --preset bench-digits-pool
Hardware: two CPU cores share the runs; docs/bench.md has the seconds of every run
Expected: nothing is promised; the numbers are in the records that the commands write.
Caution:  the settings are those of the presets small, small-label and pool-digits, on the victim
          that they were chosen on, at a budget among those compared here: a few dozen runs an
          attack, and of the two best by labels 45 more each; our own no more than the next best.
          None of them is its authors' setting: at a few hundred steps rates and schedules made for
          millions of queries teach hardly anything. Adversarial examples stay within a tenth of
          the range, where chance changes few labels.
"""

from __future__ import annotations

from typing import Any

from copycost.presets import pool_digits, small

_PGD: dict[str, Any] = {"epsilon": 0.1, "step": 0.01, "steps": 40}


def _compared(
    audit: dict[str, Any], budgets: tuple[int, ...], *ceiling: str, passes: int = 10
) -> dict[str, Any]:
    """The attacks of an audit's preset, and a `ceiling` where it has none, at `budgets`.

    Fresh students take so many `passes` over the queries.
    """
    shared = {key: value for key, value in audit["shared"].items() if key != "budget"}
    in_distribution = pool_digits.PRESET["settings"]["in-distribution"]
    return {
        "attacks": (*audit["attacks"], *ceiling),
        "budgets": budgets,
        "seeds": 3,
        "threads": 1,
        "settings": {"in-distribution": in_distribution, **audit["settings"]},
        "shared": {**shared, "evaluations": 4},
        "pgd": _PGD,
        "fresh": {"passes": passes},
    }


PRESET = _compared(small.PRESET, (3_000, 6_000, 12_000), "in-distribution")
PRESET_LABEL = _compared(small.PRESET_LABEL, (2_000, 4_000, 8_000), "in-distribution")
# So few queries teach a fresh student nothing in ten passes, whatever they are.
PRESET_POOL = _compared(pool_digits.PRESET, (250, 500, 1_000), passes=100)
