"""What attackers held, by today's classes."""

from __future__ import annotations

from copycost.attacks.sources import SOURCES, knowledge_of
from copycost.runner.record import Record


def held(record: Record) -> str:
    """What the attacker of `record` held: the class written there, or the stricter one of today.

    Frugal's records of images laid over one another, `composed` and `patches`, were once written
    as strictly data-free. A record stays as it was written; readers are told what holds now.
    """
    kinds = record.config.get("settings", {}).get("sources")
    return record.knowledge if kinds is None else knowledge_of(SOURCES[kind] for kind in kinds)
