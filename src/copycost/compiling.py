"""Compile networks with `torch.compile`."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from copycost.types import Compile

RECOMPILED = 64
"""Variants in which one class of nets may be compiled. PyTorch's own limit is 8, past which it
runs the net uncompiled and warns once."""
_MODES = {Compile.ON: "default", Compile.GRAPHS: "reduce-overhead"}


def has_compiler() -> bool:
    """Whether PyTorch finds a C++ compiler, which it needs to compile for a CPU."""
    # Imported late: it takes a second or two, and few runs compile.
    from torch._inductor.cpp_builder import get_cpp_compiler  # noqa: PLC0415
    from torch._inductor.exc import InvalidCxxCompiler  # noqa: PLC0415

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True


class Compiled(nn.Module):
    """A module compiled for the batch sizes of a run's steps; other sizes run uncompiled.

    Within a step one network sees two sizes at most, such as a student's batch and all points of
    an estimate. The last two steps of a budget, and occasional calls between steps, have other
    sizes, which are not worth a minute of compiling each.
    """

    SIZES = 2

    def __init__(self, module: nn.Module, mode: Compile, batch_size: int | None = None) -> None:
        """Share the weights of `module`, which is compiled when it is first called.

        `batch_size` is that of a step: only its multiples and divisors are compiled for. With
        None, the first two sizes seen are.
        """
        super().__init__()
        # PyTorch advises users of recent GPUs to switch TF32 on; here a setting decides that.
        warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
        # All nets of one class share this limit, and one process may do many runs.
        torch._dynamo.config.recompile_limit = max(RECOMPILED, torch._dynamo.config.recompile_limit)
        self.module, self._mode, self._batch_size = module, mode, batch_size
        self._fast = torch.compile(module, mode=_MODES[mode], dynamic=False)
        self._sizes: set[int] = set()

    def forward(self, x: Tensor) -> Tensor:
        """The module's output for [N, ...]."""
        if len(self._sizes) < self.SIZES and self._is_of_a_step(len(x)):
            self._sizes.add(len(x))
        output: Tensor = (self._fast if len(x) in self._sizes else self.module)(x)
        if self._mode is Compile.GRAPHS and not output.requires_grad:
            # Callers keep an output while other graphs run, which may overwrite its memory.
            return output.clone()
        return output

    def _is_of_a_step(self, n: int) -> bool:
        whole = self._batch_size
        return n > 0 and (whole is None or n % whole == 0 or whole % n == 0)
