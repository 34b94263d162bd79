"""Adaptations: what an attacker does about defences, between the oracle and the attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry

if TYPE_CHECKING:
    from copycost.adaptations.base import Adaptation


def _is_adaptation(thing: object) -> bool:
    from copycost.adaptations.base import (  # noqa: PLC0415 -- names are listed without PyTorch
        Adaptation,
    )

    return isinstance(thing, type) and issubclass(thing, Adaptation)


ADAPTATIONS: Registry[type[Adaptation]] = Registry(
    "adaptation",
    {
        "invert": Entry(
            "copycost.adaptations.invert:Invert",
            "learn from made-up probabilities what the defences do, and undo it",
        ),
        "average": Entry(
            "copycost.adaptations.average:Average",
            "ask about every input TIMES times and take the mean answer, as in average:4",
        ),
    },
    own=_is_adaptation,
)
