"""Names that the command line knows, each with the place that it is loaded from.

A registry imports an object only when it is looked up, so that listing names and printing
help never import PyTorch. Where users may bring their own objects, the name is the place
itself, `package.module:attribute`, where other processes and machines find it too.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, NamedTuple, TypeVar, cast

from copycost.errors import ConfigError, told_as_faults

T = TypeVar("T")


class Entry(NamedTuple):
    """The place of a named object, and the line that `copycost list` prints for it."""

    place: str
    """`package.module:attribute`."""
    summary: str


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from names to objects that are imported when first looked up."""

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, Entry],
        own: Callable[[object], bool] | None = None,
    ) -> None:
        """`kind` is the word that errors use: 'attack', 'student', …

        `own` tells whether a user's object is of this kind; None if users may not bring any.
        """
        self.kind = kind
        self._entries = dict(entries)
        self._own = own

    def __getitem__(self, name: str) -> T:
        """Import and return what `name` stands for; `ConfigError` if nothing does."""
        if name in self._entries:
            return cast(T, _load(self._entries[name].place))
        if self._own is None or ":" not in name:
            raise ConfigError(self._unknown(name))
        return self._brought(name, self._own)

    def __iter__(self) -> Iterator[str]:
        """Names in the order they were listed."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        """Whether `name` is listed or could be a user's place; nothing is imported."""
        own = self._own is not None and isinstance(name, str) and ":" in name
        return own or name in self._entries

    def check(self, name: str) -> None:
        """Raise `ConfigError`, with the nearest name, if `name` stands for nothing.

        Listed objects are not imported.
        """
        if name not in self._entries:
            self[name]

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

    def _brought(self, place: str, own: Callable[[object], bool]) -> T:
        try:
            thing = _load(place)
        except Exception as error:  # of the user's own code, which may raise anything
            raise ConfigError(
                f"There is no {self.kind} at {place!r}: {type(error).__name__}: {error}. Write "
                "MODULE:NAME of what Python can import; PYTHONPATH=. lets it look in this "
                "folder."
            ) from error
        if not own(thing):
            raise ConfigError(f"{place!r} is no {self.kind}, but {thing!r}.")
        return cast(T, thing)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._entries, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"There is no {self.kind} {name!r}. Known: {', '.join(self._entries)}.{hint}"


def read_named(kinds: Registry[type[Any]], text: str) -> tuple[Any, Any]:
    """The class that `text` names, and what its `read` makes of the value after the name.

    `text` is `NAME`, `NAME:VALUE`, `MODULE:CLASS` or `MODULE:CLASS:VALUE`. The class says what its
    value must be, `wanted`, and by which word to name it, `argument`, '' if it takes none.

    Raises `ConfigError` for an unknown name, for a value that `read` refuses by `ValueError`, and
    for whatever else a user's own class raises.
    """
    parts = text.split(":")
    own = parts[0] not in kinds and parts[1:2] and parts[1].isidentifier()
    named = 2 if own else 1
    name, value = ":".join(parts[:named]), ":".join(parts[named:])
    kind = kinds[name]
    with told_as_faults(f"{kinds.kind} {text}"):
        try:
            return kind, kind.read(value)
        except ValueError:
            form = f"{name}:{kind.argument.upper()}" if kind.argument else name
            raise ConfigError(
                f"{kinds.kind} {text} needs {kind.wanted} after its name: {form}."
            ) from None


def derived_from(base: str) -> Callable[[object], bool]:
    """Whether a thing is a class derived from the one at the place `base`, imported when asked."""

    def derived(thing: object) -> bool:
        return isinstance(thing, type) and issubclass(thing, cast(type, _load(base)))

    return derived


def _load(place: str) -> object:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
