"""Does a copy suffer when its generator is trained on rounding noise? One victim, several arms.

Paper:    none; the comparison is new. See docs/precision.md.
Command:  copycost precision students
Hardware: one CPU core
Time:     8 minutes for 30 runs (results/precision/runs)
Expected: see docs/precision.md, drawn from the records under results/precision/runs.
Caution:  the generator's rate is ten times that of the digits preset. At the preset's own rate
          the direction of the generator's steps made no difference in trials, so that no
          arithmetic could have harmed them; the arms `preset-rate-…` and `frozen` show it.

Victim, student and the rest are those of the digits preset. Every arm asks equally many queries.
"""

from __future__ import annotations

from typing import Any

from copycost.presets.digits import PRESET as DIGITS

SEEDS = 3
BASE: dict[str, Any] = {
    **DIGITS["shared"],
    "attack": "dfme",
    "settings": DIGITS["settings"]["dfme"],
    "budget": 120_000,
    "evaluations": 6,
    "device": "cpu",
}

_FAST = {"generator_lr": 1e-3}
_PAPER = {"epsilon": 1e-3}
_NEARLY_ZERO = {"generator_lr": 1e-12}

ARMS: dict[str, dict[str, Any]] = {
    "float32": {"settings": _PAPER | _FAST},
    # Unsafe on purpose: the flag must say so.
    "tf32-unsafe": {
        "precision": "tf32",
        "estimate_precision": "tf32",
        "settings": _PAPER | _FAST,
    },
    "bfloat16-unsafe": {
        "precision": "bfloat16",
        "estimate_precision": "bfloat16",
        "settings": _PAPER | _FAST,
    },
    "bfloat16": {"precision": "bfloat16", "settings": _FAST},
    # The step of the arm above in exact arithmetic, to tell the step from the arithmetic.
    "float32-wide": {"settings": {"epsilon": 0.4} | _FAST},
    "random": {"settings": _PAPER | _FAST | {"estimator": "random"}},
    "preset-rate-float32": {"settings": _PAPER},
    "preset-rate-bfloat16": {"precision": "bfloat16"},
    "preset-rate-random": {"settings": _PAPER | {"estimator": "random"}},
    "frozen": {"settings": _PAPER | _NEARLY_ZERO},
}
"""By name, what an arm has that `BASE` has not; its `settings` go over those of `BASE`. Without
`epsilon` the step is the arithmetic's default; victims are in the arithmetic of the estimate."""

MEANINGS = {
    "float32": "float32, ε = 1e-3: the faithful setting",
    "tf32-unsafe": "TF32 throughout, ε = 1e-3",
    "bfloat16-unsafe": "bfloat16 throughout, ε = 1e-3",
    "bfloat16": "bfloat16 throughout, its default ε",
    "float32-wide": "float32, with the ε of bfloat16",
    "random": "float32, gradients of random direction",
    "preset-rate-float32": "float32, ε = 1e-3, preset's generator rate",
    "preset-rate-bfloat16": "bfloat16 throughout, its default ε, preset's generator rate",
    "preset-rate-random": "random direction, preset's generator rate",
    "frozen": "float32, a generator that never moves",
}
"""The arms in words, for tables and figures."""
