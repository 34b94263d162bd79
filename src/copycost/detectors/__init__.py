"""Detectors: they watch one customer's queries and say how much they look like an attack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from copycost.registry import Entry, Registry, derived_from

if TYPE_CHECKING:
    from copycost.detectors.base import Detector


CUSTOMERS = 20
"""Honest customers beside whom a run is judged."""
MOST = 20_000
"""Queries of a run that are looked at: some detectors compare each with all before it."""

DETECTORS: Registry[type[Detector]] = Registry(
    "detector",
    {
        "prada": Entry(
            "copycost.detectors.prada:Prada",
            "distances between queries are not as normally distributed as customers' are",
        ),
        "confidence": Entry(
            "copycost.detectors.confidence:Confidence",
            "the model is not as sure of the latest 100 queries as of customers'",
        ),
    },
    own=derived_from("copycost.detectors.base:Detector"),
)
