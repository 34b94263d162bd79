"""Targets of the user's own: MODULE:FUNCTION, a function that returns one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from os import sep
from pathlib import Path
from sysconfig import get_paths
from traceback import extract_tb

from copycost.errors import ConfigError, CopycostError
from copycost.registry import Registry
from copycost.runner.target import Target
from copycost.settings import explained

TARGETS: Registry[Callable[[], object]] = Registry("function that returns a target", {}, callable)
"""Users bring all of them."""
LIBRARIES = tuple(
    f"{folder}{sep}"
    for folder in (
        *(get_paths()[kind] for kind in ("stdlib", "purelib", "platlib")),
        Path(__file__).parents[1],
    )
)
"""Where code lies that is not the user's."""


def is_own(victim: str) -> bool:
    """Whether `victim` is written as MODULE:FUNCTION."""
    return ":" in victim and "/" not in victim


def own_target(place: str, data: str | None) -> Target:
    """The target that the function at `place`, MODULE:FUNCTION, returns.

    Raises `ConfigError` if there is no such function, if it raises or returns anything else, or
    for `data`, as a target brings its own.
    """
    check_own(place, data)
    target = _called(place)
    if not isinstance(target, Target):
        raise ConfigError(
            f"victim: expected a copycost.Target from {place}(), got {target!r:.60}. Let the "
            "function return Target(victim, held_out, dataset)."
        )
    return target


def check_own(place: str, data: str | None) -> None:
    """Raise `ConfigError` if there is no function at `place`, or for `data`."""
    TARGETS.check(place)
    if data is not None:
        raise ConfigError(
            f"data: {place} brings the data to judge copies on, got {data} too. Leave --data out."
        )


@cache
def own_hash(place: str) -> str:
    """The content hash of the victim that the function at `place` returns; called once."""
    return own_target(place, None).content_hash


def _called(place: str) -> object:
    try:
        return TARGETS[place]()
    except CopycostError:
        raise
    except Exception as error:  # of the user's own code, which may raise anything
        what = " ".join(explained(error).split())
        raise ConfigError(
            f"victim: {place}() raised {type(error).__name__}: {what}, in {_where(error)}."
        ) from error


def _where(error: Exception) -> str:
    """The innermost line of the user's code that `error` came through, not of a library's."""
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(LIBRARIES)]
    last = (own or frames)[-1]
    return f"{last.filename}, line {last.lineno}"
