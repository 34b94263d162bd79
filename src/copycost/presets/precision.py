"""Does a copy suffer when its generator is trained on rounding noise? Two victims, several arms.

Paper:    none; the comparison is new. See docs/precision.md.
Command:  copycost precision students; with --victim house-numbers-16 the second one
Hardware: one CPU core
Time:     8 minutes for 30 runs on digits (results/precision/digits-cnn)
Expected: see docs/precision.md, drawn from the records under results/precision.
Caution:  on digits the generator's rate is ten times that of the digits preset. At the preset's own
          rate the direction of the generator's steps made no difference in trials, so that no
          arithmetic could have harmed them; the arms `preset-rate-…` and `frozen` show this.

On digits, victim, student and the rest are those of the digits preset. On house numbers the
generator takes one step per 64 queries instead of per 704: of three variants tried there at
another seed, the direction of its steps mattered most in this one. The arms `tuned-…` have the
best of twelve settings that `tools/tuning.py` tried for DFME, with one step per 1,088 queries.
Every arm sends equally many queries.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from copycost.presets.digits import PRESET as DIGITS

SEEDS = 3


class Comparison(NamedTuple):
    """The values that the runs on one victim share, and, by name, how each arm differs from them.

    An arm's `settings` override those of `base`. Without `epsilon` the step is the arithmetic's
    default. Victims run in the arithmetic of the estimate.
    """

    base: dict[str, Any]
    arms: dict[str, dict[str, Any]]


_SHARED: dict[str, Any] = {
    "attack": "dfme",
    "budget": 120_000,
    "evaluations": 6,
    "device": "cpu",
}
_PAPER = {"epsilon": 1e-3}
NEARLY_ZERO = {"generator_lr": 1e-12}
"""A generator with this rate never moves."""
_TUNED = {"batch_size": 64, "student_steps": 15, "generator_lr": 2e-3}


def _arms(bfloat16_epsilon: float, **rate: float) -> dict[str, dict[str, Any]]:
    """The arms that every victim has, with the generator's `rate` if it differs from the base's."""
    return {
        "float32": {"settings": _PAPER | rate},
        # Unsafe on purpose: the run has to be flagged.
        "tf32-unsafe": {
            "precision": "tf32",
            "estimate_precision": "tf32",
            "settings": _PAPER | rate,
        },
        "bfloat16-unsafe": {
            "precision": "bfloat16",
            "estimate_precision": "bfloat16",
            "settings": _PAPER | rate,
        },
        "bfloat16": {"precision": "bfloat16", "settings": rate},
        # The step of the arm above in exact arithmetic, to tell the step from the arithmetic.
        "float32-wide": {"settings": {"epsilon": bfloat16_epsilon} | rate},
        "random": {"settings": _PAPER | rate | {"estimator": "random"}},
    }


_FROZEN: dict[str, dict[str, Any]] = {"frozen": {"settings": _PAPER | NEARLY_ZERO}}

COMPARISONS = {
    "digits-cnn": Comparison(
        DIGITS["shared"] | _SHARED | {"settings": DIGITS["settings"]["dfme"]},
        _arms(0.4, generator_lr=1e-3)
        | {
            "preset-rate-float32": {"settings": _PAPER},
            "preset-rate-bfloat16": {"precision": "bfloat16"},
            "preset-rate-random": {"settings": _PAPER | {"estimator": "random"}},
        }
        | _FROZEN,
    ),
    "house-numbers-16": Comparison(
        _SHARED
        | {
            "victim": "house-numbers-16",
            "student": "gap-cnn",
            "settings": {
                "batch_size": 16,
                "student_steps": 2,
                "student_lr": 0.1,
                "generator_lr": 1e-3,
                "schedule": "cosine",
                "width": 16,
            },
        },
        _arms(1.4)
        | _FROZEN
        | {
            "tuned-float32": {"settings": _PAPER | _TUNED},
            "tuned-random": {"settings": _PAPER | _TUNED | {"estimator": "random"}},
        },
    ),
}
"""Comparisons by the victim's name."""

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
    "tuned-float32": "float32, ε = 1e-3, settings as tuned",
    "tuned-random": "random direction, settings as tuned",
}
"""The arms in words, for tables and figures."""
