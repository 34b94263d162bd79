"""Put named defences in front of a victim."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from copycost.defences import DEFENCES
from copycost.nets.seeded import derive
from copycost.registry import read_named
from copycost.victims.base import Victim


def defend(victim: Victim, defences: Iterable[str], seed: int = 0) -> Victim:
    """Wrap `victim` in `defences`, the first one innermost, e.g. ['noise:0.1', 'rounding:2'].

    Every defence draws from a seed of its own. Raises `ConfigError` for an unknown name or an
    invalid number.
    """
    for place, text in enumerate(defences):
        kind, number = read_defence(text)
        victim = kind(victim, number, derive(seed, f"defence {place}"))
    return victim


def read_defence(text: str) -> tuple[Any, float]:
    """The class and the number of `NAME:NUMBER`, e.g. `rounding:2`; raises as `read_named`."""
    return read_named(DEFENCES, text)
