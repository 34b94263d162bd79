"""Attacks without data side by side on 8×8 digits, at equal queries, on a CPU.

Paper:    none; every attack at the rates of its own authors, in batches that small budgets pay for.
Command:  copycost bench
Hardware: one CPU core, 22 minutes; two cores share the runs
Expected: nothing is promised; the numbers are in the record that the command writes.
Caution:  only Frugal was tuned, on this victim and two others; the others are at the rates of
          their authors. Batches and generators are as small as in the quick scale of
          `copycost reproduce`, and at a few hundred steps a schedule made for millions of queries
          may not suit: read the results as those of these settings. Adversarial examples are made
          as Madry et al. (2018) do for MNIST, the nearest published setting.
"""

from __future__ import annotations

from typing import Any

_SMALL: dict[str, Any] = {"batch_size": 32, "width": 32}

PRESET: dict[str, Any] = {
    "attacks": ("frugal", "disguide", "dual-student", "dfme", "maze", "random-noise"),
    "budgets": (3_000, 6_000, 12_000),
    "seeds": 3,
    "threads": 1,
    "settings": {
        "frugal": {**_SMALL, "student_steps": 32},
        "disguide": _SMALL,
        "dual-student": _SMALL,
        "dfme": _SMALL,
        "maze": _SMALL,
        "random-noise": {"batch_size": 32},
    },
    "shared": {"victim": "digits-cnn", "student": "gap-cnn", "evaluations": 4},
    "pgd": {"epsilon": 0.3, "step": 0.01, "steps": 40},
    "fresh": {"passes": 10},
}
