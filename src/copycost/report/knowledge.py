"""What attackers held, in the current classes of knowledge."""

from __future__ import annotations

from copycost.attacks.base import STRICTLY_DATA_FREE
from copycost.attacks.sources import SOURCES, knowledge_of
from copycost.pool import IN_DISTRIBUTION
from copycost.runner.record import Record

MEANINGS = {
    STRICTLY_DATA_FREE: (
        "nothing: queries are random numbers, or come from networks that learnt from the answers "
        "alone or were never trained"
    ),
    "procedural images": "rules by which images are drawn, and no real image",
    "word frequencies": "which words are frequent, and no text",
    "proxy": "images that are somewhat like the model's data, from which queries are made",
    "pool": "unlabelled images to ask about",
    IN_DISTRIBUTION: "the model's own training images without their labels",
}
"""What the attacker held besides the API, by class, as on the page of the threat model."""


def meaning(knowledge: str) -> str:
    """What an attacker of a class held; the class of a stranger's attack speaks for itself."""
    return MEANINGS.get(knowledge, knowledge)


def held(record: Record) -> str:
    """What the attacker of `record` held: as recorded, or the current class of its sources.

    Early records of Frugal call images laid over one another, `composed` and `patches`, strictly
    data-free. Records are never rewritten, so the stricter class is derived when they are shown.
    Other victims than those of images are not asked about its sources, and a stranger's attack may
    mean something else by them.
    """
    images = record.attack == "frugal" and record.victim.spec.in_levels
    kinds = record.config["settings"].get("sources") if images else None
    return record.knowledge if kinds is None else knowledge_of(SOURCES[kind] for kind in kinds)
