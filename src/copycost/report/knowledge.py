"""What attackers held, in the current classes of knowledge."""

from __future__ import annotations

from copycost.attacks.sources import SOURCES, knowledge_of
from copycost.runner.record import Record


def held(record: Record) -> str:
    """What the attacker of `record` held: as recorded, or the current class of its sources.

    Early records of Frugal call images laid over one another, `composed` and `patches`, strictly
    data-free. Records are never rewritten, so the stricter class is derived when they are shown.
    """
    kinds = record.config.get("settings", {}).get("sources")
    return record.knowledge if kinds is None else knowledge_of(SOURCES[kind] for kind in kinds)
