"""Levels to compare curves with: what the victim reaches, and what knowing nothing gives."""

from __future__ import annotations

from dataclasses import dataclass

from copycost.runner.record import VictimFacts

NEARLY_EVEN = 1.1
"""Classes are called equally common if the commonest has less than this many times its share."""


@dataclass(frozen=True)
class Line:
    """A level to compare the curves with, such as the victim's own accuracy."""

    value: float
    label: str


def level(victim: VictimFacts, value: str, called: str) -> Line:
    """The level of `value`: accuracy is compared with the victim's, which is `called` so.

    Agreement is compared with what always giving one class reaches.
    """
    if value == "accuracy":
        return Line(victim.accuracy, called)
    if victim.one_answer * victim.classes < NEARLY_EVEN:
        return Line(1 / victim.classes, f"one in {victim.classes}, by chance")
    return Line(victim.one_answer, "always the commonest class")
