"""Networks through `torch.compile`."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor, nn


class Compile(StrEnum):
    """Whether networks go through `torch.compile`. It takes a minute or more at the start."""

    OFF = "off"
    ON = "on"
    GRAPHS = "graphs"
    """With CUDA graphs, which leave the host nothing to launch; on CUDA only."""


_MODES = {Compile.ON: "default", Compile.GRAPHS: "reduce-overhead"}


class Compiled(nn.Module):
    """A module compiled for the batch sizes it meets first, and run as it is for all others.

    A run has two sizes, the student's and the estimate's, until its last two steps, whose odd
    sizes are not worth a minute of compiling each.
    """

    SIZES = 2

    def __init__(self, module: nn.Module, mode: Compile) -> None:
        """Share the weights of `module`, which is compiled when it is first called."""
        super().__init__()
        self.module, self._mode = module, mode
        self._fast = torch.compile(module, mode=_MODES[mode], dynamic=False)
        self._sizes: set[int] = set()

    def forward(self, x: Tensor) -> Tensor:
        """What the module answers to [N, ...]."""
        if len(self._sizes) < self.SIZES:
            self._sizes.add(len(x))
        output: Tensor = (self._fast if len(x) in self._sizes else self.module)(x)
        if self._mode is Compile.GRAPHS and not output.requires_grad:
            # An answer is kept while other graphs run, which may write where it lies.
            return output.clone()
        return output
