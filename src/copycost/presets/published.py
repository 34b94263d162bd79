"""The published numbers that presets aim at, as tables quote them: docs/methods says how known."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A number that one of the presets aims at."""

    source: str
    setting: str
    reported: float | None
    """Accuracy; None where no number is known that one student can be held against."""
    said: str = "no figure known"
    """In the place of such a number."""


_VOTE = "of the vote of two students"
PUBLISHED = {
    "dfme-cifar10-20m": Published("DFME, table 1", "CIFAR-10, 20 million queries", 0.881),
    "dfme-cifar10-2m": Published("DFME, table 1", "CIFAR-10, 2 million queries", None),
    "dfme-svhn-2m": Published("DFME, table 1", "SVHN, 2 million queries", 0.952),
    "maze-cifar10-30m": Published("MAZE, table 1", "CIFAR-10, 30 million queries", 0.8985),
    "disguide-cifar10-20m": Published(
        "DisGUIDE", "CIFAR-10, 20 million queries", None, f"94.02 % [S] {_VOTE}"
    ),
    "disguide-cifar10-label-20m": Published(
        "DisGUIDE", "CIFAR-10, 20 million labels", None, f"87.93 % [M] {_VOTE}"
    ),
    "dual-student-cifar10-20m": Published("Dual Student", "CIFAR-10, 20 million queries", 0.9134),
    "dfms-hl-cifar10-8m": Published("DFMS-HL", "CIFAR-10, 8 million labels", 0.8451),
    "ideal-cifar10-100k": Published("IDEAL", "CIFAR-10, 100,000 labels", None),
    "qedg-cifar10-30k": Published("QEDG", "CIFAR-10, 30,000 labels", None),
}
