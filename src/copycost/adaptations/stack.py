"""Read named adaptations, and say whether they have anything to do."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from copycost.adaptations import ADAPTATIONS
from copycost.adaptations.base import Adaptation
from copycost.errors import ConfigError, told_as_faults
from copycost.registry import read_named
from copycost.types import Access


def read_adaptations(texts: Sequence[str]) -> list[Adaptation]:
    """One for each text, in the order in which answers pass them. Raises `ConfigError`."""
    return [read_adaptation(text) for text in texts]


def read_adaptation(text: str) -> Adaptation:
    """The one that `text` names: see `read_named`, whose errors it raises.

    Raises `ConfigError` as well for the faults of a user's own.
    """
    _, made = read_named(ADAPTATIONS, text)
    with told_as_faults(f"adaptation {text}"):
        _check(text, made)
    adaptation: Adaptation = made
    return adaptation


def _check(text: str, made: object) -> None:
    if not isinstance(made, Adaptation):
        raise ConfigError(f"adaptation {text}: expected `read` to make one, got {made!r:.60}.")
    each = made.queries_per_input
    if not (isinstance(each, int) and each >= 1):
        raise ConfigError(
            f"adaptation {text}: expected a whole number of queries per input, 1 or more, got "
            f"{each!r:.60}."
        )


def idle(texts: Sequence[str], access: Access, *, defended: bool) -> list[str]:
    """A line for each of the named ones that can do nothing with answers at `access`.

    Raises `ConfigError` if one cannot say so, as a user's own.
    """
    lines = []
    for text, adaptation in zip(texts, read_adaptations(texts), strict=True):
        with told_as_faults(f"adaptation {text}"):
            why = adaptation.idle(access, defended)
            access = adaptation.gives(access)
        lines += [f"{text} {why}. Leave it out"] if why else []
    return lines


def queries_per_input(adaptations: Sequence[Adaptation]) -> int:
    """Queries that asking about one input costs with all of them."""
    return prod(adaptation.queries_per_input for adaptation in adaptations)
