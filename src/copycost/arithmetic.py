"""The arithmetic in which networks run, and the finite-difference steps that it can resolve.

TF32 keeps float32's exponent and 10 of its 23 mantissa bits in the operands of convolutions
and matrix products, and accumulates in float32. NVIDIA GPUs since Ampere support it;
elsewhere this module emulates it by rounding those operands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from copycost.switches import switch_tf32
from copycost.types import Precision

PAPER_EPSILON = 1e-3
"""ε of DFME (Truong et al. 2021) and its successors, for float32 only."""
DEFAULT_STEP = {Precision.TF32: 0.01, Precision.BFLOAT16: 0.05}
"""Steps that gave the best estimates, as the root mean square change of one value: see
`docs/precision.md`, from `results/precision/small.json`. A test checks that they agree."""
SMALLEST_STEP = {Precision.FLOAT32: 0.0, Precision.TF32: 0.002, Precision.BFLOAT16: 0.03}
"""Smaller steps are lost in the rounding of that arithmetic; from the same table."""


class Step(NamedTuple):
    """The step of a finite difference: its length ε, and the d values that it moves."""

    epsilon: float
    dimensions: int

    @property
    def per_value(self) -> float:
        """Root mean square change of one value, ε / √d: what an arithmetic has to resolve."""
        return self.epsilon / math.sqrt(self.dimensions)

    def survives(self, precision: Precision) -> bool:
        """Whether a difference over this step is more than rounding noise in `precision`."""
        return self.per_value >= SMALLEST_STEP[precision]


def default_step(dimensions: int, *used: Precision) -> Step:
    """The best step for the coarsest of `used`, the arithmetics that evaluate the two points."""
    coarsest = max(used, key=list(Precision).index)
    if coarsest is Precision.FLOAT32:
        return Step(PAPER_EPSILON, dimensions)
    return Step(DEFAULT_STEP[coarsest] * math.sqrt(dimensions), dimensions)


def computing(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Within the block, networks on `device` run in `precision`, backward passes included.

    On CUDA, TF32 is a switch of the whole process, which is restored at the end; float32
    switches it off.
    """
    if precision is Precision.BFLOAT16:
        return torch.autocast(device.type, torch.bfloat16)
    if device.type == "cuda":
        return _tf32_switched(precision is Precision.TF32)
    return rounded_products() if precision is Precision.TF32 else nullcontext()


def computed_in(
    precision: Precision, device: torch.device, network: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """`network`, a function [N, …] -> [N, …], run in `precision`."""

    def run(x: Tensor) -> Tensor:
        with computing(precision, device):
            return network(x)

    return run


def described(precision: Precision, device: torch.device) -> str:
    """The name of `precision` for a record, marked where it is emulated."""
    emulated = precision is Precision.TF32 and device.type != "cuda"
    return f"{precision} (emulated)" if emulated else str(precision)


@contextmanager
def _tf32_switched(on: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    switch_tf32(on)
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def round_to_tf32(x: Tensor) -> Tensor:
    """Round float32 values of any shape to 10 mantissa bits: to nearest, ties to even.

    NaN and infinity are kept. Hardware may truncate instead of rounding; this is the ideal.
    """
    bits = x.view(torch.int32)
    # Adding just under half of the last bit kept, and one more where that bit is odd, carries
    # into it exactly when the number has to be rounded up.
    rounded = bits + (0x0FFF + ((bits >> 13) & 1))
    kept = (rounded & ~0x1FFF).view(torch.float32)
    return torch.where(x.isfinite(), kept, x)


_aten = torch.ops.aten
_OPERANDS: Mapping[Any, Sequence[int]] = {
    _aten.convolution.default: (0, 1),
    _aten.convolution_backward.default: (0, 1, 2),
    _aten.mm.default: (0, 1),
    _aten.bmm.default: (0, 1),
    _aten.addmm.default: (1, 2),
    _aten.baddbmm.default: (1, 2),
    # In inference mode these arrive as they are, not decomposed into the operations above.
    _aten.linear.default: (0, 1),
    _aten.matmul.default: (0, 1),
    _aten.conv1d.default: (0, 1),
    _aten.conv2d.default: (0, 1),
    _aten.conv3d.default: (0, 1),
}
"""Positions of the arguments that an operation multiplies; a bias is only added."""


class _RoundedProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Emulates TF32: rounds the float32 operands of every product and leaves all else untouched.

    It acts below autograd, so that the products of a backward pass within the block are
    rounded as well, as on a GPU.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by PyTorch for every operation in the block."""
        factors = _OPERANDS.get(func, ())
        if factors:
            args = [_rounded(a) if i in factors else a for i, a in enumerate(args)]
        return func(*args, **(kwargs or {}))


def rounded_products() -> AbstractContextManager[Any]:
    """Within the block, TF32 is emulated, on any device."""
    mode: AbstractContextManager[Any] = _RoundedProducts()  # type: ignore[no-untyped-call]
    return mode


def _rounded(x: Any) -> Any:
    return round_to_tf32(x) if x.dtype is torch.float32 else x
