"""Stopping a command: its time limit, and the message when a signal asks it to stop."""

from __future__ import annotations

import time

from copycost.cli.output import console, say
from copycost.runner.stopping import Stop


def stop_at(deadline: float | None) -> Stop:
    """A `Stop` with a time limit: `deadline`, on the monotonic clock, as `options.Deadline` has it.

    The first signal that asks to stop is acknowledged at once by a message.
    """
    left = None if deadline is None else max(0.0, deadline - time.monotonic()) / 60
    return Stop(left, told=_tell)


def _tell(reason: str) -> None:
    if reason == "SIGHUP":
        console.fall_silent()
        return
    say(
        f"Stopping by {reason} after the step in hand. A second Ctrl-C ends at once, and loses "
        "what was asked since the last checkpoint."
    )
