"""Defences: each is a victim that wraps another victim, so they stack in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry

if TYPE_CHECKING:
    from copycost.defences.base import Defence

DEFENCES: Registry[type[Defence]] = Registry(
    "defence",
    {
        "rounding": Entry(
            "copycost.defences.rounding:Rounding",
            "probabilities rounded to DECIMALS places, as in rounding:2",
        ),
        "noise": Entry(
            "copycost.defences.noise:Noise",
            "Gaussian noise of standard deviation SIGMA on probabilities, as in noise:0.1",
        ),
    },
)
