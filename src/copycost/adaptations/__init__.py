"""Adaptations: what an attacker does about defences, between the oracle and the attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry, derived_from

if TYPE_CHECKING:
    from copycost.adaptations.base import Adaptation


ADAPTATIONS: Registry[type[Adaptation]] = Registry(
    "adaptation",
    {
        "invert": Entry(
            "copycost.adaptations.invert:Invert",
            "learn from made-up probabilities what the defences do, and undo it",
        ),
        "invert-blind": Entry(
            "copycost.adaptations.invert_blind:InvertBlind",
            "the same without knowing which defence there is, if any",
        ),
        "average": Entry(
            "copycost.adaptations.average:Average",
            "ask about every input TIMES times and take the mean answer, as in average:4",
        ),
    },
    own=derived_from("copycost.adaptations.base:Adaptation"),
)

AGAINST_CHANCE = frozenset({"average"})
"""Those listed that make more of several answers than of one only where these differ."""
