"""What stops a command, and what the person at the terminal is told when it does."""

from __future__ import annotations

from copycost.cli.output import console, say
from copycost.runner.stopping import Stop


def stop_after(max_minutes: float | None) -> Stop:
    """A time limit and signals; the first signal is answered at once."""
    return Stop(max_minutes, told=_tell)


def _tell(reason: str) -> None:
    if reason == "SIGHUP":
        console.fall_silent()
        return
    say(
        f"Stopping by {reason} after the step in hand. A second Ctrl-C ends at once, and loses "
        "what was asked since the last checkpoint."
    )
