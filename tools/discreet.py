"""An attacker who knows of the detector `confidence`, for docs/detectors.md."""

from __future__ import annotations

from pydantic.dataclasses import dataclass
from torch import Tensor

from copycost.attacks.frugal import Frugal
from copycost.settings import SETTINGS


@dataclass(frozen=True, config=SETTINGS)
class Discreet(Frugal):
    """Frugal that asks what its students are surest of: the victim should be as sure of that."""

    def doubt(self, p: Tensor) -> Tensor:
        """The less of it, the better: the opposite of Frugal's."""
        return -super().doubt(p)
