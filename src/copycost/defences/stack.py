"""Put named defences in front of a victim."""

from __future__ import annotations

from collections.abc import Iterable

from copycost.defences import DEFENCES
from copycost.errors import ConfigError
from copycost.victims.base import Victim


def defend(victim: Victim, defences: Iterable[str], seed: int = 0) -> Victim:
    """Wrap `victim` in `defences`, the first one innermost, e.g. ['noise:0.1', 'rounding:2'].

    Every defence draws from a seed of its own. Raises `ConfigError` for an unknown name or a
    number that makes no sense.
    """
    for place, text in enumerate(defences):
        name, colon, argument = text.partition(":")
        kind = DEFENCES[name]
        if not colon:
            raise ConfigError([f"defence {name!r} needs a number: {name}:{kind.argument.upper()}."])
        victim = kind.parse(victim, argument, seed + 7919 * place)
    return victim
