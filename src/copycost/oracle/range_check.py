"""Checks that queries are in the declared range, without waiting for a device."""

from __future__ import annotations

import torch
from torch import Tensor

from copycost.types import InputSpec


class RangeCheck:
    """Checks inputs on the CPU at once; of others it keeps the extremes until `verify`."""

    def __init__(self, spec: InputSpec) -> None:
        """`spec` declares the range."""
        self._spec = spec
        self._extremes: Tensor | None = None

    def see(self, x: Tensor) -> None:
        """Note inputs [N, *shape]; those on the CPU raise `SpecMismatch` if out of range."""
        if x.device.type == "cpu":
            if len(x):
                self._spec.check_range(x)
            return
        extremes = torch.stack(x.aminmax())
        if self._extremes is not None:
            low = torch.minimum(extremes[0], self._extremes[0])
            high = torch.maximum(extremes[1], self._extremes[1])
            extremes = torch.stack((low, high))
        self._extremes = extremes

    def verify(self) -> None:
        """Raise `SpecMismatch` if any input seen since the last call was out of range."""
        if self._extremes is not None:
            extremes, self._extremes = self._extremes, None
            self._spec.check_range(extremes)
