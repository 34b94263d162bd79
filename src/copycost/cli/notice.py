"""The notice before a run asks a victim that copycost cannot see."""

from __future__ import annotations

from collections.abc import Iterable

from copycost.cli.output import say
from copycost.runner.config import RunConfig
from copycost.runner.own_target import is_own


def remind(runs: Iterable[RunConfig]) -> None:
    """For each victim of the user's own, print whose model it has to be."""
    for victim in dict.fromkeys(run.victim for run in runs):
        if is_own(victim):
            say(
                f"{victim} decides what is asked. Go on only if you own that model or have its "
                "owner's written authorisation (docs/authorised-use.md)."
            )
