"""Generators' convolutions with fewer multiplications: the same functions, for a CPU in float32.

Their speed is in docs/performance.md; on a GPU they have not been measured.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeGuard, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, pad

Layer = TypeVar("Layer", bound=nn.Module)

FEW = 4
"""Most output channels for which `Narrow` pays: oneDNN computes sixteen at once, needed or not."""


class _Shared(nn.Conv2d):
    """Computes what `conv` does, a 3×3 convolution with zero padding of 1, and shares its weights.

    It remains an `nn.Conv2d`, so that code which redraws a convolution's weights redraws these.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        """Weight and bias are `conv`'s own, under the same names."""
        bias = conv.bias is not None
        # On the meta device: drawing weights that are dropped at once would use up random numbers.
        super().__init__(
            conv.in_channels, conv.out_channels, 3, padding=1, bias=bias, device="meta"
        )
        self.weight, self.bias = conv.weight, conv.bias


class Enlarging(_Shared):
    """`nn.Upsample(scale_factor=2)`, then `conv`, with a quarter of the multiplications.

    Upsampling copies each value into four places. That equals a sum over 2×2 places of an image
    with the values at every second place and zeros between. Convolutions and sums commute, so the
    3×3 may come first, as a transposed convolution of stride two, which skips the zeros.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, D, 2 · H, 2 · W]; a single image, without N, likewise.

        `nn.Upsample` would read a single image as a batch of lines and enlarge its width only.
        """
        weight = self.weight.flip(2, 3).transpose(0, 1)
        weight = weight.contiguous(memory_format=torch.channels_last)
        x = conv_transpose2d(x, weight, stride=2)
        # The compiler fuses the gradients of four slices itself, and does not accept `_Sums`.
        sums: Tensor = _sums(x) if torch.compiler.is_compiling() else _Sums.apply(x)  # type: ignore[no-untyped-call]
        # Added here because the convolution is twice as slow with a bias.
        return sums if self.bias is None else sums.add_(self.bias[:, None, None])


def _sums(x: Tensor) -> Tensor:
    """Sums over 2×2 places, [..., H + 1, W + 1] to [..., H, W]."""
    x = x[..., 1:, :] + x[..., :-1, :]
    return x[..., 1:] + x[..., :-1]


class _Sums(torch.autograd.Function):
    """`_sums` with a faster backward pass: its transpose is `_sums` of the zero-padded gradient.

    Autograd would fill an image with zeros and copy into it for each of the four slices, which
    takes three times as long.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sums(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # With a divisor of 1 this is a sum, and it pads without allocating a padded image.
        return avg_pool2d(gradient, 2, stride=1, padding=1, divisor_override=1)


class Narrow(_Shared):
    """`conv` to few channels, for 2×2 places at once, with 4/9 of oneDNN's multiplications.

    The outputs at those four places are the channels of one convolution of stride two, whose
    4×4 weights are the 3×3 ones at four offsets.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, D, H, W]; a single image, without N, likewise.

        The result is laid out channels first, which suits batch norm over few channels.
        """
        if x.shape[-2] % 2 or x.shape[-1] % 2:
            return super().forward(x)
        offsets = pad(self.weight, (1, 1, 1, 1)).unfold(2, 4, 1).unfold(3, 4, 1).flip(2, 3)
        weight = offsets.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)  # [4 · D, C, 4, 4]
        weight = weight.contiguous(memory_format=torch.channels_last)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        x = conv2d(x, weight, bias, stride=2, padding=1)
        (*n, _, h, w), d = x.shape, self.out_channels
        places = x.view(*n, d, 2, 2, h, w).movedim((-4, -3), (-3, -1))  # [..., D, H, 2, W, 2]
        return places.reshape(*n, d, 2 * h, 2 * w)


def fewer_products(network: nn.Module) -> nn.Module:
    """Replace layers in the `nn.Sequential`s of `network`, in place, by the above; return it.

    Weights keep their names and are shared with the replaced layers. Subclasses of PyTorch's
    layers and layers with hooks are left alone, as what they compute is not known.
    """
    for layers in [part for part in network.modules() if _known(part, nn.Sequential)]:
        for i, (first, second) in enumerate(pairwise(list(layers))):
            if _known(second, nn.Conv2d) and _is_plain(second):
                if _doubles(first):
                    layers[i], layers[i + 1] = nn.Identity(), Enlarging(second)
                elif second.out_channels <= FEW < second.in_channels:
                    layers[i + 1] = Narrow(second)
    return network


def _known(layer: nn.Module, kind: type[Layer]) -> TypeGuard[Layer]:
    """Whether `layer` computes what `kind` does and nothing else.

    Subclasses and hooks may compute anything: parametrised weights and weight norm use them.
    """
    return type(layer) is kind and not (layer._forward_hooks or layer._forward_pre_hooks)


def _doubles(layer: nn.Module) -> bool:
    return _known(layer, nn.Upsample) and (layer.scale_factor, layer.mode) == (2.0, "nearest")


def _is_plain(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.padding, conv.stride, conv.dilation, conv.groups)
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"
