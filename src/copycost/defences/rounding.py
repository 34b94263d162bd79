"""Rounding: release probabilities to a few decimal places."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from copycost.defences.base import Defence
from copycost.victims.base import Victim

MOST_DECIMALS = 7
"""float32 holds no more."""


class Rounding(Defence):
    """Round each probability to `decimals` places, then renormalise the row.

    A truncation defence of the prediction-API literature (Tramèr et al. 2016, section 7).
    """

    argument: ClassVar[str] = "decimals"
    wanted: ClassVar[str] = f"a whole number of decimals, 0 to {MOST_DECIMALS}"

    def __init__(self, victim: Victim, decimals: int, seed: int = 0) -> None:
        """`decimals` is 0 (only ones and zeros) to 7; `seed` is unused: nothing here is random."""
        super().__init__(victim, f"rounding:{decimals}")
        self.decimals = decimals

    @classmethod
    def read(cls, text: str) -> int:
        """Read `decimals`."""
        decimals = int(text)
        if not 0 <= decimals <= MOST_DECIMALS:
            raise ValueError
        return decimals

    def perturb(self, p: Tensor) -> Tensor:
        """Round [N, K], row by row."""
        return p.round(decimals=self.decimals)
