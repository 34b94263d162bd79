"""Put named defences in front of a victim."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from copycost.defences import DEFENCES
from copycost.errors import ConfigError, told_as_faults
from copycost.nets.seeded import derive
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
    """The class and the number of `NAME:NUMBER`, e.g. `rounding:2`. Raises `ConfigError`."""
    name, _, number = text.partition(":")
    if name not in DEFENCES and ":" in number:
        name, _, number = text.rpartition(":")
    kind = DEFENCES[name]
    with told_as_faults(f"defence {text}"):
        try:
            return kind, kind.read(number)
        except ValueError:
            raise ConfigError(
                f"defence {text} needs {kind.wanted}, after the colon: "
                f"{name}:{kind.argument.upper()}."
            ) from None
