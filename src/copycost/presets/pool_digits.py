"""Attacks with a pool on 8×8 digits: each once, between the floor and the ceiling, on a CPU.

Paper:    none; a demonstration of attacks that start with unlabelled images.
Command:  copycost audit --preset pool-digits
          copycost audit --preset pool-digits-k-centre
Hardware: one CPU core
Time:     about a minute a seed for the first, a quarter of a minute for the second
Expected: each attack's agreement is at least 0.10 above that of random noise, and the ceiling's is
          far above all others: house numbers of 16×16 in colour, made grey and 8×8, are a poor
          pool for scanned digits.
Caution:  rate, batch, rounds and epochs were chosen on this victim, from some 25 settings of all
          attacks together, mostly at seeds 0 to 2: the authors' rates are for larger nets that
          start from ImageNet weights, and their epochs take minutes. These attacks learn each
          answer many times; the floor learns it once, and at 1,000 queries no setting tried taught
          it anything. The victim, digits-lenet, tells house numbers apart: digits-cnn classifies
          nearly all of them as 8, from which no attack learns.
"""

from __future__ import annotations

from typing import Any

from copycost.presets.small import ONE_PASS

_STUDENT: dict[str, Any] = {"student_lr": 0.1, "student_momentum": 0.9, "batch_size": 32}
_SHORT: dict[str, Any] = {**_STUDENT, "epochs": 50}

PRESET: dict[str, Any] = {
    "attacks": (
        "in-distribution",
        "knockoff",
        "knockoff-adaptive",
        "active-thief",
        "jbda",
        "fixmatch",
        "random-noise",
    ),
    "threads": 1,
    "settings": {
        "in-distribution": _SHORT,
        "knockoff": _SHORT,
        "knockoff-adaptive": _SHORT,
        "active-thief": {**_SHORT, "rounds": 2},
        "jbda": _STUDENT,
        "fixmatch": {**_STUDENT, "epochs": 30},
        "random-noise": {**_STUDENT, **ONE_PASS, "batch_size": 8, "schedule": "cosine"},
    },
    "shared": {
        "victim": "digits-lenet",
        "student": "lenet",
        "pool": "house-numbers-16",
        "budget": 1_000,
        "evaluations": 10,
    },
}

PRESET_K_CENTRE: dict[str, Any] = {
    **PRESET,
    "attacks": ("active-thief", "random-noise"),
    "settings": {
        "active-thief": {**PRESET["settings"]["active-thief"], "strategy": "k-centre"},
        "random-noise": PRESET["settings"]["random-noise"],
    },
}
