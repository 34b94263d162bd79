"""Detectors: they watch one customer's queries and say how much they look like an attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry

if TYPE_CHECKING:
    from copycost.detectors.base import Detector


def _is_detector(thing: object) -> bool:
    from copycost.detectors.base import Detector  # noqa: PLC0415 -- names are listed without PyTorch

    return isinstance(thing, type) and issubclass(thing, Detector)


DETECTORS: Registry[type[Detector]] = Registry(
    "detector",
    {
        "prada": Entry(
            "copycost.detectors.prada:Prada",
            "distances between queries are not as normally distributed as customers' are",
        ),
    },
    own=_is_detector,
)
