"""Rounding: release probabilities to a few decimal places."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from copycost.defences.base import Defence, parse_number
from copycost.errors import ConfigError
from copycost.victims.base import Victim

MOST_DECIMALS = 7
"""float32 holds no more."""


class Rounding(Defence):
    """Round each probability to `decimals` places, then renormalise the row.

    A truncation defence of the prediction-API literature (Tramèr et al. 2016, section 7).
    """

    argument: ClassVar[str] = "decimals"

    def __init__(self, victim: Victim, decimals: int, seed: int = 0) -> None:
        """`decimals` is 0 (only ones and zeros) to 7; `seed` is unused: nothing here is random."""
        super().__init__(victim, f"rounding:{decimals}")
        self.decimals = decimals

    @classmethod
    def read(cls, text: str) -> int:
        """Read `decimals`."""
        value = parse_number("rounding", text, 0, "a whole number of decimals")
        if value != int(value) or value > MOST_DECIMALS:
            raise ConfigError(
                [f"defence rounding:{text} needs a whole number of decimals, 0 to {MOST_DECIMALS}."]
            )
        return int(value)

    def perturb(self, p: Tensor) -> Tensor:
        """Round [N, K], row by row."""
        return p.round(decimals=self.decimals)
