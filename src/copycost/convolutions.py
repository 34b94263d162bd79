"""Convolutions of generators by fewer products: the same functions, for a CPU in float32.

What they bring is in docs/performance.md; on a GPU they have not been measured.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, pad

FEW = 4
"""Channels at most for which `Narrow` pays: oneDNN computes sixteen at once, wanted or not."""


class _Shared(nn.Conv2d):
    """Computes what `conv` does, 3×3 with a frame of one zero, whose weights it shares.

    It is a convolution still, so that what draws new weights for one does so here.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        """Weights and bias are `conv`'s own, under their names."""
        bias = conv.bias is not None
        # On no device: drawing weights that are dropped at once would use up random numbers.
        super().__init__(
            conv.in_channels, conv.out_channels, 3, padding=1, bias=bias, device="meta"
        )
        self.weight, self.bias = conv.weight, conv.bias


class Enlarging(_Shared):
    """`nn.Upsample(scale_factor=2)`, then `conv`, by a quarter of the products.

    Enlarging copies each value into four places: it is a sum over 2×2 places of an image that
    has the values at every second place and zeros between. Convolutions and sums commute, so the
    3×3 may come first, as a transposed convolution of stride two, which skips the zeros.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, D, 2 · H, 2 · W], or one image, without N, likewise.

        `nn.Upsample` takes one image for a batch of lines, and enlarges its width alone.
        """
        weight = self.weight.flip(2, 3).transpose(0, 1)
        weight = weight.contiguous(memory_format=torch.channels_last)
        x = conv_transpose2d(x, weight, stride=2)
        # A compiler fuses the gradients of four slices by itself, and takes no function of ours.
        sums: Tensor = _sums(x) if torch.compiler.is_compiling() else _Sums.apply(x)  # type: ignore[no-untyped-call]
        # Not by the convolution, which is twice as slow with a bias.
        return sums if self.bias is None else sums.add_(self.bias[:, None, None])


def _sums(x: Tensor) -> Tensor:
    """Sums over 2×2 places, [..., H + 1, W + 1] to [..., H, W]."""
    x = x[..., 1:, :] + x[..., :-1, :]
    return x[..., 1:] + x[..., :-1]


class _Sums(torch.autograd.Function):
    """`_sums`, whose transpose is itself in a frame of zeros.

    By the gradients of four slices, each an image that is filled with zeros and copied into, it
    would take three times as long.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sums(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # A mean that does not divide: it spares the frame, which would be an image of its own.
        return avg_pool2d(gradient, 2, stride=1, padding=1, divisor_override=1)


class Narrow(_Shared):
    """`conv` to few channels, for 2×2 places at once, by 4/9 of the products.

    Of such a place the channels of its four are those of one convolution of stride two, whose
    4×4 weights are the 3×3 ones at four offsets.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, D, H, W], or one image, without N, likewise.

        Its channels come first, which batch norm prefers for few.
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
    """`network` itself, changed: in its sequences these take the places of what they do.

    Weights stay, under their names, and are shared with the layers that were there. Layers of
    one's own stay as well, and those that are watched: only PyTorch's are known.
    """
    sequences = [part for part in network.modules() if isinstance(part, nn.Sequential)]
    for layers in [part for part in sequences if _known(part, nn.Sequential)]:
        for i, (first, second) in enumerate(pairwise(list(layers))):
            if isinstance(second, nn.Conv2d) and _is_plain(second):
                if _doubles(first):
                    layers[i], layers[i + 1] = nn.Identity(), Enlarging(second)
                elif second.out_channels <= FEW < second.in_channels:
                    layers[i + 1] = Narrow(second)
    return network


def _known(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether it does what `kind` does and no more.

    Subclasses and hooks may do anything: parametrised weights and weight norm come as such.
    """
    return type(layer) is kind and not (layer._forward_hooks or layer._forward_pre_hooks)


def _doubles(layer: nn.Module) -> bool:
    if not (isinstance(layer, nn.Upsample) and _known(layer, nn.Upsample)):
        return False
    return (layer.scale_factor, layer.mode) == (2.0, "nearest")


def _is_plain(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.padding, conv.stride, conv.dilation, conv.groups)
    plain = shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"
    return plain and _known(conv, nn.Conv2d)
