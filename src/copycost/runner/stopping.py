"""Reasons to stop a run cleanly: SIGTERM, Ctrl-C, a terminal that is gone, a time limit."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from copycost.errors import Interrupted
from copycost.ranks import Ranks

SIGNALS = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C", signal.SIGHUP: "SIGHUP"}
"""What asks a run to stop, and its name in records. A process group often gets it all at once."""


class Stop:
    """A request to stop, which a run looks for after every step; `reason` is '' until it comes."""

    def __init__(
        self, max_minutes: float | None = None, told: Callable[[str], None] = lambda reason: None
    ) -> None:
        """`max_minutes` counts from now, over all runs that share this object.

        `told` is called with the name of the first signal that asks to stop.
        """
        self._told = told
        self._deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
        self._asked = ""
        self._heard: int | None = None

    @property
    def reason(self) -> str:
        """What asked to stop, or '' to go on.

        'SIGTERM', 'Ctrl-C', 'SIGHUP', 'time limit', 'another process' or what `ask` was given.
        """
        if not self._asked and self._deadline is not None and time.monotonic() >= self._deadline:
            self._asked = "time limit"
        return self._asked

    def ask(self, reason: str) -> None:
        """Ask to stop at the end of the current step."""
        self._asked = self._asked or reason

    def heed(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.reason:
            raise Interrupted

    def agree(self, ranks: Ranks) -> None:
        """Ask to stop if any rank was asked to. All ranks must call it, once a step."""
        if ranks.several and ranks.largest(bool(self.reason)):
            self.ask("another process")

    @classmethod
    @contextmanager
    def given_or_own(cls, stop: Stop | None) -> Iterator[Stop]:
        """Yield `stop`, or one that signals trigger; after the block such a signal is raised again.

        So a script without a `Stop` loses nothing by Ctrl-C, and is still ended by it. In threads
        other than the main one, which get no signals, the new `Stop` is never triggered.
        """
        if stop is not None or threading.current_thread() is not threading.main_thread():
            yield stop or cls()
            return
        own = cls()
        try:
            with own.on_signals():
                yield own
        except Interrupted:
            own._pass_on()
            raise
        own._pass_on()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within the block the first signal asks to stop, and a later Ctrl-C interrupts at once.

        SIGHUP stays ignored if it was, as under `nohup`.
        """
        heard = set(SIGNALS)
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
            heard.remove(signal.SIGHUP)
        before = {number: signal.signal(number, self._handle) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _pass_on(self) -> None:
        if self._heard is not None:
            signal.raise_signal(self._heard)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        name = SIGNALS[signal.Signals(number)]
        first, self._heard = not self._asked, number
        self.ask(name)
        if first:
            with suppress(OSError):  # the terminal may be gone
                self._told(name)
