"""The published numbers that presets aim at; docs/methods says how each of them is known."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A number that one of the presets aims at."""

    source: str
    setting: str
    reported: float | None
    """Accuracy; None if no number is known that one student can be compared with."""
    said: str = "no figure known"
    """Shown in place of such a number."""


_VOTE = "of the vote of two students"
_POOL = "CIFAR-10, pool CIFAR-100"
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
    "knockoff-cifar10-50k": Published(
        "Knockoff, by HODA", f"{_POOL}, 50,000 queries", None, "79.86 % [F] of a ResNet-18"
    ),
    "knockoff-adaptive-cifar10-50k": Published(
        "Knockoff, adaptive", f"{_POOL}, 50,000 queries", None
    ),
    "active-thief-cifar10-30k": Published(
        "ActiveThief",
        f"{_POOL}, 30,000 queries",
        None,
        "4.70 times the agreement of uniform noise [F], over several data sets",
    ),
    "jbda-cifar10-50k": Published(
        "JBDA, by HODA", f"{_POOL}, 50,000 queries", None, "41.00 % [F] of a ResNet-18"
    ),
    "fixmatch-cifar10-250": Published(
        "FixMatch", "CIFAR-10, 250 labels", None, "94.93 % [F] by true labels"
    ),
    "dfms-hl-proxy-cifar10-8m": Published("DFMS-HL, proxies", f"{_POOL}, 8 million labels", None),
}
