"""Enlarging by two, then convolving 3×3: the same function with fewer than half of the products.

Enlarging copies each value into four places, so the two layers are one transposed convolution
of stride two, whose 4×4 weights are sums of the 3×3 ones. What it brings is in
docs/performance.md; on a GPU it has not been measured.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, interpolate

LEAST = 16
"""Places of an image from which on it pays."""

_SUMS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
"""[tap of the 4, tap of the 3]: which of three weights one value meets on its way."""


class Enlarging(nn.Conv2d):
    """`nn.Upsample(scale_factor=2)`, then `conv`, whose weights it shares under their names.

    It is a convolution still, so that what draws new weights for one does so here.
    """

    sums: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        """`conv` is 3×3 with a frame of one zero."""
        bias = conv.bias is not None
        # On no device: drawing weights that are dropped at once would use up random numbers.
        super().__init__(
            conv.in_channels, conv.out_channels, 3, padding=1, bias=bias, device="meta"
        )
        self.weight, self.bias = conv.weight, conv.bias
        self.register_buffer("sums", torch.tensor(_SUMS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, D, 2 · H, 2 · W]."""
        if x.shape[2] * x.shape[3] < LEAST:
            return conv2d(interpolate(x, scale_factor=2), self.weight, self.bias, padding=1)
        weight = torch.einsum("pk,ql,dckl->cdpq", self.sums, self.sums, self.weight)
        weight = weight.contiguous(memory_format=torch.channels_last)
        return conv_transpose2d(x, weight, self.bias, stride=2, padding=1)


def merged(network: nn.Module) -> nn.Module:
    """`network`, in whose sequences every such pair of layers became one; weights stay in place."""
    for layers in [part for part in network.modules() if isinstance(part, nn.Sequential)]:
        for i, (first, second) in enumerate(pairwise(list(layers))):
            if _doubles(first) and isinstance(second, nn.Conv2d) and _is_plain(second):
                layers[i], layers[i + 1] = nn.Identity(), Enlarging(second)
    return network


def _doubles(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Upsample) and (layer.scale_factor, layer.mode) == (2.0, "nearest")


def _is_plain(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.padding, conv.stride, conv.dilation, conv.groups)
    return shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"
