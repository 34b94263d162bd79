"""Names the command line knows, each with the place it is loaded from.

A registry imports what it names only when it is asked for, so that listing names and
printing help never pays for importing PyTorch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, NamedTuple, TypeVar, cast

from copycost.errors import ConfigError

T = TypeVar("T")


class Entry(NamedTuple):
    """Where a named thing lives, and the line that `copycost list` prints for it."""

    place: str
    """`package.module:attribute`."""
    summary: str


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from names to things that are imported when first looked up."""

    def __init__(self, kind: str, entries: Mapping[str, Entry]) -> None:
        """`kind` is the word errors use: 'attack', 'student', …"""
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        """Import and return what `name` stands for; `ConfigError` if nothing does."""
        self.check(name)
        module, _, attribute = self._entries[name].place.partition(":")
        return cast(T, getattr(import_module(module), attribute))

    def __iter__(self) -> Iterator[str]:
        """Names in the order they were listed."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        """Whether `name` is listed; nothing is imported."""
        return name in self._entries

    def check(self, name: str) -> None:
        """Raise `ConfigError`, with the nearest name, if `name` is not listed."""
        if name not in self._entries:
            raise ConfigError([self._unknown(name)])

    def summary(self, name: str) -> str:
        """The one line that describes `name`; nothing is imported."""
        return self._entries[name].summary

    def name_of(self, thing: T) -> str:
        """The name under which `thing` is listed; `KeyError` if it is not."""
        for name, entry in self._entries.items():
            attribute = entry.place.partition(":")[2]
            if attribute == getattr(thing, "__name__", None) and self[name] is thing:
                return name
        raise KeyError(f"{thing!r} is not a registered {self.kind}")

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._entries, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"There is no {self.kind} {name!r}. Known: {', '.join(self._entries)}.{hint}"
