"""Defences: each is a victim that wraps another victim, so they stack in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry, derived_from

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
        "reverse-sigmoid": Entry(
            "copycost.defences.reverse_sigmoid:ReverseSigmoid",
            "likely classes made less likely, by half of BETA at most, as in reverse-sigmoid:0.2",
        ),
        "mad": Entry(
            "copycost.defences.mad:Mad",
            "a copy's gradient turned within an L1 distance EPSILON, as in mad:1",
        ),
        "mad-argmax": Entry(
            "copycost.defences.mad:MadArgmax",
            "the same, but the first choice stays, as in mad-argmax:1",
        ),
    },
    own=derived_from("copycost.defences.base:Defence"),
)

DRAWN = frozenset({"noise"})
"""Those listed that draw random numbers for every answer, so that several tell more than one."""
