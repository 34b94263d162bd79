"""Levels to compare curves with: what the victim reaches, and what knowing nothing gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
from matplotlib.lines import Line2D

from copycost.runner.record import VictimFacts

DASH = "3 2"
"""As in SVG's `stroke-dasharray`."""
NEARLY_EVEN = 1.1
"""Classes are called equally common if the commonest has less than this many times its share."""


@dataclass(frozen=True)
class Line:
    """A level to compare the curves with, such as the victim's own accuracy."""

    value: float
    label: str


def level_of(victim: VictimFacts, value: str, called: str) -> Line:
    """The level of `value`: accuracy is compared with the victim's, which is `called` so.

    Agreement is compared with what always giving one class reaches.
    """
    if value == "accuracy":
        return Line(victim.accuracy, called)
    if victim.one_answer * victim.classes < NEARLY_EVEN:
        return Line(1 / victim.classes, f"one in {victim.classes}, by chance")
    return Line(victim.one_answer, "always the commonest class")


def draw_level(across: Callable[..., Line2D], value: float, dash: str = DASH) -> Line2D:
    """Draw a line in the text's colour at `value`; `across` is `axhline` or `axvline` of axes."""
    colour = matplotlib.rcParams["text.color"]
    return across(value, color=colour, linestyle=pattern(dash), linewidth=1.2)


def pattern(dash: str) -> tuple[float, tuple[float, ...]]:
    """Convert SVG's notation of dashes to Matplotlib's."""
    return (0.0, tuple(float(part) for part in dash.split()))
