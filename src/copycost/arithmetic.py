"""The arithmetic in which networks are run, and the steps that it can tell apart.

TF32 keeps float32's exponent and 10 of its 23 bits of mantissa in the operands of
convolutions and matrix products, and adds up in float32. NVIDIA GPUs since Ampere compute it;
elsewhere it is emulated here, by rounding those operands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from copycost.switches import switch_tf32


class Precision(StrEnum):
    """An arithmetic."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    """Operands of products with 10 bits of mantissa; on a device without it, emulated."""
    BFLOAT16 = "bfloat16"
    """Autocast: weights and sums in float32, products in bfloat16, with 7 bits of mantissa."""


PAPER_EPSILON = 1e-3
"""The reference's step (Truong et al. 2021 and its successors), for float32 alone."""
DEFAULT_STEP = {Precision.TF32: 0.01, Precision.BFLOAT16: 0.05}
"""Steps, as root mean square change of one value, where estimates were best: see
`docs/precision.md`, from `results/precision/small.json`. A test holds the two together."""
SMALLEST_STEP = {Precision.FLOAT32: 0.0, Precision.TF32: 0.002, Precision.BFLOAT16: 0.03}
"""Steps below these drown in the rounding of that arithmetic; from the same table."""


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
    """The best step for the coarsest of the arithmetics `used` for the two points."""
    coarsest = max(used, key=list(Precision).index)
    if coarsest is Precision.FLOAT32:
        return Step(PAPER_EPSILON, dimensions)
    return Step(DEFAULT_STEP[coarsest] * math.sqrt(dimensions), dimensions)


def computing(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Within the block, networks on `device` are run in `precision`, and backwards as well.

    On CUDA, TF32 is a switch of the whole process, which is set back at the end; float32
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
    """`network` [N, …] -> [N, …] as it answers in `precision`."""

    def run(x: Tensor) -> Tensor:
        with computing(precision, device):
            return network(x)

    return run


def described(precision: Precision, device: torch.device) -> str:
    """What a record says: its name, and whether it was the device's own."""
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
    """Float32 values of any shape with 10 bits of mantissa left: to nearest, ties to even.

    NaN and infinity stay. Hardware may cut bits off instead of rounding; this is the ideal.
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
    # In inference mode these arrive whole, and not as the ones above that they are made of.
    _aten.linear.default: (0, 1),
    _aten.matmul.default: (0, 1),
    _aten.conv1d.default: (0, 1),
    _aten.conv2d.default: (0, 1),
    _aten.conv3d.default: (0, 1),
}
"""Which arguments of an operation are factors; a bias is added, not multiplied."""


class _RoundedProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """TF32 emulated: float32 operands of every product are rounded, all else is untouched.

    It acts below automatic differentiation, so that the products of a backward pass made
    within the block are rounded as well, as on a GPU.
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
