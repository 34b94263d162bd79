"""The notice before a model is asked that copycost cannot see."""

from __future__ import annotations

from collections.abc import Iterable

from copycost.cli.output import say
from copycost.runner.own_target import is_own


def remind(places: Iterable[str]) -> None:
    """For each model of the user's own, print whose it has to be."""
    for place in dict.fromkeys(places):
        if is_own(place):
            say(
                f"{place} decides what is asked. Go on only if you own that model or have its "
                "owner's written authorisation (docs/authorised-use.md)."
            )
