"""Levels to compare curves with: what the victim reaches, and what knowing nothing gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.lines import Line2D

from copycost.runner.record import VictimFacts

DASH = "3 2"
"""As in SVG's `stroke-dasharray`."""
NEARLY_EVEN = 1.1
"""Classes are called equally common if the commonest has less than this many times its share."""


@dataclass(frozen=True)
class Level:
    """A level to compare the curves with, such as the victim's own accuracy."""

    value: float
    label: str
    dash: str = DASH
    """As in SVG's `stroke-dasharray`."""


def level_of(victim: VictimFacts, value: str, called: str) -> Level:
    """The level of `value`: accuracy is compared with the victim's, which is `called` so.

    Agreement is compared with what always giving one class reaches.
    """
    if value == "accuracy":
        return Level(victim.accuracy, called)
    if victim.one_answer * victim.classes < NEARLY_EVEN:
        return Level(1 / victim.classes, f"one in {victim.classes}, by chance")
    return Level(victim.one_answer, "always the commonest class")


def draw_levels(across: Callable[..., Line2D], levels: Sequence[Level]) -> list[Line2D]:
    """Draw lines in the text's colour; `across` is `axhline` or `axvline` of axes.

    Returns the lines, in the order of `levels`.
    """
    colour = matplotlib.rcParams["text.color"]
    return [
        across(level.value, color=colour, linestyle=pattern(level.dash), linewidth=1.2)
        for level in levels
    ]


def pattern(dash: str) -> tuple[float, tuple[float, ...]]:
    """Convert SVG's notation of dashes to Matplotlib's."""
    return (0.0, tuple(float(part) for part in dash.split()))
