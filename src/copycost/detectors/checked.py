"""A detector by its name, which may be of the user's own: whatever it does, an error is told."""

from __future__ import annotations

import math
from collections.abc import Iterator

from copycost.detectors import DETECTORS
from copycost.detectors.base import Detector, Look, Stream
from copycost.errors import ConfigError, told_as_faults


class Checked(Detector):
    """The detector of a name; `ConfigError` if it raises, or finds what is no number."""

    def __init__(self, name: str) -> None:
        """`name` is one in `DETECTORS`, or MODULE:CLASS."""
        self._told = f"detector {name}"
        kind = DETECTORS[name]
        with told_as_faults(self._told):
            self._inner = kind()

    @property
    def studies(self) -> bool:
        """Whether it does."""
        return self._inner.studies

    def study(self, stream: Stream) -> None:
        """Let it study."""
        with told_as_faults(self._told):
            self._inner.study(stream)

    def looks(self, stream: Stream) -> Iterator[Look]:
        """Its looks, as Python's numbers."""
        with told_as_faults(self._told):
            for look in self._inner.looks(stream):
                yield self._numbers(look)

    def _numbers(self, look: Look) -> Look:
        suspicion = float(look.suspicion)
        if math.isfinite(suspicion):
            return Look(int(look.queries), suspicion)
        raise ConfigError(
            f"{self._told}: expected a number as the suspicion after {look.queries:,} queries, got "
            f"{suspicion}."
        )
