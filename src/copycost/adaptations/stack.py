"""Read named adaptations, and say whether they have anything to do."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from copycost.adaptations import ADAPTATIONS
from copycost.adaptations.base import Adaptation
from copycost.errors import ConfigError
from copycost.types import Access


def read_adaptations(texts: Sequence[str]) -> list[Adaptation]:
    """One for each text, in the order in which answers pass them. Raises `ConfigError`."""
    return [read_adaptation(text) for text in texts]


def read_adaptation(text: str) -> Adaptation:
    """The one named `NAME`, `NAME:VALUE`, `MODULE:CLASS` or `MODULE:CLASS:VALUE`.

    Raises `ConfigError` for an unknown name or an invalid value.
    """
    parts = text.split(":")
    named = 1 if parts[0] in ADAPTATIONS else 2
    name, value = ":".join(parts[:named]), ":".join(parts[named:])
    kind = ADAPTATIONS[name]
    try:
        return kind.read(value)
    except ValueError:
        form = f"{name}:{kind.argument.upper()}" if kind.argument else name
        raise ConfigError(
            f"adaptation {text} needs {kind.wanted} after its name: {form}."
        ) from None


def idle(texts: Sequence[str], access: Access, *, defended: bool) -> list[str]:
    """A line for each of the named ones that can do nothing with answers at `access`."""
    lines = []
    for text, adaptation in zip(texts, read_adaptations(texts), strict=True):
        why = adaptation.idle(access, defended)
        lines += [f"{text} {why}. Leave it out"] if why else []
        access = adaptation.gives(access)
    return lines


def queries_per_input(adaptations: Sequence[Adaptation]) -> int:
    """Queries that asking about one input costs with all of them."""
    return prod(adaptation.queries_per_input for adaptation in adaptations)
