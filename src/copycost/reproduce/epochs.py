"""The paper counts epochs of 50 iterations; this module converts them to queries."""

from __future__ import annotations

from typing import Any

from copycost.attacks import ATTACKS
from copycost.presets.kwon2023.scales import ITERATIONS
from copycost.runner.record import Record
from copycost.settings import read_settings


def queries_of_epoch(record: Record) -> int:
    """Queries that 50 iterations of this run's attack ask."""
    settings: dict[str, Any] = record.config["settings"]
    attack = read_settings(ATTACKS[record.attack], dict(settings))
    queries: int = ITERATIONS * attack.batch_size * attack.queries_per_image
    return queries
